"""The progress of a verification of many recordings: count, rate and remaining time, shown only on a terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pagereel.cli.terminal.tables import console
from service.media.listing.discovery import FoundRecording

Advance = Callable[[FoundRecording], None]
# Listing and playlists cost about as much as this number of slices, so that small recordings have some weight.
_SLICES_BESIDE = 20
_RATE_OVER_SECONDS = 120


@contextmanager
def progress_of(found: Sequence[FoundRecording], *, quiet: bool) -> Iterator[Advance]:
    """Show a line on stderr while the block runs. The block calls the yielded function for each verified recording.

    The remaining time is estimated by slices, because long recordings take longer. If stderr is not a terminal, nothing
    is shown.
    """
    screen = console(stderr=True)
    began, done = time.monotonic(), 0
    with Progress(
        TextColumn("verifying {task.fields[done]} of {task.fields[count]}, {task.fields[rate]}", markup=False),
        BarColumn(), TextColumn("left", markup=False), TimeRemainingColumn(),
        console=screen, disable=quiet or not screen.is_terminal, transient=True,
        speed_estimate_period=_RATE_OVER_SECONDS,
    ) as progress:  # fmt: skip
        total = sum(map(_weight, found))
        task = progress.add_task("", total=total, done=0, count=len(found), rate="")

        def advance(recording: FoundRecording) -> None:
            nonlocal done
            done += 1
            rate = f"{done / max(time.monotonic() - began, 0.001):.1f} a second"
            progress.update(task, advance=_weight(recording), done=done, rate=rate)

        yield advance


def _weight(recording: FoundRecording) -> int:
    return recording.slices + _SLICES_BESIDE
