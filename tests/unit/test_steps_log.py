"""What is logged of a step whose call failed."""

from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from structlog.testing import capture_logs

from service.lifecycle.observations import Acquire, CallFailed, Failure, Judged, LookFailed, Observation, Query
from service.media.verdict import judge_blind
from service.recording import Parameters, State
from service.report import Level, Report, Verdict
from service.worker.overtaking import Task
from service.worker.steps import Steps, log_step
from tests.database.samples import attempt, recording


@pytest.mark.parametrize(
    ("observation", "outside"),
    [
        (CallFailed(Query(), Failure.UNAVAILABLE, "http_503"), True),
        (LookFailed("transport", "no answer"), True),
        (Judged(judge_blind("storage_unreachable", "The bucket does not answer.", 5.0)), True),
        (Judged(judge_blind("verifier_failed", "The verification failed.", 5.0)), False),
        (Judged(Report(Verdict.VERIFIED, judged_at=5.0, level=Level.LISTING, files=(), findings=())), False),
        (CallFailed(Query(), Failure.UNAVAILABLE, "budget"), False),
        (CallFailed(Query(), Failure.UNAVAILABLE, "storage_not_configured"), False),
        (CallFailed(Query(), Failure.UNKNOWN, "unexpected_error"), False),
    ],
)
def test_only_what_agora_or_a_bucket_did_is_called_so(observation: Observation, outside: bool) -> None:
    running = replace(recording(), state=State.RECORDING, attempts=(attempt(1, "test-1", 7),))
    with capture_logs() as lines:
        log_step("query", Task(running, Query(), 1, None), observation, 0.1)
    assert ["outside_failed" in line["event"] for line in lines] == [False, *([True] if outside else [])]


async def test_the_line_of_a_resource_has_all_that_adopts_its_task() -> None:
    client = AsyncMock()
    client.acquire.return_value = SimpleNamespace(resource_id="rid")
    begun = replace(recording(parameters=Parameters(max_recording_hour=7)), attempts=(attempt(1, "test-1", 9),))
    steps = Steps(None, {"main": client}, None, lambda: 0.0)  # type: ignore[arg-type]
    with capture_logs() as lines:
        await steps.observe(Task(begun, Acquire(new=True), 1, None))
    (line,) = lines
    assert {**line, "log_level": ""} == {
        "event": "acquired", "recording_id": begun.id, "cname": "test-1", "uid": 9, "resource_id": "rid", "hours": 7,
        "log_level": "",
    }  # fmt: skip
