"""Parses a playlist in Agora's dialect of HLS, as players do.

A playlist that a player plays without loss is whole, whatever its form. Its form can only cause a note or a warning.
Media that a player skips, or requests from another place, is an error. Constructs that this parser does not understand
are reported as unread. It never raises on bad input. URIs are never fetched; only names of slices of this task in this
folder count.
"""

import math
from dataclasses import dataclass, replace

from service.media.findings import Evidence, Findings
from service.media.listing.names import NameReader, ObjectName, basename
from service.media.playlists.syntax import (
    BLANKS,
    count_lines,
    first_line,
    is_name_alone,
    lines_of,
    notes_of,
    read_duration,
    read_seconds,
    resolve,
    says_ended,
    warnings_of,
)
from service.report import FileKind, Finding, Severity

__all__ = ["Entry", "Limits", "Playlist", "parse_playlist", "says_ended"]

_ONCE = {
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-ENDLIST",
    "#EXT-X-START",
}
_KNOWN = _ONCE | {
    "#EXTM3U",
    "#EXTINF",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-ALLOW-CACHE",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-PROGRAM-DATE-TIME",
    "#EXT-X-AGORA-TRACK-EVENT",
    "#EXT-X-AGORA-ROTATE",
}
# With these tags a player does not play the whole named objects.
_NOT_READ = {
    "#EXT-X-BYTERANGE",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-KEY",
    "#EXT-X-MAP",
    "#EXT-X-SKIP",
    "#EXT-X-STREAM-INF",
}
_FORCED_SECONDS = 330.0  # Agora ends a slice after 5.5 minutes at the latest


@dataclass(frozen=True, slots=True)
class Limits:
    """The read limits of one playlist. They limit memory (`slices`, `size_bytes`) and time (`lines`)."""

    slices: int
    lines: int
    size_bytes: int

    @classmethod
    def of(cls, hours: int, cname: str) -> "Limits":
        """Allow a recording of `hours` three times the slices that Agora writes. Each slice has 256 bytes plus its
        channel name, which a URI may encode with three bytes per byte. The minimum is 10,000 slices in 1 MiB."""
        bytes_a_slice = 256 + 3 * len(cname.encode())
        slices = max(10_000, hours * 720)
        return cls(slices, max(1_000_000, slices * 20), max(1 << 20, hours * 360 * bytes_a_slice))


@dataclass(frozen=True, slots=True)
class Entry:
    """One slice that the playlist names. `marked` is true if a DISCONTINUITY precedes it.

    `seconds` is the value of EXTINF. If `stated` is False, EXTINF contains no valid duration, and `seconds` is the time
    until the next name, or 0.0 if that is unknown.
    """

    name: str
    read: ObjectName
    seconds: float
    marked: bool
    stated: bool = True


@dataclass(frozen=True, slots=True)
class Playlist:
    """The parsed playlist with its faults. `readable` is False if no line of it was read. `ended` is the result of
    `says_ended`, even if the playlist is not readable."""

    entries: tuple[Entry, ...]
    readable: bool
    ended: bool
    findings: tuple[Finding, ...]


def parse_playlist(content: bytes, key: str, names: NameReader, limits: Limits) -> Playlist:
    """Parse the playlist with the key `key`, whose folder contains the slices."""
    return _Reader(key, names, limits).read(content)


class _Reader:
    def __init__(self, key: str, names: NameReader, limits: Limits) -> None:
        self._key = key
        self._folder = key[: key.rfind("/") + 1]
        self._names = names
        self._limits = limits
        self._findings = Findings()
        self._entries: list[Entry] = []
        self._tags: dict[str, str] = {}
        self._unknown: set[str] = set()
        self._not_read: set[str] = set()
        self._warnings: list[str] = []
        self._marked = False
        self._seconds: float | None = None
        self._timed = False
        self._gap = False
        self._fractions = False
        self._after_end = 0
        self._beyond = 0

    def read(self, content: bytes) -> Playlist:
        text = self._text(content)
        if text is not None:
            for number, line in enumerate(lines_of(text), 1):
                self._read_line(line, number)
            self._judge_header(text)
            self._judge_form(text, content)
            self._judge_rest()
        entries = tuple(_with_seconds(self._entries, self._longest_allowed()))
        return Playlist(entries, text is not None, says_ended(content), self._findings.all())

    def _fault(self, code: str, text: str, evidence: Evidence | None = None, severity: Severity | None = None) -> None:
        text = f"The playlist {self._key} {text}"
        self._findings.add(code, text, key=self._key, evidence=evidence, severity=severity)

    def _text(self, content: bytes) -> str | None:
        limits, lines = self._limits, count_lines(content)
        if len(content) > limits.size_bytes or lines > limits.lines:
            self._fault(
                "playlist_too_long",
                f"exceeds the limit for a recording of this length ({limits.lines} lines, "
                f"{limits.size_bytes} bytes), so it was not read.",
                {"lines": lines, "size_bytes": len(content)},
            )
            return None
        text = content.decode("utf-8", "replace")
        if first_line(text) == "#EXTM3U":
            return text
        mark = " It begins with a byte order mark." if text.startswith("\ufeff") else ""
        self._fault("playlist_broken", f"does not begin with the line #EXTM3U, so players do not recognise it.{mark}")
        return None

    def _read_line(self, line: str, number: int) -> None:
        if line.startswith("#EXTINF:"):
            self._read_duration(line[8:], number)
        elif line.startswith("#EXT"):
            self._read_tag(line, number)
        elif line and not line.startswith("#"):
            self._read_uri(line, number)

    def _read_duration(self, text: str, number: int) -> None:
        # Agora writes no comma after the duration unless requested.
        self._seconds, plain = read_duration(text)
        self._timed = True
        if self._seconds is None:
            self._fault(
                "playlist_duration_unreadable",
                f"has a duration in line {number} that no slice can have, so the next file name gives the duration.",
                {"line": number},
            )
        elif not plain:
            self._add_warning("durations in a form that not every player supports")
        self._fractions = self._fractions or "." in text.partition(",")[0]

    def _read_tag(self, line: str, number: int) -> None:
        tag, _, value = line.partition(":")
        tag, value = tag.rstrip(BLANKS), value.strip(BLANKS)
        if tag in _ONCE:
            self._read_once(tag, value, number)
        elif tag == "#EXT-X-DISCONTINUITY":
            self._marked = True
        elif tag == "#EXT-X-GAP":
            self._gap = True
        elif tag in _NOT_READ:
            if (tag, value) != ("#EXT-X-KEY", "METHOD=NONE"):
                self._not_read.add(tag)
        elif tag not in _KNOWN and len(self._unknown) < 20:
            self._unknown.add(tag[:40])

    def _read_once(self, tag: str, value: str, number: int) -> None:
        if tag in self._tags:
            same = self._tags[tag] == value
            text = f"repeats {tag} in line {number}{'' if same else ', with another value'}."
            severity = Severity.WARNING if same else None
            self._fault("playlist_tag_repeated", text, {"line": number}, severity)
        self._tags[tag] = value

    def _read_uri(self, uri: str, number: int) -> None:
        seconds, timed, marked, gap = self._seconds, self._timed, self._marked, self._gap
        self._seconds, self._timed, self._marked, self._gap = None, False, False, False
        name = self._name(uri)
        read = None if name is None else self._names.read(name)
        if name is None or read is None or read.kind is not FileKind.SLICE:
            if not timed:
                # Players take a name only from the line after an EXTINF.
                self._add_warning("lines that are neither tags nor names of slices")
                return
            text = f"names something in line {number} that is not a slice of this task in its folder."
            self._fault("playlist_uri_foreign", text, {"line": number})
        elif not timed:
            text = f"has no line #EXTINF before {name}, so players skip it."
            # A repeated name adds no media that could be missed.
            known = any(entry.name == name for entry in self._entries[-1:])
            self._fault("playlist_duration_absent", text, {"line": number}, Severity.WARNING if known else None)
        elif len(self._entries) >= self._limits.slices:
            self._beyond += 1
        else:
            if gap:
                self._fault("playlist_gap", f"marks {name} as absent, so players skip it.", {"line": number})
            self._after_end += "#EXT-X-ENDLIST" in self._tags
            self._entries.append(Entry(name, read, seconds or 0.0, marked, seconds is not None))

    def _name(self, uri: str) -> str | None:
        """Return the name of the object in this folder that `uri` refers to, or None."""
        if is_name_alone(uri):
            return uri
        key = resolve(uri, self._folder)
        if key is None:
            return None
        name = basename(key)
        if key == self._folder + name:
            return name
        if self._folder and key == self._folder * 2 + name:
            # Some of Agora's samples name the slices with the prefix; how players resolve these is not known.
            self._add_warning("names that repeat the folder")
            return name
        return None

    def _add_warning(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.append(text)

    def _longest_allowed(self) -> float:
        """Return the longest possible duration of a slice by the playlist's own values."""
        target = read_seconds(self._tags.get("#EXT-X-TARGETDURATION", ""))
        longest = max((entry.seconds for entry in self._entries), default=0.0)
        return max(longest, _FORCED_SECONDS if target is None else target) + 0.5

    def _judge_header(self, text: str) -> None:
        target = read_seconds(self._tags.get("#EXT-X-TARGETDURATION", ""))
        longest = max((entry.seconds for entry in self._entries), default=0.0)
        # ffmpeg requires one of them before the first zero byte.
        begin, zero, _ = text.partition("\0")
        if not any(tag in self._tags and tag in begin for tag in ("#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE")):
            where = " before its first zero byte" if zero else ""
            fault = f"has neither TARGETDURATION nor MEDIA-SEQUENCE{where}, so players do not recognise it."
            self._fault("playlist_broken", fault)
        elif target is None:
            self._fault("playlist_target_duration", "declares no target duration.")
        elif math.floor(longest + 0.5) > target:
            self._fault(
                "playlist_target_duration",
                f"declares a target duration of {target:.0f} s, but contains a slice of {longest:.3f} s.",
                {"longest_seconds": longest},
            )
        elif self._entries and target > longest + 1:
            self._fault(
                "playlist_target_loose",
                f"declares a target of {target:.0f} s, but its longest slice lasts {longest:.3f} s.",
            )
        if self._fractions and (read_seconds(self._tags.get("#EXT-X-VERSION", "1")) or 0.0) < 3:
            self._fault("playlist_version", "has fractional durations but declares a version below 3.")

    def _judge_form(self, text: str, content: bytes) -> None:
        if warnings := [*self._warnings, *warnings_of(text, content)]:
            self._fault("playlist_form", f"contains {', '.join(warnings)}: some players may refuse it.")
        if notes := notes_of(text):
            self._fault("playlist_form", f"contains {', '.join(notes)}.", severity=Severity.NOTE)
        if self._unknown:
            self._fault("playlist_tag_unknown", f"contains unknown tags: {', '.join(sorted(self._unknown))}.")

    def _judge_rest(self) -> None:
        if self._beyond:
            self._fault("playlist_too_long", f"names more than {self._limits.slices} slices.", {"more": self._beyond})
        if self._not_read:
            text = f"contains {', '.join(sorted(self._not_read))}, which Pagereel does not judge."
            self._fault("playlist_not_understood", text)
        if self._after_end:
            self._fault(
                "playlist_end_early",
                f"names {self._after_end} slices after its ENDLIST; ffmpeg and hls.js play them, others may not.",
                {"slices": self._after_end},
            )


def _with_seconds(entries: list[Entry], longest: float) -> list[Entry]:
    """Set the missing durations to the time until the next name, if a slice can be that long."""
    if all(entry.stated for entry in entries):
        return entries
    filled = list(entries)
    for index, entry in enumerate(entries):
        if entry.stated or index + 1 == len(entries) or entries[index + 1].marked:
            continue
        until = (entries[index + 1].read.starts_at or 0.0) - (entry.read.starts_at or 0.0)
        if 0 < until <= longest:
            filled[index] = replace(entry, seconds=round(until, 3))
    return filled
