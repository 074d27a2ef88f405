"""Slices and MP4 files of pictures and sounds on demand, made by PyAV. Encoded once, muxed as often as wanted."""

import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from emulator.media.encoder import AAC_FRAME, RATE, Encoder, Form, Mp4Writer, Packet, mux_slice
from emulator.media.test_pattern import Picture

SECONDS = 8
_LEAD = 10


@dataclass(frozen=True)
class Shape:
    """How a recording is encoded. A slice lasts `seconds`, which holds a whole number of AAC frames (8 s: 375)."""

    width: int = 320
    height: int = 240
    fps: int = 5
    channels: int = 1
    seconds: int = SECONDS
    kbps: int = 600

    @property
    def form(self) -> Form:
        return Form(self.width, self.height, self.fps, self.kbps, 0 if self.channels == 1 else 2, self.fps * 4)


def plane(shape: Shape, kind: str, frame: int) -> np.ndarray:
    """One picture. `page`: things move; `busy`: everything does; `still`: nothing does; the rest is one colour, `error`
    with a few marks."""
    form = shape.form
    if kind == "busy":
        noise = np.random.default_rng(frame).integers(16, 235, (form.height * 3 // 16, form.width // 8), dtype=np.uint8)
        return noise.repeat(8, axis=0).repeat(8, axis=1)
    if kind in ("page", "silent", "still"):
        number = 0 if kind == "still" else frame
        return Picture(form.width, form.height).draw(number * 1000 // form.fps, number)
    luma = {"black": 16, "white": 235, "error": 128}[kind]
    made = np.full((form.height * 3 // 2, form.width), 128, np.uint8)
    made[: form.height] = luma
    if kind == "error":
        made[form.height // 2 : form.height // 2 + 4, form.width // 2 : form.width // 2 + 24 : 3] = 90
    return made


@cache
def loop(shape: Shape, kind: str, variant: int) -> tuple[Packet, ...]:
    """The packets of one slice from tick 0 on."""
    encoder = Encoder(shape.form)
    packets: list[Packet] = []
    frames = shape.seconds * shape.fps
    for frame in range(frames):
        packets += encoder.encode_picture(
            plane(shape, kind, frame + variant * 37), frame, key=frame % (shape.fps * 4) == 0
        )
    count = shape.seconds * RATE // AAC_FRAME
    for number in range(-_LEAD, count + _LEAD):
        ticks = number * AAC_FRAME
        packets += encoder.encode_tone(ticks) if kind != "silent" else hush(encoder, ticks)
    encoder.close()
    end = count * AAC_FRAME
    kept = [one for one in packets if one.video or 0 <= one.ticks < end]
    return tuple(sorted(kept, key=lambda one: (one.ticks / (shape.fps if one.video else RATE), not one.video)))


def hush(encoder: Encoder, ticks: int) -> list[Packet]:
    """Sound without a sound."""
    from fractions import Fraction

    import av

    layout = "mono" if encoder.form.channels == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.zeros((encoder.form.channels, AAC_FRAME), np.float32), "fltp", layout)
    frame.sample_rate, frame.pts, frame.time_base = RATE, ticks, Fraction(1, RATE)
    return [Packet(False, packet.pts or 0, True, bytes(packet)) for packet in encoder.audio.codec_context.encode(frame)]


@cache
def template(shape: Shape) -> Encoder:
    return Encoder(shape.form)


@cache
def slice_of(shape: Shape, kind: str, at: int, shift: int = 0) -> bytes:
    """Slice number `at`, its time stamps `shift` seconds further on."""
    frames, samples = (at * shape.seconds + shift) * shape.fps, (at * shape.seconds + shift) * RATE
    moved = (
        Packet(one.video, one.ticks + (frames if one.video else samples), one.key, one.data)
        for one in loop(shape, kind, at % 3)
    )
    return mux_slice(template(shape), moved)


@cache
def mp4_of(shape: Shape, kinds: tuple[str, ...], first: int = 0) -> bytes:
    """One MP4 file of slices."""
    with tempfile.TemporaryDirectory() as folder:
        writer = Mp4Writer(Path(folder) / "made.mp4", template(shape), 0.0)
        for number, kind in enumerate(kinds):
            writer.append(loop(shape, kind, (first + number) % 3), 0, shape.seconds * shape.fps)
        writer.close()
        return writer.path.read_bytes()


@dataclass
class Slice:
    """One slice of a part: where it says it begins, how long its playlist says it is, its bytes. `written`: it is in
    the bucket; `named`: in the playlist."""

    start: float
    seconds: float
    content: bytes
    marked: bool = False
    named: bool = True
    written: bool = True
    uri: str = ""


@dataclass
class Part:
    """What one recorder wrote."""

    slices: list[Slice]
    bak: int | None = None
    mp4s: list[bytes | None] = field(default_factory=list)
    ended: bool = True
    comma: bool = False
    tags: bool = True
    target: int = 0
    copies: dict[str, bytes] = field(default_factory=dict)
