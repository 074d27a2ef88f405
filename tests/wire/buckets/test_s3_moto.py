"""A second foreign server: what moto answers to pages and missing things, S3Bucket reads alike."""

from collections.abc import Iterator

import pytest
from aiobotocore.session import AioSession
from moto.server import ThreadedMotoServer
from wire_bucket_rig import Opens

from service.buckets import Keys
from service.errors import Refused

KEYS = Keys("test", "test")


@pytest.fixture
def moto(unused_tcp_port: int) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", unused_tcp_port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{unused_tcp_port}"
    server.stop()


async def test_moto_has_the_same_words_for_missing_things(moto: str, opens: Opens, boto: AioSession) -> None:
    settings = {"region_name": "us-east-1", "endpoint_url": moto}
    async with boto.create_client("s3", aws_access_key_id="test", aws_secret_access_key="test", **settings) as client:  # type: ignore[call-overload]
        await client.create_bucket(Bucket="moto-bucket")
        await client.put_object(Bucket="moto-bucket", Key="p/a", Body=b"abc")
    bucket = opens(moto, KEYS, bucket="moto-bucket")
    assert [one.key async for page in bucket.list_objects("p/") for one in page] == ["p/a"]
    fetched = await bucket.fetch("p/a", 9)
    assert fetched is not None
    assert fetched.content == b"abc"
    assert await bucket.fetch("p/none", 9) is None
    other = opens(moto, KEYS, bucket="no-such-bucket")
    with pytest.raises(Refused):
        await other.fetch("p/a", 9)
    with pytest.raises(Refused):
        await other.probe_read("p/")
