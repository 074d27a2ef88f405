"""The callers of a simulation: each wants one recording, and says when to pause, resume and stop it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from pagereel.app import House
from service.errors import Code, ServiceError
from service.operations import Caller, Idempotency, Scope, Wish
from service.recording import Recording
from tests.simulation.loop import VirtualLoop
from tests.simulation.process import Process, ProcessDied
from tests.simulation.recorder import EPOCH
from tests.simulation.story import Story

CALLER = Caller("t", "school", frozenset(Scope))
Around = tuple[float, float]
"""When a wish was first sent, and when it was known to be accepted: it took effect somewhere between."""


@dataclass(slots=True)
class Lesson:
    """What one caller wants, in seconds after `asks_at`; and what became of asking."""

    number: int
    asks_at: float
    length: float
    preset: str = "default"
    pause: tuple[float, float] | None = None
    starts_after: float | None = None
    stops_by_itself: bool = False  # a `stop_at` in place of a stop
    onhold_until: float | None = None
    id: str = ""
    asked: Around | None = None
    stopped: Around | None = None
    held: list[tuple[bool, Around]] = field(default_factory=list)  # accepted pauses (True) and resumes, in order
    start_at: float | None = None
    stop_at: float | None = None
    refused: list[str] = field(default_factory=list)
    unclear: bool = False  # refused at last, but an earlier try of the same may have been accepted

    @classmethod
    def draw(cls, number: int, random: Random) -> "Lesson":
        lesson = cls(
            number, random.uniform(0, 20), random.choice((3, 20, 45, 90, 150, 240, 400)) * random.uniform(0.5, 1.3)
        )
        lesson.preset = random.choice(("default", "default", "mp4", "restarting"))
        if lesson.length > 60 and random.random() < 0.25:
            begins = random.uniform(10, lesson.length * 0.6)
            lesson.pause = (begins, begins + random.uniform(5, lesson.length - begins))
        if random.random() < 0.15:
            lesson.starts_after = random.uniform(5, 100)
        if random.random() < 0.15 and lesson.length > 10:
            lesson.stops_by_itself = True
        elif random.random() < 0.08 and lesson.length > 60:
            lesson.onhold_until = random.uniform(10, lesson.length * 0.7)
        return lesson


class CallerOf:
    """Asks some live process, again and again, until it is answered."""

    def __init__(
        self, lesson: Lesson, loop: VirtualLoop, random: Random, story: Story, pick: Callable[[], Process | None]
    ) -> None:
        self._lesson = lesson
        self._loop = loop
        self._random = random
        self._story = story
        self._pick = pick

    async def run(self) -> None:
        lesson, loop = self._lesson, self._loop
        await loop.pause(lesson.asks_at)
        await self._start()
        zero = lesson.start_at if lesson.start_at is not None else loop.time()
        plan: list[tuple[float, str]] = []
        if lesson.pause is not None:
            plan += [(lesson.pause[0], "pause"), (lesson.pause[1], "resume")]
        if lesson.onhold_until is not None:
            plan.append((lesson.onhold_until, "resume"))
        if not lesson.stops_by_itself:
            plan.append((lesson.length, "stop"))
        for after, verb in sorted(plan):
            await loop.pause(max(0.0, zero + after - loop.time()))
            around = await self._say(verb)
            if verb == "stop":
                lesson.stopped = around
            elif around is not None:
                lesson.held.append((verb == "pause", around))

    async def _start(self) -> None:
        lesson, now = self._lesson, self._loop.time()
        begins = now if lesson.starts_after is None else now + lesson.starts_after
        lesson.start_at = None if lesson.starts_after is None else begins
        lesson.stop_at = begins + lesson.length if lesson.stops_by_itself else None
        wish = Wish(
            url=f"https://class.example.org/room/{lesson.number}",
            preset=lesson.preset,
            parameters={"onhold": True} if lesson.onhold_until is not None else {},
            start_at=None if lesson.start_at is None else EPOCH + lesson.start_at,
            stop_at=None if lesson.stop_at is None else EPOCH + lesson.stop_at,
            start_within_seconds=self._random.choice((None, None, 300)),
        )
        asked = Idempotency(f"key-{lesson.number}", b"{}")
        while not lesson.id:
            try:
                answer = await self._ask(lambda house: house.operations.start(CALLER, wish, asked, _render))
            except ServiceError as error:  # by now it would be in the past
                lesson.refused.append(error.message)
                self._story.tell("caller", "start refused", lesson=lesson.number, why=error.message)
                return
            lesson.id = answer.recording_id
        lesson.asked = (now, self._loop.time())
        self._story.tell("caller", "asked", lesson=lesson.number, id=lesson.id[-6:], length=round(lesson.length))

    async def _say(self, verb: str) -> Around | None:
        lesson, since = self._lesson, self._loop.time()
        if not lesson.id:
            return None
        try:
            await self._ask(
                lambda house: getattr(house.operations, verb)(CALLER, lesson.id), however_late=verb == "stop"
            )
        except ServiceError as error:
            lesson.refused.append(f"{verb}: {error.message}")
            lesson.unclear = lesson.unclear or self._unanswered
            self._story.tell("caller", f"{verb} refused", id=lesson.id[-6:], why=error.message)
            return None
        self._story.tell("caller", verb, id=lesson.id[-6:])
        return since, self._loop.time()

    async def _ask(self, question: Callable[[House], Awaitable[object]], *, however_late: bool = False) -> object:
        self._unanswered = False
        while True:
            process = self._pick()
            if process is not None:
                try:
                    return await process.ask(question, however_late=however_late)
                except ProcessDied:
                    self._unanswered = True
                except ServiceError as error:
                    if error.code is not Code.UNAVAILABLE:
                        raise
                    self._unanswered = True
            await self._loop.pause(self._random.uniform(0.3, 2))


def _render(recording: Recording) -> bytes:
    return recording.id.encode()
