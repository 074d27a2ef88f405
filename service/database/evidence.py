"""The evidence of a recording: history, files, reports. Rows are added and never removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from service.database.documents import decode, decode_file, decode_report, encode
from service.database.recordings import insert_of, upsert
from service.database.tables import files, history, pictures, recordings, reports
from service.report import FileKind, JudgedFile, Pictures, Report, Verdict


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One event. If `count` is greater than 1, the row is a run of equal events, and `at` is the time of the last."""

    number: int
    at: float
    kind: str
    source: str
    detail: dict[str, Any]
    count: int = 1


class FileRow(NamedTuple):
    """A file with the times of its first listing and its last verification."""

    file: JudgedFile
    first_seen_at: float
    judged_at: float | None


def insert_history(connection: sa.Connection, recording_id: str, rows: Iterable[HistoryRow]) -> None:
    """Add entries. If a number exists, its entry gets the new time, detail and count (a run that grew)."""
    values = [
        {
            "recording_id": recording_id,
            "number": row.number,
            "at": row.at,
            "kind": row.kind,
            "source": row.source,
            "count": row.count,
            "detail": encode(row.detail),
        }
        for row in rows
    ]
    if values:
        connection.execute(_history_upsert(connection.dialect.name), values)


@cache
def _history_upsert(dialect: str) -> Any:
    query = insert_of(dialect, history)
    new = query.excluded
    return query.on_conflict_do_update(
        index_elements=["recording_id", "number"], set_={"at": new.at, "detail": new.detail, "count": new.count}
    )


# Built once, since building takes longer than executing.
_HISTORY = (
    sa.select(history)
    .where(history.c.recording_id == sa.bindparam("of"), history.c.number > sa.bindparam("after"))
    .order_by(history.c.number)
    .limit(sa.bindparam("most", type_=sa.Integer))
)


def load_history(connection: sa.Connection, recording_id: str, *, after: int = 0, limit: int) -> list[HistoryRow]:
    """Return the entries with a number above `after`, in order."""
    rows = connection.execute(_HISTORY, {"of": recording_id, "after": after, "most": limit})
    return [
        HistoryRow(row["number"], row["at"], row["kind"], row["source"], decode(row["detail"]), row["count"])
        for row in rows.mappings()
    ]


def upsert_files(connection: sa.Connection, recording_id: str, judged: Iterable[JudgedFile], at: float) -> None:
    """Store the manifest of a verification at `at`. A known file keeps its first time."""
    values = [
        {
            "recording_id": recording_id,
            "key": file.key,
            "kind": file.kind.value,
            "first_seen_at": at,
            "judged_at": at,
            "document": encode(file),
        }
        for file in judged
    ]
    if values:
        connection.execute(_files_upsert(connection.dialect.name), values)


@cache
def _files_upsert(dialect: str) -> Any:
    query = insert_of(dialect, files)
    new = query.excluded
    return query.on_conflict_do_update(
        index_elements=["recording_id", "key"],
        set_={"kind": new.kind, "judged_at": new.judged_at, "document": new.document},
    )


def load_files(
    connection: sa.Connection, recording_id: str, *, after: str = "", limit: int, kind: FileKind | None = None
) -> list[FileRow]:
    """Return the files with a key above `after`, in the order of a bucket's listing."""
    query = sa.select(files.c.document, files.c.first_seen_at, files.c.judged_at)
    query = query.where(files.c.recording_id == recording_id, files.c.key > after)
    if kind is not None:
        query = query.where(files.c.kind == kind.value)
    rows = connection.execute(query.order_by(files.c.key).limit(limit))
    return [FileRow(decode_file(document), first_seen_at, judged_at) for document, first_seen_at, judged_at in rows]


def load_file(connection: sa.Connection, recording_id: str, key: str) -> JudgedFile | None:
    """Return one file of a recording, or None."""
    query = sa.select(files.c.document).where(files.c.recording_id == recording_id, files.c.key == key)
    document = connection.execute(query).scalar()
    return None if document is None else decode_file(document)


def insert_report(connection: sa.Connection, recording_id: str, number: int, report: Report) -> None:
    """Store one report without its `files` and `pictures`, which have their own tables."""
    document = {name: getattr(report, name) for name in Report.__slots__ if name not in ("files", "pictures")}
    connection.execute(
        reports.insert().values(
            recording_id=recording_id,
            number=number,
            at=report.judged_at,
            verdict=report.verdict.value,
            level=report.level.value,
            document=encode(document),
        )
    )


def upsert_pictures(connection: sa.Connection, recording_id: str, number: int, made: Pictures) -> None:
    """Replace the pictures of an earlier report by those of this one."""
    row = {"recording_id": recording_id, "report": number, "poster": made.poster, "sheet": made.sheet}
    query = upsert(connection, pictures)
    new = query.excluded
    changed = {"report": new.report, "poster": new.poster, "sheet": new.sheet}
    connection.execute(query.on_conflict_do_update(index_elements=["recording_id"], set_=changed), [row])


def load_pictures(connection: sa.Connection, recording_id: str) -> Pictures | None:
    """Return the pictures of the newest verification with pictures, or None."""
    query = sa.select(pictures.c.poster, pictures.c.sheet).where(pictures.c.recording_id == recording_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else Pictures(bytes(row.poster), bytes(row.sheet))


def has_pictures(connection: sa.Connection, recording_id: str) -> bool:
    """Return whether a verification stored pictures."""
    query = sa.select(pictures.c.report).where(pictures.c.recording_id == recording_id)
    return connection.execute(query).first() is not None


def find_pictured(connection: sa.Connection, owner: str, recording_ids: Iterable[str]) -> frozenset[str]:
    """Return which of an owner's recordings have pictures."""
    query = sa.select(pictures.c.recording_id).join(recordings, recordings.c.id == pictures.c.recording_id)
    query = query.where(recordings.c.owner == owner, pictures.c.recording_id.in_(list(recording_ids)))
    return frozenset(connection.execute(query).scalars())


def load_report(connection: sa.Connection, recording_id: str, number: int | None = None) -> Report | None:
    """Return one report without its files. If `number` is None, return the newest report."""
    query = sa.select(reports.c.document).where(reports.c.recording_id == recording_id)
    if number is not None:
        query = query.where(reports.c.number == number)
    document = connection.execute(query.order_by(reports.c.number.desc()).limit(1)).scalar_one_or_none()
    return None if document is None else decode_report(document)


def load_seen_report(connection: sa.Connection, recording_id: str) -> tuple[int, Report] | None:
    """Return the newest report of a readable bucket, with its number and without its files."""
    query = sa.select(reports.c.number, reports.c.document).where(reports.c.recording_id == recording_id)
    query = query.where(reports.c.verdict != Verdict.UNREACHABLE.value)
    row = connection.execute(query.order_by(reports.c.number.desc()).limit(1)).first()
    return None if row is None else (row.number, decode_report(row.document))


def load_reports(connection: sa.Connection, recording_id: str, limit: int) -> dict[int, Report]:
    """Return the newest reports by their number, without their files."""
    query = sa.select(reports.c.number, reports.c.document).where(reports.c.recording_id == recording_id)
    rows = connection.execute(query.order_by(reports.c.number.desc()).limit(limit)).all()
    return {row.number: decode_report(row.document) for row in reversed(rows)}
