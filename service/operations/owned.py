"""Ownership of recordings: another owner's recording is not found."""

import sqlalchemy as sa

from service.database import recordings as rows
from service.errors import Code, ServiceError
from service.operations.types import Caller
from service.recording import Recording


def load_owned(connection: sa.Connection, caller: Caller, recording_id: str, *, lock: bool = False) -> Recording:
    """Return the caller's own recording. Raise `not_found` if the recording does not exist or belongs to another
    owner."""
    recording = rows.load_recording(connection, recording_id, owner=caller.owner, lock=lock)
    if recording is None:
        raise ServiceError(Code.NOT_FOUND, "no such recording")
    return recording
