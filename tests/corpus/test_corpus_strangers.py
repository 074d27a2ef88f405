"""What other people's encoders, muxers and cutters write, and what ffmpeg plays of it without a flaw, is verified."""

import pytest
from corpus_bench import Bench
from corpus_strangers import FPS, KEYS, SECONDS, Stranger, laid, plays_whole, recorded, slices_of, with_last

from service.report import Level, Severity, Verdict

ENDLESS = "keyint=infinite:scenecut=0:bframes=0"
WITH_B = "keyint=infinite:scenecut=0:bframes=3"
BY_TIME = ("-hls_flags", "split_by_time")
ANYWHERE = ("-break_non_keyframes", "1")


def open_gop(keyint: int, b_frames: int, more: str = "", cut: str = "hls") -> Stranger:
    x264 = f"keyint={keyint}:min-keyint={keyint}:scenecut=0:bframes={b_frames}:open-gop=1{more}"
    return Stranger(x264, picture=("-preset", "veryfast"), cut=cut)


# Case 09: slices in which no key picture falls, or none at their beginning.
WITHOUT_KEYS = {
    "one key picture for all": Stranger(ENDLESS, slicer=BY_TIME),
    "one key picture for all, B-frames": Stranger(WITH_B, slicer=BY_TIME),
    "one key picture for all, a pyramid of B-frames": Stranger(
        "keyint=infinite:scenecut=0:bframes=5:b-pyramid=normal:ref=4", picture=("-preset", "veryfast"), slicer=BY_TIME
    ),
    "one key picture for all, a muxer for each slice": Stranger(ENDLESS, cut="segment", slicer=ANYWHERE),
    "one key picture for all, B-frames, a muxer for each slice": Stranger(WITH_B, cut="segment", slicer=ANYWHERE),
    "a key picture in 9 s": Stranger("keyint=90:min-keyint=90:scenecut=0:bframes=0", slicer=BY_TIME),
    "a key picture in 9 s, a muxer for each slice": Stranger(
        "keyint=90:min-keyint=90:scenecut=0:bframes=0", cut="segment", slicer=ANYWHERE
    ),
    "a key picture in 1.7 s, cut between two pictures": Stranger(
        "keyint=17:min-keyint=17:scenecut=0:bframes=0", cut="time"
    ),
    "one key picture for all, cut between two pictures": Stranger(ENDLESS, cut="time"),
    "B-frames, cut between two pictures": Stranger("keyint=20:min-keyint=20:scenecut=0:bframes=3", cut="time"),
    "a key picture in the middle of each slice": Stranger(
        ENDLESS, picture=("-force_key_frames", "0,2,6,10,14"), slicer=BY_TIME
    ),
    "a second key picture in the third slice": Stranger(ENDLESS, picture=("-force_key_frames", "0,9"), slicer=BY_TIME),
    "pictures that are renewed piece by piece": Stranger(
        "keyint=20:intra-refresh=1:scenecut=0:bframes=0", slicer=BY_TIME
    ),
    "slices of one second": Stranger("keyint=40:min-keyint=40:scenecut=0:bframes=0", seconds=1, slicer=BY_TIME),
    "slices of half a second": Stranger("keyint=40:min-keyint=40:scenecut=0:bframes=0", seconds=0.5, slicer=BY_TIME),
}

# Row K: pictures at the beginning of a slice that need the slice before it.
OPEN_GOP = {
    "three B-frames": open_gop(20, 3),
    "three B-frames, a muxer for each slice": open_gop(20, 3, cut="segment"),
    "three B-frames, cut between two pictures": open_gop(15, 3, cut="time"),
    "a pyramid of eight B-frames": open_gop(40, 8, ":b-pyramid=normal:ref=5"),
    "a strict pyramid of sixteen": open_gop(20, 16, ":b-pyramid=strict:ref=8"),
    "one B-frame, a muxer for each slice": open_gop(10, 1, cut="segment"),
    "key pictures that fit no slice": open_gop(13, 2),
    "key pictures that fit no slice, weighted": open_gop(27, 4, ":weightb=1:weightp=2", "segment"),
    "without arithmetic coding": open_gop(20, 3, ":cabac=0"),
    "four slices a picture": open_gop(20, 3, ":slices=4", "segment"),
    "interlaced": open_gop(20, 3, ":interlaced=1"),
}

ENCODERS = {
    "baseline": Stranger(picture=("-profile:v", "baseline")),
    "4:2:2": Stranger(picture=("-pix_fmt", "yuv422p", "-profile:v", "high422")),
    "4:4:4": Stranger(picture=("-pix_fmt", "yuv444p", "-profile:v", "high444")),
    "ten bits": Stranger(picture=("-pix_fmt", "yuv420p10le", "-profile:v", "high10")),
    "lossless": Stranger(KEYS + ":qp=0", picture=("-profile:v", "high444")),
    "gray": Stranger(picture=("-pix_fmt", "gray")),
    "the full range": Stranger(picture=("-pix_fmt", "yuvj420p")),
    "a constant rate with filling": Stranger(
        KEYS + ":nal-hrd=cbr:vbv-bufsize=600:vbv-maxrate=600:bitrate=600:filler=1"
    ),
    "pictures that say how they are shown": Stranger(KEYS + ":pic-struct=1"),
    "slices of a picture for low delay": Stranger(picture=("-tune", "zerolatency")),
    "key pictures alone": Stranger("keyint=1"),
    "2 pictures a second": Stranger("keyint=8:min-keyint=8:scenecut=0:bframes=0", fps=2),
    "60 pictures a second": Stranger(fps=60),
    "a size that is no multiple of 16": Stranger(size="322x182"),
    "a tiny picture": Stranger(size="64x36"),
    "pixels that are not square": Stranger(picture=("-vf", "setsar=4/3")),
    "parameters before each picture": Stranger(picture=("-bsf:v", "dump_extra=freq=all")),
    "parameters in front alone": Stranger(picture=("-flags", "+global_header", "-bsf:v", "remove_extra=freq=k")),
    "no messages beside the pictures": Stranger(picture=("-bsf:v", "filter_units=remove_types=6")),
    "MPEG-2": Stranger(picture=("-c:v", "mpeg2video", "-g", "20")),
    "HEVC": Stranger(picture=("-c:v", "libx265", "-x265-params", "keyint=20:min-keyint=20:scenecut=0:log-level=0")),
    "MP3": Stranger(sound=("-c:a", "libmp3lame")),
    "MP2": Stranger(sound=("-c:a", "mp2")),
    "AC-3": Stranger(sound=("-c:a", "ac3")),
    "Opus": Stranger(sound=("-c:a", "libopus")),
    "six channels": Stranger(sound=("-ac", "6")),
    "96 kHz": Stranger(sound=("-ar", "96000")),
    "8 kHz": Stranger(sound=("-ar", "8000")),
    "512 kbit/s of sound": Stranger(sound=("-b:a", "512k")),
    "two tracks of sound": Stranger(sound=("-map", "0:v", "-map", "1:a", "-map", "1:a")),
    "sound that begins with silence": Stranger(sound=("-af", "adelay=700")),
    "sound in German": Stranger(sound=("-metadata:s:a:0", "language=deu")),
}

MUXING = {
    "tables before each packet of the muxer": ("mpegts_flags=resend_headers",),
    "tables at each picture": ("mpegts_flags=pat_pmt_at_frames",),
    "European tables": ("mpegts_flags=system_b",),
    "a mark of discontinuity in front": ("mpegts_flags=initial_discontinuity",),
    "the network's table": ("mpegts_flags=nit",),
    "low PIDs": ("mpegts_start_pid=33",),
    "a low PID of the map": ("mpegts_pmt_start_pid=32",),
    "a constant rate with null packets": ("muxrate=1200000",),
    "a clock every 20 ms": ("pcr_period=20",),
    "lengths of pictures": ("omit_video_pes_length=0",),
    "a sound in each packet": ("pes_payload_size=0",),
    "many sounds in a packet": ("pes_payload_size=60000",),
    "tables of a later version": ("tables_version=7",),
    "another number of the service": ("mpegts_service_id=513", "mpegts_transport_stream_id=9"),
}
MUXERS = {
    f"{name}, {'one muxer for all' if cut == 'hls' else 'a muxer for each slice'}": Stranger(muxer=options, cut=cut)
    for name, options in MUXING.items()
    for cut in ("hls", "segment")
}

STRANGERS = {
    f"{family}: {name}": stranger
    for family, forms in (
        ("slices without key pictures", WITHOUT_KEYS),
        ("open GOP", OPEN_GOP),
        ("encoder", ENCODERS),
        ("muxer", MUXERS),
    )
    for name, stranger in forms.items()
}
# The others are proofs: encoding and decoding them takes two minutes.
QUICK = {
    "slices without key pictures: one key picture for all, B-frames",
    "slices without key pictures: B-frames, cut between two pictures",
    "open GOP: key pictures that fit no slice",
    "encoder: parameters in front alone",
    "muxer: a constant rate with null packets, one muxer for all",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.proof) for name in STRANGERS]
)
async def test_what_ffmpeg_plays_whole_is_verified_whoever_wrote_it(bench: Bench, name: str) -> None:
    made = recorded(STRANGERS[name])
    assert plays_whole(made, SECONDS * STRANGERS[name].fps)
    for level in (Level.STRUCTURE, Level.CONTENT, Level.FULL):
        report = await bench.judge(made, level)
        errors = [(one.code, one.text) for one in report.findings if one.severity is Severity.ERROR]
        assert (errors, report.verdict, report.level) == ([], Verdict.VERIFIED, level)
        assert report.coverage is not None
        assert report.coverage.unexplained_seconds < 0.5


# Parameter sets that are sent once, in front of the first picture.
ONCE = ("-flags", "+global_header", "-bsf:v", "remove_extra=freq=k")
SENT_ONCE = Stranger(ENDLESS, picture=ONCE, slicer=BY_TIME)
OTHERS_SENT_ONCE = Stranger(ENDLESS + ":cabac=0:ref=2:weightp=0", picture=ONCE, slicer=BY_TIME)


async def test_a_recorder_that_begins_anew_with_other_parameter_sets_sent_once_is_verified(bench: Bench) -> None:
    made = laid([*slices_of(SENT_ONCE), *slices_of(OTHERS_SENT_ONCE)])
    for level in (Level.STRUCTURE, Level.CONTENT, Level.FULL):
        report = await bench.judge(made, level)
        errors = [(one.code, one.text) for one in report.findings if one.severity is Severity.ERROR]
        assert (errors, report.verdict, report.level) == ([], Verdict.VERIFIED, level)


async def test_the_parameter_sets_of_a_foreign_slice_spoil_the_slices_after_it_that_bring_none(bench: Bench) -> None:
    # Each slice counts anew, so that nothing but its parameter sets betrays the foreign one.
    rows = slices_of(Stranger(ENDLESS, picture=ONCE, cut="segment", slicer=ANYWHERE))
    others = slices_of(Stranger(KEYS + ":cabac=0:ref=2:weightp=0", cut="segment"))
    made = laid([rows[0], others[1], *rows[2:]])
    for level in (Level.STRUCTURE, Level.CONTENT, Level.FULL):
        report = await bench.judge(made, level)
        assert (report.verdict, report.level) == (Verdict.DEFECTIVE, level)


async def test_slices_after_other_parameter_sets_are_not_verified_where_nothing_decodes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.verifier.content.can_decode", lambda: False)
    made = laid([*slices_of(SENT_ONCE), *slices_of(OTHERS_SENT_ONCE)])
    report = await bench.judge(made, Level.STRUCTURE)
    assert report.level is Level.LISTING
    assert "decoder_absent" in [one.code for one in report.findings]


# Case 24: seconds of picture and of sound in the last slice; the shorter one is what a viewer lacks.
LAST = [
    (0, 0.04),
    (0, 1),
    (0, 4),
    (0, 6.5),
    (0.1, 0),
    (1, 0),
    (4, 0),
    (6.5, 0),
    (0.1, 1),
    (1, 4),
    (4, 1),
    (0.1, 7),
    (7, 0.1),
]


@pytest.mark.parametrize(("picture", "sound"), LAST)
async def test_a_last_slice_without_picture_or_sound_counts_by_its_length(
    bench: Bench, picture: float, sound: float
) -> None:
    made, lacks = with_last(picture, sound), abs(picture - sound)
    for level in (Level.STRUCTURE, Level.CONTENT, Level.FULL):
        report = await bench.judge(made, level)
        assert report.verdict is (Verdict.DEFECTIVE if lacks > 5 else Verdict.VERIFIED), level
        assert report.coverage is not None
        assert report.coverage.unexplained_seconds == pytest.approx(lacks, abs=2 / FPS + 0.1), level
