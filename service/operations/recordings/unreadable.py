"""A check for recordings that have yet to start and whose page no live sealing key opens. It sets their attention."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from service.database.engine.database import Database
from service.database.recordings import load_all_sealed, load_recording
from service.database.sealing import SealError, Seals
from service.isolation import isolate
from service.lifecycle.observations import PageTried
from service.operations.recordings.secrets import PURPOSE
from service.operations.recordings.writing import Written, observe
from service.recording import Recording, State

# More recordings per transaction would delay notifications.
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Tried:
    """The number of unreadable pages, and observations of recordings whose attention does not yet reflect the
    result."""

    unreadable: int
    news: tuple[tuple[str, PageTried], ...]


def try_pages(connection: sa.Connection, seals: Seals) -> Tried:
    """Open the URL of every page that a start still needs."""
    unreadable, news = 0, []
    for recording_id, sealed, is_marked in load_all_sealed(
        connection, (State.REQUESTED, State.STARTING), "page_not_readable"
    ):
        readable = _opens(seals, sealed)
        unreadable += not readable
        if is_marked is readable:
            news.append((recording_id, PageTried(readable)))
    return Tried(unreadable, tuple(news))


def count_unreadable(connection: sa.Connection, seals: Seals) -> int:
    """Return the number of unreadable pages."""
    return try_pages(connection, seals).unreadable


async def mark_unreadable(database: Database, seals: Seals, clock: Callable[[], float]) -> int:
    """Set the attention for pages that no live key opens, and clear it for the other pages. Return the number of
    unreadable pages. A row that cannot be written does not prevent the service from starting."""
    tried = await database.run(lambda connection: try_pages(connection, seals))
    for first in range(0, len(tried.news), AT_ONCE):
        marking = database.run(partial(_mark, tried.news[first : first + AT_ONCE], clock))
        for written in await isolate("keys", marking, []):
            written.tell()
    return tried.unreadable


def _mark(
    news: tuple[tuple[str, PageTried], ...], clock: Callable[[], float], connection: sa.Connection
) -> list[Written]:
    now, written = clock(), []
    for recording_id, observation in news:
        recording = _load(connection, recording_id)
        if recording is not None:
            written.append(observe(connection, recording, observation, now))
    return written


def _load(connection: sa.Connection, recording_id: str) -> Recording | None:
    try:
        return load_recording(connection, recording_id, lock=True)
    except Exception:  # the document is invalid, which the claim of the recording reports
        return None


def _opens(seals: Seals, sealed: bytes) -> bool:
    try:
        seals.open(sealed, PURPOSE)
    except SealError:
        return False
    return True
