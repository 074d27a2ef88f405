"""Repairs XML in which a store wrote characters that XML does not allow."""

import codecs
import re

_RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_BARE = re.compile(r"&(?!#?[A-Za-z0-9]+;)")
_LONGEST_REFERENCE = 16
_STANDS_FOR = "\ufffd"


class Repair:
    """Converts the bytes of a page to text chunk by chunk. A control character, a reference to one and bytes that are
    not UTF-8 become U+FFFD, an `&` that begins no reference becomes `&amp;`. A key with such characters is altered; all
    other keys are correct."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, bite: bytes, *, last: bool) -> str:
        """Return the text of `bite`, without a reference at its end that may continue in the next one."""
        text = self._held + self._decoder.decode(bite, last)
        self._held = ""
        begin = text.rfind("&", max(0, len(text) - _LONGEST_REFERENCE))
        if begin >= 0 and not last and ";" not in text[begin:]:
            text, self._held = text[:begin], text[begin:]
        return _BARE.sub("&amp;", _REFERENCE.sub(_readable, _RAW.sub(_STANDS_FOR, text)))


def _readable(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else int(found[2])
    if number in (9, 10, 13) or 0x20 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or 0x10000 <= number <= 0x10FFFF:
        return found[0]
    return _STANDS_FOR
