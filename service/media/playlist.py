"""Reads a playlist in Agora's dialect of HLS: strict about what hurts, tolerant of what Agora is known to write.

Rules P1-P9 of verification A.1.1; the dialect is agora-reference §9.4. Never raises on bad input: a playlist is bytes
from a stranger. Its URIs are never fetched; only their last component is used, and only if it is a name of this task.
"""

import math
import re
from dataclasses import dataclass

from service.media.findings import Evidence, Findings
from service.media.names import NameReader, ObjectName, basename
from service.report import FileKind, Finding

_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_DURATION = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,9})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_ONCE = {
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-START",
}
_KNOWN = _ONCE | {
    "#EXTM3U",
    "#EXTINF",
    "#EXT-X-ENDLIST",
    "#EXT-X-ALLOW-CACHE",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-PROGRAM-DATE-TIME",
    "#EXT-X-AGORA-TRACK-EVENT",
    "#EXT-X-AGORA-ROTATE",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one playlist may hold (verification A.5.4): a recording of 720 hours has 172,800 slices."""

    slices: int
    lines: int
    size_bytes: int

    @classmethod
    def of(cls, hours: int, cname: str) -> "Limits":
        """For a recording of `hours`: 300 slices an hour plus 20 %, 2.5 lines and 128 bytes (plus the channel name, as
        long names are legal) each."""
        slices = hours * 360
        return cls(slices, slices * 5 // 2 + 100, slices * (128 + len(cname)) + 4096)


@dataclass(frozen=True, slots=True)
class Entry:
    """One slice as the playlist tells it. `marked`: a DISCONTINUITY stands before it."""

    name: str
    read: ObjectName
    seconds: float
    marked: bool


@dataclass(frozen=True, slots=True)
class Playlist:
    """What could be read, and what was wrong with the rest. `readable` False: it is no playlist at all, or too long to
    be one. `ended`: ENDLIST is there."""

    entries: tuple[Entry, ...]
    readable: bool
    ended: bool
    findings: tuple[Finding, ...]


def parse_playlist(content: bytes, key: str, names: NameReader, limits: Limits) -> Playlist:
    """Read one playlist. `key` only names it in the findings."""
    return _Reader(key, names, limits).read(content)


def says_ended(content: bytes) -> bool:
    """Whether ENDLIST is there, without reading the rest."""
    return any(line.rstrip(b"\r") == b"#EXT-X-ENDLIST" for line in content[-4096:].split(b"\n"))


class _Reader:
    def __init__(self, key: str, names: NameReader, limits: Limits) -> None:
        self._key = key
        self._names = names
        self._limits = limits
        self._findings = Findings()
        self._entries: list[Entry] = []
        self._tags: dict[str, str] = {}
        self._unknown: set[str] = set()
        self._ended = False
        self._marked = False
        self._seconds: float | None = None
        self._fractions = False
        self._beyond = 0

    def read(self, content: bytes) -> Playlist:
        lines = self._lines(content)
        for number, line in enumerate(lines, 1):
            if line.startswith("#EXTINF:"):
                self._read_duration(line, number)
            elif line.startswith("#"):
                if line.startswith("#EXT"):
                    self._read_tag(line, number)
            elif line:
                self._read_uri(line, number)
        if lines:
            self._judge_header()
        if self._beyond:
            self._fault("playlist_too_long", f"names more than {self._limits.slices} slices.", {"more": self._beyond})
        return Playlist(tuple(self._entries), bool(lines), self._ended, self._findings.all())

    def _fault(self, code: str, text: str, evidence: Evidence | None = None) -> None:
        self._findings.add(code, f"The playlist {self._key} {text}", key=self._key, evidence=evidence)

    def _lines(self, content: bytes) -> list[str]:
        limits = self._limits
        if len(content) > limits.size_bytes or content.count(b"\n") > limits.lines:
            self._fault(
                "playlist_too_long",
                f"is longer than a recording of the hours asked for can make it ({limits.lines} lines, "
                f"{limits.size_bytes} bytes), so it was not read.",
                {"lines": content.count(b"\n"), "size_bytes": len(content)},
            )
            return []
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            self._fault("playlist_broken", "is not UTF-8 text.")
            return []
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        if lines[0] != "#EXTM3U":
            self._fault("playlist_broken", "does not begin with #EXTM3U.")
            return []
        if _CONTROL.search(text) or any("\r" in line for line in lines):
            self._fault("playlist_broken", "holds control characters.")
            return []
        return lines

    def _read_duration(self, line: str, number: int) -> None:
        # Agora writes no comma after the duration unless asked to (agora-reference §9.4).
        text = line[8:].partition(",")[0].strip()
        if _DURATION.fullmatch(text) is None:
            self._fault(
                "playlist_duration_absent", f"has a duration in line {number} that is no number.", {"line": number}
            )
            return
        self._seconds = float(text)
        self._fractions = self._fractions or "." in text

    def _read_tag(self, line: str, number: int) -> None:
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-ENDLIST":
            self._ended = True
        elif tag == "#EXT-X-DISCONTINUITY":
            self._marked = True
        elif tag in _ONCE:
            if tag in self._tags:
                self._fault("playlist_tag_repeated", f"says {tag} a second time in line {number}.", {"line": number})
            self._tags[tag] = value.strip()
        elif tag not in _KNOWN and len(self._unknown) < 20:
            self._unknown.add(tag[:40])

    def _read_uri(self, uri: str, number: int) -> None:
        seconds, marked = self._seconds, self._marked
        self._seconds, self._marked = None, False
        name = basename(uri)
        read = self._names.read(name)
        if read is None or read.kind is not FileKind.SLICE or _leaves_folder(uri):
            self._fault(
                "playlist_uri_foreign",
                f"names something in line {number} that is no slice of this task.",
                {"line": number},
            )
        elif seconds is None:
            self._fault("playlist_duration_absent", f"gives no duration for {name}.", {"line": number})
        elif len(self._entries) >= self._limits.slices:
            self._beyond += 1
        else:
            self._entries.append(Entry(name, read, seconds, marked))

    def _judge_header(self) -> None:
        target = self._tags.get("#EXT-X-TARGETDURATION", "")
        longest = max((entry.seconds for entry in self._entries), default=0.0)
        if _NUMBER.fullmatch(target) is None:
            self._fault("playlist_target_duration", "does not say a target duration.")
        elif math.floor(longest + 0.5) > int(target):
            self._fault(
                "playlist_target_duration",
                f"says a target duration of {target} s, but holds a slice of {longest:.3f} s.",
                {"longest_seconds": longest},
            )
        elif self._entries and int(target) > longest + 1:
            self._fault("playlist_target_loose", f"says {target} s, but its longest slice lasts {longest:.3f} s.")
        version = self._tags.get("#EXT-X-VERSION", "1")
        if self._fractions and not (_NUMBER.fullmatch(version) and int(version) >= 3):
            self._fault("playlist_version", "has durations with fractions but says a version below 3.")
        if self._unknown:
            self._fault(
                "playlist_tag_unknown", f"holds tags that are not known here: {', '.join(sorted(self._unknown))}."
            )


def _leaves_folder(uri: str) -> bool:
    # A path below the folder is tolerated: some samples of Agora's carry the prefix (agora-reference §14, no. 3).
    return uri.startswith("/") or "\\" in uri or ":" in uri or ".." in uri.split("/")
