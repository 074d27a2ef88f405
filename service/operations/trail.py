"""The trail of callers' actions. Each action is recorded in its own transaction, under the id of the token."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from service.database.actions import insert_action, list_actions
from service.database.engine.database import Database
from service.operations.pagination import decode_cursor, encode_cursor
from service.operations.types import Caller, Page


class ActionKind(StrEnum):
    """The kinds of actions that the trail records."""

    START = "start"
    CHANGE = "change"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    RTMP = "rtmp"
    VERIFY = "verify"
    ADOPT = "adopt"
    REPLAY = "replay"
    REDRIVE = "redrive"
    ENABLE = "enable"


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a caller. `subject` is the id of a recording, notification or message, or the name of an
    endpoint."""

    at: float
    token_id: str
    action: str
    subject: str


def note_action(connection: sa.Connection, caller: Caller, kind: ActionKind, subject: str, now: float) -> None:
    """Record an action in the same transaction as its effect."""
    insert_action(connection, owner=caller.owner, token_id=caller.token_id, action=kind.value, subject=subject, at=now)


class Trail:
    """Lists the actions of an owner's tokens."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def actions(self, caller: Caller, cursor: str | None, limit: int) -> Page[Action]:
        """Return the owner's actions, newest first."""
        before: int | None = (decode_cursor(cursor, (int,)) or (None,))[0]
        found = await self._database.run(
            lambda connection: list_actions(connection, caller.owner, limit=limit + 1, before=before)
        )
        items = tuple(Action(row.at, row.token_id, row.action, row.subject) for row in found[:limit])
        return Page(items, encode_cursor(found[limit - 1].id) if len(found) > limit else None)
