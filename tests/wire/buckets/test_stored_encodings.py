"""Objects that are stored compressed: their bytes come as they are stored, and text is read as players read it."""

import gzip
import tracemalloc
import uuid
import zlib

import pytest
from aiohttp import web
from corpus import BEGIN, recording
from hypothesis import given
from hypothesis import strategies as st
from wire_bucket_rig import BUCKET, Answer, Opens, Scripted

from emulator.s3_server import S3Server
from service.buckets import Fetched, Keys
from service.buckets.encodings import decode_text, fetch_text, inflate
from service.buckets.s3 import S3Bucket
from service.errors import OutsideError, Refused
from service.media.listing.discovery import find_recordings
from service.report import Level, ListedObject, Verdict
from service.verifier.judging import judge_recording

KEYS = Keys("AKIDEXAMPLE", "wire-secret")
TEXT = b"#EXTM3U\n" + b"".join(b"#EXTINF:15.000,\nslice%d.ts\n" % number for number in range(200))
SID, CNAME = "b" * 32, "room"


def bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


def stored(body: bytes, encoding: str | None) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        headers = {} if encoding is None else {"Content-Encoding": encoding}
        return web.Response(body=body, headers={"ETag": '"e"', **headers})

    return answer


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (None, TEXT),
        ("", TEXT),
        ("identity", TEXT),
        ("aws-chunked", TEXT),
        ("UTF-8", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("GZip", gzip.compress(TEXT, 1)),
        ("x-gzip", gzip.compress(TEXT, 0)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + b"\0" * 100),
        ("gzip", gzip.compress(TEXT)[:-8]),
        ("aws-chunked,gzip", gzip.compress(TEXT)),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT))),
    ],
)
async def test_a_text_is_read_whatever_form_it_is_stored_in(
    opens: Opens, scripted: Scripted, encoding: str | None, body: bytes
) -> None:
    bucket = opens(await scripted(stored(body, encoding)), KEYS)
    text = await fetch_text(bucket, "k.m3u8", 100_000)
    raw = await bucket.fetch("k.m3u8", 100_000)
    assert text is not None
    assert raw is not None
    assert (text.content, text.cut, text.etag, text.size_bytes) == (TEXT, False, "e", len(body))
    assert (raw.content, raw.encoding) == (body, text.encoding)


async def test_a_part_of_a_compressed_object_is_the_part_that_is_stored(opens: Opens, scripted: Scripted) -> None:
    body = gzip.compress(TEXT)

    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Range": f"bytes 5-24/{len(body)}", "Content-Encoding": "gzip"}
        return web.Response(status=206, body=body[5:25], headers=headers)

    part = await opens(await scripted(answer), KEYS).fetch("k", 20, span=(5, 24))
    assert part is not None
    assert (part.content, part.size_bytes, part.encoding) == (body[5:25], len(body), "gzip")


async def test_what_players_refuse_to_unpack_reads_as_nothing(opens: Opens, scripted: Scripted) -> None:
    for encoding, body in (("gzip", TEXT), ("deflate", TEXT), ("gzip", gzip.compress(TEXT)[5:]), ("gzip", b"")):
        text = await fetch_text(opens(await scripted(stored(body, encoding)), KEYS), "k", 100_000)
        assert text is not None
        assert (text.content, text.encoding) == (b"", encoding)


async def test_a_packed_text_that_ends_early_gives_its_beginning(opens: Opens, scripted: Scripted) -> None:
    text = await fetch_text(opens(await scripted(stored(gzip.compress(TEXT)[:-200], "gzip")), KEYS), "k", 100_000)
    assert text is not None
    assert 0 < len(text.content) < len(TEXT)
    assert TEXT.startswith(text.content)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x1b\x00"),
        ("br", TEXT),
        ("zstd", TEXT),
        ("gzip, br", TEXT),
        ("lz4", b"\x04\x22\x4d\x18\0"),
        ("gzip, gzip, gzip, gzip, gzip", TEXT),
    ],
)
async def test_an_encoding_that_cannot_be_undone_is_no_text_and_says_so(
    opens: Opens, scripted: Scripted, encoding: str, body: bytes
) -> None:
    with pytest.raises(Refused) as refused:
        await fetch_text(opens(await scripted(stored(body, encoding)), KEYS), "k", 100_000)
    assert refused.value.code == "storage_encoding_unknown"


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_decompression_bomb_is_cut_at_the_bytes_allowed(opens: Opens, scripted: Scripted, layers: int) -> None:
    body = b"\n" * 300_000_000
    for _ in range(layers):
        body = gzip.compress(body, 6)
    bucket = opens(await scripted(stored(body, ", ".join(["gzip"] * layers))), KEYS)
    tracemalloc.start()
    text = await fetch_text(bucket, "k", 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text is not None
    assert text.cut
    assert len(text.content) <= 1_000_000
    assert peak < 20_000_000


def test_thousands_of_empty_members_end_in_a_cut_text() -> None:
    content, cut = inflate(gzip.compress(b"") * 5000 + gzip.compress(TEXT), "gzip", 100_000)
    assert (content, cut) == (b"", True)


@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "deflate", "gzip, deflate", "br", "x"]), st.booleans())
def test_no_bytes_raise_anything_but_could_not_look(content: bytes, encoding: str, packed: bool) -> None:
    body = gzip.compress(content)[: len(content)] if packed else content
    try:
        decoded = decode_text(Fetched(body, "e", None, False, encoding), 100)
    except OutsideError:
        return
    assert len(decoded.content) <= 300


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
async def test_a_recording_whose_playlist_is_stored_compressed_is_verified(
    weed: S3Server, reader: S3Bucket, packed: object
) -> None:
    folder, encoding = f"p{uuid.uuid4().hex}/", "gzip" if packed is gzip.compress else "deflate"
    client = weed.client()
    for name, body in recording(SID, CNAME).items():
        if name.endswith(".m3u8"):
            client.put_object(Bucket=BUCKET, Key=folder + name, Body=packed(body), ContentEncoding=encoding)  # type: ignore[operator]
        else:
            client.put_object(Bucket=BUCKET, Key=folder + name, Body=body)
    client.close()
    listed: list[ListedObject] = [one async for page in reader.list_objects(folder) for one in page]
    fetched = await reader.fetch(next(one.key for one in listed if one.key.endswith(".m3u8")), 100_000)
    assert fetched is not None
    assert fetched.encoding == encoding
    (found,), _ = find_recordings(listed)
    report = await judge_recording(reader, found.expectation(BEGIN + 3600), Level.LISTING, now_fn=lambda: BEGIN + 3600)
    assert (report.verdict, report.findings) == (Verdict.VERIFIED, ())
