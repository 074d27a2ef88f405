"""Recordings that are still to start and whose page's URL no live sealing key opens: counts them, and tells them so."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from service.database.recordings import load_all_sealed, load_recording
from service.database.run import Database
from service.database.sealing import SealError, Seals
from service.isolation import isolate
from service.lifecycle.observations import PageTried
from service.operations.secrets import PURPOSE
from service.operations.writing import Written, observe
from service.recording import Recording, State

# So many recordings are told in one transaction, so that none holds up a notification.
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Tried:
    """How many pages cannot be read, and the recordings that do not say yet what was found, with what that is."""

    unreadable: int
    news: tuple[tuple[str, PageTried], ...]


def try_pages(connection: sa.Connection, seals: Seals) -> Tried:
    """Open the URL of every page that a start still needs."""
    unreadable, news = 0, []
    for recording_id, sealed, said in load_all_sealed(
        connection, (State.REQUESTED, State.STARTING), "page_not_readable"
    ):
        readable = _opens(seals, sealed)
        unreadable += not readable
        if said is readable:
            news.append((recording_id, PageTried(readable)))
    return Tried(unreadable, tuple(news))


def count_unreadable(connection: sa.Connection, seals: Seals) -> int:
    """How many pages cannot be read."""
    return try_pages(connection, seals).unreadable


async def tell_unreadable(database: Database, seals: Seals, clock: Callable[[], float]) -> int:
    """Raise attention to every page that no live key opens, and take it back where one does; how many there are.
    What cannot be written keeps nobody from starting."""
    tried = await database.run(lambda connection: try_pages(connection, seals))
    for first in range(0, len(tried.news), AT_ONCE):
        telling = database.run(partial(_tell, tried.news[first : first + AT_ONCE], clock))
        for written in await isolate("keys", telling, []):
            written.tell()
    return tried.unreadable


def _tell(
    news: tuple[tuple[str, PageTried], ...], clock: Callable[[], float], connection: sa.Connection
) -> list[Written]:
    now, told = clock(), []
    for recording_id, observation in news:
        recording = _load(connection, recording_id)
        if recording is not None:
            told.append(observe(connection, recording, observation, now))
    return told


def _load(connection: sa.Connection, recording_id: str) -> Recording | None:
    try:
        return load_recording(connection, recording_id, lock=True)
    except Exception:  # a spoilt document: whoever claims the recording says so
        return None


def _opens(seals: Seals, sealed: bytes) -> bool:
    try:
        seals.open(sealed, PURPOSE)
    except SealError:
        return False
    return True
