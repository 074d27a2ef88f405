"""An event loop on virtual time whose order is drawn from a seed.

Nothing waits: when nobody is ready, the clock jumps to the next timer. Whoever is ready at the same instant runs in an
order of the seed's choosing, one callback at a time; between any two of them a process may be killed.
"""

import asyncio
import heapq
from asyncio.events import TimerHandle
from collections.abc import Callable
from random import Random
from typing import Any

# Tasks that only look whether there is something to do. Their timers do not drive the clock; after a long jump they
# fire once, late, as after a suspension. Whoever must be woken in time is woken by the world's own poll.
IDLERS = frozenset({"_claim_steps", "_apply_notices"})
# What they do once when a process boots is all that is to be seen of these: they change nothing that is judged.
KEEPERS = frozenset({"measure", "_probe_lag", "_prune"})
# A lease is renewed as long as anything happens, and not over a wait of days.
LAZY = frozenset({"_renew_leases"})
PATIENCE_SECONDS = 60
SHORT_SECONDS = 0.4


class Deadlock(Exception):
    """Nobody is ready and no timer is set: what is awaited never comes."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one simulation after another; `reset` begins a new one at time 0."""

    def __init__(self) -> None:
        super().__init__()
        self._idle: list[TimerHandle] = []
        self._lazy: list[TimerHandle] = []
        self.reset(Random(0))

    def reset(self, random: Random) -> None:
        """Forget every timer and callback, and start at 0 with an order of `random`'s."""
        for pending in (self._ready, self._scheduled, self._idle, self._lazy):
            pending.clear()
        self._now, self._random, self.steps = 0.0, random, 0
        self.before_step: Callable[[asyncio.Handle], bool] = lambda handle: True

    def time(self) -> float:
        return self._now

    def at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> TimerHandle:
        """`call_at` that drives the clock whoever asks for it."""
        return super().call_at(max(when, self._now), callback, *args, context=context)

    async def pause(self, seconds: float) -> None:
        """`sleep` that drives the clock whoever asks for it."""
        future = self.create_future()
        handle = self.at(self._now + seconds, _wake, future)
        try:
            await future
        finally:
            handle.cancel()

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> TimerHandle:
        if when - self._now > SHORT_SECONDS and (task := asyncio.current_task(self)) is not None:
            name = task.get_name()
            if name in KEEPERS:
                return TimerHandle(when, callback, args, self, context)
            waiting = self._idle if name in IDLERS else self._lazy if name in LAZY else None
            if waiting is not None:
                handle = TimerHandle(when, callback, args, self, context)
                heapq.heappush(waiting, handle)
                return handle
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """At once, on this thread: no other may disturb virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._advance()
        if len(ready) > 1:
            chosen = self._random.randrange(len(ready))
            ready[0], ready[chosen] = ready[chosen], ready[0]
        handle = ready.popleft()
        if not handle._cancelled:
            self.steps += 1
            if self.before_step(handle) and not handle._cancelled:
                handle._run()

    def again(self, handles: list[asyncio.Handle]) -> None:
        """Make ready what `before_step` has held back."""
        self._ready.extend(handles)

    def _advance(self) -> None:
        """Jump to the next timer and make ready whatever is due then."""
        when = _first(self._scheduled)
        if when is None:
            raise Deadlock
        if when - self._now > PATIENCE_SECONDS:
            self._make_ready(self._idle, when)
            self._make_ready(self._lazy, when)
        elif (renewal := _first(self._lazy)) is not None and renewal < when:
            when = renewal
            self._make_ready(self._lazy, when)
        self._now = max(when, self._now)
        self._make_ready(self._scheduled, self._now)

    def _make_ready(self, heap: list[TimerHandle], until: float) -> None:
        while heap and heap[0]._when <= until:
            self._ready.append(heapq.heappop(heap))

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """Cancelled timers are dropped when their turn comes."""

    def _process_events(self, event_list: Any) -> None: ...

    def _write_to_self(self) -> None: ...


def _first(heap: list[TimerHandle]) -> float | None:
    while heap and heap[0]._cancelled:
        heapq.heappop(heap)
    return heap[0]._when if heap else None


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
