"""Stores of three makes, each with the same promises: SeaweedFS and rclone behind S3, Azurite behind Azure's own."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Literal

import aiohttp
import pytest
from aiobotocore.session import AioSession
from azure.storage.blob import BlobServiceClient
from wire_bucket_rig import BUCKET
from yarl import URL

from emulator.s3_server import S3Server
from service.buckets import Bucket, Keys, Usage
from service.buckets.azure import AzureBucket
from service.buckets.s3 import S3Bucket
from service.buckets.vendors import AZURE, COMPATIBLE, Dialect
from service.errors import OutsideError, Refused
from service.recording import Location
from tests.servers import Azurite, Rclone


@dataclass
class Store:
    """One make: where it is, what opens it, and how to write into it behind the service's back."""

    location: Location
    keys: Keys
    http: aiohttp.ClientSession
    boto: AioSession
    stack: AsyncExitStack

    def open(self, *, bucket: str = BUCKET, secret_key: str | None = None, dialect: Dialect | None = None) -> Bucket:
        location = replace(self.location, bucket=bucket)
        keys = Keys(self.keys.access_key, secret_key or self.keys.secret_key)
        if location.vendor == AZURE:
            return AzureBucket(location, keys, http=self.http)
        opened = S3Bucket(location, keys, http=self.http, session=self.boto, dialect=dialect or Dialect())
        self.stack.push_async_callback(opened.close)
        return opened

    async def put(self, *keys: str, body: bytes) -> None:
        if self.location.vendor == AZURE:
            url = f"{self.location.endpoint}/{self.keys.access_key}"
            with BlobServiceClient(url, credential=self.keys.secret_key) as client:
                for key in keys:
                    client.get_blob_client(BUCKET, key).upload_blob(body, overwrite=True)
            return
        settings = {"region_name": "us-east-1", "endpoint_url": self.location.endpoint}
        settings |= {"aws_access_key_id": self.keys.access_key, "aws_secret_access_key": self.keys.secret_key}
        async with self.boto.create_client("s3", **settings) as client:  # type: ignore[call-overload]
            for key in keys:
                await client.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture(params=["seaweedfs", "rclone", "azurite"])
async def store(request: pytest.FixtureRequest, boto: AioSession) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield _store(request, http, boto, stack)


def _store(
    request: pytest.FixtureRequest, http: aiohttp.ClientSession, boto: AioSession, stack: AsyncExitStack
) -> Store:
    if request.param == "azurite":
        azurite: Azurite = request.getfixturevalue("azurite")
        with BlobServiceClient(f"{azurite.endpoint}/{azurite.account}", credential=azurite.key) as client:
            if not client.get_container_client(BUCKET).exists():
                client.create_container(BUCKET)
        keys, endpoint, vendor = Keys(azurite.account, azurite.key), azurite.endpoint, AZURE
    elif request.param == "rclone":
        rclone: Rclone = request.getfixturevalue("rclone")
        keys, endpoint, vendor = Keys(rclone.access_key, rclone.secret_key), rclone.endpoint, COMPATIBLE
    else:
        weed: S3Server = request.getfixturevalue("weed")
        keys, endpoint, vendor = Keys(weed.access_key, weed.secret_key), weed.endpoint, COMPATIBLE
    return Store(Location(vendor, 0, BUCKET, endpoint, True, ()), keys, http, boto, stack)


@pytest.fixture
def prefix() -> str:
    return f"p{uuid.uuid4().hex}/a1/"


async def failure_of(call: object) -> OutsideError:
    with pytest.raises(OutsideError) as failed:
        await call  # type: ignore[misc]
    return failed.value


async def keys_of(bucket: Bucket, prefix: str, after: str = "") -> list[str]:
    return [one.key async for page in bucket.list_objects(prefix, after) for one in page]


async def test_what_is_written_is_listed_headed_and_read_whole_and_in_part(store: Store, prefix: str) -> None:
    for name in ("b x+ü.ts", "a.ts"):
        await store.put(prefix + name, body=b"0123456789")
    bucket, usage = store.open(), Usage()
    (page,) = [page async for page in bucket.list_objects(prefix, usage=usage)]
    assert [(one.key, one.size_bytes) for one in page] == [(prefix + "a.ts", 10), (prefix + "b x+ü.ts", 10)]
    assert all(one.modified_at > 1_700_000_000 and one.etag for one in page)
    headed = await bucket.head(prefix + "b x+ü.ts", usage=usage)
    assert (headed.size_bytes, headed.etag) == (10, page[1].etag)
    part = await bucket.fetch(prefix + "b x+ü.ts", 9, span=(2, 4), usage=usage)
    whole = await bucket.fetch(prefix + "a.ts", 4, usage=usage)
    assert part is not None
    assert whole is not None
    assert (part.content, part.size_bytes, part.cut) == (b"234", 10, False)
    assert (whole.content, whole.size_bytes, whole.cut, whole.etag) == (b"0123", 10, True, page[0].etag)
    assert (usage.requests, usage.objects) == (4, 2)


async def test_a_listing_goes_on_after_a_key(store: Store, prefix: str) -> None:
    for name in ("a", "b", "c"):
        await store.put(prefix + name, body=b"x")
    bucket = store.open()
    assert await keys_of(bucket, prefix, prefix + "a") == [prefix + "b", prefix + "c"]
    assert await keys_of(bucket, prefix, prefix + "c") == []


async def test_what_is_not_there_is_none_and_a_missing_bucket_is_refused(store: Store, prefix: str) -> None:
    await store.put(prefix + "a", body=b"x")
    assert await store.open().fetch(prefix + "none", 9) is None
    other = store.open(bucket="no-such-bucket")
    assert type(await failure_of(keys_of(other, prefix))) is Refused
    assert type(await failure_of(other.fetch(prefix + "a", 9))) is Refused


async def test_a_missing_bucket_is_never_told_as_a_fault_of_the_keys_alone(store: Store, prefix: str) -> None:
    other = store.open(bucket="no-such-bucket")
    listed, written = await failure_of(other.probe_read(prefix)), await failure_of(other.probe_write(f"{prefix}x"))
    assert "there is no bucket 'no-such-bucket'" in listed.detail
    assert "no bucket 'no-such-bucket'" in written.detail, "some look at what the keys may do first"


async def test_wrong_keys_are_refused_and_shown_nowhere(store: Store, prefix: str) -> None:
    wrong = "bm90LXRoZS1rZXktb2YtdGhlLWFjY291bnQtYXQtYWxsISE="
    bucket = store.open(secret_key=wrong)
    for call in (keys_of(bucket, prefix), bucket.fetch(prefix + "a", 1), bucket.probe_read(prefix)):
        failed = await failure_of(call)
        assert type(failed) is Refused
        assert wrong not in f"{failed!s}{failed!r}{bucket!r}"


async def test_a_presigned_link_opens_its_object_alone(store: Store, prefix: str) -> None:
    for name in ("x y", "z"):
        await store.put(prefix + name, body=b"linked")
    link = await store.open().presign(prefix + "x y", 60)
    async with store.http.get(URL(link, encoded=True)) as answer:
        assert (answer.status, await answer.read()) == (200, b"linked")
    async with store.http.get(URL(link.replace("/x%20y", "/z"), encoded=True)) as answer:
        assert answer.status in (401, 403)


async def test_probes_write_one_tiny_object_and_find_it(store: Store, prefix: str) -> None:
    bucket = store.open()
    assert await bucket.probe_read(prefix) is None
    await bucket.probe_write(prefix + "pagereelprobe")
    found = await bucket.probe_read(prefix)
    assert found is not None
    assert found.key == prefix + "pagereelprobe"


@pytest.mark.parametrize("store", ["rclone"], indirect=True)
@pytest.mark.parametrize("version", [1, 2])
async def test_pages_follow_each_other_in_both_list_versions(
    store: Store, rclone: Rclone, prefix: str, version: Literal[1, 2]
) -> None:
    folder = rclone.data / BUCKET / prefix
    folder.mkdir(parents=True)
    names = [f"{number:04d}" for number in range(1003)]
    for name in names:
        (folder / name).touch()
    listed = await keys_of(store.open(dialect=Dialect(list_version=version)), prefix)
    assert listed == [prefix + name for name in names]
