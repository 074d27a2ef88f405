"""Reads the XML of one LIST page while it arrives.

botocore reads a page of 1,000 keys in one go, and holds the loop for 80 ms; here expat eats it in small bites. The
XML comes from a stranger: no document type, no entities, bounded texts, bounded depth, bounded length.
"""

from datetime import datetime
from urllib.parse import unquote_plus
from xml.parsers import expat

from service.report import ListedObject

BITE_BYTES = 16_384
MAX_PAGE_BYTES = 8 * 1024 * 1024
_MAX_TEXT = 8_192
_MAX_DEPTH = 8
_MAX_OBJECTS = 10_000
_PAGE_FIELDS = frozenset({"IsTruncated", "NextContinuationToken", "EncodingType"})
_OBJECT_FIELDS = frozenset({"Key", "Size", "ETag", "LastModified"})


class NotAListing(Exception):
    """The answer is no page of a listing, with the reason. Holds nothing of what was read."""


class PageReader:
    """One page: `feed` bites of it, then `close`; `objects` are in the order of the page."""

    def __init__(self) -> None:
        self.objects: list[ListedObject] = []
        self._page: dict[str, str] = {}
        self._object: dict[str, str] = {}
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
        return self._page.get("IsTruncated") == "true"

    @property
    def token(self) -> str | None:
        """What to ask the next page with."""
        return self._page.get("NextContinuationToken")

    def _parse(self, bite: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(bite, last)
        except (expat.ExpatError, ValueError, OverflowError):
            raise NotAListing("the page is not well-formed") from None

    def _refuse(self, *_: object) -> None:
        raise NotAListing("the page has a document type")

    def _start(self, name: str, _: dict[str, str]) -> None:
        path = self._path
        path.append(name)
        depth = len(path)
        if depth == 1 and name != "ListBucketResult":
            raise NotAListing("the answer is something else")
        if depth > _MAX_DEPTH:
            raise NotAListing("the page is nested too deep")
        wanted = (depth == 2 and name in _PAGE_FIELDS) or (
            depth == 3 and name in _OBJECT_FIELDS and path[1] == "Contents"
        )
        self._texts = [] if wanted else None
        self._length = 0

    def _text(self, text: str) -> None:
        if self._texts is not None:
            self._length += len(text)
            if self._length > _MAX_TEXT:
                raise NotAListing("a text is too long")
            self._texts.append(text)

    def _end(self, name: str) -> None:
        depth = len(self._path)
        self._path.pop()
        if self._texts is not None:
            (self._page if depth == 2 else self._object)[name] = "".join(self._texts)
            self._texts = None
        elif depth == 2 and name == "Contents":
            self._take_object()

    def _take_object(self) -> None:
        fields, self._object = self._object, {}
        if len(self.objects) >= _MAX_OBJECTS:
            raise NotAListing("the page holds too many objects")
        try:
            size = int(fields["Size"])
            modified_at = datetime.fromisoformat(fields["LastModified"]).timestamp()
            self.objects.append(ListedObject(fields["Key"], size, fields.get("ETag", "").strip('"'), modified_at))
        except (KeyError, ValueError, OverflowError):
            raise NotAListing("an object lacks its key, size or time") from None

    def decoded(self) -> list[ListedObject]:
        """The objects, with keys decoded where the page says that they are URL-encoded."""
        if self._page.get("EncodingType") != "url":
            return self.objects
        return [ListedObject(unquote_plus(one.key), one.size_bytes, one.etag, one.modified_at) for one in self.objects]
