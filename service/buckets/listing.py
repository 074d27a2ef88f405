"""Reads the XML of one LIST page while it arrives.

botocore reads a page of 1,000 keys in one go, and holds the loop for 80 ms; here expat eats it in small bites. The
XML comes from a stranger: no document type, no entities, bounded texts, bounded depth, bounded length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_plus
from xml.parsers import expat

from service.report import ListedObject

BITE_BYTES = 16_384
MAX_PAGE_BYTES = 8 * 1024 * 1024
_MAX_TEXT = 8_192
_MAX_DEPTH = 8
_MAX_OBJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a page of this dialect has what: `page` fields below the root by name, and below each `item` (a path from
    the root) key, size, ETag and time by their path."""

    root: str
    page: frozenset[str]
    item: tuple[str, ...]
    key: tuple[str, ...]
    size: tuple[str, ...]
    etag: tuple[str, ...]
    modified: tuple[str, ...]
    instant: Callable[[str], datetime]


S3_SHAPE = Shape(
    root="ListBucketResult",
    page=frozenset({"IsTruncated", "NextContinuationToken", "EncodingType"}),
    item=("Contents",),
    key=("Key",),
    size=("Size",),
    etag=("ETag",),
    modified=("LastModified",),
    instant=datetime.fromisoformat,
)
AZURE_SHAPE = Shape(
    root="EnumerationResults",
    page=frozenset({"NextMarker"}),
    item=("Blobs", "Blob"),
    key=("Name",),
    size=("Properties", "Content-Length"),
    etag=("Properties", "Etag"),
    modified=("Properties", "Last-Modified"),
    instant=parsedate_to_datetime,
)


class NotAListing(Exception):
    """The answer is no page of a listing, with the reason. Holds nothing of what was read."""


class PageReader:
    """One page: `feed` bites of it, then `close`; `objects` are in the order of the page."""

    def __init__(self, shape: Shape = S3_SHAPE) -> None:
        self._shape = shape
        self._fields = frozenset({shape.key, shape.size, shape.etag, shape.modified})
        self._names = frozenset(path[-1] for path in self._fields)
        self._item_depth = 1 + len(shape.item)
        self._in_item = False
        self._field: tuple[str, ...] | None = None
        self.objects: list[ListedObject] = []
        self._page: dict[str, str] = {}
        self._object: dict[tuple[str, ...], str] = {}
        self._path: list[str] = []
        self._texts: list[str] | None = None
        self._length = 0
        self._size = 0
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def feed(self, bite: bytes) -> None:
        """Take the next bytes. Raises NotAListing."""
        self._size += len(bite)
        if self._size > MAX_PAGE_BYTES:
            raise NotAListing("the page is too long")
        self._parse(bite, last=False)

    def close(self) -> None:
        """The page is over. Raises NotAListing where it ended too early."""
        self._parse(b"", last=True)

    @property
    def truncated(self) -> bool:
        """Whether more pages follow."""
        return self._page.get("IsTruncated") == "true" or bool(self._page.get("NextMarker"))

    @property
    def token(self) -> str | None:
        """What to ask the next page with."""
        return self._page.get("NextContinuationToken") or self._page.get("NextMarker")

    def _parse(self, bite: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(bite, last)
        except (expat.ExpatError, ValueError, OverflowError):
            raise NotAListing("the page is not well-formed") from None

    def _refuse(self, *_: object) -> None:
        raise NotAListing("the page has a document type")

    def _start(self, name: str, _: dict[str, str]) -> None:
        path, shape = self._path, self._shape
        path.append(name)
        depth = len(path)
        if depth == 1 and name != shape.root:
            raise NotAListing("the answer is something else")
        if depth > _MAX_DEPTH:
            raise NotAListing("the page is nested too deep")
        self._field = None
        if self._in_item:
            # Few names are wanted, so few paths are looked at: a page has ten thousand elements.
            below = tuple(path[self._item_depth :]) if name in self._names else ()
            self._field = below if below in self._fields else None
        elif depth == self._item_depth and tuple(path[1:]) == shape.item:
            self._in_item = True
        wanted = self._field is not None or (depth == 2 and name in shape.page)
        self._texts = [] if wanted else None
        self._length = 0

    def _text(self, text: str) -> None:
        if self._texts is not None:
            self._length += len(text)
            if self._length > _MAX_TEXT:
                raise NotAListing("a text is too long")
            self._texts.append(text)

    def _end(self, name: str) -> None:
        depth, texts = len(self._path), self._texts
        if texts is not None:
            if self._field is None:
                self._page[name] = "".join(texts)
            else:
                self._object[self._field] = "".join(texts)
            self._texts = None
        elif self._in_item and depth == self._item_depth:
            self._in_item = False
            self._take_object()
        self._path.pop()

    def _take_object(self) -> None:
        fields, self._object = self._object, {}
        if len(self.objects) >= _MAX_OBJECTS:
            raise NotAListing("the page holds too many objects")
        shape = self._shape
        try:
            size = int(fields[shape.size])
            modified_at = shape.instant(fields[shape.modified]).timestamp()
            etag = fields.get(shape.etag, "").strip('"')
            self.objects.append(ListedObject(fields[shape.key], size, etag, modified_at))
        except (KeyError, ValueError, OverflowError, TypeError):
            raise NotAListing("an object lacks its key, size or time") from None

    def decoded(self) -> list[ListedObject]:
        """The objects, with keys decoded where the page says that they are URL-encoded."""
        if self._page.get("EncodingType") != "url":
            return self.objects
        return [ListedObject(unquote_plus(one.key), one.size_bytes, one.etag, one.modified_at) for one in self.objects]
