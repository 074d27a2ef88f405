"""Long recordings for the benchmark of verification: real media, encoded once and muxed as often as it takes."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from emulator.media.encoder import AAC_FRAME, RATE, Encoder, Form, Mp4Writer, Packet, mux_slice
from emulator.media.test_pattern import Picture
from service.media.expectation import Expectation
from service.media.listing.discovery import FoundRecording, Wanted

FORM = Form(1280, 720, 15, 250, 0, 60)
SECONDS = 16  # a whole number of AAC frames
BEGIN = 1735689600.0
SID = "0123456789abcdef0123456789abcdef"
CNAME = "bench-rec01"
STEM = f"{SID}_{CNAME}"
_PART_SLICES = 7200 // SECONDS


@cache
def loop(variant: int) -> tuple[Packet, ...]:
    """The packets of one slice: a moving block before a changing texture, and a tone."""
    encoder, picture, dice = Encoder(FORM), Picture(FORM.width, FORM.height), np.random.default_rng(variant)
    packets: list[Packet] = []
    for frame in range(SECONDS * FORM.fps):
        plane = picture.draw(frame * 1000 // FORM.fps, frame + 50 * variant)
        plane[400:464, 400:528] = dice.integers(16, 235, (64, 128), dtype=np.uint8)
        packets += encoder.encode_picture(plane, frame, key=frame % FORM.gop == 0)
    count = SECONDS * RATE // AAC_FRAME
    for number in range(-10, count + 10):
        packets += encoder.encode_tone(number * AAC_FRAME)
    encoder.close()
    kept = [one for one in packets if one.video or 0 <= one.ticks < count * AAC_FRAME]
    return tuple(sorted(kept, key=lambda one: (one.ticks / (FORM.fps if one.video else RATE), not one.video)))


def write(folder: Path, hours: int) -> None:
    """The files of a recording of that many hours, HLS and MP4, below `folder`; what is there is not made again."""
    if (folder / "whole").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    template = Encoder(FORM)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-ALLOW-CACHE:YES"]
    lines += [f"#EXT-X-TARGETDURATION:{SECONDS}", "#EXT-X-DISCONTINUITY"]
    writer: Mp4Writer | None = None
    for number in range(hours * 3600 // SECONDS):
        frames, samples = number * SECONDS * FORM.fps, number * SECONDS * RATE
        base = loop(number % 3)
        moved = (Packet(one.video, one.ticks + (frames if one.video else samples), one.key, one.data) for one in base)
        name = f"{STEM}_{utc17(BEGIN + number * SECONDS)}.ts"
        (folder / name).write_bytes(mux_slice(template, moved))
        lines += [f"#EXTINF:{SECONDS}.000000", name]
        if number % _PART_SLICES == 0:
            if writer is not None:
                writer.close()
            writer = Mp4Writer(folder / f"{STEM}_{number // _PART_SLICES}.mp4", template, 0.0)
        assert writer is not None, "made with the first slice"
        writer.append(base, 0, SECONDS * FORM.fps)
    if writer is not None:
        writer.close()
    (folder / f"{STEM}.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    (folder / "whole").touch()


def expected(prefix: str, hours: int) -> Expectation:
    """What the recording should hold: its whole length."""
    found = FoundRecording(prefix, SID, CNAME, slices=hours * 3600 // SECONDS, mp4s=1)
    return found.expectation(BEGIN + 1e6, Wanted(BEGIN, BEGIN + hours * 3600))


def utc17(at: float) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(at * 1000))
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"
