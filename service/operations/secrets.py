"""The secret part of a recording: the page's and the push target's full URLs, sealed in its row."""

from dataclasses import dataclass, field

import orjson

from service.database.sealing import Seals

PURPOSE = "recordings.sealed"


@dataclass(frozen=True, slots=True)
class PageSecrets:
    """The URLs as the caller gave them. They appear in no repr."""

    url: str = field(repr=False)
    rtmp_url: str | None = field(repr=False, default=None)


def seal_page(seals: Seals, page: PageSecrets) -> bytes:
    return seals.seal(orjson.dumps({"url": page.url, "rtmp_url": page.rtmp_url}), PURPOSE)


def open_page(seals: Seals, sealed: bytes) -> PageSecrets:
    return PageSecrets(**orjson.loads(seals.open(sealed, PURPOSE)))
