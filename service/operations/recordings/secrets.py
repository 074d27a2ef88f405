"""The secret part of a recording: the page's and the push target's full URLs, sealed in its row."""

from dataclasses import dataclass, field

import orjson

from service.database.sealing import Seals, make_key_file
from service.settings import Settings

PURPOSE = "recordings.sealed"


@dataclass(frozen=True, slots=True)
class PageSecrets:
    """The URLs as the caller gave them. They appear in no repr. `rtmp_urls`: push targets by the version of the wish;
    the one before stays as long as Agora may refuse the one after."""

    url: str = field(repr=False)
    rtmp_urls: dict[str, str] = field(repr=False, default_factory=dict)

    def rtmp_url(self, version: int) -> str | None:
        """The target of this version; None where nothing is pushed."""
        return self.rtmp_urls.get(str(version))


def sealing_keys(settings: Settings) -> list[str]:
    """The keys of the settings, or the embedded database's own, made at the first start."""
    own = settings.database.own_key_file
    if own is not None:
        return [make_key_file(own)]
    # In the middle of a rotation both files hold the same one.
    return list(dict.fromkeys(key.get() for key in settings.database.sealing_keys or ()))


def seal_page(seals: Seals, page: PageSecrets) -> bytes:
    return seals.seal(orjson.dumps({"url": page.url, "rtmp_urls": page.rtmp_urls}), PURPOSE)


def open_page(seals: Seals, sealed: bytes) -> PageSecrets:
    return PageSecrets(**orjson.loads(seals.open(sealed, PURPOSE)))
