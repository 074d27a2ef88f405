"""Which names are files of a task, and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_corpus import SID, utc17

from service.media.listing.names import NameReader, ObjectName, parse_utc17, sids_from_names, tasks_of
from service.report import FileKind

READER = NameReader(SID, "lesson_42")
STEM = f"{SID}_lesson-42"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (f"{STEM}.m3u8", ObjectName(FileKind.PLAYLIST, 0)),
        (f"bak0_{STEM}.m3u8", ObjectName(FileKind.PLAYLIST, 1)),
        (f"bak12_{STEM}_1735689700_3.m3u8", ObjectName(FileKind.PLAYLIST, 13, copy=(3, 1735689700))),
        (f"{STEM}_20250101000011873.ts", ObjectName(FileKind.SLICE, 0, starts_at=1735689611.873)),
        (f"bak1_{STEM}_0.mp4", ObjectName(FileKind.MP4, 2, index=0)),
    ],
)
def test_a_file_of_the_task_says_what_it_is(name: str, read: ObjectName) -> None:
    assert READER.read(name) == read


@pytest.mark.parametrize(
    "name",
    [
        f"{'f' * 32}_lesson-42.m3u8",
        f"{SID}_lesson.42.m3u8",
        f"{STEM}.m3u8\n",
        f"x{STEM}.m3u8",
        f"{STEM}_20250101000011873.ts.part",
        f"{STEM}_20250230000011873.ts",
        f"{STEM}_20250101240011873.ts",
        f"{STEM}_2025010100001187.ts",
        f"{STEM}_٢٠٢٥٠١٠١٠٠٠٠١١٨٧٣.ts",
        f"bak_{STEM}.m3u8",
        f"{STEM}_1.m3u8",
        "",
    ],
)
def test_what_is_no_file_of_the_task_is_not_read(name: str) -> None:
    assert READER.read(name) is None


@pytest.mark.parametrize(
    "standing", ["a-b-c-d-e-f g", "a!b@c_d.e=f g", "a-b@c-d.e-f-g", "a-b-c-d-e-f_g", "a-b-c-d-e-f%20g"]
)
def test_a_special_character_of_a_channel_name_may_stand_as_a_dash_or_as_itself(standing: str) -> None:
    reader = NameReader(SID, "a!b@c_d.e=f g")
    assert reader.read(f"{SID}_{standing}.m3u8") == ObjectName(FileKind.PLAYLIST, 0)
    assert reader.read(f"{SID}_{standing}x.m3u8") is None


def test_a_dash_of_a_channel_name_is_nothing_but_a_dash() -> None:
    assert NameReader(SID, "a-b").read(f"{SID}_a_b.m3u8") is None


CNAMES = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/"), min_size=1, max_size=20)
ENDINGS = st.sampled_from([".m3u8", "_20250101000011873.ts", "_0.mp4", "_1735689700_3.m3u8"])


@given(CNAMES, ENDINGS, st.sampled_from(["", "bak0_"]))
def test_every_file_of_a_task_is_found_by_its_name_and_read(cname: str, ending: str, before: str) -> None:
    name = f"{before}{SID}_{cname}{ending}"
    read = NameReader(SID, cname).read(name)
    assert read is not None
    assert (SID, cname) in [task for task in tasks_of(name) if NameReader(*task).read(name) is not None]


@given(st.text(max_size=60))
def test_every_task_that_a_name_can_belong_to_reads_it(text: str) -> None:
    for name in (text, f"{SID}_{text}", f"{SID}_{text}_20250101000011873.ts", f"{SID}_{text}_1_2.m3u8"):
        for task in tasks_of(name):
            NameReader(*task).read(name)


@given(st.integers(0, 4_000_000_000_000))
def test_an_instant_in_a_name_reads_to_the_millisecond(milliseconds: int) -> None:
    assert parse_utc17(utc17(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


def test_sids_are_read_off_names_that_are_wholly_right_the_newest_last() -> None:
    key = f"p/a/{STEM}_20250101000011873.ts"
    later = f"p/a/{'0' * 32}_lesson-42_20250101000111873.ts"
    assert sids_from_names([key, f"p/a/bak0_{STEM}.m3u8", "p/a/probe"], "lesson_42") == [SID]
    assert sids_from_names([f"p/a/{SID}_other.m3u8", "p/a/x"], "lesson_42") == []
    assert sids_from_names([later, key, f"p/a/{'f' * 32}_lesson-42.m3u8"], "lesson_42") == ["f" * 32, SID, "0" * 32]
