"""The verifier against a real S3 server: what it says, what it costs, and that it never takes a shut door for loss."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web
from wire_bucket_rig import BUCKET, Opens, Scripted

from emulator.s3_server import S3Server
from metrics import REGISTRY
from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.policy import Policy
from service.recording import Attempt, AttemptState, EndReason, Location, Parameters, Recording, Watch
from service.report import FileKind, Level, Verdict
from service.verifier import Verifier

SID = "0123456789abcdef0123456789abcdef"
CNAME = "dev-rec01"
BEGIN = 1735689611.0
NAMES = [f"{SID}_{CNAME}_202501010000{second}000.ts" for second in (11, 27, 43)]
PLAYLIST = f"{SID}_{CNAME}.m3u8"


def text(names: list[str], *, ended: bool = True) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:17"]
    for name in names:
        lines += ["#EXTINF:16.000000", name]
    return "\n".join([*lines, *["#EXT-X-ENDLIST"] * ended, ""]).encode()


@pytest.fixture
def recording() -> Recording:
    prefix = f"p{uuid.uuid4().hex}"
    attempt = Attempt(
        1, CNAME, 7, f"{prefix}/a1/", BEGIN, state=AttemptState.ENDED, started_at=BEGIN, sid=SID, ended_at=BEGIN + 48
    )
    return Recording(
        id="rec_01",
        owner="o",
        app="a",
        storage="s",
        location=Location(11, 0, BUCKET, None, True, (prefix,)),
        parameters=Parameters(max_recording_hour=1, av_file_type=("hls",)),
        policy=Policy(two_reads_apart_seconds=0.05, level=Level.LISTING),
        page="https://page.example/",
        rtmp=None,
        requested_at=BEGIN,
        window_from_at=BEGIN,
        stop_wished_at=BEGIN + 48,
        end_reason=EndReason.STOPPED,
        cname=CNAME,
        attempts=(attempt,),
    )


def listing(recording: Recording, etags: dict[str, str]) -> str:
    """The page of a LIST that shows these objects of the first attempt, each of 188 bytes."""
    objects = "".join(
        f"<Contents><Key>{recording.attempts[0].prefix}{name}</Key><Size>188</Size><ETag>{etag}</ETag>"
        "<LastModified>2025-01-01T00:00:00Z</LastModified></Contents>"
        for name, etag in sorted(etags.items())
    )
    return f"<ListBucketResult>{objects}</ListBucketResult>"


Puts = Callable[[str, bytes], None]


@pytest.fixture
def puts(weed: S3Server, recording: Recording) -> Puts:
    """Writes an object below the attempt's prefix."""

    def put(name: str, body: bytes = b"G" * 188) -> None:
        client = weed.client()
        client.put_object(Bucket=BUCKET, Key=recording.attempts[0].prefix + name, Body=body)
        client.close()

    return put


def now() -> float:
    return BEGIN + 1000


def always(bucket: S3Bucket) -> Callable[[Recording], S3Bucket]:
    """Opens the same bucket for every recording."""
    return lambda _: bucket


async def test_a_whole_recording_is_verified_for_one_list_and_one_get(
    reader: S3Bucket, recording: Recording, puts: Puts
) -> None:
    for name in NAMES:
        puts(name, b"G" * 188)
    puts(PLAYLIST, text(NAMES))
    report = await Verifier(lambda _: reader).verify(recording, now)
    assert (report.verdict, report.level, report.judged_at) == (Verdict.VERIFIED, Level.LISTING, BEGIN + 1000)
    assert report.requests == 2
    assert report.bytes_read > 1000
    assert len(report.files) == 4
    assert report.coverage is not None
    assert report.coverage.share == 1.0


async def test_without_endlist_the_playlist_is_read_twice_and_then_believed(
    reader: S3Bucket, recording: Recording, puts: Puts
) -> None:
    for name in NAMES:
        puts(name, b"G" * 188)
    puts(PLAYLIST, text(NAMES, ended=False))
    report = await Verifier(lambda _: reader).verify(recording, now)
    assert report.verdict is Verdict.VERIFIED
    assert [one.code for one in report.findings if one.code != "playlist_target_loose"] == ["endlist_absent"]
    assert report.requests == 3


async def test_a_playlist_that_changes_between_two_reads_is_not_final(
    opens: Opens, scripted: Scripted, recording: Recording
) -> None:
    reads = [text(NAMES[:2], ended=False), text(NAMES, ended=False)]

    async def answer(request: web.Request) -> web.Response:
        if "list-type" in request.query:
            return web.Response(text=listing(recording, {PLAYLIST: "p"} | dict.fromkeys(NAMES, "s")))
        return web.Response(body=reads.pop(0), headers={"ETag": '"p"'})

    report = await Verifier(always(opens(await scripted(answer), Keys("a", "b")))).verify(recording, now)
    assert reads == []
    assert report.verdict is Verdict.INCOMPLETE
    assert "playlist_not_final" in {one.code for one in report.findings}


async def test_an_empty_bucket_is_incomplete_and_a_shut_one_unreachable(
    weed: S3Server, reader: S3Bucket, opens: Opens, recording: Recording
) -> None:
    assert (await Verifier(lambda _: reader).verify(recording, now)).verdict is Verdict.INCOMPLETE
    shut = opens(weed.endpoint, Keys(weed.access_key, "wrong"))
    report = await Verifier(lambda _: shut).verify(recording, now)
    assert report.verdict is Verdict.UNREACHABLE
    assert [one.code for one in report.findings] == ["storage_refused"]
    assert (report.files, report.missing, report.coverage) == ((), (), None)
    assert report.requests == 1


async def test_a_vendor_this_version_does_not_know_is_unreachable(opens: Opens, recording: Recording) -> None:
    report = await Verifier(lambda _: opens("nowhere", Keys("a", "b"))).verify(recording, now)
    assert [one.code for one in report.findings] == ["storage_refused"]


async def test_a_bucket_that_fails_on_one_playlist_is_unreachable_not_missing(
    opens: Opens, scripted: Scripted, recording: Recording
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if "list-type" in request.query:
            return web.Response(text=listing(recording, {PLAYLIST: "p"}))
        return web.Response(status=500)

    report = await Verifier(always(opens(await scripted(answer), Keys("a", "b")))).verify(recording, now)
    assert report.verdict is Verdict.UNREACHABLE
    assert [one.code for one in report.findings] == ["storage_unreachable"]


async def test_a_playlist_written_after_the_list_is_judged_by_a_second_list(
    opens: Opens, scripted: Scripted, recording: Recording
) -> None:
    lists = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal lists
        if "list-type" not in request.query:
            return web.Response(body=text(NAMES), headers={"ETag": '"new"'})
        lists += 1
        early, late = {PLAYLIST: "old", NAMES[0]: "s"}, {PLAYLIST: "new"} | dict.fromkeys(NAMES, "s")
        return web.Response(text=listing(recording, early if lists == 1 else late))

    report = await Verifier(always(opens(await scripted(answer), Keys("a", "b")))).verify(recording, now)
    assert report.verdict is Verdict.VERIFIED
    assert (lists, report.requests) == (2, 4)


async def test_more_objects_than_the_recording_can_have_made_are_not_judged(
    opens: Opens, scripted: Scripted, recording: Recording
) -> None:
    async def answer(request: web.Request) -> web.Response:
        number = int(request.query.get("continuation-token", "0"))
        objects = "".join(
            f"<Contents><Key>{recording.key_prefix}{number * 1000 + i:09d}</Key><Size>1</Size>"
            "<LastModified>2025-01-01T00:00:00Z</LastModified></Contents>"
            for i in range(1000)
        )
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{number + 1}</NextContinuationToken>"
        return web.Response(text=f"<ListBucketResult>{more}{objects}</ListBucketResult>")

    report = await Verifier(always(opens(await scripted(answer), Keys("a", "b")))).verify(recording, now)
    assert (report.verdict, [one.code for one in report.findings]) == (Verdict.UNREACHABLE, ["too_many_objects"])
    assert report.requests < 20


async def test_looks_show_each_slice_once_and_find_the_sid(reader: S3Bucket, recording: Recording, puts: Puts) -> None:
    (attempt,) = recording.attempts
    row = replace(recording, attempts=(replace(attempt, sid=None),))
    verifier = Verifier(lambda _: reader)
    nothing = await verifier.look(row)
    assert (nothing.slices, nothing.sids, nothing.after_key) == (0, {}, "")

    puts(NAMES[0], b"G" * 188)
    puts(PLAYLIST, text(NAMES[:1], ended=False))
    first = await verifier.look(row)
    assert (first.slices, first.size_bytes, first.sids) == (1, 188, {1: SID})
    assert first.last_slice_at == next(file.modified_at for file in first.files if file.kind is FileKind.SLICE)
    assert {file.kind for file in first.files} == {FileKind.SLICE, FileKind.PLAYLIST}

    puts(NAMES[1], b"G" * 376)
    row = replace(recording, watch=Watch(after_key=first.after_key))
    second = await verifier.look(row)
    assert (second.slices, second.size_bytes) == (1, 376)
    row = replace(recording, watch=Watch(after_key=second.after_key))
    assert (await verifier.look(row)).slices == 0


async def test_a_look_after_a_lost_task_reads_whether_its_playlist_is_complete(
    reader: S3Bucket, recording: Recording, puts: Puts
) -> None:
    """Without a resource id only the bucket shows that it ended. After a failover the last recorder counts."""
    (attempt,) = recording.attempts
    known = replace(recording, attempts=(replace(attempt, sid=SID, resource_id="rid"),))
    lost = replace(recording, attempts=(replace(attempt, sid=SID, resource_id=None),))
    verifier = Verifier(lambda _: reader)
    assert not (await verifier.look(lost)).ended
    puts(NAMES[0], b"G" * 188)
    puts(PLAYLIST, text(NAMES[:1], ended=False))
    assert not (await verifier.look(lost)).ended
    puts(PLAYLIST, text(NAMES[:1]))
    assert (await verifier.look(lost)).ended
    assert not (await verifier.look(known)).ended, "Agora is asked"
    puts(f"bak0_{NAMES[1]}", b"G" * 188)
    assert not (await verifier.look(lost)).ended
    puts(f"bak0_{PLAYLIST}", text([f"bak0_{NAMES[1]}"]))
    assert (await verifier.look(lost)).ended


@pytest.mark.parametrize("sid", ["0" * 32, "f" * 32])
async def test_a_look_follows_a_failover_whatever_the_order_of_the_names(
    reader: S3Bucket, recording: Recording, puts: Puts, sid: str
) -> None:
    (attempt,) = recording.attempts
    row = replace(recording, attempts=(replace(attempt, sid=sid),))
    stem = f"{sid}_{CNAME}_2025010100"
    slices = []
    for name in (f"{stem}0011000.ts", f"bak0_{stem}0111000.ts", f"bak0_{stem}0127000.ts", f"bak1_{stem}0227000.ts"):
        puts(name, b"G" * 188)
        seen = await Verifier(lambda _: reader).look(row)
        slices.append(seen.slices)
        row = replace(row, watch=Watch(after_key=seen.after_key))
    assert slices == [1, 1, 1, 1]


async def test_a_look_at_a_new_attempt_starts_afresh(reader: S3Bucket, recording: Recording, puts: Puts) -> None:
    puts(NAMES[0], b"G" * 188)
    row = replace(recording, watch=Watch(after_key=f"{recording.key_prefix}a0/zzz"))
    assert (await Verifier(lambda _: reader).look(row)).slices == 1


async def test_reports_are_counted_by_verdict_and_level(reader: S3Bucket, recording: Recording) -> None:
    def count(verdict: str) -> float:
        labels = {"verdict": verdict, "level": "listing"}
        value = REGISTRY.get_sample_value("pagereel_verification_reports_total", labels)
        assert value is not None
        return value

    before = count("incomplete")
    await Verifier(lambda _: reader).verify(recording, now)
    assert count("incomplete") == before + 1
    assert count("unreachable") >= 0
