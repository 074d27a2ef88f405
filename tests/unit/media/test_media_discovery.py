"""Which objects of a listing make a recording, and what is demanded of it."""

import pytest
from media_corpus import BEGIN, SID, utc17

from service.media.listing.discovery import Wanted, find_recordings
from service.report import Interval, ListedObject

OTHER = "f" * 32


def listed(*keys: str) -> list[ListedObject]:
    return [ListedObject(key, 188, "e", BEGIN) for key in sorted(keys)]


def files(cname: str, sid: str = SID, folder: str = "r/") -> list[str]:
    return [
        f"{folder}{sid}_{cname}.m3u8",
        f"{folder}{sid}_{cname}_0.mp4",
        *(f"{folder}{sid}_{cname}_{utc17(BEGIN + at)}.ts" for at in (0, 15)),
    ]


CNAMES = [
    "room",
    "room 42",
    "100% sure",
    "c#",
    "why?",
    "a.b_c",
    "Gr\u00f6\u00dfe",
    "[b]",
    "a_12_3",
    "_",
    "-",
    "\u6559\u5ba4",
    "x" * 300,
]


@pytest.mark.parametrize("cname", CNAMES)
def test_a_recording_is_found_whatever_its_channel_is_called(cname: str) -> None:
    found, foreign = find_recordings(listed(*files(cname)))
    assert [(one.folder, one.sid, one.cname, one.slices, one.mp4s, len(one.objects)) for one in found] == [
        ("r/", SID, cname, 2, 1, 4)
    ]
    assert foreign == 0


def test_each_task_in_each_folder_is_a_recording_in_the_order_of_its_first_key() -> None:
    keys = [*files("b", folder="2/"), *files("a", folder="1/"), *files("b", OTHER, "1/"), *files("c", folder="")]
    found, _ = find_recordings(listed(*keys))
    assert [(one.folder, one.sid, one.cname) for one in found] == [
        ("", SID, "c"),
        ("1/", SID, "a"),
        ("1/", OTHER, "b"),
        ("2/", SID, "b"),
    ]


def test_a_copy_of_the_backup_cloud_belongs_to_the_channel_whose_slices_lie_there() -> None:
    copy = f"r/{SID}_room_12_3.m3u8"
    assert [one.cname for one in find_recordings(listed(copy))[0]] == ["room"]
    assert [one.cname for one in find_recordings(listed(copy, *files("room")))[0]] == ["room"]
    assert [one.cname for one in find_recordings(listed(copy, *files("room_12_3")[1:]))[0]] == ["room_12_3"]


@pytest.mark.parametrize(
    "stranger",
    [
        f"r/{SID}_room copy.m3u8",
        f"r/{SID}_room_1.m3u8",
        f"r/{SID}_room.bak_0.mp4",
        f"r/{SID}_room_20250101000011873.ts.part",
        f"r/{SID}_ro\x07om.m3u8",
        f"r/{SID.upper()}_room.m3u8",
        f"r/{SID}_.m3u8",
        "r/pagereelprobe",
        f"r/{SID}_room_20251301000011873.ts",
    ],
)
def test_a_stranger_beside_a_recording_is_counted_and_is_no_recording(stranger: str) -> None:
    found, foreign = find_recordings(listed(stranger, *files("room")))
    assert [one.cname for one in found] == ["room"]
    assert foreign == 1


def test_a_recording_whose_slices_are_gone_is_still_found() -> None:
    assert [one.cname for one in find_recordings(listed(f"r/{SID}_room.m3u8"))[0]] == ["room"]


def test_what_the_caller_does_not_say_is_not_demanded() -> None:
    ((found,), _) = find_recordings(listed(*files("room")))
    expected = found.expectation(BEGIN + 9999, Wanted())
    assert expected.wanted == Interval(BEGIN, BEGIN + 15)
    assert (expected.mp4, expected.size, expected.sound, expected.pauses) == (True, None, None, ())
    assert expected.allowed_seconds(100) == 5


def test_what_the_caller_says_is_demanded() -> None:
    pause = Interval(BEGIN + 20, BEGIN + 30)
    wanted = Wanted(BEGIN - 10, BEGIN + 90, False, (1280, 720), False, (pause,), 2.5)
    ((found,), _) = find_recordings(listed(*files("room")))
    expected = found.expectation(BEGIN + 9999, wanted)
    assert expected.wanted == Interval(BEGIN - 10, BEGIN + 90)
    assert (expected.mp4, expected.size, expected.sound, expected.pauses) == (False, (1280, 720), False, (pause,))
    assert expected.allowed_seconds(100_000) == 2.5
