"""Current steps that delay a stop of their own recording, and the use of their results."""

import math
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from service.database.claims import PoisonedRow, give_back, versions_held
from service.database.engine.errors import is_outage
from service.database.recordings import load_recording
from service.errors import ServiceError
from service.lifecycle import overtaken_at
from service.lifecycle.observations import CallFailed, Look, Observation, Start, Started, Step, Updated, Verify, name_of
from service.operations.recordings.secrets import PageSecrets
from service.recording import AttemptState, Recording

_log = structlog.get_logger(__name__)

LOOKS = (Look, Verify)


@dataclass(frozen=True, slots=True)
class Task:
    """One step of one recording, claimed by this worker alone. `page` is set only if the step needs it and a live
    sealing key opens it."""

    recording: Recording
    step: Step
    fence: int
    page: PageSecrets | None

    @property
    def claim(self) -> tuple[str, int]:
        """Return the claim: the recording's id and the fence."""
        return self.recording.id, self.fence

    @property
    def looks(self) -> bool:
        """Return whether the step reads the bucket."""
        return isinstance(self.step, LOOKS)


class Overtaking:
    """Tracks which steps of this worker were overtaken by a stop."""

    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id
        # For each current step: the last version of its row that was checked, and the time from which the step delays a
        # stop.
        self._in_the_way: dict[tuple[str, int], tuple[int, float]] = {}
        self._overtaken: set[tuple[str, int]] = set()

    def overtake(self, connection: sa.Connection, held: list[Task], now: float) -> None:
        """Release the claims of steps that delay a stop of their own recording. Their calls continue, and their results
        are reported without the claim if `is_news` accepts them."""
        self._overtaken &= {task.claim for task in held}
        versions = versions_held(connection, self._worker_id, {task.recording.id for task in held})
        known, self._in_the_way = self._in_the_way, {}
        for task in held:
            version = versions.get(task.claim)
            if version is None:
                continue
            seen = known.get(task.claim)
            if seen is None or seen[0] != version:
                changed = seen is not None or version != task.recording.version
                current = _load_whole(connection, task.recording.id) if changed else task.recording
                at = None if current is None else overtaken_at(current, task.step, now)
                seen = version, math.inf if at is None else at
            self._in_the_way[task.claim] = seen
            if seen[1] <= now:
                give_back(connection, *task.claim)
                self._overtaken.add(task.claim)
                _log.info("step_overtaken", step=name_of(task.step), recording_id=task.recording.id)

    def forget(self, task: Task) -> bool:
        """Remove a finished task and return whether it was overtaken."""
        overtaken = task.claim in self._overtaken
        self._overtaken.discard(task.claim)
        return overtaken


def _load_whole(connection: sa.Connection, recording_id: str) -> Recording | None:
    """Return the current recording. Raise `PoisonedRow` if its row cannot be read."""
    try:
        return load_recording(connection, recording_id)
    except Exception as error:
        if isinstance(error, ServiceError) or is_outage(error):
            raise
        raise PoisonedRow(recording_id) from error


def is_news(task: Task, observation: Observation, current: Recording) -> bool:
    """Return whether the result of a step with a lost claim is known from no other source. This applies to the sid of a
    started task, to the outcome of a start if no other was sent after it, and to a pause or resume that Agora has
    accepted."""
    if isinstance(observation, Updated):
        return len(current.attempts) == len(task.recording.attempts)
    if isinstance(observation, Started) and observation.sid:
        return True
    start = isinstance(observation, Started) or (
        isinstance(observation, CallFailed) and isinstance(observation.step, Start)
    )
    sent, now = task.recording.attempt, current.attempt
    if not start or sent is None or now is None or now.state is not AttemptState.START_SENT:
        return False
    return (sent.number, sent.start_resent_at, sent.resource_id) == (now.number, now.start_resent_at, now.resource_id)
