"""The client for code that does not await: Django, Flask, scripts. A thin layer: each method is the asynchronous one.

A thread of its own runs the asynchronous client. Calls may come from any thread, and from a process that was forked.
"""

import asyncio
import concurrent.futures
import functools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from pagereel_client.client import Client
from pagereel_client.transport import CLOSED, Patience

P = ParamSpec("P")
T = TypeVar("T")


def _call(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[SyncClient, P], T]":
    """The method of `Client` that waits for its answer."""

    @functools.wraps(method)
    def called(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        runner = self._runner()
        return runner.run(method(runner.client, *args, **kwargs))

    return called


def _items(
    method: Callable[Concatenate[Client, P], AsyncIterator[T]],
) -> "Callable[Concatenate[SyncClient, P], Iterator[T]]":
    """The method of `Client` that fetches page by page, as a plain iterator."""

    @functools.wraps(method)
    def called(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        runner = self._runner()
        # Not in a generator: a wrong argument is an error of the call, not of the loop over its items.
        return _each(runner, method(runner.client, *args, **kwargs))

    return called


def _each(runner: "_Runner", items: AsyncIterator[T]) -> Iterator[T]:
    while True:
        try:
            item = runner.run(_next(items))
        except StopAsyncIteration:
            return
        yield item


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


class _Runner:
    """A thread with an event loop, and the asynchronous client in it."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._ended = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="pagereel-client", daemon=True)
        self._thread.start()
        try:
            self.client = self.run(_made(make))
        except BaseException:
            self._end()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Give the loop some work and wait for its result. What interrupts the wait, as Ctrl-C does, cancels it.
        Raises `RuntimeError` once it is closed, as an iterator may outlive its client, and another thread may close it
        during a call."""
        with self._lock:
            if self._ended:
                work.close()
                raise RuntimeError(CLOSED)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError(CLOSED) from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self.run(self.client.close())
        self._end()

    def _serve(self) -> None:
        self._loop.run_forever()
        # Another thread may still wait for a call: it learns that the client is closed.
        if calls := asyncio.all_tasks(self._loop):
            for call in calls:
                call.cancel()
            self._loop.run_until_complete(asyncio.wait(calls))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _made(make: Callable[[], Client]) -> Client:
    """An aiohttp session belongs to the loop in which it is made."""
    return make()


class SyncClient:
    """One service, called with one token. To be used with `with`, or closed.

    Raises `ConfigurationError`, a `ValueError`, for what can be no token or no URL. Every method is that of `Client`
    and raises the same.
    """

    def __init__(self, url: str, token: str, *, patience: Patience | None = None) -> None:
        self._make = functools.partial(Client, url, token, patience=patience)
        self._lock = threading.Lock()
        self._running: _Runner | None = None
        self._closed = False
        self._runner()

    @classmethod
    def from_environment(cls, *, patience: Patience | None = None) -> Self:
        """As the command line: `PAGEREEL_URL`, and `PAGEREEL_TOKEN_FILE` or `PAGEREEL_TOKEN`."""
        return cls(*cls.read_environment(), patience=patience)

    @staticmethod
    def read_environment() -> tuple[str, str]:
        """URL and token, as `from_environment` takes them. Raises `ConfigurationError`, which names the variable, for
        what can be none."""
        return Client.read_environment()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, for good: a later call is a `RuntimeError`, as with `Client`."""
        with self._lock:
            running, self._running, self._closed = self._running, None, True
        if running is not None and running.process == os.getpid():
            running.close()

    def _runner(self) -> _Runner:
        """The thread; a new one in a forked process, which has none of its parent's threads. Raises `RuntimeError`
        once the client is closed."""
        with self._lock:
            if self._closed:
                raise RuntimeError(CLOSED)
            if self._running is None or self._running.process != os.getpid():
                self._running = _Runner(self._make)
            return self._running

    record = _call(Client.record)
    start = _call(Client.start)
    wait = _call(Client.wait)
    read = _call(Client.read)
    recordings = _items(Client.recordings)
    counts = _call(Client.counts)
    change = _call(Client.change)
    stop = _call(Client.stop)
    pause = _call(Client.pause)
    resume = _call(Client.resume)
    set_rtmp = _call(Client.set_rtmp)
    verify = _call(Client.verify)
    timeline = _items(Client.timeline)
    explain = _call(Client.explain)
    files = _items(Client.files)
    report = _call(Client.report)
    support_bundle = _call(Client.support_bundle)
    poster = _call(Client.poster)
    contact_sheet = _call(Client.contact_sheet)
    manifest = _call(Client.manifest)
    playlist = _call(Client.playlist)
    events = _items(Client.events)
    events_page = _call(Client.events_page)
    deliveries = _items(Client.deliveries)
    redrive = _call(Client.redrive)
    endpoints = _call(Client.endpoints)
    enable_endpoint = _call(Client.enable_endpoint)
    usage = _call(Client.usage)
    actions = _items(Client.actions)
    adopt = _call(Client.adopt)
    notifications = _items(Client.notifications)
    replay_notification = _call(Client.replay_notification)
    alive = _call(Client.alive)
    ready = _call(Client.ready)
    metrics = _call(Client.metrics)
    openapi = _call(Client.openapi)
    documentation = _call(Client.documentation)
