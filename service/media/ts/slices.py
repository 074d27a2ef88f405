"""Describes the contents of one slice as far as it was read: its streams, their beginnings, ends and losses.

Times are in seconds after the slice's origin, which is the decoding time of its first picture (or of its first audio
frame if it has no picture). Media that a player cannot show or play is lost time. A picture with missing bytes loses
all following pictures up to the next key picture. An audio frame loses only itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.media.spans import Span, merge
from service.media.ts.h264 import ParameterSet, read_beginning
from service.media.ts.packets import TICKS, WRAP, Packets, Units
from service.media.ts.tables import Stream

_NOTICED_SECONDS = 0.015  # shorter holes are rounding, because an AAC frame at 48 kHz lasts 21 ms
# A greater distance between two pictures is a hole (Agora's lowest frame rate is 5 a second).
_FAR_SECONDS = 1.0
_FAR_STEPS = 5

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Held:
    """One stream of a slice. `first_at` is its first decoding time in ticks. `begins` and `ends` are its bounds, or
    None if they are outside the bytes read. `step` is the distance between its units. `frame_seconds` is the duration
    of a coded audio frame, or 0 if unknown. `counters` are those of its first and last packet. `closed` is true if the
    last packet ends a picture or audio frame. `lost` are stretches that no player can play. If `unfinished` is true,
    the last stretch continues until the first key picture of a later slice. `first_key` is the presentation time of the
    first key picture."""

    first_at: int | None
    begins: float | None
    ends: float | None
    step: float
    counters: tuple[int | None, int | None]
    lost: tuple[Span, ...] = ()
    unfinished: bool = False
    first_key: float | None = None
    closed: bool = False
    frame_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """The parsed contents of a slice. `whole` is true if every byte was read. `bad_packets` counts the packets that are
    not as a recorder writes them, and `torn` the units with missing bytes. `orphaned` is true if the slice begins in
    the middle of a unit. `streams` is None if no table of them was read. `maps` is the number of different tables.
    `sets` contains the parameter sets before its first key picture (hex). `key` is true if decoding can begin at its
    first picture, and `alone` if that picture depends on no earlier one."""

    whole: bool = False
    origin: int | None = None
    bad_packets: int = 0
    torn: int = 0
    programs: int = 0
    streams: tuple[Stream, ...] | None = None
    maps: int = 0
    video: Held | None = None
    audio: Held | None = None
    parameters: tuple[ParameterSet, ...] = ()
    sets: str = ""
    key: bool = False
    alone: bool = False
    orphaned: bool = False

    @property
    def damage(self) -> int:
        return self.bad_packets + self.torn

    @property
    def has_video(self) -> bool:
        return any(stream.video for stream in self.streams or ())

    @property
    def has_audio(self) -> bool:
        return any(stream.audio for stream in self.streams or ())

    @property
    def doubtful(self) -> bool:
        """Return whether the bytes read do not suffice, so that the whole slice must be read."""
        if self.whole:
            return False
        if self.damage or self.streams is None or self.maps != 1 or self.programs != 1:
            return True
        if any(held is not None and held.lost for held in (self.video, self.audio)):
            return True
        missing = (
            self.has_video and (self.video is None or self.video.first_at is None or self.video.ends is None)
        ) or (self.has_audio and (self.audio is None or self.audio.ends is None))
        return missing or not (self.has_video or self.has_audio)

    def with_lost(self, video: Iterable[Span], audio: Iterable[Span], *, unfinished: bool = False) -> "SliceFacts":
        """Return the facts with the losses that a decoder found. `unfinished` is true if the last loss of pictures
        continues after the slice."""
        return replace(
            self,
            video=_lose(self.video, video, unfinished=unfinished),
            audio=_lose(self.audio, audio, unfinished=False),
        )

    def with_losses_of(self, other: "SliceFacts | None") -> "SliceFacts":
        """Return the facts with the losses that an earlier read of the slice found."""
        if other is None:
            return self
        return self.with_lost(
            () if other.video is None else other.video.lost,
            () if other.audio is None else other.audio.lost,
            unfinished=other.video is not None and other.video.unfinished,
        )


def since(earlier: int, later: int) -> float:
    """Return the seconds between time stamps, at most half of the clock's period of 26.5 hours in either direction."""
    return ((later - earlier + WRAP // 2) % WRAP - WRAP // 2) / TICKS


def held_seconds(facts: SliceFacts | None) -> float | None:
    """Return the end of the longer stream of a slice, or None if unknown."""
    held = () if facts is None else (facts.video, facts.audio)
    ends = [one.ends for one in held if one is not None and one.ends is not None]
    return max(ends, default=None)


def sound_delay(facts: SliceFacts) -> float | None:
    """Return the seconds from the first picture of a slice to its first audio frame, or None if unknown."""
    video, audio = facts.video, facts.audio
    if video is None or audio is None or video.first_key is None or audio.begins is None:
        return None
    return audio.begins - video.first_key


def read_whole(packets: Packets, known: tuple[Stream, ...] | None = None) -> SliceFacts:
    """Return the facts of a slice that was read as a whole. If it has no tables of its own, use the streams `known`."""
    streams = packets.maps[0] if packets.maps else known
    video, audio = _units(packets, streams, video=True), _units(packets, streams, video=False)
    origin = _origin(video, audio)
    facts = _facts(packets, streams, video, origin)
    return replace(
        facts,
        whole=True,
        bad_packets=_bad(packets),
        torn=_torn(video) + _torn(audio),
        orphaned=any(units is not None and units.orphaned for units in (video, audio)),
        video=None if video is None or origin is None else _pictures(video, origin),
        audio=None if audio is None or origin is None else _sounds(audio, origin),
    )


def read_ends(head: Packets, tail: Packets) -> SliceFacts:
    """Return the facts at both ends of a slice. Facts that the ends do not contain are None; see `doubtful`."""
    streams = head.maps[0] if head.maps else None
    video, audio = (_units(head, streams, video=kind) for kind in (True, False))
    last_video, last_audio = (_units(tail, streams, video=kind) for kind in (True, False))
    origin = _origin(video, audio)
    facts = _facts(head, streams, video, origin)
    facts = replace(
        facts,
        bad_packets=_bad(head) + _bad(tail),
        torn=_torn(video) + _torn(audio) + _torn(last_video, begins=False) + _torn(last_audio, begins=False),
        orphaned=any(units is not None and units.orphaned for units in (video, audio)),
        maps=len({*head.maps, *tail.maps}),
        programs=max(head.programs, tail.programs),
    )
    if origin is None:
        return facts
    pictures = _join(video, last_video, origin, sound=False)
    sounds = _join(audio, last_audio, origin, sound=True)
    return replace(facts, video=pictures, audio=sounds)


def _units(packets: Packets, streams: tuple[Stream, ...] | None, *, video: bool) -> Units | None:
    pids = [one.pid for one in streams or () if (one.video if video else one.audio)]
    found = next((packets.units[pid] for pid in pids if pid in packets.units), None)
    return found if found is not None and (len(found.shown) or found.orphaned) else None


def _origin(video: Units | None, audio: Units | None) -> int | None:
    for units in (video, audio):
        if units is not None:
            timed = units.decoded[units.decoded >= 0]
            if len(timed):
                return int(timed[0])
    return None


def _facts(packets: Packets, streams: tuple[Stream, ...] | None, video: Units | None, origin: int | None) -> SliceFacts:
    beginnings = [] if video is None else [read_beginning(content) for _, content in sorted(video.begins.items())]
    parameters = dict.fromkeys(one.parameters for one in beginnings if one.parameters is not None)
    key = bool(video is not None and len(video.keys) and video.keys[0])
    return SliceFacts(
        origin=origin,
        programs=packets.programs,
        streams=streams,
        maps=len(packets.maps),
        parameters=tuple(parameters),
        sets=next((one.sets.hex() for one in beginnings if one.sets), ""),
        key=key,
        alone=key and bool(beginnings) and beginnings[0].alone,
    )


def _bad(packets: Packets) -> int:
    return packets.unsynced + packets.marked + packets.scrambled


def _torn(units: Units | None, *, begins: bool = True) -> int:
    """Count the units with missing bytes. `begins` is true if the bytes begin the slice, where no unit is continued."""
    if units is None:
        return 0
    return int((units.broken | units.cut).sum()) + (begins and units.orphaned)


def _seconds(ticks: NDArray[np.int64], origin: int) -> Seconds:
    """Return the seconds after the origin. A unit without a time has the time of the previous unit."""
    known = ticks >= 0
    if not known.all():
        ticks = ticks[np.maximum.accumulate(np.where(known, np.arange(len(ticks)), 0))]
    moved = (ticks - origin + WRAP // 2) % WRAP - WRAP // 2
    return np.asarray(moved / TICKS, np.float64)


def _usual(times: Seconds) -> float:
    times = np.sort(times)
    steps = times[1:] - times[:-1]
    steps = np.sort(steps[steps > 0])
    # This is the median. For so few values, np.median takes ten times as long.
    return float(steps[(len(steps) - 1) // 2] + steps[len(steps) // 2]) / 2 if len(steps) else 0.0


def _pictures(units: Units, origin: int) -> Held | None:
    if not len(units.decoded):
        return None
    decoded, shown = _seconds(units.decoded, origin), _seconds(units.shown, origin)
    step = _usual(decoded)
    ends = float(decoded.max()) + step
    good_keys = np.flatnonzero(units.keys & ~units.broken)
    lost, unfinished = _lost_pictures(units, shown, good_keys, step, ends)
    far = max(_FAR_SECONDS, _FAR_STEPS * step)
    lost += [(float(decoded[gap]) + step, float(decoded[gap + 1])) for gap in np.flatnonzero(np.diff(decoded) > far)]
    lost += _again(decoded.tolist(), far, step)
    return Held(
        first_at=_first(units, decoded, origin),
        begins=float(decoded[0]),
        ends=ends,
        step=step,
        counters=units.counters,
        lost=tuple(merge(lost)),
        unfinished=unfinished,
        first_key=float(shown[good_keys[0]]) if len(good_keys) else None,
        closed=units.closed,
    )


def _again(times: list[float], far: float, step: float) -> list[Span]:
    """Return the stretches repeated by a clock that jumps back. A jump to before the first unit is a restart."""
    return [(to, before + step) for before, to in pairwise(times) if before - to > far and to >= times[0] - step]


def _lost_pictures(
    units: Units, shown: Seconds, good_keys: NDArray[np.int64], step: float, ends: float
) -> tuple[list[Span], bool]:
    """Return the stretches from each damaged picture to the next good key picture, and whether the last one continues
    beyond the slice. Missing pictures, between two others or before the first, also lose the pictures after them."""
    begins = np.where(units.broken, shown, shown + step)
    faults = [(int(unit), float(begins[unit])) for unit in np.flatnonzero(units.broken | units.cut)]
    if units.orphaned:
        faults.insert(0, (-1, float(shown.min())))
    lost: list[Span] = []
    unfinished = False
    for unit, begin in faults:
        place = int(np.searchsorted(good_keys, unit, side="right"))
        unfinished = place == len(good_keys)
        lost.append((begin, ends if unfinished else float(shown[good_keys[place]])))
    return lost, unfinished


def _first(units: Units, decoded: Seconds, origin: int) -> int:
    return int(origin + round(float(decoded[0]) * TICKS)) % WRAP


def _sounds(units: Units, origin: int) -> Held | None:
    if not len(units.shown):
        return None
    times = _seconds(units.shown, origin)
    step = _usual(times)
    lasts, noticed = np.full(len(times), step), 2 * step
    if units.frames is not None and units.frame_seconds:
        lasts, noticed = units.frames * units.frame_seconds, _NOTICED_SECONDS
    ends = np.where(units.broken, times, times + lasts)
    gaps = times[1:] - ends[:-1]
    lost = [(float(ends[gap]), float(times[gap + 1])) for gap in np.flatnonzero(gaps > noticed)]
    lost += _again(times.tolist(), _FAR_SECONDS, step)
    last = len(times) - 1
    if units.broken[last] and lasts[last] > 0:
        lost.append((float(times[last]), float(times[last] + lasts[last])))
    return Held(
        first_at=_first(units, times, origin),
        begins=float(times[0]),
        ends=float(times[last] + lasts[last]),
        step=step,
        counters=units.counters,
        lost=tuple(merge(lost)),
        closed=units.closed,
        frame_seconds=units.frame_seconds,
    )


def _join(head: Units | None, tail: Units | None, origin: int, *, sound: bool) -> Held | None:
    """Return one stream's facts at the two ends of a slice. For few units, plain Python takes a third of numpy's
    time."""
    first = [] if head is None else _instants(head, origin, sound=sound)
    last = [] if tail is None else _instants(tail, origin, sound=sound)
    if not first and not last:
        return None
    step = _usual_of(last or first)
    first_key = None
    if head is not None and not sound:
        good = np.flatnonzero(head.keys & ~head.broken)
        first_key = _instants(head, origin, sound=True)[good[0]] if len(good) else None
    ends: float | None = None
    lost: tuple[Span, ...] = ()
    if tail is not None and last:
        ends, lost = _end(tail, last, step, sound=sound)
    return Held(
        first_at=int(origin + round(first[0] * TICKS)) % WRAP if first else None,
        begins=first[0] if first else None,
        ends=ends,
        step=step,
        counters=(None if head is None else head.counters[0], None if tail is None else tail.counters[1]),
        lost=lost,
        first_key=first_key,
        closed=tail is not None and bool(last) and tail.closed,
        frame_seconds=max(units.frame_seconds for units in (head, tail) if units is not None),
    )


def _instants(units: Units, origin: int, *, sound: bool) -> list[float]:
    """Return the units' decoding (for audio: presentation) times in seconds after the origin. See `_seconds`."""
    found: list[float] = []
    known = 0
    for ticks in (units.shown if sound else units.decoded).tolist():
        known = known if ticks < 0 and found else ticks
        found.append(((known - origin + WRAP // 2) % WRAP - WRAP // 2) / TICKS)
    return found


def _usual_of(times: list[float]) -> float:
    """Return the median step between times. See `_usual`."""
    ordered = sorted(times)
    steps = sorted(after - before for before, after in pairwise(ordered) if after > before)
    return (steps[(len(steps) - 1) // 2] + steps[len(steps) // 2]) / 2 if steps else 0.0


def _end(tail: Units, times: list[float], step: float, *, sound: bool) -> tuple[float, tuple[Span, ...]]:
    """Return the end of the stream at the end of a slice, and the holes there. See `_sounds` and `_pictures`."""
    if not sound:
        far = max(_FAR_SECONDS, _FAR_STEPS * step)
        holes = [(before + step, after) for before, after in pairwise(times) if after - before > far]
        return max(times) + step, tuple(merge([*holes, *_again(times, far, step)]))
    lasts, noticed = [step] * len(times), 2 * step
    if tail.frames is not None and tail.frame_seconds:
        lasts, noticed = [count * tail.frame_seconds for count in tail.frames.tolist()], _NOTICED_SECONDS
    ends = [at + (0.0 if broken else last) for at, last, broken in zip(times, lasts, tail.broken.tolist(), strict=True)]
    holes = [(end, after) for end, after in zip(ends, times[1:], strict=False) if after - end > noticed]
    holes += _again(times, _FAR_SECONDS, step)
    return times[-1] + lasts[-1], tuple(merge(holes))


def _lose(held: Held | None, spans: Iterable[Span], *, unfinished: bool) -> Held | None:
    if held is None:
        return None
    return replace(held, lost=tuple(merge([*held.lost, *spans])), unfinished=held.unfinished or unfinished)


def from_plain(plain: dict[str, Any]) -> SliceFacts:
    """Return the facts that `dataclasses.asdict` converted to plain values, after a round trip through JSON."""
    streams = plain["streams"]
    return SliceFacts(
        **{
            **plain,
            "streams": None if streams is None else tuple(Stream(**one) for one in streams),
            "video": _plain_held(plain["video"]),
            "audio": _plain_held(plain["audio"]),
            "parameters": tuple(ParameterSet(**one) for one in plain["parameters"]),
        }
    )


def _plain_held(plain: dict[str, Any] | None) -> Held | None:
    if plain is None:
        return None
    first, last = plain["counters"]
    return Held(**{**plain, "counters": (first, last), "lost": tuple((begin, end) for begin, end in plain["lost"])})
