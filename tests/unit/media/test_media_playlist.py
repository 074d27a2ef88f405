"""What the playlist reader takes, refuses and never does."""

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_corpus import BEGIN, CNAME, SID, Part, good_part, straight, utc17

from service.media.names import NameReader
from service.media.playlist import Limits, Playlist, parse_playlist, says_ended
from service.report import Severity

NAMES = NameReader(SID, CNAME)
LIMITS = Limits.of(1, CNAME)
NAME = f"{SID}_{CNAME}_{utc17(BEGIN)}.ts"


def parse(text: str | bytes) -> Playlist:
    return parse_playlist(text.encode() if isinstance(text, str) else text, "k.m3u8", NAMES, LIMITS)


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


def test_a_path_below_the_folder_is_tolerated_and_only_its_last_component_used() -> None:
    text = good_part(1).text().replace(NAME, f"rec01/a1/{NAME}")
    assert [one.name for one in parse(text).entries] == [NAME]


HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n"


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        (HEAD + f"#EXTINF:10.5\n{NAME}\n", "playlist_target_duration", Severity.WARNING),
        (HEAD.replace("10", "x"), "playlist_target_duration", Severity.WARNING),
        (HEAD + f"#EXTINF:5\n{NAME}\n", "playlist_target_loose", Severity.NOTE),
        (HEAD.replace("VERSION:3", "VERSION:2") + f"#EXTINF:9.5\n{NAME}\n", "playlist_version", Severity.WARNING),
        (HEAD + f"#EXT-X-KEY:METHOD=NONE\n#EXTINF:9.5\n{NAME}\n", "playlist_tag_unknown", Severity.NOTE),
        (HEAD + f"{NAME}\n", "playlist_duration_absent", Severity.ERROR),
        (HEAD + f"#EXTINF:-3\n{NAME}\n", "playlist_duration_absent", Severity.ERROR),
        (HEAD + f"#EXTINF:1e9\n{NAME}\n", "playlist_duration_absent", Severity.ERROR),
        (HEAD + "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MEDIA-SEQUENCE:0\n", "playlist_tag_repeated", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n/{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\nfile:{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n..\\{NAME}\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n{NAME}?x=1\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n{SID}_{CNAME}.m3u8\n", "playlist_uri_foreign", Severity.ERROR),
        (HEAD + f"#EXTINF:9.5\n{SID}_{CNAME}_20251301000011873.ts\n", "playlist_uri_foreign", Severity.ERROR),
    ],
)
def test_a_breach_of_the_rules_is_found_with_its_weight(text: str, code: str, severity: Severity) -> None:
    assert found(text).get(code) is severity


def test_durations_round_to_nearest_against_the_target() -> None:
    assert "playlist_target_duration" not in found(HEAD + f"#EXTINF:10.4\n{NAME}\n")


def test_more_slices_than_the_hours_allow_are_not_taken() -> None:
    lines = "".join(f"#EXTINF:9\n{SID}_{CNAME}_{utc17(BEGIN + i)}.ts\n" for i in range(365))
    playlist = parse(HEAD + lines)
    assert len(playlist.entries) == 360
    assert "playlist_too_long" in {one.code for one in playlist.findings}


def test_the_limits_bear_720_hours_of_long_names() -> None:
    cname = "c" * 63
    limits = Limits.of(720, cname)
    line = f"#EXTINF:16.000000\nbak12_{SID}_{cname}_20250101000011873.ts\n"
    assert limits.slices >= 172_800
    assert limits.lines >= 2 * 172_800
    assert limits.size_bytes >= len(line) * 172_800


def test_the_end_is_seen_without_reading_the_rest() -> None:
    assert says_ended(good_part().text().encode())
    assert not says_ended(good_part(ended=False).text().encode())


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_the_reader_raise(content: bytes) -> None:
    parse(content)
    parse(b"#EXTM3U\n" + content)


@given(st.lists(st.sampled_from([*HEAD.splitlines(), f"#EXTINF:{9}", NAME, "#EXTINF:", "x", "#EXT-X-ENDLIST", "#"])))
def test_every_entry_has_a_name_of_the_task_and_a_duration(lines: list[str]) -> None:
    for entry in parse("#EXTM3U\n" + "\n".join(lines)).entries:
        assert entry.name == NAME
        assert entry.seconds == 9
