"""The run of all checks against one receiver: order, load and timing. `checks` defines the right answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emulator.conformance.bodies import Mint, forged
from emulator.conformance.checks import CHECKS, Check, refused, taken
from emulator.conformance.wire import UNREACHABLE, Answer, Gun, aimed
from emulator.notifications.wire import DEADLINE_SECONDS

_MOST_SHOWN = 4


class UnreachableError(Exception):
    """The receiver cannot be reached."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The load on the receiver. The defaults are Agora's own requirements (agora-reference §7.2)."""

    deadline_seconds: float = DEADLINE_SECONDS
    idle_seconds: float = 9.5
    requests_of_a_connection: int = 100
    storm: int = 300
    storm_connections: int = 50


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check. `detail` contains the figures or the wrong answers."""

    name: str
    title: str
    passed: bool
    detail: str
    advice: str


@dataclass
class _Record:
    """All answers, and separately the answers to valid notifications."""

    answers: list[Answer] = field(default_factory=list)
    taken: list[Answer] = field(default_factory=list)


async def check_receiver(
    url: str, secret: str, plan: Plan | None = None, *, say: Callable[[Result], object] = lambda _: None
) -> list[Result]:
    """Run all checks in order and pass each result to `say`. Raise `UnreachableError` if there is no connection."""
    plan = plan or Plan()
    mint, record, results = Mint(secret), _Record(), list[Result]()

    def note(result: Result) -> None:
        results.append(result)
        say(result)

    async with aimed(url, deadline=plan.deadline_seconds, connections=plan.storm_connections) as gun:
        first = await gun.fire(mint.sent("first", mint.notice()))
        if first.problem in UNREACHABLE:
            raise UnreachableError(first.problem)
        async with asyncio.TaskGroup() as group:
            idle = group.create_task(_idle(url, mint, plan), name="emulator-idle")
            for check in CHECKS:
                note(await _play(check, mint, gun, record))
            note(await _storm(mint, gun, plan, record))
            note(await _kept(url, mint, plan, record))
        note(idle.result())
    note(_json(record))
    note(_in_time(record, plan))
    return results


async def _play(check: Check, mint: Mint, gun: Gun, record: _Record) -> Result:
    shots = check.make(mint)
    if check.at_once:
        answers: Sequence[Answer] = await asyncio.gather(*map(gun.fire, shots))
    else:
        answers = [await gun.fire(shot) for shot in shots]
    record.answers += answers
    if check.right is taken:
        record.taken += answers
    wrong = [answer for answer in answers if not check.right(answer)]
    return Result(check.name, check.title, not wrong, _told(wrong) or _counted(len(answers)), check.advice)


async def _storm(mint: Mint, gun: Gun, plan: Plan, record: _Record) -> Result:
    """Send valid notifications over all connections at once. Every tenth notification is forged."""
    lies = [shot for shots in forged(mint).values() for shot in shots if shot.label != "not ASCII"]
    shots = [
        lies[number // 10 % len(lies)] if number % 10 == 9 else mint.sent("right notice", mint.notice(33))
        for number in range(plan.storm)
    ]
    answers = await asyncio.gather(*map(gun.fire, shots))
    right = [answer for answer in answers if answer.label == "right notice"]
    record.answers += answers
    record.taken += right
    wrong = [answer for answer in answers if not (taken if answer.label == "right notice" else refused)(answer)]
    slowest = max(answer.seconds for answer in answers)
    return Result(
        "storm",
        f"{plan.storm} notices over {plan.storm_connections} connections, one in ten forged",
        not wrong,
        _told(wrong) or f"slowest answer {slowest:.3f} s",
        "Store the notice and answer; do the work it causes afterwards, somewhere else.",
    )


async def _kept(url: str, mint: Mint, plan: Plan, record: _Record) -> Result:
    async with aimed(url, deadline=plan.deadline_seconds, connections=1) as gun:
        count = plan.requests_of_a_connection
        answers = [await gun.fire(mint.sent("right notice", mint.notice(33))) for _ in range(count)]
        opened = gun.opened
    record.answers += answers
    return Result(
        "keep_alive",
        f"{count} notices over one connection",
        opened == 1,
        f"{opened} connection(s) for {count} notices",
        "Switch HTTP keep-alive on and let a connection carry at least 100 requests (MaxKeepAliveRequests).",
    )


async def _idle(url: str, mint: Mint, plan: Plan) -> Result:
    async with aimed(url, deadline=plan.deadline_seconds, connections=1) as gun:
        await gun.fire(mint.sent("before", mint.notice(33)))
        await asyncio.sleep(plan.idle_seconds)
        await gun.fire(mint.sent("after", mint.notice(33)))
        kept = gun.opened == 1
    return Result(
        "idle",
        f"a connection idle for {plan.idle_seconds:g} s is kept",
        kept,
        "kept" if kept else "closed meanwhile",
        "Keep idle connections for at least 10 s (KeepAliveTimeout).",
    )


def _json(record: _Record) -> Result:
    wrong = [answer for answer in record.taken if answer.status == 200 and not answer.is_json]
    return Result(
        "json_answer",
        "the body of a 200 is JSON",
        not wrong,
        f"{len(wrong)} of {len(record.taken)} answers to right notices are 200 without JSON" if wrong else "all are",
        'Answer with a JSON body, {} or {"ok":true}, and Content-Type: application/json.',
    )


def _in_time(record: _Record, plan: Plan) -> Result:
    late = [answer for answer in record.answers if answer.status is None or answer.seconds > plan.deadline_seconds]
    times = sorted(answer.seconds for answer in record.answers)
    figures = f"median {times[len(times) // 2]:.3f} s, slowest {times[-1]:.3f} s of {len(times)}"
    return Result(
        "in_time",
        f"every answer comes within {plan.deadline_seconds:g} s",
        not late,
        f"{_told(late)}; {figures}" if late else figures,
        "Answer as soon as the notice is stored; Agora counts what takes longer than 10 s as not delivered.",
    )


def _counted(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _told(wrong: Sequence[Answer]) -> str:
    """Return the distinct wrong answers as one line."""
    texts = list(dict.fromkeys(f"{answer.label}: {answer.said}" for answer in wrong))
    more = f" and {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(texts[:_MOST_SHOWN]) + more
