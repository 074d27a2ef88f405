"""Parses the characters of a playlist: its lines, its numbers, its URIs.

ffmpeg and hls.js are the reference. A form that ffmpeg plays is accepted here, and a form that one of the two cannot
read causes a warning. The tests compare with ffmpeg.
"""

import math
import re
from collections.abc import Iterator
from io import StringIO
from urllib.parse import unquote

BLANKS = " \t\x0b\x0c\x00"
"""The characters that ffmpeg removes at the end of a line: white space, and the NUL that ends a C string."""
_END_OF_LINE = BLANKS + "\n"
_ENDED = re.compile(rb"#EXT-X-ENDLIST[ \t\x0b\x0c]*(?=:|[\r\n\x00]|\Z)")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r") | {0x7F})
_CONTROL_BEYOND_ASCII = re.compile(r"[\x80-\x9f]")
_ZEROS = re.compile(r"\0++")
_LONE_RETURN = re.compile(r"\r(?!\n)")
# Possessive, to avoid quadratic time for a million digits.
_DIGITS = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)"
_NUMBER = re.compile(rf"[ \t]*+\+?({_DIGITS}(?:[eE][+-]?[0-9]{{1,4}})?)(?![0-9A-Za-z.])", re.ASCII)
_PLAIN = re.compile(rf"[ \t]*+({_DIGITS})?(?:,.*)?", re.ASCII | re.DOTALL)
# A colon in the first segment ends a scheme, valid or not (RFC 3986, section 4.2); ffmpeg does the same.
_SCHEME = re.compile(r"[^/]*:")
_LONGEST_SECONDS = 86_400.0


def says_ended(content: bytes) -> bool:
    """Return whether a line of `content` is ENDLIST. The line may occur anywhere (RFC 8216, section 4.3.3.4)."""
    return any(found.start() == 0 or content[found.start() - 1] in b"\r\n\0" for found in _ENDED.finditer(content))


def count_lines(content: bytes) -> int:
    """Return an upper bound of the number of lines in `lines_of`, without building the lines."""
    return content.count(b"\n") + content.count(b"\r") + 1


def lines_of(text: str) -> Iterator[str]:
    """Return the lines without trailing blanks, one at a time. A line ends with LF, CR or both. As in ffmpeg, it also
    ends at zero bytes."""
    return (line.rstrip(_END_OF_LINE) for line in StringIO(_ZEROS.sub("\n", text), newline=None))


def first_line(text: str) -> str:
    """Return the first line as in `lines_of`, or an empty string."""
    return re.split(r"[\r\n\0]", text, maxsplit=1)[0].rstrip(BLANKS)


def read_seconds(text: str) -> float | None:
    """Return the seconds at the beginning of `text`, or None if a player finds none.

    A value that no slice can have (a day and more) is None. The number of digits does not matter.
    """
    found = _NUMBER.match(text)
    value = math.nan if found is None else float(found[1])
    return value if 0 <= value < _LONGEST_SECONDS else None


def read_duration(text: str) -> tuple[float | None, bool]:
    """Return the seconds of an EXTINF (see `read_seconds`), and whether every player reads them from `text`. hls.js
    treats any text after the number as a URI."""
    plain = _PLAIN.fullmatch(text)
    if plain is None or plain[1] is None:
        return read_seconds(text), plain is not None
    value = float(plain[1])
    return (value if value < _LONGEST_SECONDS else None), True


def is_name_alone(uri: str) -> bool:
    """Return whether `uri` refers to the object of that name in the playlist's folder (`.` and `..` excepted)."""
    # Six searches for one character are faster than one search for a class, and every slice of every playlist is
    # checked here.
    return not ("/" in uri or "%" in uri or "?" in uri or "#" in uri or ":" in uri or "\\" in uri)


def resolve(uri: str, folder: str) -> str | None:
    """Return the key of the object that `uri` refers to in a playlist of `folder` (with its closing slash, or empty).

    Return None for another host or a path that depends on the host (`/…`). Query and fragment are ignored.
    """
    path = re.split(r"[?#]", uri, maxsplit=1)[0]
    if _SCHEME.match(path) or path.startswith("/") or "\\" in path:
        return None
    parts = folder.split("/")[:-1]
    for part in unquote(path).split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def warnings_of(text: str, content: bytes) -> list[str]:
    """Return the contents of `text` that RFC 8216 forbids and the tested players ignore. Other players may refuse the
    playlist."""
    found = [] if is_utf8(content) else ["bytes that are not UTF-8"]
    control = len(content.translate(None, _CONTROL)) < len(content)
    if control or (not text.isascii() and _CONTROL_BEYOND_ASCII.search(text)):
        found.append("control characters")
    return found


def notes_of(text: str) -> list[str]:
    """Return the unusual forms in `text` that every player reads."""
    found = []
    first = first_line(text)
    if text[len(first) : len(first) + 1] not in ("\n", "\r", ""):
        found.append("blanks after #EXTM3U")
    if _LONE_RETURN.search(text):
        found.append("lines that end with CR alone")
    return found


def is_utf8(content: bytes) -> bool:
    """Return whether `content` is valid UTF-8."""
    if content.isascii():
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
