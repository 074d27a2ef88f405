"""One simulation: callers, processes, Agora, its notices and the bucket, and everything that goes wrong among them."""

from collections.abc import Callable
from math import ceil, exp, log
from random import Random
from typing import Any

import orjson

from pagereel.app import House
from pagereel.clock import BELIEVED_AFTER_SECONDS, SteadyClock
from service.database.notifications.batches import IncomingNotice
from service.database.notifications.inbox import Inbox
from service.errors import Code, ServiceError
from service.http.sender import Request
from service.recording import TERMINAL
from tests.simulation.agora import Agora, Fate, Task
from tests.simulation.bucket import Bucket, broken_connection
from tests.simulation.ground import Ground
from tests.simulation.lessons import CallerOf, Lesson
from tests.simulation.notices import NoticeSender
from tests.simulation.process import Network, Process, ProcessDatabase, ProcessDied, may_run
from tests.simulation.recorder import EPOCH
from tests.simulation.story import Story
from tests.simulation.weather import Weather

HORIZON = 12 * 86400.0
MOST_KILLS = 6
MOST_TROUBLE = 0.6  # so many calls may go wrong while Agora counts as reachable
_TERMINAL = "','".join(sorted(TERMINAL))
Span = tuple[float, float]
Clock = Callable[[], float]


class World:
    def __init__(self, ground: Ground, seed: int, weather: Weather, lessons: list[Lesson]) -> None:
        self.ground, self.seed = ground, seed
        self.settings = ground.settings
        self.on_notice: Callable[[IncomingNotice], IncomingNotice] = lambda notice: notice
        self.random, self._clocks = Random(f"world {seed}"), Random(f"clocks {seed}")
        self._stalls = Random(f"stalls {seed}")
        self._hangs = Random(f"hangs {seed}")
        self.stall_seconds: Callable[[str], float] = self._stalled_call
        self.clock: Callable[[Clock, Clock], Clock] = SteadyClock
        ground.clear(Random(f"order {seed}"))
        self.loop = ground.loop
        self.loop.before_step = may_run
        self.weather = weather
        self.lessons = lessons
        self.story = Story(self.loop.time)
        self.sender = NoticeSender(self.loop, self.random, self.story, lambda: self.weather, self._deliver)
        self.agora = Agora(self.loop, self.random, self.story, self.sender.post, self.fate)
        self.bucket = Bucket(self.loop, lambda: self.agora.tasks)
        ground.http.bucket, ground.http.travel = self.bucket, self._travel
        self.processes: list[Process] = []
        self.deaths = 0
        self.blocked: list[Span] = []
        self.agora_outages = self._outages(weather.agora_outage, 150)
        self.database_outages = self._outages(weather.database_outage, 60)
        self.bucket_outages = self._outages(weather.bucket_outage, 7200)
        self.watchers: list[Callable[[], None]] = []
        self.before_call: Callable[[str, str, dict[str, Any]], None] = lambda verb, path, said: None
        self.first_tasks: list[Callable[[], Any]] = [
            CallerOf(lesson, self.loop, self.random, self.story, self.pick_process).run for lesson in lessons
        ]
        self._tick: Any = None
        self._unasked = 0
        self._over = self.loop.create_future()

    def _outages(self, share: float, longest: float) -> list[Span]:
        if self.random.random() >= share:
            return []
        begins = self.random.uniform(0, 300)
        return [(begins, begins + self.random.uniform(3, longest))]

    # --- running -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play to the end: everything at rest, or the horizon."""
        self.loop.run_until_complete(self._play())

    async def _play(self) -> None:
        self._ways = _shares(self.weather)
        for number in range(self.weather.workers):
            self._boot(number)
        self._unasked = len(self.first_tasks)
        for begin in self.first_tasks:
            self.loop.create_task(begin(), name="caller").add_done_callback(self._asked)
        end = self.loop.at(HORIZON, self._end)
        await self._over
        end.cancel()
        for process in self.processes:
            process.ended = lambda process, error: None
            process.kill()
        await self.loop.pause(0.01)

    def _asked(self, task: Any) -> None:
        self._unasked -= 1
        if (error := task.exception()) is not None:
            self.story.blame("run", f"a caller failed: {error!r}")
        self._poll()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    @property
    def now(self) -> float:
        return self.loop.time()

    # --- processes -----------------------------------------------------------------------------------------------

    def _boot(self, number: int) -> None:
        if self._over.done():
            return
        weather, random = self.weather, self.random
        process = Process(self.loop, f"p{number}")
        if self.deaths < MOST_KILLS and random.random() < weather.kills:
            process.at_step[int(exp(random.uniform(log(3), log(3000))))] = lambda: self._kill(process)
        if weather.stalls and random.random() < weather.stalls:
            step = int(exp(random.uniform(log(30), log(3000))))
            process.at_step[step] = lambda: self._stall(process, random.uniform(20, 90))
        if random.random() < weather.skew:
            process.clock_offset = random.uniform(-2, 2)
        if self._clocks.random() < weather.clock_steps:
            self.loop.at(self.now + self._clocks.uniform(0, 300), self._set_clock, process)
        process.ended = lambda process, error: self._died(number, process, error)
        self.processes.append(process)
        process.boot(self.build)
        self.story.tell(process.name, "boots")
        self._poll()

    def build(self, process: Process) -> House:
        """The production wiring of one process over this world."""
        random = self.random
        entropy = Random(random.getrandbits(64))
        network = Network(process, random, self._way, self._arrive, self._answered)
        database = ProcessDatabase(process, self.ground.database, random, self._database_trouble, self.committed)
        return self.ground.wire(
            self.settings,
            inbox=lambda inbox: _Door(inbox, self),
            database=database,
            send=network.send,
            clock=self.clock(lambda: EPOCH + self.loop.time() + process.clock_offset, self.loop.time),
            entropy=entropy.randbytes,
        )

    def _kill(self, process: Process) -> None:
        process.kill()
        process.ended(process, None)

    def _stalled_call(self, verb: str) -> float:
        """For how long the process is suspended whose call arrives now; 0: not at all."""
        return self._stalls.uniform(20, 90) if self._stalls.random() < self.weather.stalled_calls else 0

    def _stall(self, process: Process, seconds: float) -> None:
        if process.frozen or not process.alive:
            return
        self.story.tell(process.name, "is stopped for a while", seconds=round(seconds))
        self.blocked.append((self.now, self.now + seconds))
        process.freeze(seconds)

    def _set_clock(self, process: Process) -> None:
        """Wrong by up to an hour, and right again before that is taken for meant."""
        step = self._clocks.choice((-3600, -60, -10, 10, 60, 3600)) * self._clocks.uniform(0.5, 1)
        lasts = self._clocks.uniform(1, BELIEVED_AFTER_SECONDS - 10)
        self.story.tell(process.name, "has its clock set", by=round(step), seconds=round(lasts))
        process.clock_offset += step
        self.loop.at(self.now + lasts, self._set_right, process, step)

    def _set_right(self, process: Process, step: float) -> None:
        process.clock_offset -= step

    def _died(self, number: int, process: Process, error: BaseException | None) -> None:
        if error is not None:
            self.story.blame("run", f"a process ended by itself: {error!r}")
        process.alive = False
        self.processes.remove(process)
        self.deaths += 1
        down = self.random.choice((0.5, 3, 10, 35, 60, 320)) * self.random.uniform(0.5, 1.1)
        self.story.tell(process.name, "is killed", down=round(down, 1))
        if not self.processes:
            self.blocked.append((self.now, self.now + down))
        self.loop.at(self.now + down, self._boot, number)

    def pick_process(self) -> Process | None:
        return self.random.choice(self.processes) if self.processes else None

    # --- the database --------------------------------------------------------------------------------------------

    def _database_trouble(self) -> str:
        if _within(self.database_outages, self.now):
            return "refused"
        if self.random.random() < self.weather.database_fails * 0.2:
            return self.random.choice(("refused", "unanswered"))
        return ""

    def committed(self) -> None:
        """After each transaction: whoever watches looks, and the next poll is set."""
        for watch in self.watchers:
            watch()
        self._poll()

    def _poll(self) -> None:
        """Wake the workers at the full second at which a poll would find something. Polls that find nothing are left
        out, which is what makes days cheap."""
        due = self._due_at()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self._at_rest():
            self._tick = self.loop.at(self.now + 1, self._end_if_at_rest)
        elif due is not None:
            self._tick = self.loop.at(max(ceil(due), int(self.now) + 1), self._wake)

    def _wake(self) -> None:
        for process in self.processes:
            if process.house is not None:
                process.house.worker.wake()
                process.house.worker.wake_notices()
        self._poll()

    def _end_if_at_rest(self) -> None:
        if self._at_rest():
            self._end()
        else:
            self._poll()

    def _due_at(self) -> float | None:
        row = self.ground.raw.execute(
            # What is held may be in the way of a stop: a poll finds that too.
            "SELECT (SELECT min(due_at) FROM recordings WHERE due_at IS NOT NULL),"
            " (SELECT min(next_try_at) FROM notifications WHERE outcome = 'new')"
        ).fetchone()
        found = [at - EPOCH for at in row if at is not None]
        return min(found) if found else None

    def _at_rest(self) -> bool:
        """Nobody asks, sends or records any more, and every recording is at its end. Later looks at those are left."""
        if self._unasked or self.sender.busy or any(task.live for task in self.agora.tasks):
            return False
        (waiting,) = self.ground.raw.execute(
            f"SELECT EXISTS (SELECT 1 FROM recordings WHERE state NOT IN ('{_TERMINAL}'))"
            " OR EXISTS (SELECT 1 FROM notifications WHERE outcome = 'new')"
        ).fetchone()
        return not waiting

    # --- Agora ---------------------------------------------------------------------------------------------------

    def fate(self, cname: str) -> Fate:
        lesson = self.lesson_of(cname)
        fate = self.weather.fate(self.random, lesson.length if lesson is not None else 60)
        if self._hangs.random() < self.weather.misses:
            fate.misses_stops = self._hangs.choice((1, 1, 2))
        return fate

    def _way(self, url: str) -> str:
        dice = self.random.random()
        if url.endswith("/stop") and dice < self.weather.stop_muted:
            return "muted"
        if _within(self.agora_outages, self.now):
            return self.random.choice(("refused", "lost"))
        if self._hangs.random() < self.weather.hung:
            return self._hangs.choice(("hung", "silent"))
        for kind, share in self._ways:
            dice -= share
            if dice < 0:
                return kind
        return ""

    def _arrive(self, process: Process, request: Request, fate: str) -> tuple[int, bytes] | None:
        path = request.url.partition("//")[2]
        verb = path.rpartition("/")[2]
        if seconds := self.stall_seconds(verb):
            self._stall(process, seconds)
        if request.body:
            self.before_call(verb, path, orjson.loads(request.body))
        if fate == "busy":
            status, said = self._refusal(verb)
        else:
            slow = fate == "halfway" and self.random.random() < self.weather.slow_start
            status, said = self.agora.call(path, request.body, slow_start=slow)
            if fate == "halfway" and verb != "acquire":
                status, said = self._half(verb)
        self.story.tell(process.name, verb, way=fate or "-", answer=status, code=said.get("code", "-"))
        return status, orjson.dumps(said)

    def _refusal(self, verb: str) -> tuple[int, dict[str, Any]]:
        told: list[tuple[int, dict[str, Any]]] = [
            (429, {"message": "API rate limit exceeded"}),
            (502, {"message": "bad gateway"}),
        ]
        if verb == "acquire":
            told += [(400, {"code": 406, "reason": "vendor_over_load"}), (500, {"code": 501, "reason": "none"})]
        elif verb == "start":
            told += [(206, {"code": 65, "reason": "request not completed"}), (500, {"code": 502, "reason": "none"})]
        else:
            told += [(206, {"code": 65, "reason": "request not completed"}), (504, {"code": 62, "reason": "timeout"})]
        return self.random.choice(told)

    def _half(self, verb: str) -> tuple[int, dict[str, Any]]:
        timeout = (500 if verb == "start" else 504, {"code": 62, "reason": "request timeout"})
        return self.random.choice(((206, {"code": 65, "reason": "request not completed"}), timeout))

    def _answered(self, process: Process, request: Request, status: int, body: bytes) -> None:
        if status == 200 and request.url.endswith("/start"):
            sid = orjson.loads(body).get("sid")
            for task in self.agora.tasks:
                if task.sid == sid and task.exposed_at is None:
                    task.exposed_at = self.now

    async def _deliver(self, body: bytes, signature: str) -> str:
        process = self.pick_process()
        if process is None:
            return ""
        try:
            await process.ask(
                lambda house: house.operations.receiving.receive("main", body, signature, None), however_late=True
            )
        except ProcessDied:
            return ""
        except ServiceError as error:
            return "rejected" if error.code is Code.UNAUTHORIZED else ""
        return "stored"

    # --- the bucket ----------------------------------------------------------------------------------------------

    async def _travel(self) -> int | None:
        await self.loop.pause(self.random.uniform(0.01, 0.15))
        if _within(self.bucket_outages, self.now) or self.random.random() < self.weather.bucket_fails * 0.5:
            if self.random.random() < 0.5:
                raise broken_connection()
            return 503
        return None

    # --- whose is what -------------------------------------------------------------------------------------------

    def lesson_of(self, cname: str) -> Lesson | None:
        ulid = cname.partition("-")[2].upper()
        return next((one for one in self.lessons if one.id[4:] == ulid), None)

    def tasks_of(self, lesson: Lesson) -> list[Task]:
        return self.agora.by_cname.get(f"sim-{lesson.id[4:].lower()}", []) if lesson.id else []


class _Door:
    """What stands before the inbox of a process."""

    def __init__(self, inbox: Inbox, world: World) -> None:
        self._inbox = inbox
        self._world = world

    def put(self, notice: IncomingNotice) -> Any:
        return self._inbox.put(self._world.on_notice(notice))


def _shares(weather: Weather) -> list[tuple[str, float]]:
    """What befalls a call to Agora, each with its share."""
    ways = {kind: getattr(weather, kind) for kind in ("refused", "lost", "muted", "late", "busy", "halfway", "slow")}
    most = max(1.0, sum(ways.values()) / MOST_TROUBLE)
    return [(kind, share / most) for kind, share in ways.items()]


def _within(spans: list[Span], at: float) -> bool:
    return any(begins <= at < ends for begins, ends in spans)
