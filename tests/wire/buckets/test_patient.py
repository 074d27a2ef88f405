"""A store with bad luck answers as one without; a store that is down is given up in bounded time.

Time is a number here: the bucket sleeps by adding to it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from corpus import BEGIN, recording
from wire_bucket_rig import Opens, Scripted, proxy_to

from emulator.s3_server import S3Server
from service.buckets import Bucket, Keys, Usage
from service.buckets.patient import Patience, PatientBucket
from service.errors import Refused, Unavailable
from service.media.listing.discovery import find_recordings
from service.report import Level, ListedObject, Verdict
from service.verifier.judging import judge_recording
from tests.store_proxy import Fault, StoreProxy, refusing, resetting

KEYS = Keys("AKIDEXAMPLE", "wire-secret")
FILES = recording("d" * 32, "room", slices=12)


@dataclass
class Time:
    """Our clock: it goes on where somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def bucket(self, bucket: Bucket, chance: float = 1.0, **patience: float) -> PatientBucket:
        settings = Patience(**patience)  # type: ignore[arg-type]
        return PatientBucket(bucket, settings, sleep=self.sleep, now=lambda: self.now, chance=lambda: chance)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def proxy(weed: S3Server, folder: str) -> AsyncIterator[StoreProxy]:
    async with proxy_to(weed, folder, FILES) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy: StoreProxy, weed: S3Server, opens: Opens) -> Bucket:
    return opens(proxy.endpoint, Keys(weed.reader_access_key, weed.reader_secret_key), deadline_seconds=0.5)


def once_each(fault: Fault, times: int = 1) -> Fault:
    """Every request that has a body to its answer, by path and query, fails so often and is answered from then on."""
    failed: dict[str, int] = {}

    async def now_and_then(request: web.Request, body: bytes) -> web.StreamResponse | None:
        name = f"{request.method} {request.path_qs} {request.headers.get('Range')}"
        failed[name] = failed.get(name, 0) + 1
        return await fault(request, body) if failed[name] <= times and request.method == "GET" else None

    return now_and_then


async def hanging(_: web.Request, __: bytes) -> web.StreamResponse | None:
    """No answer within the deadline of the bucket."""
    await asyncio.sleep(1)
    return None


async def cut_off(request: web.Request, _: bytes) -> web.StreamResponse:
    """The connection ends before anything is answered."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def nonsense(_: web.Request, __: bytes) -> web.StreamResponse:
    return web.Response(status=502, text="<html>a proxy</html>")


async def everything(bucket: Bucket, folder: str, usage: Usage) -> dict[str, bytes]:
    """The whole of every object, read in two parts."""
    found: dict[str, bytes] = {}
    async for page in bucket.list_objects(folder, usage=usage):
        for one in page:
            headed = await bucket.head(one.key, usage=usage)
            first = await bucket.fetch(one.key, 100, span=(0, 99), usage=usage)
            rest = await bucket.fetch(one.key, 10_000, span=(100, headed.size_bytes - 1), usage=usage)
            assert first is not None
            assert rest is not None
            found[one.key.removeprefix(folder)] = first.content + rest.content
    return found


FAULTS = {
    "503 SlowDown": refusing(503, "SlowDown"),
    "503 with Retry-After": refusing(503, "SlowDown", **{"Retry-After": "2"}),
    "500 InternalError": refusing(500, "InternalError"),
    "429": refusing(429, "TooManyRequests"),
    "408": refusing(408, "RequestTimeout"),
    "400 RequestTimeout": refusing(400, "RequestTimeout"),
    "404 without the store's word": refusing(404, "nothing", "_room"),
    "half a body": resetting(),
    "reset": cut_off,
    "a proxy's page": nonsense,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_request_may_fail_and_what_is_read_is_the_same(
    proxy: StoreProxy, bucket: Bucket, folder: str, clock: Time, fault: str
) -> None:
    proxy.fault = once_each(FAULTS[fault])
    usage = Usage()
    assert await everything(clock.bucket(bucket), folder, usage) == FILES
    assert usage.repeats == len(clock.slept)
    # The HTTP client itself sends a request again where a connection ends that was used before.
    assert usage.repeats in (2 * len(FILES), 2 * len(FILES) + 1) or fault == "reset"
    assert usage.objects == len(FILES)


async def test_a_request_that_hangs_is_made_again(proxy: StoreProxy, bucket: Bucket, folder: str, clock: Time) -> None:
    proxy.fault = once_each(hanging)
    name = next(iter(FILES))
    usage = Usage()
    fetched = await clock.bucket(bucket).fetch(folder + name, 188, usage=usage)
    assert fetched is not None
    assert (fetched.content, usage.requests, usage.repeats) == (FILES[name], 2, 1)


@pytest.mark.parametrize("fault", ["503 SlowDown", "half a body", "reset"])
async def test_a_recording_of_a_store_with_bad_luck_is_judged_as_one_without(
    proxy: StoreProxy, bucket: Bucket, folder: str, clock: Time, fault: str
) -> None:
    (found,), _ = find_recordings(ListedObject(folder + name, len(body), "", BEGIN) for name, body in FILES.items())
    expected = found.expectation(BEGIN + 3600)
    proxy.fault = once_each(FAULTS[fault], times=3)
    report = await judge_recording(clock.bucket(bucket), expected, Level.LISTING, now_fn=lambda: BEGIN + 3600)
    assert (report.verdict, report.findings) == (Verdict.VERIFIED, ())


async def test_pages_that_fail_are_asked_for_again_and_no_object_is_shown_twice(
    opens: Opens, scripted: Scripted, clock: Time
) -> None:
    keys = [f"p/{number:02d}" for number in range(20)]
    for order, page in ((keys, 3), (keys[::-1], 3), (keys[10:] + keys[:10], 4)):
        failed: set[str] = set()

        async def answer(
            request: web.Request, order: list[str] = order, page: int = page, failed: set[str] = failed
        ) -> web.Response:
            if request.path_qs not in failed:
                failed.add(request.path_qs)
                return web.Response(status=503)
            start = int(request.query.get("continuation-token", "0"))
            end = start + page
            rows = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in order[start:end])
            more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < len(order) else ""
            return web.Response(text=f"<ListBucketResult>{more}{rows}</ListBucketResult>")

        bucket = clock.bucket(opens(await scripted(answer), KEYS))
        assert [one.key async for some in bucket.list_objects("p/") for one in some] == order
    assert set(clock.slept) == {0.25}


async def test_waits_double_within_bounds_and_chance_shortens_them(
    opens: Opens, scripted: Scripted, clock: Time
) -> None:
    down = opens(await scripted(status(503)), KEYS)
    with pytest.raises(Unavailable):
        await clock.bucket(down).fetch("k", 1)
    assert clock.slept[:7] == [0.25, 0.5, 1, 2, 4, 8, 8]
    other = Time()
    with pytest.raises(Unavailable):
        await other.bucket(down, chance=0.0).fetch("k", 1)
    assert other.slept[:7] == [0.125, 0.25, 0.5, 1, 2, 4, 4]


def status(number: int, **headers: str) -> Callable[[web.Request], object]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=number, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return answer


async def test_an_object_that_never_comes_is_given_up_within_its_time(
    opens: Opens, scripted: Scripted, clock: Time
) -> None:
    bucket = clock.bucket(opens(await scripted(status(503)), KEYS), object_seconds=20)
    for call in (bucket.fetch("k", 1), bucket.head("k"), anext(bucket.list_objects("p/"))):
        before = clock.now
        with pytest.raises(Unavailable, match="503"):
            await call
        assert 10 < clock.now - before <= 20


async def test_a_store_that_names_its_time_is_not_asked_before_it(
    opens: Opens, scripted: Scripted, clock: Time
) -> None:
    bucket = clock.bucket(opens(await scripted(status(503, Retry_After="17")), KEYS))
    with pytest.raises(Unavailable) as failed:
        await bucket.fetch("k", 1)
    assert clock.slept == [17, 17, 17]
    assert failed.value.retry_after_seconds == 17
    clock.slept.clear()
    later = clock.bucket(opens(await scripted(status(503, Retry_After="600")), KEYS))
    with pytest.raises(Unavailable):
        await later.fetch("k", 1)
    assert clock.slept == []


async def test_a_refusal_and_a_missing_object_are_not_asked_for_again(
    proxy: StoreProxy, bucket: Bucket, folder: str, clock: Time
) -> None:
    patient, usage = clock.bucket(bucket), Usage()
    assert await patient.fetch(folder + "none", 1, usage=usage) is None
    proxy.fault = refusing(403, "AccessDenied")
    for call in (patient.fetch(folder, 1, usage=usage), anext(patient.list_objects(folder, usage=usage))):
        with pytest.raises(Refused):
            await call
    assert (usage.requests, usage.repeats, clock.slept) == (3, 0, [])


async def test_a_store_that_is_down_is_given_up_for_all_objects_at_once(
    opens: Opens, scripted: Scripted, clock: Time
) -> None:
    bucket, usage = clock.bucket(opens(await scripted(status(503)), KEYS)), Usage()
    calls = (bucket.fetch(f"k{number}", 1, usage=usage) for number in range(450))
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in errors} == {Unavailable}
    requests = usage.requests
    for call in (bucket.fetch("another", 1, usage=usage), anext(bucket.list_objects("p/", usage=usage))):
        with pytest.raises(Unavailable, match="does not answer any more"):
            await call
    assert usage.requests == requests < 3000


async def test_a_store_that_answers_now_and_then_is_not_down(
    proxy: StoreProxy, bucket: Bucket, folder: str, clock: Time
) -> None:
    proxy.fault = once_each(refusing(503, "SlowDown"), times=6)
    patient = clock.bucket(bucket, down_objects=3, down_seconds=20)
    for name, body in FILES.items():
        fetched = await patient.fetch(folder + name, 10_000)
        assert fetched is not None
        assert fetched.content == body
    assert clock.now > 180


async def test_a_task_that_is_cancelled_while_it_waits_ends_at_once(opens: Opens, scripted: Scripted) -> None:
    waits = asyncio.Event()

    async def forever(_: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    bucket = PatientBucket(opens(await scripted(status(503)), KEYS), sleep=forever)
    for call in (bucket.fetch("k", 1), anext(bucket.list_objects("p/"))):
        waits.clear()
        task = asyncio.ensure_future(call)
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
