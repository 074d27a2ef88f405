"""The probe of a store's dialect: what works is found in eight requests, and told as settings."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from wire_bucket_rig import BUCKET, Opens

from emulator.s3_server import S3Server
from service.buckets import Bucket, Keys
from service.buckets.dialects import probe_dialect
from service.buckets.vendors import Dialect
from service.errors import OutsideError, Refused
from service.recording import Location
from tests.store_proxy import Fault, StoreProxy

PREFIX = "dialects/"


@pytest.fixture
async def proxy(weed: S3Server) -> AsyncIterator[StoreProxy]:
    client = weed.client()
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}a", Body=b"0123456789")
    client.close()
    async with StoreProxy(weed.endpoint) as proxy:
        yield proxy


async def probed(
    proxy: StoreProxy, weed: S3Server, opens: Opens, *, path_style: bool = True, secret_key: str | None = None
) -> OutsideError | None:
    """What the probe has to say, None where it is content."""

    def opened(place: Location, dialect: Dialect) -> Bucket:
        keys = Keys(weed.reader_access_key, secret_key or weed.reader_secret_key)
        return opens(str(place.endpoint), keys, dialect=dialect, path_style=place.path_style)

    endpoint = proxy.endpoint if path_style else proxy.endpoint.replace("127.0.0.1", "localhost")

    try:
        await probe_dialect(opened, Location(11, 0, BUCKET, endpoint, path_style, ()), Dialect(), PREFIX)
    except OutsideError as error:
        return error
    return None


def only(rule: str) -> Fault:
    """A store that understands less than others."""

    async def fault(request: web.Request, _: bytes) -> web.StreamResponse | None:
        newer = {"v1": "list-type" in request.query, "v2": request.headers["Authorization"].startswith("AWS4")}
        return web.Response(status=400, text="<Error><Code>InvalidArgument</Code></Error>") if newer[rule] else None

    return fault


async def test_a_store_that_answers_as_configured_is_asked_three_times(
    proxy: StoreProxy, weed: S3Server, opens: Opens
) -> None:
    assert await probed(proxy, weed, opens) is None
    assert proxy.requests == 3


@pytest.mark.parametrize(("rule", "setting"), [("v1", "list_version = 1"), ("v2", 'signature = "v2"')])
async def test_a_store_of_an_older_dialect_is_told_by_its_setting(
    proxy: StoreProxy, weed: S3Server, opens: Opens, rule: str, setting: str
) -> None:
    proxy.fault = only(rule)
    told = await probed(proxy, weed, opens)
    assert isinstance(told, Refused)
    assert told.detail.endswith(f"does with {setting}")
    assert proxy.requests <= 8


async def test_a_store_without_host_names_for_its_buckets_is_told(
    proxy: StoreProxy, weed: S3Server, opens: Opens
) -> None:
    told = await probed(proxy, weed, opens, path_style=False)
    assert told is not None
    assert "path_style = true" in told.detail


async def test_wrong_keys_are_told_as_such_after_at_most_eight_requests(
    proxy: StoreProxy, weed: S3Server, opens: Opens
) -> None:
    told = await probed(proxy, weed, opens, secret_key="not-the-secret")
    assert isinstance(told, Refused)
    assert "SignatureDoesNotMatch" in told.detail
    assert 1 < proxy.requests <= 8


async def test_a_store_that_gives_more_than_the_part_asked_for_is_told(
    proxy: StoreProxy, weed: S3Server, opens: Opens
) -> None:
    async def whole(request: web.Request, _: bytes) -> web.StreamResponse | None:
        return web.Response(body=b"0123456789") if "Range" in request.headers else None

    proxy.fault = whole
    told = await probed(proxy, weed, opens)
    assert told is not None
    assert "part" in told.detail
