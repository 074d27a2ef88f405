"""Foreign object stores on free loopback ports, each a process of its own that lives as long as its `with` block."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.ports import free_port

ROOT = Path(__file__).parent.parent
AZURITE = "3.35.0"


class Server:
    """A process that listens on `port` and keeps its data in `directory`."""

    def __init__(self, command: list[str], directory: Path, port: int) -> None:
        self.port = port
        self.directory = directory
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__(None, None, None)
        raise RuntimeError(f"{self._command[0]} did not start:\n{(self.directory / 'log').read_text()[-2000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)


class Rclone(Server):
    """`rclone serve s3`: another make of S3 server. A folder below `data` is a bucket."""

    access_key = "PAGEREELRCLONE"
    secret_key = "rclone-secret-for-loopback-only"

    def __init__(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="pagereel-rclone-"))
        self.data = directory / "data"
        self.data.mkdir()
        port = free_port()
        # With a cache time of 0 its cleaner runs without a pause: it takes a whole core and has been seen to hang.
        command = [str(Path(sys.executable).parent / "rclone"), "serve", "s3", "--dir-cache-time", "1ms"]
        keys = f"{self.access_key},{self.secret_key}"
        super().__init__([*command, "--auth-key", keys, "--addr", f"127.0.0.1:{port}", str(self.data)], directory, port)
        self.endpoint = f"http://127.0.0.1:{port}"


class Azurite(Server):
    """Microsoft's stand-in for Azure storage, with its documented account. Needs npm."""

    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, program: Path) -> None:
        directory = Path(tempfile.mkdtemp(prefix="pagereel-azurite-"))
        port = free_port()
        command = ["node", str(program), "--silent", "--skipApiVersionCheck", "--inMemoryPersistence"]
        super().__init__([*command, "--blobHost", "127.0.0.1", "--blobPort", str(port)], directory, port)
        self.endpoint = f"http://127.0.0.1:{port}"


def azurite_program() -> Path | None:
    """Azurite's program, installed below the checkout when it is first asked for; None without npm."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return None
    folder = ROOT / ".tools" / f"azurite-{AZURITE}"
    program = folder / "node_modules/azurite/dist/src/blob/main.js"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            asked = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", f"azurite@{AZURITE}"]
            subprocess.run(asked, check=True, capture_output=True, timeout=300)
            (folder / "whole").touch()
    return program
