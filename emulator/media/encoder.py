"""Encoding and muxing with PyAV: frames to packets, and packets to MPEG-TS slices and MP4 files.

Contains all uses of PyAV for encoding. It does not wait or read the clock, and does not handle names and tasks.

Packets carry ticks from the start of the recording: video ticks are frames, and audio ticks are samples. Packets are
encoded once and muxed into any number of files.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.codec.context import Flags
from av.video.frame import PictureType

from emulator.media.test_pattern import Plane, Sound, tone

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

RATE = 48_000
AAC_FRAME = 1024
# (channels, bits per second) of audioProfile 0, 1, 2 (agora-reference §3.3)
_AUDIO_PROFILES = ((1, 48_000), (1, 128_000), (2, 192_000))
# The TS clock must not start at zero, because players subtract their buffer from it.
_TS_OFFSET_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of a page's encoding. Equal forms can share encoded packets."""

    width: int
    height: int
    fps: int
    bitrate_kbps: int
    audio_profile: int
    gop: int

    @property
    def channels(self) -> int:
        """Return the number of audio channels."""
        return _AUDIO_PROFILES[self.audio_profile][0]

    def samples(self, frame: int) -> int:
        """Return the audio tick at which a video frame begins."""
        return round(frame * RATE / self.fps)


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded frame."""

    video: bool
    ticks: int
    key: bool
    data: bytes


class Encoder:
    """Encodes one run of frames. Two threads must not use it at once. Muxers may share it as a template."""

    def __init__(self, form: Form) -> None:
        self.form = form
        # The streams need a container, whose output is discarded.
        self._container = av.open(io.BytesIO(), "w", format="mpegts")
        self.video = self._add_video(form)
        self.audio = self._add_audio(form)
        self._container.start_encoding()

    def encode_picture(self, plane: Plane, ticks: int, *, key: bool) -> list[Packet]:
        """Return the packet of one frame. There is always exactly one, because the encoder has no look-ahead."""
        return self.encode_frame(av.VideoFrame.from_ndarray(plane, "yuv420p"), ticks, key=key)

    def encode_frame(self, frame: av.VideoFrame, ticks: int, *, key: bool) -> list[Packet]:
        """Encode a frame in the encoder's format. Its time is overwritten."""
        frame.pts, frame.time_base = ticks, Fraction(1, self.form.fps)
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self.video.codec_context.encode(frame)
        return [Packet(True, cast(int, packet.pts), packet.is_keyframe, bytes(packet)) for packet in packets]

    def encode_tone(self, ticks: int, *, silent: bool = False) -> list[Packet]:
        """Return the packets of one AAC frame of tone that begins at `ticks`. They are one frame late."""
        return self.encode_sound(tone(ticks, AAC_FRAME, self.form.channels, RATE, 0.0 if silent else 0.2), ticks)

    def encode_sound(self, sound: Sound, ticks: int) -> list[Packet]:
        """Encode one AAC frame of audio, with one row for each channel. The packets are one frame late."""
        frame = av.AudioFrame.from_ndarray(sound, "fltp", _layout(self.form.channels))
        frame.sample_rate, frame.pts, frame.time_base = RATE, ticks, Fraction(1, RATE)
        packets = self.audio.codec_context.encode(frame)
        return [Packet(False, cast(int, packet.pts), True, bytes(packet)) for packet in packets]

    def close(self) -> None:
        """Free the encoders."""
        self._container.close()

    def _add_video(self, form: Form) -> VideoStream:
        options = {
            **{"preset": "ultrafast", "tune": "zerolatency", "threads": "1", "bf": "0"},
            **{"g": str(form.gop), "sc_threshold": "0", "forced-idr": "1", "crf": "28"},
            **{"maxrate": f"{form.bitrate_kbps}k", "bufsize": f"{form.bitrate_kbps}k"},
        }
        stream = self._container.add_stream("libx264", rate=form.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = form.width, form.height, "yuv420p"
        stream.codec_context.flags |= Flags.global_header
        return stream

    def _add_audio(self, form: Form) -> AudioStream:
        stream = self._container.add_stream("aac", rate=RATE, layout=_layout(form.channels))
        stream.bit_rate = _AUDIO_PROFILES[form.audio_profile][1]
        stream.codec_context.flags |= Flags.global_header
        return stream


def mux_slice(template: Encoder, packets: Iterable[Packet], *, skipped: int = 0) -> bytes:
    """Return one MPEG-TS slice, in which `skipped` frames are subtracted from the packets' times. Successive slices
    join without a jump."""
    buffer = io.BytesIO()
    # Without copyts the muxer adds its own delay to every slice.
    muxer = Muxer(av.open(buffer, "w", format="mpegts", options={"mpegts_copyts": "1"}), template)
    muxer.put(packets, from_frame=skipped, to_frame=_TS_OFFSET_SECONDS * template.form.fps)
    muxer.close()
    return buffer.getvalue()


class Mp4Writer:
    """One MP4 file on disk that grows slice by slice. Its timeline has no gaps, because pauses are cut out."""

    def __init__(self, path: Path, template: Encoder, began: float) -> None:
        self.path = path
        self.began = began
        self.frames = 0
        self.bytes = 0
        self._muxer = Muxer(av.open(str(path), "w", format="mp4"), template)

    def append(self, packets: Iterable[Packet], first: int, count: int) -> None:
        """Add the packets of `count` frames starting with frame `first`."""
        taken = list(packets)
        self._muxer.put(taken, from_frame=first, to_frame=self.frames)
        self.frames += count
        self.bytes += sum(len(packet.data) for packet in taken)

    def close(self) -> None:
        """Finish the file."""
        self._muxer.close()


class Muxer:
    """A container for packets of encoders that have the template's form."""

    def __init__(self, container: OutputContainer, template: Encoder) -> None:
        self._container = container
        self._form = template.form
        self._video = container.add_stream_from_template(template.video)
        self._audio = container.add_stream_from_template(template.audio)

    def put(self, packets: Iterable[Packet], *, from_frame: int, to_frame: int) -> None:
        """Mux packets with their times shifted by `to_frame - from_frame` frames."""
        frames = to_frame - from_frame
        samples = self._form.samples(to_frame) - self._form.samples(from_frame)
        video_base, audio_base = Fraction(1, self._form.fps), Fraction(1, RATE)
        for packet in packets:
            out = av.Packet(packet.data)
            if packet.video:
                out.stream, out.time_base, out.duration = self._video, video_base, 1
                out.pts = out.dts = packet.ticks + frames
            else:
                out.stream, out.time_base, out.duration = self._audio, audio_base, AAC_FRAME
                out.pts = out.dts = packet.ticks + samples
            out.is_keyframe = packet.key
            self._container.mux_one(out)

    def close(self) -> None:
        self._container.close()


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"
