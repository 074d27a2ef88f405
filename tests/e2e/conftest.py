"""Fixtures of the end-to-end tests, and the rule that nothing outlives one of them."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from house import BUCKET, Forge, House, Living, Store, eventually, living

from emulator.s3_server import S3Server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One real S3 server for all tests of the session."""
    with S3Server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """Starts `pagereel` as processes of their own."""
    with Forge() as opened:
        yield opened


@pytest.fixture(autouse=True)
async def nothing_is_left(request: pytest.FixtureRequest, s3_server: S3Server) -> AsyncIterator[None]:
    """No task, child process, connection or thread of the database outlives a test."""
    if "postgresql" in getattr(getattr(request.node, "callspec", None), "params", {}).values():
        request.getfixturevalue("_postgres_template")  # the session's server is nobody's leftover
    children, sockets, threads = _children(), _sockets(), _threads()
    yield
    await eventually(lambda: not _tasks(), 3, lambda: f"tasks are left: {_tasks()}")
    assert _children() <= children, f"child processes are left: {_children() - children}"
    gc.collect()  # what was not closed says so now
    await eventually(lambda: _sockets() <= sockets, 3, lambda: f"{_sockets()} sockets, {sockets} before")
    assert _threads() <= threads, f"threads are left: {_threads() - threads}"


def _tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("pagereel", "emulator"))}


def _children(parent: str = "self") -> set[str]:
    """The processes that this one or its forge has started and that still run. Servers may have children of theirs."""
    found = set()
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread may end meanwhile
            found |= set((task / "children").read_text().split())
    return found.union(*(_children(child) for child in found if parent == "self" and _is_forge(child)))


def _is_forge(process: str) -> bool:
    try:
        return b"tests.e2e.forge" in Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _sockets() -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += os.readlink(descriptor).startswith("socket:")
        except FileNotFoundError:
            continue
    return count


@pytest.fixture
def store(s3_server: S3Server) -> Iterator[Store]:
    """What lies in the bucket."""
    opened = Store(s3_server)
    yield opened
    opened.close()


@pytest.fixture
def build(tmp_path: Path, store: Store) -> Living:
    """`async with build(...) as house`: see `house.living`."""
    return partial(living, tmp_path, store)


@pytest.fixture
async def house(build: Living) -> AsyncIterator[House]:
    """The usual house, on SQLite."""
    async with build() as built:
        yield built
