"""What a stranger may put into the bucket: bounded time and memory, nothing fetched that he names, and a verdict."""

import time
from random import Random

import pytest
from corpus_bench import Bench
from corpus_media import Shape, slice_of
from corpus_mutations import box, edit, put
from corpus_recordings import PREFIX, straight

from service.report import Level, Report, Severity, Verdict
from service.verifier.decoding.process import Decoder, can_decode


def codes(report: Report) -> set[str]:
    return {one.code for one in report.findings if one.severity is not Severity.NOTE}


@pytest.mark.parametrize(
    "uri", ["https://elsewhere.example/", "//elsewhere.example/", "../../", "file:///etc/", "\\\\"]
)
async def test_what_a_playlist_points_out_of_the_folder_is_never_fetched(bench: Bench, uri: str) -> None:
    made = straight(6)
    one = made.parts[0].slices[2]
    one.uri = uri + made.name(made.parts[0], one)
    report = await bench.judge(made, Level.CONTENT)
    assert "playlist_uri_foreign" in codes(report)
    assert report.verdict is Verdict.DEFECTIVE
    assert all(key.startswith(PREFIX) for key in bench.store.asked)
    assert made.key(2) not in bench.store.asked


async def test_ten_million_lines_are_not_read(bench: Bench) -> None:
    made = straight(4)
    edit(lambda text, _: text + "#\n" * 10_000_000)(made, Random(0))
    began = time.perf_counter()
    report = await bench.judge(made, Level.CONTENT)
    assert "playlist_too_long" in codes(report)
    assert report.bytes_read < 2_000_000
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("size", [b"\x00\x00\x00\x01mdat\x80" + bytes(7), b"\x00\x00\x00\x01mdat\xff" + b"\xff" * 7])
async def test_a_box_of_2_to_the_63_bytes_is_a_broken_file(bench: Bench, size: bytes) -> None:
    made = straight(4)
    content = made.parts[0].mp4s[0]
    assert content is not None
    made.parts[0].mp4s[0] = put(content, box(content, b"mdat"), size)
    assert "mp4_broken" in codes(await bench.judge(made, Level.CONTENT))


async def test_a_giant_picture_is_no_picture(bench: Bench) -> None:
    """The header of the stream says 65,536 pixels each way; nobody makes room for them."""
    made = straight(4, mp4=False)
    made.parts[0].slices[1].content = bomb()
    began = time.perf_counter()
    report = await bench.judge(made, Level.CONTENT)
    assert codes(report) & {"picture_undecodable", "decoder_gave_up"}
    assert time.perf_counter() - began < 20


def bomb() -> bytes:
    """A slice whose sequence parameter sets declare a picture of 65,536 × 65,536."""
    bits = "010000101100000000110100" + golomb(0) + golomb(0) + golomb(2) + golomb(1) + "0"
    bits += golomb(4095) + golomb(4095) + "11001"
    raw = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    content, begin = slice_of(Shape(), "page", 1), b"\x00\x00\x00\x01\x67"
    pieces = content.split(begin)
    return begin.join([pieces[0], *(raw + piece[len(raw) :] for piece in pieces[1:])])


def golomb(number: int) -> str:
    text = bin(number + 1)[2:]
    return "0" * (len(text) - 1) + text


async def test_a_decoder_that_dies_leaves_a_verdict(bench: Bench) -> None:
    """So little memory that the child cannot even begin."""
    made = straight(4)
    bench.decoders._decoder = Decoder(memory_bytes=20 * 1024 * 1024)  # type: ignore[attr-defined]
    report = await bench.judge(made, Level.CONTENT)
    assert codes(report) == {"decoder_gave_up"}
    assert (report.verdict, report.level) == (Verdict.UNREACHABLE, Level.STRUCTURE)
    await bench.decoders._decoder.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["playlist", "slice", "mp4"])
async def test_403_on_one_key_is_a_shut_bucket_and_no_missing_object(bench: Bench, key: str) -> None:
    made = straight(6)
    part = made.parts[0]
    stem = PREFIX + made.stem(part)
    made.refused = {{"playlist": f"{stem}.m3u8", "slice": made.key(0), "mp4": f"{stem}_0.mp4"}[key]}
    report = await bench.judge(made, Level.CONTENT)
    assert report.verdict is Verdict.UNREACHABLE
    assert codes(report) == {"storage_refused"}


def test_the_decoder_is_there() -> None:
    assert can_decode()
