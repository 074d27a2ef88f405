"""The single writer of a SQLite file. It has one thread and one connection. Jobs have priority, and waiting
transactions share a commit.

It must belong to the only serving process, which a lock file ensures. Commands may open the file for a short
transaction, for which the writer waits.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import sqlalchemy as sa

from service.database.engine.errors import StartRefused, is_full

Job = Callable[[], Any]
Transaction = Callable[[sa.Connection], Any]
Done = Callable[[Any, BaseException | None], None]

BUSY_TIMEOUT_SECONDS = 5
PRIVATE = 0o600
CHECKPOINT_SECONDS = 5
GROUP = 32  # the maximum number of transactions that share a commit
LOG_PAGES = 16_000  # 64 MB; a larger log is restarted, and the writer waits for that


class Lock:
    """An exclusive `flock` on `<file>.lock`, held while the object is open. The system releases it when the process
    ends."""

    def __init__(self, database: Path) -> None:
        """Acquire the lock. Raise `StartRefused` if another process holds it."""
        path = database.with_name(database.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise StartRefused(
                f"another process (pid {holder}) writes to {database}. SQLite has one writer: stop that process, or"
                " use PostgreSQL to run several"
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        os.close(self._file)


def keep_private(database: Path) -> None:
    """Create a missing database file with access for its owner alone. SQLite gives its other files the same
    permissions. Remove the permissions of others from an existing file."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # a file of another user cannot be changed
            path = database.with_name(name)
            mode = path.stat().st_mode
            if mode & stat.S_IRWXO:
                path.chmod(stat.S_IMODE(mode) & ~stat.S_IRWXO)


def create_engine(path: str, *, guest: bool = False) -> sa.Engine:
    """Return an engine with durable commits and with transactions that take the write lock at once. Transactions of a
    `guest` take it only when they write."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path),
        poolclass=sa.StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS, "cached_statements": 256},
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None  # so that BEGIN is controlled here
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            raw.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if guest else "BEGIN IMMEDIATE")

    return engine


_Told = tuple[Done, Any, BaseException | None]


class Writer:
    """Executes jobs and transactions sequentially on its own thread. A job precedes all transactions.

    Transactions that wait during a commit are committed together, each in its own savepoint, with one sync of the disk.
    No caller gets a result before that commit.

    `inline=True` instead executes each transaction at once on the caller's thread (for the simulation, whose virtual
    time must not be disturbed by a thread). A `guest` works briefly on a file that another process serves, and does not
    checkpoint the log.
    """

    def __init__(self, path: str, *, inline: bool = False, guest: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._inline = inline
        self.when_full: Callable[[], None] = lambda: None
        """Called on the writer's thread after a commit failed on a full disk."""
        self.met_full_disk = False
        """Whether a commit failed on a full disk and the log has not been truncated since."""
        self._back = self._loop.call_soon if inline else self._loop.call_soon_threadsafe
        self._jobs: deque[tuple[Job, Done]] = deque()
        self._transactions: deque[tuple[Transaction, Done]] = deque()
        self._tokens: SimpleQueue[bool] = SimpleQueue()  # True: an item was queued; False ends the thread
        self._engine = create_engine(path, guest=guest)
        self.connection = self._engine.connect()
        raw = self.connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        self.raw = raw
        self._thread = threading.Thread(target=self._work, name="pagereel-writer", daemon=True)
        self._checkpointer = None if inline or guest else Checkpointer(path, self)
        if not inline:
            self._thread.start()

    def submit(self, job: Job, done: Done) -> None:
        """Queue a job with its own transaction, before all items of `transact`. After the job has returned or raised,
        `done(result, error)` is called on the loop."""
        if self._inline:
            self._tell([(done, *_outcome(job))])
            return
        self._jobs.append((job, done))
        self._tokens.put(True)

    def transact(self, fn: Transaction, done: Done) -> None:
        """Queue an ordinary transaction. After its commit, `done(result, error)` is called on the loop."""
        if self._inline:
            self._tell([(done, *_outcome(partial(self._alone, fn)))])
            return
        self._transactions.append((fn, done))
        self._tokens.put(True)

    def _work(self) -> None:
        while self._tokens.get():
            if self._jobs:
                job, done = self._jobs.popleft()
                self._tell([(done, *_outcome(job))])
            elif len(self._transactions) > 1:
                self._tell(self._together())
            elif self._transactions:
                fn, done = self._transactions.popleft()
                self._tell([(done, *_outcome(partial(self._alone, fn)))])

    def _alone(self, fn: Transaction) -> Any:
        with self.connection.begin():
            return fn(self.connection)

    def _together(self) -> list[_Told]:
        """Commit the waiting transactions as one, until a job is queued."""
        told: list[_Told] = []
        try:
            with self.connection.begin():
                while self._transactions and len(told) < GROUP and not (told and self._jobs):
                    fn, done = self._transactions.popleft()
                    told.append((done, None, None))
                    told[-1] = (done, *_outcome(partial(self._within, fn)))
                    if not self.raw.in_transaction:  # a full disk rolls back all of them at once
                        raise told[-1][2] or sqlite3.OperationalError("the transaction is gone")
        except BaseException as raised:
            return [(done, None, error or raised) for done, _, error in told]
        return told

    def _within(self, fn: Transaction) -> Any:
        self.raw.execute("SAVEPOINT one")
        try:
            return fn(self.connection)
        except BaseException:
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK TO one")
            raise
        finally:
            if self.raw.in_transaction:
                self.raw.execute("RELEASE one")

    def _tell(self, told: list[_Told]) -> None:
        if any(error is not None and is_full(error) for _, _, error in told):
            self.met_full_disk = True
            self.when_full()
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its waiters no longer exist
            if len(told) == 1:
                done, result, error = told[0]
                self._back(done, result, error)
            elif told:
                self._back(self._tell_each, told)

    def _tell_each(self, told: list[_Told]) -> None:
        for done, result, error in told:
            self._loop.call_soon(done, result, error)

    async def close(self) -> None:
        """Finish the queued work, then close the connection."""
        if self._checkpointer is not None:
            await asyncio.to_thread(self._checkpointer.close)
        if not self._inline:
            self._tokens.put(False)
            await asyncio.to_thread(self._thread.join)
        self.connection.close()
        self._engine.dispose()


def _outcome(job: Job) -> tuple[Any, BaseException | None]:
    try:
        return job(), None
    except BaseException as raised:
        return None, raised


class Checkpointer:
    """Copies the write-ahead log into the database on a separate thread, so that no commit waits for it. It starts at
    once, because if every process were killed early, the log would only grow, and each start reads all of it.

    SQLite by itself would checkpoint inside every thousandth page's commit, which delays the caller. Without pauses
    between commits the log only grows. In this case the writer restarts it when nearly all of it is copied. After a
    full disk the writer truncates it, because the log occupies the space that the reserve needs.
    """

    def __init__(self, path: str, writer: "Writer", seconds: float = CHECKPOINT_SECONDS) -> None:
        self._path = path
        self._writer = writer
        self._seconds = seconds
        self._stop = threading.Event()
        writer.raw.execute("PRAGMA wal_autocheckpoint=0")
        self._thread = threading.Thread(target=self._work, name="pagereel-checkpointer", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_SECONDS)) as own:
            while True:
                with contextlib.suppress(sqlite3.Error):  # a full disk is reported at the next commit
                    _, pages, _ = own.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if pages > LOG_PAGES or self._writer.met_full_disk:
                        self._writer.submit(self._begin_anew, lambda result, error: None)
                if self._stop.wait(self._seconds):
                    return

    def _begin_anew(self) -> None:
        how = "TRUNCATE" if self._writer.met_full_disk else "RESTART"
        busy, _, _ = self._writer.raw.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        if not busy:
            self._writer.met_full_disk = False

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
