"""What the playlist reader takes, refuses and never does."""

import time
from urllib.parse import quote

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_corpus import BEGIN, CNAME, SID, Part, good_part, straight, utc17

from service.media.findings import RULES, Effect
from service.media.listing.names import NameReader
from service.media.playlists.playlist import Limits, Playlist, parse_playlist, says_ended
from service.media.playlists.syntax import BLANKS, lines_of
from service.report import Severity

NAMES = NameReader(SID, CNAME)
LIMITS = Limits.of(1, CNAME)
NAME = f"{SID}_{CNAME}_{utc17(BEGIN)}.ts"


def parse(text: str | bytes) -> Playlist:
    return parse_playlist(text.encode() if isinstance(text, str) else text, "rec01/a1/k.m3u8", NAMES, LIMITS)


def found(text: str) -> dict[str, Severity]:
    return {one.code: one.severity for one in parse(text).findings}


GOOD = {
    "no comma": good_part(),
    "comma": good_part(comma=True),
    "13-digit time, tags the other way round": good_part(unix_time=True),
    "not ended": good_part(ended=False),
    "short slices": Part(slices=straight(BEGIN, 40, 3.333)),
    "failover": good_part(bak=2),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_playlist_reads_as_the_m3u8_library_reads_it(name: str) -> None:
    text = GOOD[name].text()
    oracle = m3u8.loads(text)
    ours = parse(text)
    assert [one for one in ours.findings if one.severity is not Severity.NOTE] == []
    assert [(one.name, one.seconds) for one in ours.entries] == [(one.uri, one.duration) for one in oracle.segments]
    assert ours.ended is oracle.is_endlist
    assert [one.marked for one in ours.entries] == [one.discontinuity for one in oracle.segments]


def test_windows_line_ends_and_blank_lines_change_nothing() -> None:
    text = good_part().text()
    assert parse(text.replace("\n", "\r\n\r\n")).entries == parse(text).entries


def test_a_uri_that_repeats_the_folder_is_read_with_a_warning() -> None:
    """Some samples of Agora's have the prefix in the URIs. Where players look for those slices is not known of them."""
    playlist = parse(good_part(1).text().replace(NAME, f"rec01/a1/{NAME}"))
    assert [one.name for one in playlist.entries] == [NAME]
    assert ("playlist_form", Severity.WARNING) in [(one.code, one.severity) for one in playlist.findings]


HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n"


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        (HEAD + f"#EXTINF:10.5\n{NAME}\n", "playlist_target_duration", Severity.WARNING),
        (HEAD.replace("10", "x"), "playlist_target_duration", Severity.WARNING),
        (HEAD + f"#EXTINF:5\n{NAME}\n", "playlist_target_loose", Severity.NOTE),
        (HEAD.replace("VERSION:3", "VERSION:2") + f"#EXTINF:9.5\n{NAME}\n", "playlist_version", Severity.WARNING),
        (HEAD + f"#EXT-X-OWN:1\n#EXTINF:9.5\n{NAME}\n", "playlist_tag_unknown", Severity.NOTE),
        (HEAD + f"noise\n#EXTINF:9.5\n{NAME}\n", "playlist_form", Severity.WARNING),
        (HEAD + f"#EXTINF:9.5\nnoise\n{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"{NAME}\n", "playlist_duration_absent", Severity.ERROR),
        (HEAD + f"#EXTINF:-3\n{NAME}\n", "playlist_duration_unreadable", Severity.WARNING),
        (HEAD + f"#EXTINF:86400\n{NAME}\n", "playlist_duration_unreadable", Severity.WARNING),
        (HEAD + "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MEDIA-SEQUENCE:0\n", "playlist_tag_repeated", Severity.WARNING),
        (HEAD + "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MEDIA-SEQUENCE:1\n", "playlist_tag_repeated", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n/{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\nfile:{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n..\\{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n{SID}_{CNAME}.m3u8\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n{SID}_{CNAME}_20251301000011873.ts\n", "playlist_uri_foreign", Severity.ERROR),
    ],
)
def test_a_breach_of_the_rules_is_found_with_its_weight(text: str, code: str, severity: Severity) -> None:
    assert found(text).get(code) is severity


def test_durations_round_to_nearest_against_the_target() -> None:
    assert "playlist_target_duration" not in found(HEAD + f"#EXTINF:10.4\n{NAME}\n")


def test_more_slices_or_lines_or_bytes_than_are_read_are_not_called_broken() -> None:
    one = f"#EXTINF:9\n{NAME}\n".encode()
    for limits in (Limits(2, 99, 9999), Limits(9, 5, 9999), Limits(9, 99, 200)):
        playlist = parse_playlist(HEAD.encode() + one * 3, "k.m3u8", NAMES, limits)
        codes = {finding.code for finding in playlist.findings}
        assert "playlist_too_long" in codes
        assert len(playlist.entries) == (2 if limits.slices == 2 else 0)
        assert {RULES[code].effect for code in codes} <= {Effect.BLIND, Effect.NONE}


@pytest.mark.parametrize("cname", ["c" * 63, "\u00f6" * 31])
def test_a_month_of_slices_is_read_with_long_and_encoded_names_and_tags_for_each(cname: str) -> None:
    limits = Limits.of(720, cname)
    uri = f"bak12_{SID}_{quote(cname)}_20250101000011873.ts"
    lines = f"#EXT-X-PROGRAM-DATE-TIME:2025-01-01T00:00:11.873Z\n#EXT-X-DISCONTINUITY\n#EXTINF:16.000000,\n{uri}\n"
    assert limits.slices >= 172_800
    assert limits.lines >= lines.count("\n") * 172_800
    assert limits.size_bytes >= len(lines) * 172_800


def test_an_hour_of_slices_of_one_second_is_read() -> None:
    lines = "".join(f"#EXTINF:1.0,\n{SID}_{CNAME}_{utc17(BEGIN + i)}.ts\n" for i in range(3600))
    playlist = parse(HEAD + lines)
    assert len(playlist.entries) == 3600
    assert "playlist_too_long" not in {one.code for one in playlist.findings}


@pytest.mark.parametrize("content", [b"#EXTINF:" + b"1" * 1_000_000 + b"x", b"#" * 1_000_000, b"\n" * 999_999])
def test_a_million_characters_take_no_time(content: bytes) -> None:
    began = time.thread_time()
    parse(b"#EXTM3U\n" + content)
    assert time.thread_time() - began < 2


ENDS = {
    b"#EXT-X-ENDLIST": True,
    b"#EXT-X-ENDLIST \t": True,
    b"#EXT-X-ENDLIST\r": True,
    b"#EXT-X-ENDLIST\0\0": True,
    b"#EXT-X-ENDLIST:": True,
    b"#EXT-X-ENDLIST\r#": True,
    b"#EXT-X-ENDLIST\n" + b"#" * 9999: True,
    b" #EXT-X-ENDLIST": False,
    b"##EXT-X-ENDLIST": False,
    b"#EXT-X-ENDLISTS": False,
    b"#ext-x-endlist": False,
}


@pytest.mark.parametrize("line", ENDS)
@pytest.mark.parametrize("first", [b"#EXTM3U\n", b"#EXTM3U \r", b"no playlist\n"])
def test_both_who_ask_for_the_end_get_the_same_answer(line: bytes, first: bytes) -> None:
    assert says_ended(first + line) is ENDS[line]
    assert parse(first + line).ended is ENDS[line]


@given(
    st.lists(st.sampled_from([b"#EXT-X-ENDLIST", b"#EXTM3U", b" ", b"\t", b"\r", b"\n", b"\0", b":", b"x", b"\xff"]))
)
def test_the_end_is_what_the_tags_say(parts: list[bytes]) -> None:
    content = b"#EXTM3U\n" + b"".join(parts)
    lines = [line.partition(":")[0].rstrip(BLANKS) for line in lines_of(content.decode("utf-8", "replace"))]
    assert says_ended(content) is ("#EXT-X-ENDLIST" in lines)


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_the_reader_raise(content: bytes) -> None:
    parse(content)
    parse(b"#EXTM3U\n" + content)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good playlist with some bytes cut out, repeated or written over."""
    content = bytearray(good_part(5).text().encode())
    for _ in range(draw(st.integers(1, 5))):
        at, size = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        content[at : at + size] = draw(st.binary(max_size=20) | st.just(bytes(content[at : at + size] * 2)))
    return bytes(content)


@given(mutated())
def test_a_mutated_playlist_names_slices_of_the_task_and_times_that_are_possible(content: bytes) -> None:
    playlist = parse(content)
    assert playlist.ended is says_ended(content)
    for entry in playlist.entries:
        assert NAMES.read(entry.name) == entry.read
        assert 0 <= entry.seconds < 86_400


@given(st.floats(0, 86_399), st.integers(0, 40))
def test_a_duration_is_read_as_python_reads_it(seconds: float, decimals: int) -> None:
    (entry,) = parse(HEAD + f"#EXTINF:{seconds:.{decimals}f},\n{NAME}\n").entries
    assert (entry.seconds, entry.stated) == (float(f"{seconds:.{decimals}f}"), True)


def test_a_slice_without_a_duration_is_not_longer_than_a_slice_can_be() -> None:
    """A pause lies between the first two names, a mark between the next two."""
    names = [f"{SID}_{CNAME}_{utc17(BEGIN + at)}.ts" for at in (0, 600, 610, 619)]
    lines = [f"#EXTINF:,\n{name}\n" for name in names]
    lines[2] = "#EXT-X-DISCONTINUITY\n" + lines[2]
    entries = parse(HEAD + "".join(lines)).entries
    assert [(one.seconds, one.stated) for one in entries] == [(0.0, False), (0.0, False), (9.0, False), (0.0, False)]
