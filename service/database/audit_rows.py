"""Loads the stored contents of a bucket page by page, for the audit."""

import sqlalchemy as sa

from service.database.documents import decode_file
from service.database.tables import files, recordings
from service.recording import State
from service.report import JudgedFile

PAGE = 2000


def load_filed(connection: sa.Connection, storage: str, prefix: str, after: str) -> list[tuple[str, bool, JudgedFile]]:
    """Return recording id, whether the recording is verified, and file, in key order. The files are those of a storage
    profile whose key begins with `prefix` and comes after `after`."""
    query = sa.select(files.c.recording_id, recordings.c.state, files.c.document)
    query = query.join(recordings, recordings.c.id == files.c.recording_id)
    query = query.where(recordings.c.storage == storage, files.c.key > max(after, prefix[:-1]))
    query = query.where(files.c.key.startswith(prefix, autoescape=True))
    rows = connection.execute(query.order_by(files.c.key).limit(PAGE))
    return [(row.recording_id, row.state == State.VERIFIED, decode_file(row.document)) for row in rows]


def load_state(connection: sa.Connection, recording_id: str, storage: str) -> State | None:
    """Return the state of a recording of the storage profile, or None if it does not exist."""
    query = sa.select(recordings.c.state).where(recordings.c.id == recording_id, recordings.c.storage == storage)
    found = connection.execute(query).scalar()
    return None if found is None else State(found)
