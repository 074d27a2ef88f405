"""Receives Agora's notifications and reports "stored" only after the commit.

It uses group commit. Notifications that arrive during a commit form the next batch, so a single notification is written
at once and many are written in few large batches. This path answers Agora, so it does not interpret notifications and
does not use SQLAlchemy. The worker processes the rows through `notifications`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Literal, Self

from metrics import intake
from service.database.engine.database import Database
from service.database.engine.errors import unavailable
from service.database.notifications.batches import Batches, Fresh, IncomingNotice, PostgresBatches, SqliteBatches
from service.database.sealing import Seals
from service.notification import body_id, parse_outline

Stored = Literal["accepted", "duplicate"]
_Waiter = tuple[IncomingNotice, "asyncio.Future[Stored]", float]

BATCH = 512
MAX_WAITING = 10_000
DEADLINE_SECONDS = 8.0  # Agora times out after 10
_SWEEP_SECONDS = 0.5


def incoming(app: str, body: bytes, received_at: float) -> IncomingNotice:
    """Return the argument of `Inbox.put` for a body with a valid signature. An invalid body is stored like any
    other."""
    said = parse_outline(body)
    if said is None:
        return IncomingNotice(app, body_id(body), received_at, None, None, None, body, None)
    notice_id, event_type, sid, cname, sent_at = said
    return IncomingNotice(app, notice_id, received_at, event_type, sid or None, cname or None, body, sent_at)


class Inbox:
    """The group commit. Create it on the loop and close it before its database."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        *,
        stored: Callable[[], None] | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """`stored` is called on the loop after each commit with new notifications, to wake the worker."""
        self._loop = asyncio.get_running_loop()
        self._batches: Batches
        if database.writer is not None:
            self._batches = SqliteBatches(database.writer, seals)
        else:
            assert database.pool is not None
            self._batches = PostgresBatches(database.pool, seals)
        self._stored = stored
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[_Waiter] = deque()
        self._flying: list[list[_Waiter]] = []
        self._hand_over_is_due = False
        self._sweep: asyncio.TimerHandle | None = None
        self._landed = asyncio.Event()
        self._closed = False

    def put(self, notice: IncomingNotice) -> "asyncio.Future[Stored]":
        """Store a notification. After the commit, the returned future's result states whether it was new.

        If it may not be stored, raise `ServiceError` with `Code.UNAVAILABLE`, directly or in the future. The reasons
        are that too many notifications wait, eight seconds passed, or the database failed.
        """
        if self._closed or len(self._waiting) >= MAX_WAITING:
            intake.failures.labels("full").inc()
            raise unavailable("intake_full")
        future: asyncio.Future[Stored] = self._loop.create_future()
        self._waiting.append((notice, future, self._loop.time()))
        if not self._hand_over_is_due and len(self._flying) < self._batches.lanes:
            # The delay lets other notifications in this turn of the loop join the batch.
            self._hand_over_is_due = True
            self._loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        self._hand_over_is_due = False
        while self._waiting and len(self._flying) < self._batches.lanes:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._flying.append(batch)
            landed = partial(self._land, batch, self._loop.time())
            self._batches.commit([waiter[0] for waiter in batch], landed)
        if self._sweep is None and self._flying:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._give_up_on_late)
        intake.waiting.set(len(self._waiting))

    def _land(self, batch: list[_Waiter], began: float, fresh: Fresh, error: BaseException | None) -> None:
        """Handle a committed batch or a failed one. `fresh` contains the new keys, or is None if all were new."""
        self._flying.remove(batch)
        self._landed.set()
        self._hand_over()  # first, so that the disk does not wait for the callbacks
        if error is not None:
            self._fail(batch, error)
        else:
            self._tell(batch, self._loop.time() - began, fresh)

    def _tell(self, batch: list[_Waiter], seconds: float, fresh: Fresh) -> None:
        duplicates: list[int | None] = []
        for notice, future, _ in batch:
            result: Stored = "accepted"
            if fresh is not None:
                key = (notice.app, notice.notice_id)
                if key in fresh:
                    fresh.discard(key)  # a second copy in the same batch is a duplicate
                else:
                    result = "duplicate"
                    duplicates.append(notice.event_type)
            if not future.done():
                future.set_result(result)
        intake.committed(
            [notice.event_type for notice, _, _ in batch],
            duplicates,
            [notice.received_at - notice.sent_at for notice, _, _ in batch if notice.sent_at is not None],
            seconds,
        )
        if self._stored is not None and len(duplicates) < len(batch):
            self._stored()

    def _fail(self, batch: list[_Waiter], error: BaseException) -> None:
        intake.failures.labels("database").inc(len(batch))
        for _, future, _ in batch:
            if not future.done():
                told = unavailable()
                told.__cause__ = error
                future.set_exception(told)

    def _give_up_on_late(self) -> None:
        """Fail the notifications that waited too long. A notification in a running batch may still be stored. It is
        then a duplicate when Agora sends it again."""
        latest = self._loop.time() - self._deadline_seconds
        for _, future, since in chain(*self._flying, self._waiting):
            if since <= latest and not future.done():
                intake.failures.labels("late").inc()
                future.set_exception(unavailable("intake_late"))
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._give_up_on_late) if self._flying else None

    async def close(self) -> None:
        """Accept no more notifications, commit the waiting ones, and then end."""
        self._closed = True
        while self._flying or self._waiting:
            self._landed.clear()
            await self._landed.wait()
        if self._sweep is not None:
            self._sweep.cancel()
        await self._batches.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
