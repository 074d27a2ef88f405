"""What the witnesses of a recording say against each other: each lack is told by a finding of its own."""

from corpus_bench import Bench
from corpus_recordings import BEGIN, CNAME, PREFIX, SID, Made, straight, utc17

from service.report import FileKind, Level, Verdict

PHANTOM = f"{SID}_{CNAME}_{utc17(BEGIN + 9000)}.ts"
BETWEEN = {"slice_missing", "slice_unlisted", "unreported_file", "announced_missing", "unknown_object"}


def contradicted() -> Made:
    """The bucket lacks what the playlist names and what Agora announced; it holds what neither of them speaks of."""
    made = straight(8, mp4=False)
    rows = made.parts[0].slices
    rows[2].written = False
    rows[-1].named = False
    made.others = {f"{PREFIX}notes.txt": b"somebody was here"}
    made.announced = (PHANTOM,)
    return made


async def test_missing_extra_unreported_and_phantom_objects_are_findings_of_their_own(bench: Bench) -> None:
    made = contradicted()
    report = await bench.judge(made, Level.LISTING)
    assert {(one.code, one.object) for one in report.findings if one.code in BETWEEN} == {
        ("slice_missing", made.key(2)),
        ("slice_unlisted", made.key(7)),
        ("unreported_file", f"{PREFIX}{SID}_{CNAME}.m3u8"),
        ("announced_missing", PREFIX + PHANTOM),
        ("unknown_object", f"{PREFIX}notes.txt"),
    }
    assert report.verdict is Verdict.INCOMPLETE


async def test_of_each_file_it_is_filed_who_has_seen_it(bench: Bench) -> None:
    made = contradicted()
    report = await bench.judge(made, Level.LISTING)
    seen = {one.key: (one.announced, one.listed, one.in_playlist, one.missing) for one in report.files}
    assert seen[made.key(0)] == (False, True, True, False)
    assert seen[made.key(2)] == (False, False, True, True)
    assert seen[made.key(7)] == (False, True, False, False)
    assert seen[PREFIX + PHANTOM] == (True, False, False, True)
    assert {one.key for one in report.files if one.kind is FileKind.PLAYLIST} == {f"{PREFIX}{SID}_{CNAME}.m3u8"}
