"""After the database was put back to an older state, or nobody worked on it for a while: what runs is looked for before
anything new is started. Decides nothing about a recording; `reconciler` asks Agora and the bucket."""

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
    """One for each process that works."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._beat_at: float | None = None

    async def beat(self) -> float | None:
        """See `heartbeat.beat`."""
        now = self._clock()
        since = await self._database.run(lambda connection: heartbeat.beat(connection, now, self._beat_at))
        self._beat_at = now
        return since

    def waited(self, since: float) -> float:
        """For how many seconds starts have been held."""
        return self._clock() - since

    async def open_recordings(self, since: float, after: str) -> list[Recording]:
        """Some that were asked for before and are not at their end, by id; the next ones with the last one's id."""
        return await self._database.run(lambda connection: load_open(connection, since, after, _PAGE))

    async def tell(self, recording: Recording, observation: Observation) -> None:
        """What was found out about a recording, whoever works on it."""

        def transaction(connection: sa.Connection) -> Written | None:
            current = load_recording(connection, recording.id, lock=True)
            return None if current is None else observe(connection, current, observation, self._clock())

        written = await self._database.run(transaction)
        if written is not None:
            written.tell()

    async def end(self, since: float) -> None:
        """What runs is known: starts go on."""
        await self._database.run(lambda connection: heartbeat.end_restore(connection, since))
