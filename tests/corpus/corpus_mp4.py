"""MP4 files of many muxers, looked at as the verifier looks at them, with ffmpeg as the judge of what is lost."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from service.decoder.mp4_samples import CLEAN, decode_group, decode_keys, decode_sound
from service.media.findings import Findings
from service.media.mp4 import PICTURE, SOUND, Mp4, Track, walk_mp4
from service.media.mp4.doubts import doubtful
from service.media.mp4.facts import Flags
from service.media.mp4.judging import Asked, SlicesHeld, judge_mp4s
from service.media.mp4.keys import (
    choose_keys,
    choose_sounds,
    groups_of,
    is_bad_key,
    keys_between,
    parameter_sets,
    reads,
    undecodable_by_keys,
    undecodable_by_sounds,
    with_true_sync,
)
from service.media.ts.units import is_intra
from service.report import Finding, Level, Severity

SECONDS = 24.0
ALLOWED = 5.0

_PICTURE = ["-f", "lavfi", "-i", f"testsrc2=s=192x108:r=RATE:d={SECONDS:g}"]
_TONE = ["-f", "lavfi", "-i", f"aevalsrc=0.3*sin(2*PI*(300+40*t)*t):s=HERTZ:d={SECONDS:g}"]
_H264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-threads", "1"]
# Noise substitution would make sounds differ after a damaged one.
_AAC = ["-c:a", "aac", "-b:a", "64k", "-aac_pns", "0"]

# name: (rate of pictures, rate of sound, how it is encoded, how it is muxed, container)
Recipe = tuple[str, str, tuple[str, ...], tuple[str, ...], str]
BASELINE = ("-bf", "0", "-tune", "zerolatency")
GOOD: dict[str, Recipe] = {
    "plain": ("25", "48000", BASELINE, (), "mp4"),
    "B-frames and an edit list": ("25", "48000", (), (), "mp4"),
    "B-frames without an edit list": ("25", "48000", (), ("-use_editlist", "0"), "mp4"),
    "negative composition offsets": ("25", "48000", (), ("-movflags", "negative_cts_offsets"), "mp4"),
    "moov in front": ("25", "48000", (), ("-movflags", "faststart"), "mp4"),
    "QuickTime": ("25", "48000", (), (), "mov"),
    "44.1 kHz": ("25", "44100", BASELINE, (), "mp4"),
    "60 pictures a second": ("60", "48000", (), (), "mp4"),
    "5 pictures a second": ("5", "48000", BASELINE, (), "mp4"),
    "open GOP": ("25", "48000", ("-x264-params", "open-gop=1:keyint=50:scenecut=0"), (), "mp4"),
    "several slices in a picture": ("25", "48000", ("-x264-params", "slices=4"), (), "mp4"),
    "fragments": ("25", "48000", (), ("-movflags", "frag_keyframe+empty_moov"), "mp4"),
    "fragments with their own base": (
        "25",
        "48000",
        (),
        ("-movflags", "frag_keyframe+empty_moov+default_base_moof"),
        "mp4",
    ),
    "fragments behind a filled moov": ("25", "48000", BASELINE, ("-movflags", "frag_keyframe"), "mp4"),
    "fragments of half a second": (
        "25",
        "48000",
        BASELINE,
        ("-movflags", "empty_moov", "-frag_duration", "500000"),
        "mp4",
    ),
    "a fragment for each track": (
        "25",
        "48000",
        BASELINE,
        ("-movflags", "frag_keyframe+empty_moov+separate_moof"),
        "mp4",
    ),
    "fragments with an index": ("25", "48000", (), ("-movflags", "dash+global_sidx+frag_keyframe"), "mp4"),
    "stereo": ("25", "48000", BASELINE, ("-ac", "2"), "mp4"),
    "time scale of 90 kHz": ("25", "48000", (), ("-video_track_timescale", "90000"), "mp4"),
    "no B-frames, moov in front, MSNV": ("30", "48000", BASELINE, ("-movflags", "faststart", "-brand", "MSNV"), "mp4"),
    "3GP": ("25", "48000", BASELINE, (), "3gp"),
    "ISMV": ("25", "48000", BASELINE, (), "ismv"),
}


@cache
def encoded(rate: str, hertz: str, how: tuple[str, ...]) -> bytes:
    """Moving pictures and a changing tone in Matroska, which keeps the packets as they are."""
    picture = [one.replace("RATE", rate) for one in _PICTURE]
    tone = [one.replace("HERTZ", hertz) for one in _TONE]
    return made([*picture, *tone, *_H264, *how, *_AAC], "mkv")


@cache
def good(name: str) -> bytes:
    """A good file."""
    rate, hertz, how, flags, form = GOOD[name]
    if "-ac" in flags:
        return made(
            [
                *(one.replace("RATE", rate) for one in _PICTURE),
                *(one.replace("HERTZ", hertz) for one in _TONE),
                *_H264,
                *how,
                *_AAC,
                *flags,
            ],
            form,
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.mkv"
        path.write_bytes(encoded(rate, hertz, how))
        return made(["-i", str(path), "-c", "copy", *flags], form)


def made(arguments: Sequence[str], form: str) -> bytes:
    """What ffmpeg makes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"made.{form}"
        command = ["ffmpeg", "-v", "error", "-y", *arguments, "-fflags", "+bitexact", str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        return path.read_bytes()


# --- the judge that is not ours ------------------------------------------------------------------------------------


@cache
def played(content: bytes) -> dict[tuple[int, float], tuple[float, str]]:
    """What ffmpeg plays: stream and instant to seconds and the digest of the picture or sound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.mp4"
        path.write_bytes(content)
        command = [
            "ffmpeg",
            "-v",
            "quiet",
            "-threads",
            "1",
            "-i",
            str(path),
            "-map",
            "0:v:0?",
            "-map",
            "0:a:0?",
            "-vsync",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    bases: dict[int, float] = {}
    found = {}
    streams: dict[int, int] = {}
    for line in done.stdout.splitlines():
        if line.startswith("#tb"):
            number, base = line[4:].split(": ")
            one, other = base.split("/")
            bases[int(number)] = int(one) / int(other)
        elif line.startswith("#media_type"):
            number, kind = line.removeprefix("#media_type ").split(": ")
            streams[int(number)] = 0 if kind == "video" else 1
        elif not line.startswith("#"):
            stream, _, pts, duration, _, digest = (part.strip() for part in line.split(","))
            base = bases[int(stream)]
            found[streams[int(stream)], round(int(pts) * base, 2)] = (int(duration) * base, digest)
    return found


def lost_seconds(content: bytes, whole: bytes, near: float = 0.5) -> float:
    """The seconds of picture or of sound, whichever is more, that a viewer of `content` loses beside `whole`. What
    comes `near` seconds too early or too late is not lost."""
    there: dict[tuple[int, str], list[float]] = {}
    for (stream, at), (_, digest) in played(content).items():
        there.setdefault((stream, digest), []).append(at)
    lost = [0.0, 0.0]
    for (stream, at), (seconds, digest) in played(whole).items():
        if not any(abs(one - at) <= near for one in there.get((stream, digest), ())):
            lost[stream] += seconds
    return max(lost)


# --- our look ------------------------------------------------------------------------------------------------------


def walked(content: bytes) -> tuple[Mp4, list[tuple[int, int]]]:
    """What the walk says, and what it read."""
    walk, asked = walk_mp4(len(content)), []
    try:
        wanted = next(walk)
        while True:
            asked.append(wanted)
            wanted = walk.send(content[wanted[0] : wanted[0] + wanted[1]])
    except StopIteration as done:
        return done.value, asked


@dataclass(frozen=True)
class Looked:
    """What came of a look."""

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def codes(self) -> set[str]:
        return {one.code for one in self.findings}

    @property
    def errors(self) -> set[str]:
        return {one.code for one in self.findings if one.severity is Severity.ERROR}


def look(content: bytes, level: Level, *, whole: bytes | None = None, held: SlicesHeld | None = None) -> Looked:
    """Read, decode and judge a file as deeply as the level says. `whole`: the file whose parameter sets the slices
    have."""
    facts, _ = walked(content)
    findings = Findings()
    undecodable: dict[str, Flags] = {}
    if facts.fault is None and facts.could_not_read is None:
        known = parameter_sets(track) if whole and (track := walked(whole)[0].track(PICTURE)) else frozenset()
        doubts = doubtful(facts)
        for handler in (PICTURE, SOUND):
            track = facts.track(handler)
            if track is not None and track.fault is None and len(track.samples):
                doubt = doubts[facts.tracks.index(track)]
                if handler == PICTURE and known and not known <= parameter_sets(track):
                    doubt |= track.samples.sync
                undecodable[handler] = decoded(content, facts, track, doubt, level)
    asked = Asked(ALLOWED, (192, 108))
    length = held or SlicesHeld(SECONDS, SECONDS, SECONDS, SECONDS, 0.0, *_steps(whole))
    seconds = judge_mp4s(findings, {"file.mp4": facts}, length, asked, {"file.mp4": undecodable})
    return Looked(findings.all(), seconds)


def _steps(whole: bytes | None) -> Iterator[float | None]:
    """How long one picture and one coded frame of sound last in the untouched file, as they do in the slices."""
    for handler in (PICTURE, SOUND):
        track = walked(whole)[0].track(handler) if whole else None
        yield None if track is None else float(np.median(track.samples.duration)) / track.timescale


def decoded(content: bytes, facts: Mp4, track: Track, doubt: Flags, level: Level) -> Flags:
    """Which samples cannot be decoded, as far as the level looks."""
    samples = track.samples

    def read(indexes: Sequence[int]) -> list[bytes]:
        return [content[at : at + size] for at, size in reads(samples, indexes, facts.size_bytes)]

    if level is Level.FULL:
        doubt = np.ones(len(samples), np.bool_)
    if track.handler == SOUND:
        chosen = np.flatnonzero(doubt).tolist()
        if level is Level.CONTENT:
            chosen = sorted({*chosen, *choose_sounds(samples, 3, 12)})
        states = decode_sound(track.config, read(chosen))["states"]
        return undecodable_by_sounds(samples, {at: one != CLEAN for at, one in zip(chosen, states, strict=True)})
    intra = [is_intra(piece, track.length_size) for piece in read(range(len(samples)))]
    samples = with_true_sync(samples, np.array(intra))
    bad = np.zeros(len(samples), np.bool_)
    for begin, end in groups_of(samples, doubt):
        lead = groups_of(samples, _only(len(samples), begin - 1))[0][0] if begin else begin
        states = decode_group(track.config, read(range(lead, end)))[begin - lead :]
        bad[begin:end] = [state != CLEAN for state in states]
    if level is Level.CONTENT:
        bad |= keys_undecodable(content, track, facts)
    return bad


def _only(count: int, index: int) -> Flags:
    flags = np.zeros(count, np.bool_)
    flags[index] = True
    return flags


def keys_undecodable(content: bytes, track: Track, facts: Mp4) -> Flags:
    """Which samples are lost by sync samples, opened at twelve places and where that leads."""
    found: dict[int, bool] = {}
    wanted = choose_keys(track.samples, 3, 12)
    while wanted:
        pieces = [content[at : at + size] for at, size in reads(track.samples, wanted, facts.size_bytes)]
        shown: list[Mapping[str, Any]] = [*decode_keys(track.config, pieces, lambda frame: {})]
        for index, piece, one in zip(wanted, pieces, shown, strict=True):
            bad = is_bad_key(one, piece, track.length_size)
            if bad is not None:
                found[index] = bad
            else:
                found.pop(index, None)
        wanted = [index for index in keys_between(track.samples, found) if index not in found]
    return undecodable_by_keys(track.samples, found)
