"""What is said of a recording when its store fails in the middle: never that something is missing."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from corpus import BEGIN, recording
from wire_bucket_rig import Opens, proxy_to

from emulator.s3_server import S3Server
from service.buckets import Bucket, Keys
from service.buckets.patient import Patience
from service.media.expectation import Expectation
from service.media.listing.discovery import find_recordings
from service.report import Level, ListedObject, Report, Verdict
from service.verifier.judging import judge_recording
from tests.store_proxy import Fault, StoreProxy, refusing, resetting

SID, CNAME = "a" * 32, "room"
FILES = recording(SID, CNAME)
PLAYLIST = f"{SID}_{CNAME}.m3u8"


@pytest.fixture
async def proxy(weed: S3Server, folder: str) -> AsyncIterator[StoreProxy]:
    """The way to a store that holds a good recording."""
    async with proxy_to(weed, folder, FILES) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy: StoreProxy, weed: S3Server, opens: Opens) -> Bucket:
    return opens(proxy.endpoint, Keys(weed.reader_access_key, weed.reader_secret_key), concurrency=4)


def expected(folder: str) -> Expectation:
    (found,), _ = find_recordings(ListedObject(folder + name, len(body), "", BEGIN) for name, body in FILES.items())
    whole = found.expectation(BEGIN + 3600)
    return replace(whole, policy=replace(whole.policy, two_reads_apart_seconds=0.05))


async def judged(bucket: Bucket, folder: str) -> Report:
    patience = Patience(object_seconds=1.0, first_wait_seconds=0.05, longest_wait_seconds=0.2, down_seconds=1.0)
    return await judge_recording(
        bucket, expected(folder), Level.LISTING, now_fn=lambda: BEGIN + 3600, patience=patience
    )


def codes(report: Report) -> set[str]:
    return {one.code for one in report.findings}


async def test_through_the_proxy_a_good_recording_is_verified(bucket: Bucket, folder: str) -> None:
    assert (await judged(bucket, folder)).verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (refusing(403, "AccessDenied", ".m3u8"), "storage_refused"),
        (refusing(404, "NoSuchBucket"), "storage_refused"),
        (refusing(503, "SlowDown", **{"Retry-After": "7"}), "storage_unreachable"),
        (refusing(503, "SlowDown", ".m3u8", **{"Retry-After": "7"}), "storage_unreachable"),
        (resetting(), "storage_unreachable"),
        (resetting(".m3u8"), "storage_unreachable"),
    ],
)
async def test_a_store_that_refuses_throttles_or_hangs_up_makes_unreachable_and_passes(
    proxy: StoreProxy, bucket: Bucket, folder: str, fault: Fault, code: str
) -> None:
    proxy.fault = fault
    report = await judged(bucket, folder)
    assert (report.verdict, codes(report), report.files) == (Verdict.UNREACHABLE, {code}, ())
    assert re.search(r"\(127\.0\.0\.1:\d+: \S", report.findings[0].text), "host and cause"
    proxy.fault = None
    assert (await judged(bucket, folder)).verdict is Verdict.VERIFIED


async def test_a_throttling_store_says_when_to_come_again(proxy: StoreProxy, bucket: Bucket, folder: str) -> None:
    proxy.fault = refusing(503, "SlowDown", **{"Retry-After": "7"})
    (finding,) = (await judged(bucket, folder)).findings
    assert finding.evidence["retry_after_seconds"] == 7


async def test_a_playlist_that_is_not_there_yet_is_awaited(proxy: StoreProxy, bucket: Bucket, folder: str) -> None:
    proxy.fault = refusing(404, "NoSuchKey", ".m3u8")
    assert (await judged(bucket, folder)).verdict is Verdict.INCOMPLETE
    proxy.fault = None
    assert (await judged(bucket, folder)).verdict is Verdict.VERIFIED


async def test_a_stale_playlist_is_awaited(proxy: StoreProxy, bucket: Bucket, folder: str) -> None:
    lines = FILES[PLAYLIST].decode().splitlines()
    stale = "\n".join(lines[:-3]).encode()

    async def old(request: web.Request, _: bytes) -> web.StreamResponse | None:
        return web.Response(body=stale) if ".m3u8" in request.path else None

    proxy.fault = old
    report = await asyncio.wait_for(judged(bucket, folder), 30)
    assert report.verdict is Verdict.INCOMPLETE
    assert "playlist_not_final" in codes(report)


async def test_reads_of_one_profile_are_bounded(proxy: StoreProxy, bucket: Bucket, folder: str) -> None:
    gate = asyncio.Event()

    async def held(_: web.Request, __: bytes) -> None:
        if proxy.under_way == 4:
            gate.set()
        await gate.wait()

    proxy.fault = held  # type: ignore[assignment] # it never answers by itself
    reads = await asyncio.gather(*(bucket.fetch(folder + PLAYLIST, 9, span=(0, 8)) for _ in range(24)))
    assert all(one is not None and one.content == FILES[PLAYLIST][:9] for one in reads)
    assert proxy.most_under_way == 4
