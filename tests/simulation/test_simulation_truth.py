"""The storm: no final verdict of Pagereel's is wrong, some of each simpler service are; and the real service ran."""

import os

import pytest

from service.database.engine.database import Database
from service.database.notifications.batches import SqliteBatches
from service.verifier import Verifier
from service.worker.store import Work
from tests.simulation.ground import Ground
from tests.simulation.truth_benchmark import SYSTEMS, Outcome, play_storm, run, table

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
PROOF_RECORDINGS = 10_000


def wrong(outcomes: list[Outcome], system: str) -> int:
    return sum(one.wrong for one in outcomes if one.system == system)


def test_no_verdict_is_wrong_in_a_small_storm(ground: Ground) -> None:
    outcomes = play_storm(ground, 1, 50)
    assert sum(one.system == SYSTEMS[0] for one in outcomes) == 50
    assert wrong(outcomes, SYSTEMS[0]) == 0, table(outcomes)
    assert all(wrong(outcomes, system) for system in SYSTEMS[1:]), table(outcomes)


@pytest.mark.proof
def test_no_verdict_is_wrong_in_the_storm() -> None:
    recordings = round(PROOF_RECORDINGS * SCALE)
    outcomes = run(recordings, jobs=2)
    print(table(outcomes))
    assert sum(one.system == SYSTEMS[0] for one in outcomes) == recordings
    assert wrong(outcomes, SYSTEMS[0]) == 0, table(outcomes)
    assert all(wrong(outcomes, system) for system in SYSTEMS[1:]), table(outcomes)


def test_every_write_of_a_storm_comes_through_the_seams_and_production_code_made_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside, ran = 0, [], set()

    def counted(owner: type, name: str, *, writes: bool = False) -> None:
        real = getattr(owner, name)

        def call(*args: object, **more: object) -> object:
            nonlocal inside
            ran.add(f"{owner.__name__}.{name}")
            inside += writes
            try:
                return real(*args, **more)
            finally:
                inside -= writes

        monkeypatch.setattr(owner, name, call)

    def seen(statement: str) -> None:
        if not inside and statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            outside.append(statement)

    counted(Database, "_submit", writes=True)  # what `Database.run` hands over
    counted(SqliteBatches, "_write", writes=True)  # the inbox's batches
    for owner, name in ((Work, "claim"), (Work, "report"), (Work, "measure"), (Verifier, "verify"), (Verifier, "look")):
        counted(owner, name)
    ground.raw.set_trace_callback(seen)
    try:
        play_storm(ground, 2, 5)
    finally:
        ground.raw.set_trace_callback(None)
    assert not outside
    assert len(ran) == 7
