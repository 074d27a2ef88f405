"""Failed calls of one kind are one line of the history that grows; each kind of call has its own."""

from dataclasses import replace

from service.database.engine.database import Database
from service.database.evidence import load_history
from service.database.recordings import insert_recording, load_recording
from service.lifecycle.observations import CallFailed, Failure, Query, Stop, StopRequested
from service.operations.recordings.writing import observe
from service.recording import AttemptState, EndReason, State
from tests.database.samples import attempt, recording


async def test_a_stop_and_a_query_that_fail_by_turns_are_two_lines_that_grow(database: Database) -> None:
    running = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="a" * 32, resource_id="r", started_at=1000.0)
    before = replace(recording(), state=State.RECORDING, attempts=(running,))
    await database.run(lambda c: insert_recording(c, before, due_at=1000.0))
    found = [
        StopRequested(),
        *(CallFailed(step, Failure.UNAVAILABLE, "transport") for step in [Stop(EndReason.STOPPED), Query()] * 3),
    ]
    found += [CallFailed(Stop(EndReason.STOPPED), Failure.UNAVAILABLE, "http_503")]
    for at, observation in enumerate(found):
        now = 1100.0 + at

        def write(c: object, now: float = now, observation: object = observation) -> None:
            known = load_recording(c, before.id)  # type: ignore[arg-type]
            assert known is not None
            observe(c, known, observation, now)  # type: ignore[arg-type]

        await database.run(write)
    lines = await database.run(lambda c: load_history(c, before.id, after=0, limit=100))
    calls = [(line.detail["call"], line.detail["code"], line.count) for line in lines if line.kind == "call_failed"]
    # Between the first two the attention was raised.
    assert calls == [
        ("stop", "transport", 1),
        ("query", "transport", 3),
        ("stop", "transport", 2),
        ("stop", "http_503", 1),
    ]
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
