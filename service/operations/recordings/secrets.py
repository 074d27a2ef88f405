"""The secret part of a recording: the page's and the push target's full URLs, sealed in its row."""

from dataclasses import dataclass, field

import orjson

from service.database.sealing import Seals, make_key_file
from service.settings import Settings

PURPOSE = "recordings.sealed"


@dataclass(frozen=True, slots=True)
class PageSecrets:
    """The URLs as the caller gave them, hidden from the repr. `rtmp_urls` contains push targets by version. The
    previous target is kept while Agora may still refuse the next."""

    url: str = field(repr=False)
    rtmp_urls: dict[str, str] = field(repr=False, default_factory=dict)

    def rtmp_url(self, version: int) -> str | None:
        """Return the target of this version, or None if the recording has no push."""
        return self.rtmp_urls.get(str(version))


def sealing_keys(settings: Settings) -> list[str]:
    """Return the keys of the settings, or the embedded database's own key, which is created at the first start."""
    own = settings.database.own_key_file
    if own is not None:
        return [make_key_file(own)]
    # During a rotation both files may contain the same key.
    return list(dict.fromkeys(key.get() for key in settings.database.sealing_keys or ()))


def seal_page(seals: Seals, page: PageSecrets) -> bytes:
    return seals.seal(orjson.dumps({"url": page.url, "rtmp_urls": page.rtmp_urls}), PURPOSE)


def open_page(seals: Seals, sealed: bytes) -> PageSecrets:
    return PageSecrets(**orjson.loads(seals.open(sealed, PURPOSE)))
