"""One playlist over all parts, read by a player's library."""

import m3u8

from service.media.playlists.merged import merge_slices, write_playlist
from service.report import FileKind, JudgedFile

BEGIN = 1735689611.0


def piece(name: str, at: float, seconds: float | None = 16.0, folder: str = "rec/a1/", **more: bool) -> JudgedFile:
    known = {"listed": True, **more}
    return JudgedFile(folder + name, FileKind.SLICE, 188, "e", 0, BEGIN + at, seconds, **known)


def played(files: list[JudgedFile]) -> list[tuple[str, bool]]:
    text = write_playlist(merge_slices(files), lambda key: f"https://store.example/{key}?signed")
    read = m3u8.loads(text)
    assert read.is_endlist
    assert read.playlist_type == "vod"
    assert all(round(each.duration) <= read.target_duration for each in read.segments)
    return [
        (each.uri.removeprefix("https://store.example/").removesuffix("?signed"), each.discontinuity)
        for each in read.segments
    ]


def test_parts_follow_each_other_with_a_discontinuity_where_a_recorder_ends_or_media_is_missing() -> None:
    files = [
        piece("s_1.ts", 0),
        piece("s_2.ts", 16),
        piece("s_3.ts", 50),
        piece("bak0_s_4.ts", 100),
        piece("s_5.ts", 140, folder="rec/a2/"),
    ]
    assert played(list(reversed(files))) == [
        ("rec/a1/s_1.ts", False),
        ("rec/a1/s_2.ts", False),
        ("rec/a1/s_3.ts", True),
        ("rec/a1/bak0_s_4.ts", True),
        ("rec/a2/s_5.ts", True),
    ]


def test_of_a_stretch_that_two_recorders_hold_the_later_recorder_is_taken() -> None:
    files = [
        piece("s_1.ts", 0),
        piece("s_2.ts", 16),
        piece("s_3.ts", 32),
        piece("bak0_s_1.ts", 20),
        piece("bak0_s_2.ts", 36),
    ]
    assert [name for name, _ in played(files)] == [
        "rec/a1/s_1.ts",
        "rec/a1/s_2.ts",
        "rec/a1/bak0_s_1.ts",
        "rec/a1/bak0_s_2.ts",
    ]


def test_what_is_not_there_or_has_no_length_is_left_out() -> None:
    files = [
        piece("s_1.ts", 0),
        piece("s_2.ts", 16, missing=True, listed=False),
        piece("s_3.ts", 32, None),
        JudgedFile("rec/a1/s.m3u8", FileKind.PLAYLIST, listed=True),
    ]
    assert [name for name, _ in played(files)] == ["rec/a1/s_1.ts"]
    assert played([]) == []


def test_each_part_says_when_it_was_recorded() -> None:
    text = write_playlist(merge_slices([piece("s_1.ts", 0), piece("bak0_s_2.ts", 100.5)]), str)
    times = [each.program_date_time for each in m3u8.loads(text).segments]
    assert [at.timestamp() for at in times if at is not None] == [BEGIN, BEGIN + 100.5]
