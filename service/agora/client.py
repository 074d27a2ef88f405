"""Calls Agora Cloud Recording in web mode for one app (agora-reference §1 to §6).

Each call waits for the budget, is made once, and ends in a typed result or in one of the outside errors. Retries are
left to the recording's row. The one exception is another of Agora's hosts, within the call's deadline, and only if no
action can be carried out twice. No page URL, RTMP URL or key is logged or raised.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

import metrics.agora as gauge
from metrics.agora import Operation, Outcome
from service.agora import answers, bodies
from service.agora.answers import Acquired, Started, Stopped, TaskState, Updated
from service.agora.bodies import StartOrder, Storage, Task
from service.agora.budget import Take
from service.agora.hosts import order_hosts
from service.agora.pace import Priority
from service.agora.refusals import Fault, TaskMissing, parse_fault, refusal, unclear
from service.errors import OutsideError, Refused, Unavailable, UnknownOutcome
from service.http.headers import parse_http_date, parse_retry_after
from service.http.sender import Answer, NoAnswerError, NotSentError, Request, Send
from service.settings import App

T = TypeVar("T")
DEADLINE_SECONDS: Final = 15.0
BUDGET_SECONDS: Final = 10.0
# A stop without an early answer is sent again, since a second one is harmless. It keeps its place in the budget behind
# any number of calls.
STOP_DEADLINE_SECONDS: Final = 2.5
STOP_BUDGET_SECONDS: Final = 600.0
MIN_STS_SECONDS: Final = 4 * 3600
# Limits of the wait that an answer can request. A stop waits least, since its task is billed until it ends.
LONGEST_WAIT_SECONDS: Final = 300.0
STOP_WAIT_SECONDS: Final = 10.0
_OUTCOMES: Final = {
    "unauthorized": Outcome.UNAUTHORIZED,
    "rate_limited": Outcome.RATE_LIMITED,
    "capacity": Outcome.CAPACITY,
}


@dataclass(frozen=True, slots=True)
class _Call:
    operation: Operation
    priority: Priority
    method: str
    path: str
    body: dict[str, Any] | None = None
    secrets: tuple[str, ...] = ()


class AgoraClient:
    """Agora's API for one app. `take` grants a place in the request budget, `send` makes one request; `now` is the wall
    clock in Unix seconds.

    Every method raises `Refused`, `Unavailable` or `UnknownOutcome` with a short stable code, and those about a task
    also raise `TaskMissing`. `skew_seconds` is our clock minus Agora's at the last answer (None before).
    """

    def __init__(
        self,
        app: App,
        send: Send,
        take: Take,
        now: Callable[[], float] = time.time,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        budget_seconds: float = BUDGET_SECONDS,
    ) -> None:
        self._app = app
        self._send = send
        self._take = take
        self._now = now
        self._deadline_seconds = deadline_seconds
        self._budget_seconds = budget_seconds
        self._failed_at: dict[str, float] = {}
        self.skew_seconds: float | None = None

    async def acquire(self, cname: str, uid: int, max_recording_hour: int) -> Acquired:
        """Return a resource id, valid for one start within 5 minutes (§2)."""
        body = bodies.acquire_body(cname, uid, max_recording_hour, self._app.region)
        call = _Call(Operation.ACQUIRE, Priority.START, "POST", bodies.path_acquire(self._app.app_id), body)
        return await self._perform(call, _read_acquired)

    async def start(self, cname: str, uid: int, resource_id: str, order: StartOrder) -> Started:
        """Start the task (§3). Repeat only with the same resource id and order.

        Raise `Refused` `credentials_expiring` without a request if temporary keys are valid for less than 4 h (§3.4).
        """
        expires_at = order.storage.credentials.expires_at
        if expires_at is not None and expires_at - self._now() < MIN_STS_SECONDS:
            raise Refused("credentials_expiring", "the temporary storage keys last less than 4 h")
        path, body = bodies.path_start(self._app.app_id, resource_id), bodies.start_body(cname, uid, order)
        call = _Call(Operation.START, Priority.START, "POST", path, body, order.secrets)
        return await self._perform(call, _read_started)

    async def query(self, task: Task, *, overdue: bool = False) -> TaskState:
        """Return the state of the task (§4). `overdue`: late by more than a period, so it precedes a start."""
        priority = Priority.OVERDUE_QUERY if overdue else Priority.QUERY
        path = bodies.path_task(self._app.app_id, task, "query")
        return await self._perform(_Call(Operation.QUERY, priority, "GET", path), _read_task_state)

    async def update_onhold(self, task: Task, onhold: bool) -> Updated:
        """Pause or resume (§5). The caller must not let updates of one task overlap."""
        return await self._update(task, bodies.update_onhold_body(task, onhold))

    async def update_rtmp(self, task: Task, rtmp_url: str) -> Updated:
        """Change the target of the CDN push (§5)."""
        return await self._update(task, bodies.update_rtmp_body(task, rtmp_url), (rtmp_url,))

    async def update_storage(self, task: Task, storage: Storage) -> Updated:
        """Replace the temporary storage keys (§5)."""
        keys = storage.credentials
        secrets = tuple(text for text in (keys.access_key, keys.secret_key, keys.session_token) if text)
        return await self._update(task, bodies.update_storage_body(task, storage), secrets)

    async def stop(self, task: Task, *, again: bool = False) -> Stopped:
        """End the task without waiting for its files (§6). `again`: Agora has already answered a stop, so the priority
        is lower."""
        path = bodies.path_task(self._app.app_id, task, "stop")
        priority = Priority.UPDATE if again else Priority.STOP
        call = _Call(Operation.STOP, priority, "POST", path, bodies.stop_body(task))
        return await self._perform(call, _read_stopped)

    async def ncs_ips(self) -> frozenset[str]:
        """Return the addresses from which notifications come, merged from both versions of the list (§7.6)."""
        found: frozenset[str] = frozenset()
        failure: OutsideError | None = None
        for path in ("/v2/ncs/ip", "/v1/ncs/ip"):
            try:
                found |= await self._perform(_Call(Operation.NCS_IPS, Priority.QUERY, "GET", path), _read_ncs_ips)
            except OutsideError as error:
                failure = error
        if not found:
            raise failure or Unavailable("garbled", "neither list names an address")
        return found

    async def _update(self, task: Task, body: dict[str, Any], secrets: tuple[str, ...] = ()) -> Updated:
        path = bodies.path_task(self._app.app_id, task, "update")
        return await self._perform(_Call(Operation.UPDATE, Priority.UPDATE, "POST", path, body, secrets), _read_updated)

    async def _perform(self, call: _Call, read: Callable[[int, dict[str, Any]], T | None]) -> T:
        """Wait for the budget, send the request, judge the answer and count it. `read` returns None if the answer is
        not a success."""
        await self._wait_for_budget(call)
        loop = asyncio.get_running_loop()
        began, outcome = loop.time(), Outcome.UNKNOWN
        try:
            answer = await self._request(call, began + self._deadline(call))
            result = _judge(call, answer, self._now(), read)
            outcome = Outcome.OK
            return result
        except OutsideError as error:
            outcome = _outcome(error)
            raise
        finally:
            gauge.count_request(call.operation, outcome, loop.time() - began)

    def _deadline(self, call: _Call) -> float:
        stops = call.operation is Operation.STOP
        return min(STOP_DEADLINE_SECONDS, self._deadline_seconds) if stops else self._deadline_seconds

    async def _wait_for_budget(self, call: _Call) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            patience = STOP_BUDGET_SECONDS if call.operation is Operation.STOP else self._budget_seconds
            await self._take(self._app.rate_group, call.priority, began + patience)
        except Unavailable:
            gauge.count_budget_short(call.operation)
            raise
        gauge.observe_budget_wait(call.operation, loop.time() - began)

    async def _request(self, call: _Call, deadline: float) -> Answer:
        """Return the answer of the first reachable host. A call that may have arrived is not sent to a second host,
        unless it is a GET."""
        loop = asyncio.get_running_loop()
        base_urls = order_hosts(self._app.base_urls, self._failed_at, loop.time())
        asks_only = call.method == "GET"
        failure: OutsideError = Unavailable("transport", "no time left")
        for number, base_url in enumerate(base_urls):
            remaining = deadline - loop.time()
            if remaining <= 0:
                break
            if number:
                gauge.count_host_switch()
            share = remaining / (len(base_urls) - number) if asks_only else remaining
            try:
                answer = await self._send(self._build(call, base_url, share))
            except NotSentError as error:
                failure = _chain(Unavailable("transport", f"not sent: {error}"), error)
            except NoAnswerError as error:
                failure = _chain(unclear(call.operation)("transport", f"no answer: {error}"), error)
                if not asks_only:
                    self._failed_at[base_url] = loop.time()
                    break
            else:
                self._failed_at.pop(base_url, None)
                self._note_clock(answer)
                return answer
            self._failed_at[base_url] = loop.time()
        raise failure

    def _build(self, call: _Call, base_url: str, timeout_seconds: float) -> Request:
        pair = f"{self._app.customer_id}:{self._app.customer_secret.get()}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        body = None if call.body is None else orjson.dumps(call.body)
        return Request(call.method, base_url + call.path, headers, body, timeout_seconds)

    def _note_clock(self, answer: Answer) -> None:
        theirs = parse_http_date(answer.headers.get("date"))
        if theirs is not None:
            self.skew_seconds = self._now() - theirs
            gauge.set_clock_skew(self.skew_seconds)


def _judge(call: _Call, answer: Answer, now: float, read: Callable[[int, dict[str, Any]], T | None]) -> T:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        result = read(answer.status, body)
        if result is not None:
            return result
    fault = parse_fault(body) if isinstance(body, dict) else None
    retry_after = parse_retry_after(answer.headers.get("retry-after"), now)
    if retry_after is not None:
        retry_after = min(retry_after, STOP_WAIT_SECONDS if call.operation is Operation.STOP else LONGEST_WAIT_SECONDS)
    raise refusal(call.operation, answer.status, fault, retry_after_seconds=retry_after, secrets=call.secrets)


def _read_acquired(status: int, body: dict[str, Any]) -> Acquired | None:
    return answers.parse_acquired(body) if status == 200 else None


def _read_started(status: int, body: dict[str, Any]) -> Started | None:
    sid = answers.parse_sid(body)
    if status == 201 or parse_fault(body).code == 7:
        return Started(sid)
    return Started(sid) if status == 200 and sid is not None else None


def _read_task_state(status: int, body: dict[str, Any]) -> TaskState | None:
    said = isinstance(body.get("serverResponse"), dict)
    return answers.parse_task_state(body) if said and _agrees(status, parse_fault(body)) else None


def _read_updated(status: int, body: dict[str, Any]) -> Updated | None:
    return Updated() if _agrees(status, parse_fault(body)) else None


def _read_stopped(status: int, body: dict[str, Any]) -> Stopped | None:
    fault = parse_fault(body)
    if fault.code == 435:
        return Stopped(nothing_recorded=True)
    if fault.code == 49:
        return Stopped(already=True)
    if fault.code == 50:
        return Stopped()  # carried out; only the upload is unfinished (§1.6)
    return answers.parse_stopped(body) if _agrees(status, fault) else None


def _read_ncs_ips(status: int, body: dict[str, Any]) -> frozenset[str] | None:
    return answers.parse_ncs_ips(body) if status == 200 else None


def _agrees(status: int, fault: Fault) -> bool:
    return status == 200 and fault.code in (None, 0, 200)


def _outcome(error: OutsideError) -> Outcome:
    if isinstance(error, TaskMissing):
        return Outcome.MISSING
    if isinstance(error, UnknownOutcome):
        return Outcome.UNKNOWN
    wide = Outcome.REFUSED if isinstance(error, Refused) else Outcome.UNAVAILABLE
    return _OUTCOMES.get(error.code, wide)


def _chain(error: OutsideError, cause: Exception) -> OutsideError:
    error.__cause__ = cause
    return error
