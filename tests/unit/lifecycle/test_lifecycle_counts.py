"""How many slices there are is counted anew at each look at everything, for after the end nobody lists what is new."""

from dataclasses import replace

import pytest

from service.lifecycle import apply
from service.lifecycle.observations import Judged
from service.recording import Recording, State, Watch
from service.report import FileKind, JudgedFile, Level, Report, Verdict
from tests.database.samples import recording

NOW = 2000.0
WATCHED = Watch(after_key="a1/1.ts", slices=1, size_bytes=10, last_slice_at=1510.0, listed_at=1512.0)
FILES = (
    JudgedFile("a1/1.ts", FileKind.SLICE, 10, modified_at=1510.0, starts_at=1500.0, listed=True),
    JudgedFile("a1/2.ts", FileKind.SLICE, 20, modified_at=1520.0, starts_at=1510.0, listed=True),
    JudgedFile("a1/3.ts", FileKind.SLICE, announced=True, missing=True, starts_at=1520.0),
    JudgedFile("a1/0.mp4", FileKind.MP4, 400, listed=True),
)


def judged(state: State, verdict: Verdict) -> Recording:
    watched = replace(recording(), state=state, watch=WATCHED)
    return apply(watched, Judged(Report(verdict, Level.LISTING, 1990.0, files=FILES)), NOW).recording


@pytest.mark.parametrize("state", [State.UPLOADING, State.INCOMPLETE, State.VERIFIED])
def test_a_look_at_everything_counts_every_slice_and_the_bytes_of_all_files(state: State) -> None:
    assert judged(state, Verdict.INCOMPLETE).watch == Watch(
        after_key="a1/2.ts", slices=2, size_bytes=430, last_slice_at=1520.0, listed_at=1990.0
    )


def test_a_look_that_saw_nothing_or_while_it_records_leaves_the_count_as_it_was() -> None:
    assert judged(State.UPLOADING, Verdict.UNREACHABLE).watch == WATCHED
    assert judged(State.STARTING, Verdict.INCOMPLETE).watch == WATCHED
