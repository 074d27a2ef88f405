"""Answers jobs until the input ends; see the package."""

import base64
import json
import resource
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import accumulate
from typing import Any, BinaryIO

import av
import numpy as np

from service.decoder.mp4_samples import decode_group, decode_keys, decode_pictures, decode_sound, decode_sounds
from service.decoder.pictures import apart, layout, measure, sheet, shrunk, small
from service.decoder.sounds import likeness, wave
from service.decoder.streams import Player, first_picture, sample, sounds_of
from service.media.ts.packets import Packets, elementary, read_packets
from service.media.ts.rows import PACKET
from service.media.ts.slices import SliceFacts, read_whole
from service.media.ts.tables import Stream
from service.media.ts.units import aac_unit, adts_units, annexb_units, avcc_units, is_zeroed

Answer = tuple[dict[str, Any], bytes]

_SPARE_BYTES = 16 * 1024 * 1024
_PLAYER = Player()
_ZEROS = bytes(PACKET - 4)


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Set kernel limits: memory, CPU, no files, no core dump."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def sample_beginning(content: bytes, cut: bool, sets: str) -> Answer:
    """Measure the key pictures and the sound of the beginning of a slice; see `sample`."""
    return sample(content, bytes.fromhex(sets), cut=cut)


def scan(content: bytes, known: list[list[int]], units: bool) -> Answer:
    """Parse every packet of a slice without decoding it. `units`: also return the digests of its coded pictures and
    sounds. `zeroed`: a packet may contain only zeros, which a coded picture never does; between two pictures they are
    padding."""
    _, facts = _read(content, known)
    zeroed = {"zeroed": _ZEROS in content}
    return {"slice": asdict(facts), **zeroed, **(_units(content, facts) if units else {})}, b""


def whole(
    content: bytes, known: list[list[int]], sets: str, begins: bool, ends: bool, context: bool, units: bool
) -> Answer:
    """Decode every packet, picture and sound of a slice after the slice before it.

    `sets` are the parameter sets (hex) known before it. `begins`: nothing decoded earlier is needed; `ends`: no later
    slice needs this one; `context`: the slice is only decoded for the next one; `units`: also return the digests of its
    coded pictures and sounds.
    """
    if begins:
        _PLAYER.forget()
    scanned, facts = _read(content, known)
    answer, thumb = _PLAYER.decode(content, scanned, facts, bytes.fromhex(sets), ends=ends)
    if context:
        return {}, b""
    return {**answer, "slice": asdict(facts), **(_units(content, facts) if units else {})}, thumb


def poster(content: bytes, width: int, most_bytes: int, sets: str) -> Answer:
    """Return the first picture of the beginning of a slice as a JPEG of at most `most_bytes`."""
    frame = first_picture(content, bytes.fromhex(sets))
    return {}, b"" if frame is None else shrunk(frame, width, most_bytes)


def mp4_keys(content: bytes, config: str, sizes: list[int]) -> Answer:
    """Decode key pictures of an MP4 file, each by itself."""
    pictures = decode_keys(base64.b64decode(config), _apart(content, sizes), _measure_key)
    return {"pictures": pictures}, b""


def _measure_key(frame: av.VideoFrame) -> dict[str, Any]:
    return {**measure(small(frame)), "error_page": layout(frame)}


def mp4_group(content: bytes, config: str, sizes: list[int]) -> Answer:
    """Decode a group of pictures of an MP4 file and return the state of each."""
    return {"states": decode_group(base64.b64decode(config), _apart(content, sizes))}, b""


def mp4_likeness(content: bytes, begins: int, sets: str, config: str, sizes: list[int], skipped: int) -> Answer:
    """Return the share by which the first picture of a slice differs from the most similar sample of an MP4 file; None
    if either has no picture. `content` is the beginning of the slice (`begins` bytes), then the samples."""
    frame = first_picture(content[:begins], bytes.fromhex(sets))
    least: float | None = None
    if frame is not None:
        wanted = small(frame)
        for other in decode_pictures(base64.b64decode(config), _apart(content[begins:], sizes), skipped):
            share = apart(wanted, small(other))
            least = share if least is None else min(least, share)
            if not least:
                break
    return {"apart": least}, b""


def mp4_sound_likeness(content: bytes, begins: int, config: str, sizes: list[int]) -> Answer:
    """Return the likeness, from 0 to 1, of the sound at the beginning of a slice and samples of an MP4 file; None if
    either is silent. `content` is the beginning of the slice (`begins` bytes), then the samples."""
    sounds = decode_sounds(base64.b64decode(config), _apart(content[begins:], sizes))
    return {"alike": likeness(wave(sounds_of(content[:begins])), wave(frame for _, frame in sounds))}, b""


def mp4_sound(content: bytes, config: str, sizes: list[int]) -> Answer:
    """Decode a stretch of sound of an MP4 file and return the state of each frame."""
    return decode_sound(base64.b64decode(config), _apart(content, sizes)), b""


def mp4_units(content: bytes, sizes: list[int], picture: bool, length: int) -> Answer:
    """Return the digests of the coded units of an MP4 file's samples, and which samples contain zeroed bytes."""
    samples = _apart(content, sizes)
    if not picture:
        return {"units": [[aac_unit(sample)] for sample in samples], "zeroed": [not any(one) for one in samples]}, b""
    return {
        "units": [avcc_units(sample, length) for sample in samples],
        "zeroed": [is_zeroed(sample, length) for sample in samples],
    }, b""


def _units(content: bytes, facts: SliceFacts) -> dict[str, list[list[int]]]:
    """Return the digests of a slice's coded pictures and sounds, in their order."""
    found: list[list[int]] = []
    for kind, digests in (("video", annexb_units), ("audio", adts_units)):
        pid = next((stream.pid for stream in facts.streams or () if getattr(stream, kind)), None)
        found.append([] if pid is None else digests(elementary(content, pid)))
    return {"units": found}


def _apart(content: bytes, sizes: list[int]) -> list[bytes]:
    ends = list(accumulate(sizes))
    return [content[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _read(content: bytes, known: list[list[int]]) -> tuple[Packets, SliceFacts]:
    streams = tuple(Stream(pid, kind) for pid, kind in known)
    scanned = read_packets(content, streams)
    return scanned, read_whole(scanned, streams or None)


JOBS: dict[str, Callable[..., Answer]] = {
    "sample": sample_beginning,
    "scan": scan,
    "whole": whole,
    "mp4_keys": mp4_keys,
    "mp4_group": mp4_group,
    "mp4_likeness": mp4_likeness,
    "mp4_sound": mp4_sound,
    "mp4_sound_likeness": mp4_sound_likeness,
    "mp4_units": mp4_units,
    "poster": poster,
    "sheet": sheet,
}


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until the input ends."""
    while head := jobs.read(8):
        size, length = struct.unpack(">II", head)
        asked = json.loads(jobs.read(size))
        content = jobs.read(length)
        try:
            facts, made = JOBS[asked.pop("job")](content, **asked)
            np.empty(_SPARE_BYTES, np.uint8)  # with less memory FFmpeg may have skipped work without an error
        except MemoryError:
            facts, made = {"failed": "it needs more memory than it may have"}, b""
        except Exception as error:  # any failure on untrusted bytes is an answer
            facts, made = {"failed": type(error).__name__}, b""
        used = resource.getrusage(resource.RUSAGE_SELF)
        facts["cpu_seconds"] = used.ru_utime + used.ru_stime
        text = json.dumps(facts).encode()
        answers.write(struct.pack(">II", len(text), len(made)) + text + made)
        answers.flush()


if __name__ == "__main__":
    av.logging.set_level(None)
    limit(int(sys.argv[1]), int(sys.argv[2]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
