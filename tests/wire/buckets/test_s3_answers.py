"""S3Bucket against answers that no honest S3 server gives, or gives only on a bad day."""

import asyncio
import re
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from wire_bucket_rig import Answer, Opens, Scripted

from metrics import REGISTRY
from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.errors import OutsideError, Refused, Unavailable

KEYS = Keys("AKIDEXAMPLE", "wire-secret", "wire-token")


def page(*keys: str, token: str | None = None, head: str = "") -> str:
    objects = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2025-01-01T00:00:11.000Z</LastModified><ETag>&quot;e&quot;</ETag>"
        f"<Size>188</Size><Owner><ID>1</ID></Owner></Contents>"
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{more}{objects}</ListBucketResult>'
    )


def always(status: int, text: str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def keys_of(bucket: S3Bucket, after: str = "") -> list[str]:
    return [one.key async for page in bucket.list_objects("p/", after) for one in page]


async def failure_of(call: Awaitable[object]) -> OutsideError:
    with pytest.raises(OutsideError) as failed:
        await call
    return failed.value


def error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>m wire-secret</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (301, error("PermanentRedirect"), Refused),
        (307, "", Refused),
        (400, error("AuthorizationHeaderMalformed"), Refused),
        (400, error("RequestTimeout"), Unavailable),
        (401, "", Refused),
        (403, error("AccessDenied"), Refused),
        (403, error("RequestTimeTooSkewed"), Refused),
        (404, error("NoSuchBucket"), Refused),
        (404, "<html>a proxy</html>", Refused),
        (408, "", Unavailable),
        (429, "", Unavailable),
        (500, error("InternalError"), Unavailable),
        (503, error("SlowDown"), Unavailable),
    ],
)
async def test_an_answer_to_list_is_refused_or_unavailable(
    opens: Opens, scripted: Scripted, status: int, body: str, kind: type[OutsideError]
) -> None:
    bucket = opens(await scripted(always(status, body)), KEYS)
    failed = await failure_of(keys_of(bucket))
    assert type(failed) is kind
    assert failed.code == {Refused: "storage_refused", Unavailable: "storage_unreachable"}[kind]
    assert re.match(rf"127\.0\.0\.1:\d+: .*\b{status}\b", failed.detail), "host and cause"


DENIED = "the keys may not do this, or the store has no bucket 'wire-bucket' for them: stores answer both alike"


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (404, "NoSuchBucket", "there is no bucket 'wire-bucket'"),
        (404, "ContainerNotFound", "there is no bucket 'wire-bucket'"),
        (403, "AccessDenied", DENIED),
        (403, "AllAccessDisabled", DENIED),
        (403, "AuthorizationFailure", DENIED),
        (403, "", DENIED),
        (403, "InvalidAccessKeyId", "the store does not know the access key"),
        (403, "SignatureDoesNotMatch", "the secret key does not belong to the access key"),
        (403, "AuthenticationFailed", "the secret key does not belong to the access key"),
        (400, "ExpiredToken", "the temporary keys have expired, or are no keys of this store"),
        (403, "RequestTimeTooSkewed", "our clock differs too much from the store's"),
        (404, "ResourceNotFound", "there is no such storage account"),
        (401, "", "the store does not accept the keys"),
        (404, "", "what answers does not name a missing bucket, so it may be no S3 store: check the endpoint"),
        (403, "SomethingElse", None),
    ],
)
async def test_a_refusal_says_what_it_means_and_tells_keys_from_a_missing_bucket_where_the_store_does(
    opens: Opens, scripted: Scripted, status: int, code: str, meaning: str | None
) -> None:
    bucket = opens(await scripted(always(status, error(code) if code else "")), KEYS)
    told = f"status {status} {code}".strip()
    for failed in (await failure_of(keys_of(bucket)), await failure_of(bucket.probe_write("p/x"))):
        _, _, said = failed.detail.partition(": ")
        assert said == (f"{meaning} ({told})" if meaning else told)


async def test_a_store_that_is_away_is_named_with_its_host_and_the_cause(opens: Opens, unused_tcp_port: int) -> None:
    bucket = opens(f"http://127.0.0.1:{unused_tcp_port}", KEYS)
    for call in (keys_of(bucket), bucket.fetch("k", 100), bucket.head("k")):
        failed = await failure_of(call)
        assert (type(failed), failed.code) == (Unavailable, "storage_unreachable")
        assert failed.detail == f"cannot connect to 127.0.0.1:{unused_tcp_port}: Connection refused"
    assert "wire-secret" not in str(failed)


async def test_only_the_stores_own_word_makes_an_object_missing(opens: Opens, scripted: Scripted) -> None:
    missing = opens(await scripted(always(404, error("NoSuchKey"))), KEYS)
    proxy = opens(await scripted(always(404, "<html>not found</html>")), KEYS)
    gone = opens(await scripted(always(404, error("NoSuchBucket"))), KEYS)
    assert await missing.fetch("k", 1) is None
    assert type(await failure_of(proxy.fetch("k", 1))) is Unavailable
    refused = await failure_of(gone.fetch("k", 1))
    assert type(refused) is Refused
    assert "there is no bucket 'wire-bucket' (status 404 NoSuchBucket)" in refused.detail


async def test_a_part_behind_the_last_byte_is_empty_and_says_how_long_the_object_is(
    opens: Opens, scripted: Scripted
) -> None:
    for said, size in (("bytes */7", 7), ("", None)):
        bucket = opens(await scripted(always(416, error("InvalidRange"), Content_Range=said)), KEYS)
        part = await bucket.fetch("k", 9, span=(7, 15))
        assert part is not None
        assert (part.content, part.size_bytes, part.cut) == (b"", size, False)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 205])
async def test_an_answer_that_gives_no_object_is_not_an_empty_one(
    opens: Opens, scripted: Scripted, status: int
) -> None:
    bucket = opens(await scripted(always(status, "")), KEYS)
    assert type(await failure_of(bucket.fetch("k", 9))) is Unavailable


async def test_the_checksum_of_a_whole_object_is_told_and_that_of_a_part_is_not(
    opens: Opens, scripted: Scripted
) -> None:
    bucket = opens(await scripted(always(200, "abc", x_amz_checksum_crc32="AAAAAA==")), KEYS)
    whole, part = await bucket.fetch("k", 9), await bucket.fetch("k", 9, span=(0, 8))
    assert whole is not None
    assert part is not None
    assert (whole.checksum, part.checksum) == ("crc32:AAAAAA==", None)


async def test_a_store_that_wants_time_gets_it(opens: Opens, scripted: Scripted) -> None:
    bucket = opens(await scripted(always(503, error("SlowDown"), Retry_After="17")), KEYS)
    assert (await failure_of(bucket.fetch("k", 1))).retry_after_seconds == 17


async def test_a_bucket_elsewhere_says_where(opens: Opens, scripted: Scripted) -> None:
    bucket = opens(await scripted(always(301, "", x_amz_bucket_region="eu-west-1")), KEYS)
    assert "eu-west-1" in (await failure_of(keys_of(bucket))).detail


BOMB = "<!DOCTYPE l [" + "<!ENTITY a 'aaaaaaaaaa'>" + "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>" + "]>"


@pytest.mark.parametrize(
    "body",
    [
        page("p/a", head=BOMB).replace("p/a", "&b;"),
        page("p/a", head='<!DOCTYPE l SYSTEM "file:///etc/passwd">'),
        page("p/a").replace("p/a", "&unknown;"),
        page("p/a")[:-30],
        page("p/a").replace("Key>", "Name>"),
        page("p/" + "a" * 9000),
        page("p/a").replace("<Owner>", "<x>" * 20 + "</x>" * 20 + "<Owner>"),
        "<html><body>captive portal</body></html>",
        "",
        "not xml",
    ],
)
async def test_what_is_no_listing_is_an_unavailable_bucket_and_never_an_empty_one(
    opens: Opens, scripted: Scripted, body: str
) -> None:
    bucket = opens(await scripted(always(200, body)), KEYS)
    assert type(await failure_of(keys_of(bucket))) is Unavailable


@pytest.mark.parametrize(
    "body",
    [
        page("p/a", token="t"),
        page(token="t"),
        page("p/a", token="t").replace("t</Next", "</Next"),
    ],
)
async def test_a_listing_that_turns_in_circles_ends(opens: Opens, scripted: Scripted, body: str) -> None:
    bucket = opens(await scripted(always(200, body)), KEYS)
    assert type(await failure_of(keys_of(bucket))) is Unavailable


async def test_a_listing_of_ever_more_empty_pages_ends(opens: Opens, scripted: Scripted) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(text=page(token=f"t{asked}"))

    bucket = opens(await scripted(answer), KEYS)
    assert type(await failure_of(keys_of(bucket))) is Unavailable
    assert asked == 100


async def test_keys_are_decoded_where_the_page_says_so(opens: Opens, scripted: Scripted) -> None:
    encoded = page("p/a%2Bb+c").replace("<Contents>", "<EncodingType>url</EncodingType><Contents>", 1)
    bucket = opens(await scripted(always(200, encoded)), KEYS)
    assert await keys_of(bucket) == ["p/a+b c"]


async def test_a_store_that_knows_no_start_after_still_goes_on_after_the_key(opens: Opens, scripted: Scripted) -> None:
    bucket = opens(await scripted(always(200, page("p/a", "p/b", "p/c"))), KEYS)
    assert await keys_of(bucket, "p/b") == ["p/c"]


async def test_an_answer_that_trickles_is_given_up_in_time(opens: Opens, scripted: Scripted) -> None:
    released = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        await response.write(b"<ListBucketResult>")
        await released.wait()
        return response

    bucket = opens(await scripted(trickle), KEYS, deadline_seconds=0.2)
    try:
        for call in (keys_of(bucket), bucket.fetch("k", 100_000)):
            failed = await failure_of(call)
            assert type(failed) is Unavailable
            assert re.fullmatch(r"127\.0\.0\.1:\d+: no whole answer in time", failed.detail)
    finally:
        released.set()


async def test_an_answer_cut_off_is_unavailable(opens: Opens, scripted: Scripted) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"<ListBucketResult>")
        assert request.transport is not None
        request.transport.close()
        return response

    bucket = opens(await scripted(cut), KEYS)
    for call in (keys_of(bucket), bucket.fetch("k", 1000)):
        assert type(await failure_of(call)) is Unavailable


async def test_a_redirect_is_not_followed(opens: Opens, scripted: Scripted) -> None:
    asked: list[str] = []

    async def trap(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text=page("p/a"))

    elsewhere = await scripted(trap)
    bucket = opens(await scripted(always(307, "", Location=f"{elsewhere}/wire-bucket")), KEYS)
    assert type(await failure_of(keys_of(bucket))) is Refused
    assert type(await failure_of(bucket.fetch("k", 1))) is Refused
    assert asked == []


async def test_requests_are_signed_in_headers_and_urls_hold_no_secret(opens: Opens, scripted: Scripted) -> None:
    seen: list[web.Request] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(text=page("p/a"))

    bucket = opens(await scripted(note), KEYS)
    await keys_of(bucket)
    await bucket.fetch("k", 1)
    assert [request.headers["Authorization"].split(" ")[0] for request in seen] == ["AWS4-HMAC-SHA256"] * 2
    assert all(request.headers["X-Amz-Security-Token"] == "wire-token" for request in seen)
    assert not any(word in request.path_qs for request in seen for word in ("Signature", "AKID", "wire-token"))
    assert not any("checksum" in name.lower() for request in seen for name in request.headers)


async def test_the_clock_of_the_bucket_is_compared_with_ours(opens: Opens, scripted: Scripted) -> None:
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    bucket = opens(await scripted(always(200, page("p/a"), Date=ahead)), KEYS)
    await keys_of(bucket)
    assert REGISTRY.get_sample_value("pagereel_bucket_clock_skew_seconds") == pytest.approx(600, abs=5)


async def test_each_request_is_counted_by_operation_and_outcome(opens: Opens, scripted: Scripted) -> None:
    def count(operation: str, outcome: str) -> float:
        labels = {"operation": operation, "outcome": outcome}
        return REGISTRY.get_sample_value("pagereel_bucket_request_seconds_count", labels) or 0.0

    before = count("get", "missing"), count("list", "refused"), count("get", "unavailable"), count("list", "ok")
    await opens(await scripted(always(404, error("NoSuchKey"))), KEYS).fetch("k", 1)
    await failure_of(keys_of(opens(await scripted(always(403, "")), KEYS)))
    await failure_of(opens(await scripted(always(500, "")), KEYS).fetch("k", 1))
    await keys_of(opens(await scripted(always(200, page("p/a"))), KEYS))
    after = count("get", "missing"), count("list", "refused"), count("get", "unavailable"), count("list", "ok")
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1]
