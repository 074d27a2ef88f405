"""Parses the XML of one LIST page while it arrives.

botocore parses a page of 1,000 keys at once and blocks the loop for 80 ms; here expat parses it in small chunks. The
XML is untrusted: no document type, no entities, and bounded texts, depth and length. Only the key of an object is
required: other missing or malformed values are absent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus
from xml.parsers import expat

from service.buckets.listing.repair import Repair
from service.http.headers import parse_count, parse_etag, parse_instant
from service.report import ListedObject

BITE_BYTES = 16_384
UNSIZED = -1
"""The size of an object for which the page states none."""

# Small stores return everything in one page: about 250 bytes of memory and of text per object.
_MAX_PAGE_BYTES = 64 * 1024 * 1024
_MAX_OBJECTS = 200_000
_MAX_TEXT = 8_192
_MAX_DEPTH = 8
_ENCODED = re.compile(r"[!-~]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shape:
    """The positions of values in a page of this dialect: the `page` fields below the root by name, and below each
    `item` (a path from the root) key, size, ETag and time by their path."""

    root: str
    page: frozenset[str]
    item: tuple[str, ...]
    key: tuple[str, ...]
    size: tuple[str, ...]
    etag: tuple[str, ...]
    modified: tuple[str, ...]


S3_SHAPE = Shape(
    root="ListBucketResult",
    page=frozenset({"IsTruncated", "NextContinuationToken", "NextMarker", "EncodingType"}),
    item=("Contents",),
    key=("Key",),
    size=("Size",),
    etag=("ETag",),
    modified=("LastModified",),
)
AZURE_SHAPE = Shape(
    root="EnumerationResults",
    page=frozenset({"NextMarker"}),
    item=("Blobs", "Blob"),
    key=("Name",),
    size=("Properties", "Content-Length"),
    etag=("Properties", "Etag"),
    modified=("Properties", "Last-Modified"),
)


class NotAListing(Exception):
    """The answer is not a page of a listing; the text states the reason and contains nothing of the answer."""


class NotWellFormed(NotAListing):
    """The answer is not XML, or contains characters that XML does not allow."""


class PageReader:
    """Parses one page: `feed` its chunks, then `close`; `objects` are in page order. `repaired`: characters that XML
    does not allow are replaced; see `Repair`."""

    def __init__(self, shape: Shape = S3_SHAPE, *, repaired: bool = False) -> None:
        self._shape = shape
        self._repair = Repair() if repaired else None
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
        """Parse the next bytes. Raise NotAListing."""
        self._size += len(bite)
        if self._size > _MAX_PAGE_BYTES:
            raise NotAListing("the page is too long")
        self._parse(bite, last=False)

    def close(self) -> None:
        """Finish the page. Raise NotAListing if it is truncated."""
        self._parse(b"", last=True)

    @property
    def truncated(self) -> bool:
        """Return whether more pages follow. If the page does not state this, a token implies it."""
        declared = self._page.get("IsTruncated", "").strip().lower()
        return declared in ("true", "1") if declared else self.token is not None

    @property
    def token(self) -> str | None:
        """Return the token for the next page, or None."""
        return self._page.get("NextContinuationToken") or self._page.get("NextMarker") or None

    def _parse(self, bite: bytes, *, last: bool) -> None:
        text = bite if self._repair is None else self._repair.feed(bite, last=last)
        try:
            self._parser.Parse(text, last)
        except (expat.ExpatError, ValueError, OverflowError):
            raise NotWellFormed("the page is not well-formed") from None

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
            # A page has ten thousand elements, so a path is only built for the few relevant names.
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
            if self._length <= _MAX_TEXT:
                self._texts.append(text)
            elif self._field in (None, self._shape.key):
                raise NotAListing("a text is too long")
            else:
                self._texts = None

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
        key = fields.get(shape.key)
        if not key:
            raise NotAListing("an object lacks its key")
        size = parse_count(fields.get(shape.size, ""))
        etag = parse_etag(fields.get(shape.etag, ""))
        self.objects.append(
            ListedObject(key, UNSIZED if size is None else size, etag, parse_instant(fields.get(shape.modified, "")))
        )

    def decoded(self, prefix: str = "") -> list[ListedObject]:
        """Return the objects below `prefix`, with URL-encoded keys decoded."""
        declared = self._page.get("EncodingType", "").strip().lower() == "url"
        if not are_encoded([one.key for one in self.objects], prefix, declared=declared):
            return self.objects
        return [ListedObject(unquote_plus(one.key), one.size_bytes, one.etag, one.modified_at) for one in self.objects]


def are_encoded(keys: Iterable[str], prefix: str, *, declared: bool) -> bool:
    """Return whether the keys of a page are URL-encoded. The page's own statement decides only if both readings are
    possible: some stores encode without stating so, others state so without encoding."""
    keys = list(keys)
    plain = all(key.startswith(prefix) for key in keys)
    encoded = all(unquote_plus(key).startswith(prefix) for key in keys) and all(map(_ENCODED.fullmatch, keys))
    return declared if plain == encoded else encoded
