"""S3Bucket against a real S3 server, which checks signatures and permissions."""

import uuid

import aiohttp
import pytest
from wire_bucket_rig import BUCKET, Opens

from emulator.s3_server import S3Server
from service.buckets import Keys, Usage
from service.buckets.s3 import S3Bucket
from service.errors import Refused, Unavailable
from service.report import ListedObject


async def put(weed: S3Server, prefix: str, names: list[str], body: bytes = b"G" * 188) -> None:
    client = weed.client()
    for name in names:
        client.put_object(Bucket=BUCKET, Key=prefix + name, Body=body)
    client.close()


async def listed(bucket: S3Bucket, prefix: str, after: str = "") -> list[ListedObject]:
    return [one async for page in bucket.list_objects(prefix, after) for one in page]


@pytest.fixture
def prefix() -> str:
    return f"p{uuid.uuid4().hex}/a1/"


async def test_a_listing_shows_keys_sizes_etags_and_times(weed: S3Server, reader: S3Bucket, prefix: str) -> None:
    await put(weed, prefix, ["b.ts", "a.ts"])
    usage = Usage()
    (page,) = [page async for page in reader.list_objects(prefix, usage=usage)]
    assert [(one.key, one.size_bytes) for one in page] == [(prefix + "a.ts", 188), (prefix + "b.ts", 188)]
    assert all(one.modified_at > 1_700_000_000 and len(one.etag) == 32 for one in page)
    assert (usage.requests, usage.objects) == (1, 2)
    assert usage.bytes_read > 300


async def test_a_listing_goes_on_after_a_key_and_below_a_prefix_that_is_no_folder(
    weed: S3Server, reader: S3Bucket, prefix: str
) -> None:
    await put(weed, prefix, ["a.ts", "b.ts", "c.ts", "x"])
    assert [one.key for one in await listed(reader, prefix, prefix + "b.ts")] == [prefix + "c.ts", prefix + "x"]
    assert [one.key for one in await listed(reader, prefix + "b")] == [prefix + "b.ts"]
    assert await listed(reader, prefix, prefix + "x") == []


async def test_a_listing_of_several_pages_is_whole_and_in_order(weed: S3Server, reader: S3Bucket, prefix: str) -> None:
    names = [f"{index:04d}.ts" for index in range(1203)]
    await put(weed, prefix, names, b"")
    pages = [len(page) async for page in reader.list_objects(prefix)]
    assert pages == [1000, 203]
    assert [one.key for one in await listed(reader, prefix)] == [prefix + name for name in names]


async def test_a_key_with_odd_characters_is_listed_and_fetched(weed: S3Server, reader: S3Bucket, prefix: str) -> None:
    name = "ü ñ+%20&=<x>'\".ts"
    await put(weed, prefix, [name], b"odd")
    (one,) = await listed(reader, prefix)
    assert one.key == prefix + name
    fetched = await reader.fetch(one.key, 10)
    assert fetched is not None
    assert fetched.content == b"odd"


async def test_fetch_reads_all_a_part_or_as_much_as_allowed(weed: S3Server, reader: S3Bucket, prefix: str) -> None:
    await put(weed, prefix, ["x"], b"0123456789")
    whole = await reader.fetch(prefix + "x", 10)
    part = await reader.fetch(prefix + "x", 10, span=(2, 4))
    cut = await reader.fetch(prefix + "x", 4)
    assert whole is not None
    assert part is not None
    assert cut is not None
    assert (whole.content, whole.size_bytes, whole.cut) == (b"0123456789", 10, False)
    assert (part.content, part.size_bytes, part.cut) == (b"234", 10, False)
    assert (cut.content, cut.size_bytes, cut.cut) == (b"0123", 10, True)
    assert whole.etag == (await listed(reader, prefix))[0].etag


async def test_a_missing_object_is_none_and_a_missing_bucket_is_refused(
    weed: S3Server, reader: S3Bucket, opens: Opens, prefix: str
) -> None:
    assert await reader.fetch(prefix + "none", 10) is None
    other = opens(weed.endpoint, Keys(weed.access_key, weed.secret_key), bucket="no-such-bucket")
    with pytest.raises(Refused) as refused:
        await listed(other, prefix)
    assert refused.value.code == "storage_refused"
    with pytest.raises(Refused):
        await other.fetch(prefix + "none", 10)


@pytest.mark.parametrize("which", ["access", "secret"])
async def test_wrong_keys_are_refused_and_shown_nowhere(weed: S3Server, opens: Opens, prefix: str, which: str) -> None:
    keys = Keys(weed.access_key, "not-the-secret") if which == "secret" else Keys("NOTTHEKEY", weed.secret_key)
    wrong = opens(weed.endpoint, keys)
    for call in (listed(wrong, prefix), wrong.fetch(prefix + "x", 1), wrong.probe_write(prefix + "x")):
        with pytest.raises(Refused) as refused:
            await call
        shown = f"{refused.value!s}{refused.value!r}{wrong!r}{keys!r}"
        assert refused.value.code == "storage_refused"
        assert not {keys.access_key, keys.secret_key} & set(shown.split("'"))
        assert keys.secret_key not in shown


async def test_keys_that_only_read_pass_the_read_probe_and_fail_the_write_probe(
    bucket: S3Bucket, reader: S3Bucket, prefix: str
) -> None:
    await reader.probe_read(prefix)
    with pytest.raises(Refused):
        await reader.probe_write(prefix + "pagereelprobe")
    await bucket.probe_write(prefix + "pagereelprobe")
    assert [one.key for one in await listed(reader, prefix)] == [prefix + "pagereelprobe"]


async def test_a_presigned_link_opens_one_object_without_keys(weed: S3Server, reader: S3Bucket, prefix: str) -> None:
    await put(weed, prefix, ["x", "y"], b"linked")
    link = await reader.presign(prefix + "x", 60)
    async with aiohttp.ClientSession() as http:
        async with http.get(link) as answer:
            assert (answer.status, await answer.read()) == (200, b"linked")
        async with http.get(link.replace(prefix + "x", prefix + "y")) as answer:
            assert answer.status == 403
        async with http.get(link.partition("?")[0]) as answer:
            assert answer.status == 403


async def test_where_nobody_listens_the_bucket_is_unavailable(opens: Opens, unused_tcp_port: int, prefix: str) -> None:
    nobody = opens(f"http://127.0.0.1:{unused_tcp_port}", Keys("A", "S"))
    for call in (listed(nobody, prefix), nobody.fetch(prefix + "x", 1)):
        with pytest.raises(Unavailable) as unavailable:
            await call
        assert unavailable.value.code == "storage_unreachable"
