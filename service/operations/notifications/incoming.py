"""Stored notifications as operators see them. A notification applied to a recording is visible only to the recording's
owner. All other notifications (unmatched, broken, parked, pending) are visible to every operator."""

from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from service.database.engine.database import Database
from service.database.notifications import stored as rows
from service.database.recordings import load_owners
from service.errors import Code, ServiceError
from service.operations.pagination import decode_cursor, encode_cursor
from service.operations.trail import ActionKind, note_action
from service.operations.types import Caller, Page, StoredNotice

# Other owners' notifications are skipped, so several pages may be read to fill one. This is the maximum.
MOST_PAGES = 10


class Incoming:
    """Lists and replays stored notifications. `wake` notifies the worker of a replay."""

    def __init__(self, database: Database, wake: Callable[[], None], clock: Callable[[], float]) -> None:
        self._database = database
        self._wake = wake
        self._clock = clock

    async def notices(
        self,
        caller: Caller,
        *,
        sid: str | None,
        event_type: int | None,
        outcome: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page[StoredNotice]:
        """Return stored notifications, newest first. A page may contain fewer than `limit` and still have a `next`."""
        before: int | None = (decode_cursor(cursor, (int,)) or (None,))[0]
        shown: list[rows.NoticeRow] = []
        for _ in range(MOST_PAGES):
            listed = partial(
                rows.list_notices, sid=sid, event_type=event_type, outcome=outcome, before=before, limit=limit + 1
            )
            found, own = await self._look(caller, listed, limit)
            shown += own
            if len(shown) >= limit or len(found) <= limit:
                break
            before = found[limit - 1].id
        following = None
        if len(shown) > limit:
            following = shown[limit - 1].id
        elif len(found) > limit:
            following = found[limit - 1].id
        items = tuple(StoredNotice(*row) for row in shown[:limit])
        return Page(items, None if following is None else encode_cursor(following))

    async def _look(
        self, caller: Caller, listed: Callable[[sa.Connection], Sequence[rows.NoticeRow]], limit: int
    ) -> tuple[Sequence[rows.NoticeRow], list[rows.NoticeRow]]:
        """Return the rows of `listed`, with one row beyond the page if more follow, and the rows of the page that the
        caller may see."""

        def transaction(connection: sa.Connection) -> tuple[Sequence[rows.NoticeRow], list[rows.NoticeRow]]:
            found = listed(connection)
            return found, _visible(connection, caller, found[:limit])

        return await self._database.run(transaction)

    async def replay(self, caller: Caller, notice_id: int) -> StoredNotice:
        """Request that the worker apply a notification again. A notification that was applied stays applied."""

        def transaction(connection: sa.Connection) -> rows.NoticeRow | None:
            stored = rows.load_notice(connection, notice_id)
            if stored is None or not _visible(connection, caller, [stored]):
                return None
            if rows.replay_notice(connection, notice_id):
                note_action(connection, caller, ActionKind.REPLAY, str(notice_id), self._clock())
            return rows.load_notice(connection, notice_id)

        row = await self._database.run(transaction)
        if row is None:
            raise ServiceError(Code.NOT_FOUND, "no such notification")
        self._wake()
        return StoredNotice(*row)


def _visible(connection: sa.Connection, caller: Caller, found: Sequence[rows.NoticeRow]) -> list[rows.NoticeRow]:
    applied = {row.recording_id for row in found if row.outcome == "applied" and row.recording_id is not None}
    owners = load_owners(connection, applied)
    return [row for row in found if row.outcome != "applied" or owners.get(row.recording_id) == caller.owner]
