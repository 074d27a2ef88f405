"""Headers as proxies and small stores send them: none of them ends a read, as nothing needs them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_bucket_rig import Opens

from service.buckets import Keys
from service.errors import OutsideError, Unavailable

KEYS = Keys("AKIDEXAMPLE", "wire-secret")
PAGE = b"<ListBucketResult><Contents><Key>p/a</Key><Size>7</Size></Contents></ListBucketResult>"

Raw = Callable[[bytes], Awaitable[str]]


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    """Starts a server that writes `head` into every answer behind the status line, byte for byte; gives its URL. LIST,
    HEAD and GET have their own bodies; `{length}` stands for the body's length."""
    servers: list[asyncio.Server] = []

    async def start(head: bytes) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                asked = await reader.readuntil(b"\r\n\r\n")
                body = PAGE if b"?" in asked.partition(b"\r\n")[0] else b"0123456"
                answer = b"HTTP/1.1 200 OK\r\n" + head.replace(b"{length}", b"%d" % len(body)) + b"\r\n"
                writer.write(answer if asked.startswith(b"HEAD") else answer + body)
                await writer.drain()
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


LENGTH = b"Content-Length: {length}\r\nConnection: close\r\n"
ODD = {
    "an empty Last-Modified": b"Last-Modified: \r\n",
    "a Last-Modified that is no date": b"Last-Modified: yesterday\r\n",
    "an empty ETag": b"ETag: \r\n",
    "an empty Date": b"Date:\r\n",
    "a Date that is no date": b"Date: Fri, 99 Foo 2026 99:99:99 GMT\r\n",
    "a Date before all time": b"Date: Mon, 01 Jan 0001 00:00:00 +2359\r\n",
    "an odd count of metadata": b"x-amz-missing-meta: some\r\nx-amz-mp-parts-count: many\r\nx-amz-tagging-count: \r\n",
    "an odd date of a lock": b"x-amz-object-lock-retain-until-date: never\r\nx-amz-restore: ???\r\n",
    "odd flags": b"x-amz-delete-marker: maybe\r\nx-amz-server-side-encryption-bucket-key-enabled: \r\n",
    "an odd Expires": b"Expires: 0\r\nAge: old\r\nCache-Control: ,,,\r\n",
    "a header of 9,000 bytes": b"Content-Security-Policy: " + b"a" * 9000 + b"\r\n",
    "a header of 60,000 bytes": b"x-amz-meta-notes: " + b"a" * 60_000 + b"\r\n",
    "a name of 9,000 bytes": b"x-" + b"a" * 9000 + b": 1\r\n",
    "130 headers": b"".join(b"x-trace-%d: 1\r\n" % number for number in range(130)),
    "900 headers": b"".join(b"x-trace-%d: 1\r\n" % number for number in range(900)),
    "ten headers of 9,000 bytes": b"".join(b"x-amz-meta-%d: " % number + b"a" * 9000 + b"\r\n" for number in range(10)),
    "a header of 130,000 bytes": b"x-amz-meta-notes: " + b"a" * 130_000 + b"\r\n",
    "a cookie of 20,000 bytes": b"Set-Cookie: session=" + b"a" * 20_000 + b"; Path=/\r\n",
    "200 cookies": b"".join(b"Set-Cookie: c%d=1\r\n" % number for number in range(200)),
    "a long way through proxies": b"Via: " + b"1.1 proxy.example, " * 900 + b"1.1 last\r\n",
    "a header of nothing but blanks": b"x-amz-meta-empty: " + b" " * 20_000 + b"\r\n",
    "a reason that is long": b"x-amz-id-2: " + b"A+/=" * 5000 + b"\r\n",
    "a name that comes 500 times": b"Vary: Origin\r\n" * 500,
    "headers twice": b'Server: a\r\nServer: b\r\nDate: x\r\nDate: y\r\nETag: "e"\r\nETag: "f"\r\n',
    "bytes that are no ASCII": b"x-amz-meta-title: r\xe9sum\xc3\xa9 \xff\r\n",
    "an odd checksum": b"x-amz-checksum-crc32: ????\r\nx-goog-hash: =,=,\r\nContent-MD5: none\r\n",
    "an odd type": b"Content-Type: ;;; charset=nothing\r\nContent-Language: \r\n",
    "an odd range": b"Content-Range: bytes ?-?/?\r\nAccept-Ranges: \r\n",
    "an odd cookie": b"Set-Cookie: =; ;;\r\n",
}


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_header_ends_no_read(raw: Raw, opens: Opens, odd: str) -> None:
    bucket = opens(await raw(ODD[odd] + LENGTH), KEYS)
    listed = [one async for page in bucket.list_objects("p/") for one in page]
    whole, part = await bucket.fetch("p/a", 100), await bucket.fetch("p/a", 7, span=(0, 6))
    headed = await bucket.head("p/a")
    assert whole is not None
    assert part is not None
    assert [(one.key, one.size_bytes) for one in listed] == [("p/a", 7)]
    assert (whole.content, part.content, whole.size_bytes, headed.size_bytes) == (b"0123456", b"0123456", 7, 7)
    assert whole.checksum is None


async def test_a_length_that_is_not_said_is_absent(raw: Raw, opens: Opens) -> None:
    bucket = opens(await raw(b"Connection: close\r\n"), KEYS)
    whole = await bucket.fetch("p/a", 100)
    assert whole is not None
    assert (whole.content, whole.size_bytes, whole.cut) == (b"0123456", None, False)
    with pytest.raises(Unavailable, match="how large"):
        await bucket.head("p/a")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: seven\r\n",
        b"Content-Length: 70\r\n",
        b"Content-Length: -7\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"no colon\r\n",
        b"x-amz-meta-a: " + b"a" * 200_000 + b"\r\n" + LENGTH,
        b"".join(b"x-trace-%d: 1\r\n" % number for number in range(2000)) + LENGTH,
        b"\0\0\0\r\n",
    ],
)
async def test_what_is_no_answer_is_an_unavailable_store(raw: Raw, opens: Opens, head: bytes) -> None:
    bucket = opens(await raw(head), KEYS, deadline_seconds=5.0)
    with pytest.raises(Unavailable) as unavailable:
        await bucket.fetch("p/a", 100)
    assert len(str(unavailable.value)) < 200


@pytest.mark.parametrize(
    ("content_range", "problem"),
    [("bytes 1-7/100", "another part"), ("bytes 0-3/100", "the part that it names"), ("bytes 0-99/100", "the part")],
)
async def test_a_part_that_is_not_the_part_asked_for_is_not_taken_for_it(
    raw: Raw, opens: Opens, content_range: str, problem: str
) -> None:
    bucket = opens(await raw(f"Content-Range: {content_range}\r\n".encode() + LENGTH), KEYS)
    with pytest.raises(Unavailable, match=problem):
        await bucket.fetch("p/a", 100, span=(0, 6))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(names=st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=6))
async def test_headers_of_any_bytes_give_the_object_or_an_unavailable_store(
    raw: Raw, opens: Opens, names: list[tuple[str, bytes]]
) -> None:
    known = ["ETag", "Date", "Content-Encoding", "Content-Range", "x-goog-hash"]
    lines = [b"%s: %s\r\n" % (known[len(name) % 5].encode(), value) for name, value in names]
    bucket = opens(await raw(b"".join(lines) + LENGTH), KEYS, deadline_seconds=5.0)
    try:
        whole = await bucket.fetch("p/a", 100)
    except OutsideError:
        return
    assert whole is not None
