"""The parsed contents of an MP4 file: its tracks, and the position and time of each coded sample."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.media.mp4.boxes import Ints

Flags = NDArray[np.bool_]

PICTURE, SOUND = "vide", "soun"
# The composition offset of a sample that the table omits although it covers others.
UNKNOWN_SHIFT = 1 << 40


def _no_numbers() -> Ints:
    return np.zeros(0, np.int64)


def _no_flags() -> Flags:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The coded samples of a track in decoding order. Each array has one entry per sample. `decode`, `duration` and
    `shift` (composition offset) are in ticks of the track. A sample without a position has the offset -1. `sync` is
    true if decoding can begin at the sample according to the tables."""

    offset: Ints = field(default_factory=_no_numbers)
    size: Ints = field(default_factory=_no_numbers)
    decode: Ints = field(default_factory=_no_numbers)
    duration: Ints = field(default_factory=_no_numbers)
    shift: Ints = field(default_factory=_no_numbers)
    sync: Flags = field(default_factory=_no_flags)

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list. `media_time` is in ticks of the track, or None for an empty edit. If `seconds` is 0,
    the entry extends to the end."""

    seconds: float
    media_time: int | None


@dataclass(frozen=True)
class Track:
    """One track. `handler` is `vide`, `soun` or another value, `codec` is the sample entry (`avc1`, `mp4a`), and
    `config` is the body of `avcC` or the AudioSpecificConfig. `media_header_seconds` (mdhd) and `track_header_seconds`
    (tkhd) are None if the header does not state them. `fault` states why the track's tables cannot be used. `damage`
    contains contradictions in its boxes that players tolerate. `turned` is the degrees by which a player rotates the
    picture. `descriptions` is the number of entries of `stsd`."""

    number: int = 0
    handler: str = ""
    codec: str = ""
    timescale: int = 0
    width: int = 0
    height: int = 0
    channels: int = 0
    config: bytes = b""
    media_header_seconds: float | None = None
    track_header_seconds: float | None = None
    edits: tuple[Edit, ...] = ()
    turned: float = 0.0
    descriptions: int = 1
    samples: Samples = field(default_factory=Samples, compare=False)
    fault: str | None = None
    damage: tuple[str, ...] = ()

    @property
    def length_size(self) -> int:
        """Return the size in bytes of each NAL unit's length field, as `avcC` states it."""
        return (self.config[4] & 3) + 1 if len(self.config) > 4 else 4

    @property
    def bytes(self) -> int:
        """Return the total size of the samples in bytes."""
        return int(self.samples.size.sum())

    @property
    def seconds(self) -> float:
        """Return the duration of the samples by the tables."""
        return int(self.samples.duration.sum()) / self.timescale if self.timescale else 0.0

    @cached_property
    def shown(self) -> Ints:
        """Return the presentation time of each sample in ticks of the track, before edits. If it is unknown, return the
        decoding time."""
        shift = self.samples.shift
        return self.samples.decode + np.where(shift == UNKNOWN_SHIFT, 0, shift)


@dataclass(frozen=True)
class Mp4:
    """The parsed boxes of a file. `fault` states why no player can play it. `could_not_read` states why its contents
    are unknown. `header_seconds` is the duration by `mvhd` (or `mehd`), or None if not stated. `media_from` and
    `media_to` are the beginnings and ends of the bodies of the `mdat` boxes. `notes` are oddities of form. `damage`
    contains contradictions that players tolerate."""

    fault: str | None = None
    could_not_read: str | None = None
    size_bytes: int = 0
    header_seconds: float | None = None
    tracks: tuple[Track, ...] = ()
    fragmented: bool = False
    media_from: Ints = field(default_factory=_no_numbers, compare=False)
    media_to: Ints = field(default_factory=_no_numbers, compare=False)
    notes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()

    def track(self, handler: str) -> Track | None:
        """Return the track of this kind that players choose, which is the one with the most bytes. Return None if no
        such track exists."""
        return max((one for one in self.tracks if one.handler == handler), key=lambda one: one.bytes, default=None)
