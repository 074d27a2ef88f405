"""A playlist in Agora's dialect (agora-reference §9.4). Pure.

Renders the slices of one file set as text. It does not upload or decide which slices the list contains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from emulator.media.file_names import format_utc17

TimeForm = Literal["utc17", "ms"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One slice in a playlist. `interrupted` is true if media is missing between it and the previous slice."""

    name: str
    began: float
    seconds: float
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Dialect:
    """Choices that Agora's documents leave open."""

    comma: bool = False
    time_form: TimeForm = "utc17"
    track_events: bool = True
    discontinuity_last: bool = False


def render(entries: Sequence[Entry], dialect: Dialect, *, ended: bool) -> str:
    """Return the playlist's text. Without `dialect.comma` EXTINF has no comma, contrary to the HLS standard."""
    longest = max((entry.seconds for entry in entries), default=0.0)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-ALLOW-CACHE:YES",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
    ]
    for entry in entries:
        if entry.interrupted:
            lines += _interruption(entry, dialect)
        lines.append(f"#EXTINF:{entry.seconds:.6f}{',' if dialect.comma else ''}")
        lines.append(entry.name)
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _interruption(entry: Entry, dialect: Dialect) -> list[str]:
    time = format_utc17(entry.began) if dialect.time_form == "utc17" else str(round(entry.began * 1000))
    tracks = [f"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE={track},TIME={time}" for track in ("AUDIO", "VIDEO")]
    lines = ["#EXT-X-DISCONTINUITY", *(tracks if dialect.track_events else [])]
    return [*lines[1:], lines[0]] if dialect.discontinuity_last else lines
