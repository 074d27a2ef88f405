"""Decodes coded samples of an MP4 file. Runs in the process that decodes, and nowhere else: it imports nothing of the
service, measures and never judges.

A state is told for each sample: `clean`, `concealed` (the decoder made something up) or `none` (nothing came out).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import av
from av.codec.context import ThreadType

CLEAN, CONCEALED, NONE = "clean", "concealed", "none"
MOST_PIXELS = 4096 * 2304

Measure = Callable[[av.VideoFrame], dict[str, Any]]

# No memory, no thread: that says nothing about the bytes.
_SHORT = (MemoryError, BlockingIOError)


def decode_keys(config: bytes, samples: Sequence[bytes], measure: Measure) -> list[dict[str, Any]]:
    """Decode samples that stand alone, each by itself. `config` is the body of `avcC`. Return for each its state and,
    where there is a picture, its size and what `measure` makes of it."""
    found = []
    for sample in samples:
        facts: dict[str, Any] = {"state": NONE, "idr": has_idr(config, sample)}
        for _, frame in _pictures(config, [sample]):
            state = CONCEALED if frame.is_corrupt else CLEAN
            facts |= {"state": state, "width": frame.width, "height": frame.height, **measure(frame)}
        found.append(facts)
    return found


def decode_group(config: bytes, samples: Sequence[bytes]) -> list[str]:
    """Decode the samples of a group of pictures in the order of decoding and return a state for each. Pictures that
    need the group before it come out as `concealed` unless the samples begin with that group."""
    states = [NONE] * len(samples)
    for index, frame in _pictures(config, samples):
        if 0 <= index < len(states):
            states[index] = CONCEALED if frame.is_corrupt else CLEAN
    return states


def decode_pictures(config: bytes, samples: Sequence[bytes], skipped: int) -> Iterator[av.VideoFrame]:
    """Decode samples in the order of decoding; yield the clean pictures of all but the first `skipped`."""
    for index, frame in _pictures(config, samples):
        if index >= skipped and not frame.is_corrupt:
            yield frame


def decode_sound(config: bytes, samples: Sequence[bytes]) -> dict[str, Any]:
    """Decode AAC samples that follow each other. `config` is the AudioSpecificConfig. Return a state and form for each
    (rate and channels of what came out, None where nothing did), and the rate, channels and seconds that came out."""
    states = [NONE] * len(samples)
    forms: list[list[int] | None] = [None] * len(samples)
    facts: dict[str, Any] = {"states": states, "forms": forms, "seconds": 0.0}
    for index, frame in decode_sounds(config, samples):
        states[index] = CONCEALED if frame.is_corrupt else CLEAN
        forms[index] = [frame.sample_rate, frame.layout.nb_channels]
        facts |= {"rate": frame.sample_rate, "channels": frame.layout.nb_channels}
        facts["seconds"] += frame.samples / (frame.sample_rate or 1)
    return facts


def decode_sounds(config: bytes, samples: Sequence[bytes]) -> Iterator[tuple[int, av.AudioFrame]]:
    """Yield (index of the sample, sound) of AAC samples that follow each other. `config` is the AudioSpecificConfig."""
    try:
        context: Any = av.CodecContext.create("aac", "r")
        context.extradata = config or None
    except (av.FFmpegError, ValueError):
        return
    for index, sample in enumerate(samples):
        for frame in _decode(context, av.Packet(sample)) if sample else ():
            yield index, frame


def has_idr(config: bytes, sample: bytes) -> bool:
    """Whether a sample holds a picture that stands alone by its own word (NAL unit type 5)."""
    size = (config[4] & 3) + 1 if len(config) > 4 else 4
    at = 0
    while at + size < len(sample):
        if sample[at + size] & 0x1F == 5:
            return True
        at += size + int.from_bytes(sample[at : at + size], "big")
    return False


def _pictures(config: bytes, samples: Sequence[bytes]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (index of the sample, picture) as the decoder gives them out."""
    try:
        context = av.CodecContext.create("h264", "r")
        context.extradata = config or None
        context.thread_type, context.thread_count = ThreadType.SLICE, 1
        context.options = {"max_pixels": str(MOST_PIXELS)}
    except (av.FFmpegError, ValueError):
        return
    for index, sample in enumerate([*samples, None]):
        packet = None
        if sample is not None:
            if not sample:
                # An empty packet would end the stream.
                continue
            packet = av.Packet(sample)
            packet.pts = packet.dts = index
            packet.is_keyframe = not index
        for frame in _decode(context, packet):
            if frame.pts is not None and frame.width * frame.height <= MOST_PIXELS:
                yield frame.pts, frame


def _decode(context: Any, packet: "av.Packet[Any] | None") -> list[Any]:
    """The frames in a packet; none where it cannot be decoded."""
    try:
        return list(context.decode(packet))
    except _SHORT:
        raise
    except av.FFmpegError:
        return []
