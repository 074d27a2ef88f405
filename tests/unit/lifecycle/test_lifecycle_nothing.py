"""`verified` needs media: where nothing was recorded, a sound and empty playlist proves nothing."""

from dataclasses import replace

import pytest

from service.lifecycle import apply
from service.lifecycle.observations import Judged
from service.recording import BLAME, AttemptState, EndReason, Recording, State
from service.report import Coverage, FileKind, Interval, JudgedFile, Level, Report, Verdict
from tests.database.samples import attempt, recording

NOW = 2000.0


def over(reason: EndReason) -> Recording:
    """A recording whose task ran and is over, before any time was wanted of it."""
    ran = attempt(1, "test-1", 7, state=AttemptState.ENDED, sid="a" * 32, started_at=1500.0, recording_at=1501.0)
    return replace(
        recording(),
        state=State.UPLOADING,
        attempts=(ran,),
        window_from_at=1500.0,
        stop_wished_at=1502.0 if reason is EndReason.STOPPED else None,
        end_reason=reason,
        blame=BLAME[reason],
        ended_at=1503.0,
        give_up_at=9999.0,
    )


@pytest.mark.parametrize(
    ("kinds", "reason", "state"),
    [
        ((FileKind.PLAYLIST,), EndReason.STOPPED, State.CANCELLED),
        ((FileKind.PLAYLIST,), EndReason.ENDED_BY_ITSELF, State.FAILED),
        ((FileKind.PLAYLIST, FileKind.SLICE), EndReason.STOPPED, State.VERIFIED),
        ((FileKind.PLAYLIST, FileKind.MP4), EndReason.STOPPED, State.VERIFIED),
    ],
)
def test_nothing_is_verified_where_no_media_is(kinds: tuple[FileKind, ...], reason: EndReason, state: State) -> None:
    files = tuple(JudgedFile(f"a/{kind}", kind, listed=True, announced=True) for kind in kinds)
    none_wanted = Coverage(Interval(1503.0, 1503.0), 0, 0, 0, 0, 0, 5, 1.0)
    report = Report(Verdict.VERIFIED, Level.LISTING, NOW, coverage=none_wanted, files=files)
    assert apply(over(reason), Judged(report), NOW).recording.state is state


def test_a_slice_that_is_only_announced_is_no_media() -> None:
    files = (JudgedFile("a/1.ts", FileKind.SLICE, announced=True),)
    report = Report(Verdict.VERIFIED, Level.LISTING, NOW, files=files)
    assert apply(over(EndReason.STOPPED), Judged(report), NOW).recording.state is State.CANCELLED
