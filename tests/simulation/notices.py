"""Agora's notice sender (agora-reference §7): signs, sends, repeats three times; and what may happen to a notice."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from tests.simulation.agora import Task
from tests.simulation.loop import VirtualLoop
from tests.simulation.recorder import EPOCH
from tests.simulation.story import Story
from tests.simulation.weather import Weather

SECRET = "simulated-ncs-secret"
REPEATS = (0.0, 2.0, 8.0)

Deliver = Callable[[bytes, str], Awaitable[str]]
"""Bring one notice, with its signature, to some process: "stored", "rejected", "taken" by somebody else than
the service, or "" where nobody took it."""


@dataclass
class Sent:
    """One notice as the world knows it. `acked`: somebody answered that it is stored."""

    task: Task
    event_type: int
    at: float
    acked: bool = False
    tries: int = field(default=0)


class NoticeSender:
    def __init__(
        self, loop: VirtualLoop, random: Random, story: Story, weather: Callable[[], Weather], deliver: Deliver
    ) -> None:
        self._loop = loop
        self._random = random
        self._story = story
        self._weather = weather
        self._deliver = deliver
        self._pending: set[Any] = set()
        self._scheduled = 0
        self.sent: dict[str, Sent] = {}

    def post(self, task: Task, event_type: int, details: dict[str, Any]) -> None:
        """Something happened to `task`: tell whoever subscribed, with this weather's luck."""
        weather, random = self._weather(), self._random
        number, task.sequence = task.sequence, task.sequence + 1
        payload = {
            "cname": task.cname,
            "uid": task.uid,
            "sid": task.sid,
            "sequence": number,
            "sendts": round((EPOCH + self._loop.time()) * 1000),
            "serviceType": 6,
            "details": details,
        }
        notice_id = f"{random.getrandbits(128):032x}"
        self.sent[notice_id] = Sent(task, event_type, self._loop.time())
        if random.random() < weather.dropped:
            self._story.tell("notice", f"{event_type} dropped", sid=task.sid[:6])
            return
        delays = [random.uniform(0.05, 0.8)]
        if random.random() < weather.hours_late:
            delays = [random.uniform(600, 6 * 3600)]
        elif random.random() < weather.reordered:
            delays = [random.uniform(1, 90)]
        if random.random() < weather.doubled:
            delays += [random.uniform(0.05, 200) for _ in range(random.choice((1, 1, 9)))]
        for delay in delays:
            self._later(delay, self._start, notice_id, event_type, payload)
        if random.random() < weather.copied:
            other = f"{random.getrandbits(128):032x}"
            self.sent[other] = Sent(task, event_type, self._loop.time())
            self._later(random.uniform(0.05, 20), self._start, other, event_type, payload)
        if random.random() < weather.forged:
            self._later(random.uniform(0, 30), self._forge, event_type, payload)

    @property
    def busy(self) -> bool:
        """Whether something is on its way, or will be."""
        return self._scheduled > 0 or bool(self._pending)

    def _later(self, seconds: float, event: Callable[..., None], *about: Any) -> None:
        self._scheduled += 1
        self._loop.at(self._loop.time() + seconds, self._due, event, *about)

    def _due(self, event: Callable[..., None], *about: Any) -> None:
        self._scheduled -= 1
        event(*about)

    def _start(self, notice_id: str, event_type: int, payload: dict[str, Any]) -> None:
        self._keep(self._send(notice_id, event_type, payload))

    def _forge(self, event_type: int, payload: dict[str, Any]) -> None:
        body = self._body("forged", 71 if event_type != 71 else 70, payload)
        self._keep(self._send_forged(body, self._random.choice(("", sign(body + b" "), "zz"))))

    def _keep(self, sending: Any) -> None:
        task = self._loop.create_task(sending)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    def _body(self, notice_id: str, event_type: int, payload: dict[str, Any]) -> bytes:
        now = round((EPOCH + self._loop.time()) * 1000)
        envelope = {"noticeId": notice_id, "productId": 3, "eventType": event_type, "notifyMs": now, "payload": payload}
        return orjson.dumps(envelope)

    async def _send(self, notice_id: str, event_type: int, payload: dict[str, Any]) -> None:
        sent = self.sent[notice_id]
        for wait in (0.0, *REPEATS):
            await self._loop.pause(wait)
            sent.tries += 1
            body = self._body(notice_id, event_type, payload)
            answer = await self._deliver(body, sign(body))
            self._story.tell("notice", f"{event_type} {answer or 'not taken'}", sid=payload["sid"][:6])
            if answer == "taken":  # by somebody else
                return
            if answer == "stored":
                sent.acked = True
                if sent.task.exposed_at is None:
                    sent.task.exposed_at = self._loop.time()
                return
            if answer == "rejected":
                self._story.blame("I3", "a signed notice was rejected", event_type=event_type)

    async def _send_forged(self, body: bytes, signature: str) -> None:
        answer = await self._deliver(body, signature)
        if answer == "stored":
            self._story.blame("I3", "a forged notice was let in")


def sign(body: bytes) -> str:
    return hmac.digest(SECRET.encode(), body, "sha256").hex()
