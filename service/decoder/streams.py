"""Decodes consecutive slices as a player does: each with the pictures before it.

Media that no player shows is lost: a picture without output, or with damaged output, loses all pictures up to the next
clean key picture. A sound without output loses only itself.
"""

import io
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from service.decoder.pictures import alike, fingerprint, layout, measure, small, thumb
from service.media.spans import Span, merge
from service.media.ts.packets import TICKS, WRAP, Packets, aligned, read_packets
from service.media.ts.slices import SliceFacts

MOST_PIXELS = 4096 * 2304
MOST_FRAMES = 60_000
# The bytes of a slice read for a sample, at first and if these contain no picture.
SAMPLE_BYTES = (131_072, 262_144, 524_288)

Codec = Any

_JUDGED_SECONDS = 1.0
# Measuring the layout of a picture takes some milliseconds.
_LAYOUT_SECONDS = 4.0
_LEAST_FIELDS = 10
# FFmpeg would decode the first pictures to estimate a rate, which is not needed.
_NO_RATE = {"fpsprobesize": "0"}
# A lack of memory or threads is no fault of the bytes.
SHORT = (MemoryError, BlockingIOError)


class TooMuch(Exception):
    """A slice has more frames than are decoded."""


def packets(content: bytes) -> Iterator[tuple["av.Packet[Any]", int]]:
    """Yield the coded pictures and sounds of a slice, each with the largest offset at which its bytes can end.

    Bytes outside MPEG-TS packets are removed first, since FFmpeg stops at a long stretch of them. A packet is valid
    only until the next one is requested.
    """
    try:
        with av.open(io.BytesIO(aligned(content)), "r", format="mpegts", options=_NO_RATE) as container:
            yield from _with_ends(container, len(content))
    except SHORT:
        raise
    except (av.FFmpegError, IndexError, ValueError):
        return


def _with_ends(container: "av.container.InputContainer", size: int) -> Iterator[tuple["av.Packet[Any]", int]]:
    wanted = [*container.streams.video[:1], *container.streams.audio[:1]]
    held: list[av.Packet[Any]] = []
    for packet in container.demux(wanted) if wanted else ():
        if not packet.size:
            continue
        if packet.stream.type == "video" and held:
            yield from ((one, packet.pos or 0) for one in held)
            held = []
        held.append(packet)
    yield from ((one, size) for one in held)


class Pictures:
    """Collects the measured pictures of a slice: its first clean key pictures, and one picture a second."""

    def __init__(self) -> None:
        self.thumb = b""
        self._first: dict[str, Any] | None = None
        self._planes: list[NDArray[np.uint8]] = []
        self._early: list[tuple[int, dict[str, Any]]] = []
        self._judged: list[dict[str, Any]] = []
        self._sizes: dict[tuple[int, int], None] = {}
        self._last = self._layout = float("-inf")

    def take(self, frame: av.VideoFrame, *, place: int) -> None:
        """Measure one clean picture. `place` is the offset at which its bytes end."""
        self._sizes[frame.width, frame.height] = None
        at = float(frame.pts or 0) / TICKS
        if not frame.key_frame and abs(at - self._last) < _JUDGED_SECONDS:
            return
        self._last = at
        plane = small(frame)
        facts = {**measure(plane), "hash": fingerprint(plane), "width": frame.width, "height": frame.height}
        if frame.key_frame and abs(at - self._layout) >= _LAYOUT_SECONDS:
            self._layout = at
            facts["error_page"] = layout(frame)
        self._judged.append(facts)
        if frame.key_frame:
            self._early.append((place, facts))
        if len(self._planes) < 8:
            self._planes.append(plane)
        if not self.thumb:
            self.thumb = thumb(frame)

    def facts(self) -> dict[str, Any]:
        """Return the measurements: of the first key picture within the smallest sample size, and of all others."""
        if not self._judged:
            return {}
        first = self._judged[0]
        for limit in SAMPLE_BYTES:
            within = [facts for place, facts in self._early if place <= limit]
            if within:
                first = within[0]
                break
        still = len(self._planes) > 1 and all(alike(self._planes[0], one) for one in self._planes[1:])
        names = ("low", "high", "mean", "entropy", "error_page")
        return {
            **first,
            "still": still,
            "judged": [{name: facts[name] for name in names if name in facts} for facts in self._judged],
            "sizes": [list(size) for size in self._sizes],
        }


class Sounds:
    """Measures the sound of a slice: the loudness of its loudest frame, in dB of full scale."""

    def __init__(self) -> None:
        self._count = 0
        self._peak = 0.0
        self._facts: dict[str, Any] = {}

    def take(self, frame: av.AudioFrame) -> None:
        """Measure one frame."""
        self._peak = max(self._peak, _power(frame))
        self._count += frame.samples
        if not self._facts:
            self._facts = {"channels": frame.layout.nb_channels, "rate": frame.sample_rate}

    def facts(self) -> dict[str, Any]:
        """Return the measurements; only zero seconds if no sound was decoded."""
        if not self._count:
            return {"sound_seconds": 0.0}
        seconds = self._count / (self._facts["rate"] or 1)
        return {**self._facts, "sound_seconds": seconds, "loudness": float(10 * np.log10(max(self._peak, 1e-12)))}


def _power(frame: av.AudioFrame) -> float:
    """Return the mean square of a frame's samples."""
    if frame.format.name != "fltp" or not frame.samples:
        samples = frame.to_ndarray().astype(np.float32, copy=False).ravel()
        return float(np.dot(samples, samples)) / max(1, samples.size)
    # AAC frames are read in place: an array for each frame costs more than its decoding.
    channels = [np.frombuffer(memoryview(plane), np.float32, frame.samples) for plane in frame.planes]
    return sum(float(np.dot(one, one)) for one in channels) / (frame.samples * len(channels))


class _Slice:
    """A slice during decoding. `waiting` are the presentation times of its packets' pictures, each with the offset at
    which its bytes end; decoded pictures are removed from it. `ends` is the end of its pictures."""

    def __init__(self, origin: int, waiting: dict[int, int], ends: float) -> None:
        self.origin = origin
        self.waiting = waiting
        self.ends = ends
        self.pictures = Pictures()
        self.sounds = Sounds()
        self.clean: list[float] = []
        self.keys: list[float] = []
        self.bad: list[float] = []
        self.sound_lost: list[Span] = []

    def seconds(self, ticks: int) -> float:
        return ((ticks - self.origin + WRAP // 2) % WRAP - WRAP // 2) / TICKS

    def see(self, frame: av.VideoFrame) -> None:
        """Take one decoded picture."""
        place = self.waiting.pop(_shown(frame) or 0, 0)
        at = self.seconds(_shown(frame) or 0)
        if frame.is_corrupt or frame.width * frame.height > MOST_PIXELS:
            self.bad.append(at)
            return
        self.clean.append(at)
        if frame.key_frame:
            self.keys.append(at)
        self.pictures.take(frame, place=place)

    def facts(self) -> dict[str, Any]:
        """Return the measurements and losses. `unfinished`: the last loss continues in the next slice."""
        keys = sorted(self.keys)
        bad = sorted([*self.bad, *self._absent()])
        lost, unfinished = [], False
        for at in bad:
            place = bisect_right(keys, at)
            unfinished = unfinished or place == len(keys)
            lost.append((at, keys[place] if place < len(keys) else self.ends))
        return {
            **self.pictures.facts(),
            **self.sounds.facts(),
            "lost": merge(lost),
            "unfinished": unfinished,
            "sound_lost": merge(self.sound_lost),
            "damaged": len(bad) + len(self.sound_lost),
        }

    def _absent(self) -> list[float]:
        """Return the times of the pictures without output. Two fields of one picture give only one output."""
        absent = sorted(self.seconds(ticks) for ticks in self.waiting)
        if self.bad or len(self.clean) < _LEAST_FIELDS or abs(len(absent) - len(self.clean)) > 1:
            return absent
        fields = {bisect_right(absent, at) for at in self.clean}
        return [] if len(fields) >= len(self.clean) - 1 else absent


class Player:
    """Decodes the slices of one recorder in order. A decoder outputs some pictures of a slice only with the next one,
    so `decode` returns the facts of the previous slice (`before`), and with `ends` also those of the slice itself
    (`own`)."""

    def __init__(self) -> None:
        self._video: Codec = None
        self._audio: Codec = None
        self._before: _Slice | None = None

    def forget(self) -> None:
        """Reset the decoders, as a player does on a seek."""
        self._video = self._audio = self._before = None

    def decode(
        self, content: bytes, scanned: Packets, facts: SliceFacts, sets: bytes, *, ends: bool
    ) -> tuple[dict[str, Any], bytes]:
        """Decode a slice whose packets were parsed. `sets` are the parameter sets known before it; `ends`: no later
        slice needs it."""
        until = facts.video.ends if facts.video is not None else None
        one = _Slice(facts.origin or 0, _pictures_of(scanned, facts, len(content)), until or 0.0)
        for number, (packet, _) in enumerate(packets(content)):
            if number > MOST_FRAMES:
                raise TooMuch
            if packet.stream.type == "video":
                self._video = self._video or _codec(packet, sets)
                self._take(one, _decode(self._video, packet))
            else:
                self._hear(one, packet)
        if ends and self._video is not None:
            self._take(one, _decode(self._video, None))
            self._video = None
        found: dict[str, Any] = {}
        if self._before is not None:
            found["before"] = self._before.facts()
        if ends:
            found["own"] = one.facts()
        self._before = None if ends else one
        return found, one.pictures.thumb

    def _take(self, one: _Slice, frames: list[Any]) -> None:
        for frame in frames:
            before, shown = self._before, _shown(frame)
            late = before is not None and shown not in one.waiting and shown in before.waiting
            if shown is not None:
                (before if late and before is not None else one).see(frame)

    def _hear(self, one: _Slice, packet: "av.Packet[Any]") -> None:
        self._audio = self._audio or _codec(packet)
        frames = _decode(self._audio, packet)
        for frame in frames:
            one.sounds.take(frame)
        if not frames and packet.pts is not None and packet.duration:
            at = one.seconds(int(packet.pts))
            one.sound_lost.append((at, at + float(packet.duration * packet.time_base)))


def _pictures_of(scanned: Packets, facts: SliceFacts, size: int) -> dict[int, int]:
    """Return the presentation times of a slice's pictures, each with the offset at which its bytes end."""
    pids = [stream.pid for stream in facts.streams or () if stream.video]
    units = next((scanned.units[pid] for pid in pids if pid in scanned.units), None)
    if units is None:
        return {}
    ends = [*units.at[1:].tolist(), size]
    return {shown: end for shown, end in zip(units.shown.tolist(), ends, strict=True) if shown >= 0}


def _codec(packet: "av.Packet[Any]", sets: bytes = b"", *, keys_only: bool = False) -> Codec:
    context: Any = av.CodecContext.create(packet.stream.codec_context.name, "r")
    if sets:
        context.extradata = sets
    context.thread_count = 1
    if keys_only:
        context.skip_frame = "NONKEY"
    if packet.stream.type == "video":
        # The loop filter smooths dependent pictures; only key pictures are judged, and whether other pictures decode.
        context.options = {"max_pixels": str(MOST_PIXELS), "skip_loop_filter": "nokey"}
    return context


def _shown(one: Any) -> int | None:
    """Return the presentation time of a picture or packet as in its packets; FFmpeg continues counting when the clock
    wraps."""
    return None if one.pts is None else int(one.pts) % WRAP


def _decode(context: Codec, packet: "av.Packet[Any] | None") -> list[Any]:
    """Return the decoded frames; none if the packet cannot be decoded."""
    try:
        return list(context.decode(packet))
    except SHORT:
        raise
    except av.FFmpegError:
        return []


def sample(content: bytes, sets: bytes, *, cut: bool) -> tuple[dict[str, Any], bytes]:
    """Measure the key pictures and the sound of the beginning of a slice. `cut`: the slice continues after it.

    `damaged` counts key pictures and sounds that do not decode cleanly, except those that the end of the bytes
    truncates.
    """
    one, video, audio = _Slice(0, _keys_of(content, cut=cut), 0.0), None, None
    silent: list[bool] = []
    for packet, place in packets(content):
        if packet.stream.type == "audio":
            audio = audio or _codec(packet)
            frames = _decode(audio, packet)
            silent.append(not frames)
            for frame in frames:
                one.sounds.take(frame)
        elif _is_key(packet, one) and not (cut and place == len(content)):
            video = video or _codec(packet, sets, keys_only=True)
            one.waiting[_shown(packet) or 0] = place
            for frame in _decode(video, packet):
                one.see(frame)
    for frame in _decode(video, None) if video is not None else ():
        one.see(frame)
    damaged = len(one.bad) + len(one.waiting) + sum(silent[: -1 if cut else None])
    return {**one.pictures.facts(), **one.sounds.facts(), "damaged": damaged}, one.pictures.thumb


def _keys_of(content: bytes, *, cut: bool) -> dict[int, int]:
    """Return the presentation times of key pictures by their packets, each with the offset at which its bytes end.
    FFmpeg does not recognise some damaged key pictures, which count nevertheless."""
    scanned = read_packets(content, partial=cut)
    for stream in scanned.maps[0] if scanned.maps else ():
        units = scanned.units.get(stream.pid)
        if stream.video and units is not None:
            ends = [*units.at[1:].tolist(), len(content)]
            keys = [number for number in np.flatnonzero(units.keys).tolist() if not (cut and number == len(ends) - 1)]
            return {int(units.shown[number]): ends[number] for number in keys if units.shown[number] >= 0}
    return {}


def _is_key(packet: "av.Packet[Any]", one: _Slice) -> bool:
    return packet.pts is not None and (packet.is_keyframe or _shown(packet) in one.waiting)


def sounds_of(content: bytes) -> Iterator[av.AudioFrame]:
    """Yield the sounds of a slice's beginning without the first two, which depend on the sound before them."""
    audio: Codec = None
    number = 0
    for packet, _ in packets(content):
        if packet.stream.type == "audio":
            audio = audio or _codec(packet)
            for frame in _decode(audio, packet):
                number += 1
                if number > 2:
                    yield frame


def first_picture(content: bytes, sets: bytes) -> av.VideoFrame | None:
    """Return the first clean key picture of a slice's beginning, or None."""
    for packet, _ in packets(content):
        if packet.stream.type == "video" and packet.is_keyframe:
            video = _codec(packet, sets, keys_only=True)
            for frame in [*_decode(video, packet), *_decode(video, None)]:
                if not frame.is_corrupt and frame.width * frame.height <= MOST_PIXELS:
                    return frame  # type: ignore[no-any-return]
    return None
