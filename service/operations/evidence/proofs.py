"""The portable proof of a recording: its signed manifest, and one playlist over all its parts."""

import asyncio
from collections.abc import Callable

import sqlalchemy as sa

from service.database import evidence
from service.database.engine.database import Database
from service.dsse import Envelope, SignatureError, SigningKey
from service.errors import Code, ServiceError, invalid
from service.lifecycle.deadlines import reaudit_at
from service.media.playlists.merged import Entry, merge_slices
from service.operations.evidence.statement import PAYLOAD_TYPE, write_statement
from service.recording import Recording
from service.report import JudgedFile, Report

MOST_SLICES = 3000
"""The maximum number of slices in a playlist, because each needs a signed link. It equals twelve hours of Agora's usual
slices."""

_PAGE = 2000


async def load_all_files(database: Database, recording_id: str) -> list[JudgedFile]:
    """Return every file of a recording in the order of the keys. Each page is read in its own transaction, so that
    other transactions do not wait for the whole list."""
    found: list[JudgedFile] = []
    while True:
        after = found[-1].key if found else ""

        def page(connection: sa.Connection, after: str = after) -> list[evidence.FileRow]:
            return evidence.load_files(connection, recording_id, after=after, limit=_PAGE)

        rows = await database.run(page)
        found += [row.file for row in rows]
        if len(rows) < _PAGE:
            return found


def not_there(code: Code, recording: Recording, text: str, reason: str) -> ServiceError:
    """Return an error whose text is `text`, followed by "yet" if another verification is due."""
    is_last = recording.state.terminal and not recording.look_wished and reaudit_at(recording) is None
    return ServiceError(code, f"this recording {text}{'' if is_last else ' yet'}", detail=reason)


async def whole_report(database: Database, recording: Recording, number: int | None) -> tuple[int, Report]:
    """Return a report and its number. If `number` is None, return the newest report. Raise `not_found` if the report
    does not exist."""
    wanted = recording.reports if number is None else number
    found = await database.run(lambda connection: evidence.load_report(connection, recording.id, wanted))
    if found is None:
        raise ServiceError(Code.NOT_FOUND, "this recording has no such report", detail="not_judged")
    return wanted, found


async def signed_manifest(
    database: Database, recording: Recording, deployment: str, signing_key: Callable[[], str | None]
) -> Envelope:
    """Return the signed manifest of the newest report of a readable bucket. Raise `conflict` if no such report exists
    yet or no key is configured."""
    text = signing_key()
    if text is None:
        raise ServiceError(Code.CONFLICT, "no signing key is configured", detail="signing_not_configured")
    judged = await database.run(lambda connection: evidence.load_seen_report(connection, recording.id))
    if judged is None:
        raise not_there(Code.CONFLICT, recording, "has not been verified", "not_judged")
    files = await load_all_files(database, recording.id)
    return await asyncio.to_thread(_sign, recording, judged, files, deployment, text)


def _sign(
    recording: Recording, judged: tuple[int, Report], files: list[JudgedFile], deployment: str, text: str
) -> Envelope:
    try:
        key = SigningKey(text)
    except SignatureError as error:
        raise ServiceError(Code.UNAVAILABLE, str(error)) from error
    return key.sign(write_statement(recording, *judged, files, deployment), PAYLOAD_TYPE)


async def merged_slices(
    database: Database, recording_id: str, from_at: float | None, to_at: float | None
) -> list[Entry]:
    """Return the slices of all parts in playing order, limited to the requested span. Raise `invalid` if they are too
    many."""
    files = await load_all_files(database, recording_id)
    entries = await asyncio.to_thread(merge_slices, files)
    wanted = [
        one
        for one in entries
        if (from_at is None or one.starts_at + one.seconds > from_at) and (to_at is None or one.starts_at < to_at)
    ]
    if len(wanted) > MOST_SLICES:
        raise invalid("?from", f"more than {MOST_SLICES} slices: request a shorter span with `from` and `to`")
    return wanted
