"""A corpus of good and damaged recordings, each with the one finding that it must have."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from media_corpus import (
    BEGIN,
    CNAME,
    PREFIX,
    SECONDS,
    SID,
    Bucket,
    Part,
    attempt,
    codes,
    errors,
    good_part,
    pause,
    recording,
    straight,
    utc17,
)

from service.media.expectation import expectation
from service.media.listing.rules import PlaylistRead, judge_listing
from service.media.listing.runs import sort_listing
from service.media.ts.slices import Held, SliceFacts
from service.media.ts.tables import Stream
from service.media.verdict import Snapshot, Unread, judge
from service.policy import Policy
from service.recording import EndReason, Parameters, Recording
from service.report import Level, MissingClass, Report, Severity, Verdict

BAK_BEGIN = BEGIN + 20 * SECONDS


def failover(hole: float, count: int = 20) -> Bucket:
    base = good_part(ended=False)
    return Bucket(base, Part(bak=0, slices=straight(BAK_BEGIN + hole, count)))


GOOD: dict[str, tuple[Callable[[], Bucket], Recording]] = {
    "no comma, 17 digits": (lambda: Bucket(good_part()), recording()),
    "comma, 13 digits": (lambda: Bucket(good_part(comma=True, unix_time=True)), recording()),
    "no ENDLIST but it stood still": (lambda: Bucket(good_part(ended=False)), recording()),
    "several MP4 parts": (lambda: Bucket(good_part(mp4s=3)), recording()),
    "no MP4 asked for": (
        lambda: Bucket(good_part(mp4s=0)),
        recording(parameters=Parameters(max_recording_hour=1, av_file_type=("hls",))),
    ),
    "failover with a hole of 40 s": (lambda: failover(40), recording(seconds=680)),
    "overlap at failover": (lambda: failover(-30), recording(seconds=610)),
    "pause that was logged": (
        lambda: Bucket(good_part(slices=[*straight(BEGIN, 10), *straight(BEGIN + 460, 10)])),
        recording(seconds=620, pauses=(pause(161, 459),)),
    ),
    "pause never resumed": (lambda: Bucket(good_part()), recording(seconds=900, pauses=(pause(318, None),))),
    "media outside the window": (
        lambda: Bucket(good_part(slices=straight(BEGIN - 160, 40))),
        recording(window_from_at=BEGIN - 5),
    ),
    "sid known only by its files": (lambda: Bucket(good_part()), recording(attempts=(attempt(sid=None),))),
    "announced by Agora": (
        lambda: Bucket(good_part()),
        recording(attempts=(attempt(announced=(f"{SID}_{CNAME}.m3u8", f"rec01/a1/{SID}_{CNAME}_0.mp4")),)),
    ),
    "holes of 200 ms now and then": (
        lambda: Bucket(good_part(slices=[(BEGIN + i * 16 + (0.2 if i > 9 else 0), 16.0) for i in range(20)])),
        recording(),
    ),
    "bak digits above the sid": (
        lambda: Bucket(good_part(ended=False, sid="f" * 32), Part(bak=0, sid="f" * 32, slices=straight(BAK_BEGIN, 20))),
        recording(seconds=640, attempts=(attempt(sid="f" * 32),)),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_recording_has_no_error_and_is_verified(name: str) -> None:
    make, row = GOOD[name]
    report = make().judge(row)
    assert errors(report) == []
    assert report.verdict is Verdict.VERIFIED


def drop(index: int) -> Callable[[], Bucket]:
    def make() -> Bucket:
        part = good_part()
        return Bucket(part).remove(part.key(index))

    return make


def resize(size: int) -> Callable[[], Bucket]:
    def make() -> Bucket:
        part = good_part()
        bucket = Bucket(part)
        bucket.sizes[part.key(7)] = size
        return bucket

    return make


def rewrite(change: Callable[[str], str]) -> Callable[[], Bucket]:
    def make() -> Bucket:
        part = good_part()
        return Bucket(part).put(part.playlist_key, change(part.text()).encode("utf-8", "surrogateescape"))

    return make


def unsettled(*parts: Part) -> Bucket:
    bucket = Bucket(*parts)
    bucket.stood_seconds = None
    return bucket


def swapped() -> Bucket:
    order = list(range(20))
    order[5], order[6] = order[6], order[5]
    return Bucket(good_part(order=order))


MILLION = "#EXTM3U\n" + "#EXTINF:1,\nx.ts\n" * 500_000

DAMAGED: dict[str, tuple[Callable[[], Bucket], Recording, str, Verdict]] = {
    "first slice removed": (drop(0), recording(), "slice_missing", Verdict.INCOMPLETE),
    "middle slice removed": (drop(9), recording(), "slice_missing", Verdict.INCOMPLETE),
    "last slice removed": (drop(19), recording(), "slice_missing", Verdict.INCOMPLETE),
    "slice of no bytes": (resize(0), recording(), "damaged", Verdict.DEFECTIVE),
    "two slices swapped": (swapped, recording(), "slices_out_of_order", Verdict.DEFECTIVE),
    "stale playlist": (
        lambda: Bucket(good_part(ended=False, unnamed={17, 18, 19})),
        recording(),
        "playlist_not_final",
        Verdict.INCOMPLETE,
    ),
    "no ENDLIST, read once": (
        lambda: unsettled(good_part(ended=False)),
        recording(),
        "playlist_not_final",
        Verdict.INCOMPLETE,
    ),
    "no ENDLIST where one is expected": (
        lambda: Bucket(good_part(ended=False)),
        recording(policy=Policy(endlist_expected=True)),
        "playlist_not_final",
        Verdict.INCOMPLETE,
    ),
    "no ENDLIST, end not proven": (
        lambda: Bucket(good_part(ended=False)),
        recording(attempts=(replace(attempt(), state="running"),)),
        "playlist_not_final",
        Verdict.INCOMPLETE,
    ),
    "no playlist": (
        lambda: Bucket(good_part()).remove(good_part().playlist_key),
        recording(),
        "playlist_absent",
        Verdict.INCOMPLETE,
    ),
    "no object": (Bucket, recording(), "no_objects", Verdict.INCOMPLETE),
    "playlist with a byte order mark": (
        rewrite(lambda text: "\ufeff" + text),
        recording(),
        "playlist_broken",
        Verdict.DEFECTIVE,
    ),
    "playlist of no bytes": (rewrite(lambda _: ""), recording(), "playlist_broken", Verdict.DEFECTIVE),
    "playlist of a million lines": (rewrite(lambda _: MILLION), recording(), "playlist_too_long", Verdict.UNREACHABLE),
    "absolute URI": (
        rewrite(lambda text: text + f"#EXTINF:1.0\nhttps://evil.example/{SID}_{CNAME}_20250101000011873.ts\n"),
        recording(),
        "playlist_uri_foreign",
        Verdict.DEFECTIVE,
    ),
    "URI that climbs": (
        rewrite(lambda text: text + f"#EXTINF:1.0\n../{SID}_{CNAME}_20250101000011873.ts\n"),
        recording(),
        "playlist_uri_foreign",
        Verdict.DEFECTIVE,
    ),
    "URI of another task": (
        rewrite(lambda text: text + f"#EXTINF:1.0\n{'f' * 32}_{CNAME}_20250101000011873.ts\n"),
        recording(),
        "playlist_uri_foreign",
        Verdict.DEFECTIVE,
    ),
    "tag said twice, with two values": (
        rewrite(lambda text: text + "#EXT-X-VERSION:4\n"),
        recording(),
        "playlist_tag_repeated",
        Verdict.DEFECTIVE,
    ),
    "duration that is absent": (
        rewrite(lambda text: text.replace("#EXTINF:16.000000\n", "", 1)),
        recording(seconds=320, policy=Policy(max_missing_seconds=30)),
        "playlist_duration_absent",
        Verdict.DEFECTIVE,
    ),
    "failover with a hole of 140 s": (lambda: failover(140), recording(seconds=780), "failover", Verdict.DEFECTIVE),
    "a second failover with a hole of 40 s": (
        lambda: Bucket(
            good_part(ended=False),
            Part(bak=0, slices=straight(BAK_BEGIN + 40, 10), ended=False),
            Part(bak=1, slices=straight(BAK_BEGIN + 240, 10)),
        ),
        recording(seconds=720),
        "failover",
        Verdict.DEFECTIVE,
    ),
    "pause that was not logged": (
        lambda: Bucket(good_part(slices=[*straight(BEGIN, 10), *straight(BEGIN + 460, 10)])),
        recording(seconds=620),
        "gap",
        Verdict.DEFECTIVE,
    ),
    "restart with a hole of 60 s": (
        lambda: Bucket(
            good_part(), Part(sid="e" * 32, prefix="rec01/a2/", slices=straight(BAK_BEGIN + 60, 10), mp4s=1)
        ),
        recording(seconds=540, attempts=(attempt(), attempt(2, "e" * 32, "rec01/a2/"))),
        "restart",
        Verdict.DEFECTIVE,
    ),
    "late start": (
        lambda: Bucket(good_part()),
        recording(window_from_at=BEGIN - 60),
        "late_start",
        Verdict.DEFECTIVE,
    ),
    "ended by itself": (
        lambda: Bucket(good_part()),
        recording(stop_wished_at=None, end_reason=EndReason.RECORDER_ERROR),
        "ended_early",
        Verdict.DEFECTIVE,
    ),
    "Agora's hour limit came early": (
        lambda: Bucket(good_part()),
        recording(stop_wished_at=None, end_reason=EndReason.HOUR_LIMIT),
        "ended_early",
        Verdict.DEFECTIVE,
    ),
    "the end is missing though the caller stopped": (
        lambda: Bucket(good_part()),
        recording(seconds=400),
        "gap",
        Verdict.DEFECTIVE,
    ),
    "many small holes": (
        lambda: Bucket(good_part(slices=[(BEGIN + i * 16.9, 16.0) for i in range(20)])),
        recording(seconds=330),
        "small_gaps",
        Verdict.DEFECTIVE,
    ),
    "no MP4": (lambda: Bucket(good_part(mp4s=0)), recording(), "mp4_missing", Verdict.INCOMPLETE),
    "MP4 part 1 of 3 missing": (
        lambda: Bucket(good_part(mp4s=3)).remove(f"{PREFIX}{SID}_{CNAME}_1.mp4"),
        recording(),
        "mp4_missing",
        Verdict.INCOMPLETE,
    ),
    "announced MP4 missing": (
        lambda: Bucket(good_part()),
        recording(attempts=(attempt(announced=(f"{SID}_{CNAME}.m3u8", f"{SID}_{CNAME}_1.mp4")),)),
        "announced_missing",
        Verdict.INCOMPLETE,
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_has_its_one_error_and_its_verdict(name: str) -> None:
    make, row, code, verdict = DAMAGED[name]
    report = make().judge(row)
    assert set(errors(report)) == {code}
    assert report.verdict is verdict


def test_a_slice_that_is_no_whole_number_of_packets_is_an_error_as_what_is_missing_is_unknown() -> None:
    report = resize(187_999)().judge(recording())
    assert (errors(report), report.verdict) == (["slice_truncated"], Verdict.DEFECTIVE)


def test_an_empty_slice_within_the_allowance_is_a_warning_with_its_seconds() -> None:
    report = resize(0)().judge(recording(policy=Policy(max_missing_seconds=SECONDS + 1)))
    assert (errors(report), report.verdict) == ([], Verdict.VERIFIED)
    assert {"slice_empty", "damaged"} <= codes(report, Severity.WARNING)
    assert [(one.kind, one.seconds) for one in report.missing] == [(MissingClass.DAMAGED, pytest.approx(SECONDS))]
    assert report.coverage is not None
    assert report.coverage.covered_seconds == pytest.approx(report.coverage.expected_seconds - SECONDS, abs=6)


@pytest.mark.parametrize(("seconds", "verdict"), [(4.9, Verdict.VERIFIED), (5.1, Verdict.DEFECTIVE)])
@pytest.mark.parametrize("stream", ["video", "audio"])
def test_time_lost_of_either_stream_decides_at_both_sides_of_the_allowance(
    stream: str, seconds: float, verdict: Verdict
) -> None:
    report = with_lost({3: (1.0, 1.0 + seconds)}, stream)
    assert report.verdict is verdict
    weight = Severity.ERROR if verdict is Verdict.DEFECTIVE else Severity.WARNING
    assert [one.evidence["seconds"] for one in report.findings if one.code == "damaged" and one.severity is weight] == [
        seconds
    ]


def test_many_short_losses_add_up() -> None:
    assert with_lost(dict.fromkeys(range(3, 15), (2.0, 2.4)), "video").verdict is Verdict.VERIFIED
    report = with_lost(dict.fromkeys(range(3, 16), (2.0, 2.4)), "video")
    assert (report.verdict, errors(report)) == (Verdict.DEFECTIVE, ["small_gaps"])


def with_lost(lost: dict[int, tuple[float, float]], stream: str) -> Report:
    """The report of a good recording of which these stretches (by slice) are lost."""
    bucket = Bucket(good_part())
    found = judge_listing(
        expectation(recording()),
        sort_listing(expectation(recording()), bucket.listed()),
        {key: PlaylistRead(content, 5.0) for key, content in bucket.playlists.items()},
    )
    facts = {}
    for index in range(20):
        origin = int(index * SECONDS * 90_000)
        one = Held(origin, 0.0, SECONDS, 0.02, (None, None), first_key=0.0)
        spans = (lost[index],) if index in lost else ()
        held = {"video": one, "audio": one, stream: replace(one, lost=spans)}
        facts[index] = SliceFacts(
            True, origin, 0, 0, 1, (Stream(256, 0x1B), Stream(257, 0x0F)), 1, key=True, alone=True, **held
        )
    return judge(Snapshot(found, facts), Level.STRUCTURE, BEGIN + 9999)


@pytest.mark.parametrize("code", ["decoder_absent", "decoder_gave_up", "object_unread", "mp4_unread"])
def test_what_could_not_be_looked_at_is_never_verified(code: str) -> None:
    bucket = Bucket(good_part())
    found = judge_listing(
        expectation(recording()),
        sort_listing(expectation(recording()), bucket.listed()),
        {key: PlaylistRead(content, 5.0) for key, content in bucket.playlists.items()},
    )
    report = judge(
        Snapshot(found, unread=(Unread(code, "It was not read.", None, Level.CONTENT),)), Level.STRUCTURE, 0.0
    )
    assert (report.verdict, errors(report)) == (Verdict.UNREACHABLE, [code])


def test_an_empty_mp4_is_unsound() -> None:
    bucket = Bucket(good_part())
    bucket.sizes[f"{PREFIX}{SID}_{CNAME}_0.mp4"] = 0
    report = bucket.judge(recording())
    assert errors(report) == ["mp4_empty"]
    assert report.verdict is Verdict.DEFECTIVE


def test_unsound_bytes_condemn_nothing_while_the_playlist_is_not_final() -> None:
    part = good_part(ended=False)
    bucket = unsettled(part)
    bucket.sizes[part.key(3)] = 5
    assert bucket.judge(recording()).verdict is Verdict.INCOMPLETE


def test_missing_time_condemns_nothing_while_a_file_may_still_come() -> None:
    part = good_part()
    report = Bucket(part).remove(part.key(9)).judge(recording(seconds=900))
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report, Severity.WARNING) == {"gap"}


def test_an_explained_failover_is_a_warning_with_its_interval() -> None:
    report = failover(40).judge(recording(seconds=680))
    assert codes(report, Severity.WARNING) == {"failover"}
    (hole,) = report.missing
    assert (hole.kind, hole.explained, round(hole.seconds, 3)) == (MissingClass.FAILOVER, True, 40.0)
    assert report.coverage is not None
    assert (report.coverage.missing_seconds, report.coverage.unexplained_seconds) == (40.0, 0.0)


def test_overlap_at_failover_is_a_warning() -> None:
    assert codes(failover(-30).judge(recording(seconds=610)), Severity.WARNING) == {"media_doubled"}


def test_an_absent_endlist_is_a_warning_once_the_playlist_stood_still() -> None:
    report = Bucket(good_part(ended=False)).judge(recording())
    assert codes(report, Severity.WARNING) == {"endlist_absent"}


def test_the_larger_of_plain_playlist_and_newest_copy_is_believed() -> None:
    part = good_part(ended=False, unnamed={18, 19})
    whole = good_part().text().encode()
    bucket = Bucket(part)
    bucket.put(f"{PREFIX}{SID}_{CNAME}_1735689700_0.m3u8", b"#EXTM3U\n" + b"#\n" * 5000)
    bucket.put(f"{PREFIX}{SID}_{CNAME}_1735689700_1.m3u8", whole)
    report = bucket.judge(recording())
    assert report.verdict is Verdict.VERIFIED
    assert "playlist_copy_used" in codes(report, Severity.NOTE)
    bucket.put(part.playlist_key, whole + b"#\n")
    assert "playlist_copy_used" not in codes(bucket.judge(recording()), Severity.NOTE)


def test_a_playlist_that_came_as_a_copy_satisfies_the_announcement_of_its_plain_name() -> None:
    part = good_part()
    bucket = Bucket(part).remove(part.playlist_key).put(f"{PREFIX}{SID}_{CNAME}_9_0.m3u8", part.text().encode())
    row = recording(attempts=(attempt(announced=(f"{SID}_{CNAME}.m3u8",)),))
    assert bucket.judge(row).verdict is Verdict.VERIFIED


def test_objects_of_strangers_are_noted_and_change_nothing() -> None:
    bucket = Bucket(good_part())
    bucket.sizes |= {"rec01/pagereelprobe": 19, f"{PREFIX}{'f' * 32}_{CNAME}_{utc17(BEGIN)}.ts": 0}
    report = bucket.judge(recording())
    assert report.verdict is Verdict.VERIFIED
    assert [one.code for one in report.findings if one.severity is Severity.NOTE] == ["unknown_object"] * 2


def test_below_one_prefix_every_task_counts_where_its_start_was_tried_under_two_resource_ids() -> None:
    def found(row: Recording, hole: float) -> Report:
        return Bucket(good_part(10), Part(sid="e" * 32, slices=straight(BEGIN + 10 * SECONDS + hole, 10))).judge(row)

    several = recording(attempts=(replace(attempt(sid="e" * 32), resource_ids=("r1", "r2")),))
    assert (found(several, 0).verdict, errors(found(several, 0))) == (Verdict.VERIFIED, [])
    assert errors(found(several, 60)) == ["restart"]
    assert found(recording(attempts=(attempt(sid="e" * 32),)), 0).verdict is Verdict.DEFECTIVE


def test_missing_time_within_the_allowance_is_verified_with_a_warning() -> None:
    slices = [*straight(BEGIN, 10), *straight(BEGIN + 164, 10)]
    report = Bucket(good_part(slices=slices)).judge(recording(seconds=324))
    assert report.verdict is Verdict.VERIFIED
    assert codes(report, Severity.WARNING) == {"gap"}
    strict = recording(seconds=324, policy=Policy(max_missing_seconds=2))
    assert Bucket(good_part(slices=slices)).judge(strict).verdict is Verdict.DEFECTIVE


def test_an_earlier_attempt_that_left_nothing_is_judged_by_time_alone() -> None:
    row = recording(attempts=(attempt(1, "e" * 32, "rec01/a0/"), attempt(2)))
    assert Bucket(good_part()).judge(row).verdict is Verdict.VERIFIED


def test_the_manifest_names_every_file_and_its_witnesses() -> None:
    part = good_part(3)
    bucket = Bucket(part).remove(part.key(1))
    announced = (f"{SID}_{CNAME}.m3u8", f"{SID}_{CNAME}_1.mp4")
    report = bucket.judge(recording(seconds=48, attempts=(attempt(announced=announced),)))
    seen = {file.key: (file.listed, file.in_playlist, file.announced, file.missing) for file in report.files}
    assert seen == {
        part.playlist_key: (True, False, True, False),
        part.key(0): (True, True, False, False),
        part.key(1): (False, True, False, True),
        part.key(2): (True, True, False, False),
        f"{PREFIX}{SID}_{CNAME}_0.mp4": (True, False, False, False),
        f"{PREFIX}{SID}_{CNAME}_1.mp4": (False, False, True, True),
    }


def test_findings_of_one_kind_are_kept_short() -> None:
    part = good_part(60)
    bucket = Bucket(part)
    for index in range(40):
        bucket.remove(part.key(index))
    findings = [one for one in bucket.judge(recording(seconds=960)).findings if one.code == "slice_missing"]
    assert len(findings) == 11
    assert findings[-1].evidence == {"more": 30}


def test_the_wanted_window_ends_with_the_hour_limit_where_nobody_stopped() -> None:
    row = recording(stop_wished_at=None, end_reason=EndReason.HOUR_LIMIT)
    report = Bucket(good_part(225)).judge(row)
    assert report.verdict is Verdict.VERIFIED
    assert report.coverage is not None
    assert report.coverage.window.to_at == BEGIN - 4 + 3600


def test_a_recording_on_hold_that_was_never_resumed_expects_no_time() -> None:
    report = Bucket().judge(recording(window_from_at=None))
    assert report.coverage is not None
    assert (report.coverage.expected_seconds, report.coverage.share) == (0.0, None)
    assert report.verdict is Verdict.INCOMPLETE


@pytest.mark.parametrize(
    ("row", "severity", "why"),
    [
        (recording(seconds=900, pauses=(pause(-10, None),)), Severity.WARNING, "on hold for the whole wanted window"),
        (
            recording(window_from_at=BEGIN + 400, stop_wished_at=BEGIN + 320),
            Severity.NOTE,
            "the wanted window is empty",
        ),
    ],
    ids=["on hold all the time", "stopped within the allowance"],
)
def test_where_no_time_was_wanted_there_is_no_share_and_a_finding_says_so(
    row: Recording, severity: Severity, why: str
) -> None:
    report = Bucket(good_part()).judge(row)
    assert report.coverage is not None
    assert (report.coverage.expected_seconds, report.coverage.share) == (0.0, None)
    (found,) = (each for each in report.findings if each.code == "nothing_wanted")
    assert (found.severity, report.verdict) == (severity, Verdict.VERIFIED)
    assert why in found.text


def test_where_time_was_wanted_no_finding_denies_it() -> None:
    report = Bucket(good_part()).judge(recording())
    assert "nothing_wanted" not in {each.code for each in report.findings}
