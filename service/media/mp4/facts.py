"""What an MP4 file says: its tracks, and where each of their coded samples lies in the file and in time."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.media.mp4.boxes import Ints

Flags = NDArray[np.bool_]

PICTURE, SOUND = "vide", "soun"
# The composition offset of a sample to which the tables give none, though they give some to others.
UNKNOWN_SHIFT = 1 << 40


def _no_numbers() -> Ints:
    return np.zeros(0, np.int64)


def _no_flags() -> Flags:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The coded samples of a track in the order of decoding. All arrays have one entry for each sample; `decode`,
    `duration` and `shift` (composition offset) are ticks of the track. A sample without a place has the offset -1.
    `sync`: decoding can begin here, as far as the tables say."""

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
    """One line of an edit list. `media_time` is in ticks of the track, None for a stretch that shows nothing; `seconds`
    0 lasts to the end."""

    seconds: float
    media_time: int | None


@dataclass(frozen=True)
class Track:
    """One track. `handler` is `vide` or `soun` (or something else), `codec` the sample entry (`avc1`, `mp4a`), `config`
    the body of `avcC` or the AudioSpecificConfig. `media_header_seconds` (mdhd) and `track_header_seconds` (tkhd) are
    None where the header does not say. `fault`: why its tables cannot be used; `damage`: contradictions in its boxes
    that a player gets over. `turned`: degrees by which a player rotates the picture. `descriptions`: how many entries
    `stsd` has, by which samples are decoded."""

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
        """How many bytes hold the length of each NAL unit, by `avcC`."""
        return (self.config[4] & 3) + 1 if len(self.config) > 4 else 4

    @property
    def bytes(self) -> int:
        """The summed size of the samples."""
        return int(self.samples.size.sum())

    @property
    def seconds(self) -> float:
        """How long the samples last by the tables."""
        return int(self.samples.duration.sum()) / self.timescale if self.timescale else 0.0

    @cached_property
    def shown(self) -> Ints:
        """When each sample is shown, in ticks of the track, before edits; where not known, when it is decoded."""
        shift = self.samples.shift
        return self.samples.decode + np.where(shift == UNKNOWN_SHIFT, 0, shift)


@dataclass(frozen=True)
class Mp4:
    """What the boxes of a file say. `fault`: why no player can play it. `could_not_read`: why nothing is known of it.
    `header_seconds`: length by `mvhd` (or `mehd`), None where it does not say. `media_from` and `media_to`: where the
    bodies of the `mdat` boxes begin and end. `notes` are oddities of form; `damage` what contradicts itself and is got
    over by players."""

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
        """The track of this kind that players choose: the one with the most bytes; None where there is none."""
        return max((one for one in self.tracks if one.handler == handler), key=lambda one: one.bytes, default=None)
