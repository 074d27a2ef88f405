"""Decodes coded samples of an MP4 file. Runs only in the decoder process: it imports nothing of the service, and
measures without judging.

Each sample gets a state: `clean`, `concealed` (the decoder filled in missing data) or `none` (no output).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import av
from av.codec.context import ThreadType

CLEAN, CONCEALED, NONE = "clean", "concealed", "none"
MOST_PIXELS = 4096 * 2304

Measure = Callable[[av.VideoFrame], dict[str, Any]]

# A lack of memory or threads is no fault of the bytes.
_SHORT = (MemoryError, BlockingIOError)


def decode_keys(config: bytes, samples: Sequence[bytes], measure: Measure) -> list[dict[str, Any]]:
    """Decode independent samples, each by itself. `config` is the body of `avcC`. Return for each its state and, if it
    has a picture, its size and the result of `measure`."""
    found = []
    for sample in samples:
        facts: dict[str, Any] = {"state": NONE, "idr": has_idr(config, sample)}
        for _, frame in _pictures(config, [sample]):
            state = CONCEALED if frame.is_corrupt else CLEAN
            facts |= {"state": state, "width": frame.width, "height": frame.height, **measure(frame)}
        found.append(facts)
    return found


def decode_group(config: bytes, samples: Sequence[bytes]) -> list[str]:
    """Decode the samples of a group of pictures in decoding order and return a state for each. Pictures that depend on
    the previous group become `concealed` unless the samples begin with that group."""
    states = [NONE] * len(samples)
    for index, frame in _pictures(config, samples):
        if 0 <= index < len(states):
            states[index] = CONCEALED if frame.is_corrupt else CLEAN
    return states


def decode_pictures(config: bytes, samples: Sequence[bytes], skipped: int) -> Iterator[av.VideoFrame]:
    """Decode samples in decoding order; yield the clean pictures of all but the first `skipped`."""
    for index, frame in _pictures(config, samples):
        if index >= skipped and not frame.is_corrupt:
            yield frame


def decode_sound(config: bytes, samples: Sequence[bytes]) -> dict[str, Any]:
    """Decode consecutive AAC samples. `config` is the AudioSpecificConfig. Return a state and form for each (decoded
    rate and channels, None without output), and the rate, channels and seconds of the output."""
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
    """Yield (index of the sample, sound) of consecutive AAC samples. `config` is the AudioSpecificConfig."""
    try:
        context: Any = av.CodecContext.create("aac", "r")
        context.extradata = config or None
    except (av.FFmpegError, ValueError):
        return
    for index, sample in enumerate(samples):
        for frame in _decode(context, av.Packet(sample)) if sample else ():
            yield index, frame


def has_idr(config: bytes, sample: bytes) -> bool:
    """Return whether a sample contains a picture marked as independent (NAL unit type 5)."""
    size = (config[4] & 3) + 1 if len(config) > 4 else 4
    at = 0
    while at + size < len(sample):
        if sample[at + size] & 0x1F == 5:
            return True
        at += size + int.from_bytes(sample[at : at + size], "big")
    return False


def _pictures(config: bytes, samples: Sequence[bytes]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (index of the sample, picture) in the order of the decoder's output."""
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
    """Return the frames in a packet; none if it cannot be decoded."""
    try:
        return list(context.decode(packet))
    except _SHORT:
        raise
    except av.FFmpegError:
        return []
