"""Database access for the reconciliation that precedes new starts after a restore, or after a period without a worker.
It makes no decisions about a recording; `reconciler` queries Agora and the bucket."""

from collections.abc import Callable

import sqlalchemy as sa

from service.database.engine import heartbeat
from service.database.engine.database import Database
from service.database.recordings import load_open, load_recording
from service.lifecycle.observations import Observation
from service.operations.recordings.writing import Written, observe
from service.recording import Recording

_PAGE = 100


class Restoring:
    """Heartbeats and observations of one working process."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._beat_at: float | None = None

    async def beat(self) -> float | None:
        """Send a heartbeat. See `heartbeat.beat`."""
        now = self._clock()
        since = await self._database.run(lambda connection: heartbeat.beat(connection, now, self._beat_at))
        self._beat_at = now
        return since

    def waited(self, since: float) -> float:
        """Return how many seconds starts have been held."""
        return self._clock() - since

    async def open_recordings(self, since: float, after: str) -> list[Recording]:
        """Return a page of unfinished recordings requested before `since`, by id. `after` is the last id of the
        previous page."""
        return await self._database.run(lambda connection: load_open(connection, since, after, _PAGE))

    async def tell(self, recording: Recording, observation: Observation) -> None:
        """Apply an observation to a recording, even if another worker has claimed it."""

        def transaction(connection: sa.Connection) -> Written | None:
            current = load_recording(connection, recording.id, lock=True)
            return None if current is None else observe(connection, current, observation, self._clock())

        written = await self._database.run(transaction)
        if written is not None:
            written.tell()

    async def end(self, since: float) -> None:
        """End the reconciliation, so that starts continue."""
        await self._database.run(lambda connection: heartbeat.end_restore(connection, since))
