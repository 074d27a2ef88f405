"""Programs of Pagereel's own distribution as processes of a test run: each says in a line that it is ready.

Needs neither pytest nor a running loop. What it starts ends with its `with` block.
"""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pagereel_client.errors import PagereelError

START_SECONDS: Final = 90
END_SECONDS: Final = 30
CALL_SECONDS: Final = 30


class NotThere(PagereelError):
    """A program cannot be run here, or did not become ready; the text says why."""


@contextlib.contextmanager
def running(module: str, *words: str, ready: str, log: Path) -> Iterator[str]:
    """`python -m module words…`; gives what `ready` captures of its output. The rest of it is in `log`."""
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise NotThere(f"the package {package} is missing: pip install 'pagereel-client[pytest]'")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")}
    with (
        log.open("wb") as said,
        subprocess.Popen(  # noqa: S603 - a module of Pagereel's own
            [sys.executable, "-m", module, *words],
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        late = threading.Timer(START_SECONDS, process.kill)
        late.start()
        try:
            found = _first(process.stdout, ready)
            late.cancel()
            if found is None:
                raise NotThere(f"{module} {' '.join(words)} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            yield found
        finally:
            late.cancel()
            _end(process)


def _first(lines: Any, ready: str) -> str | None:
    for line in lines:
        if found := re.search(ready, line.decode(errors="replace")):
            return found[1]
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=END_SECONDS)  # its last words must not keep it from ending
        return
    process.kill()


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator of Agora. Its calls are blocking, and short."""

    url: str
    app_id: str = "test-app"
    customer_id: str = "test-customer"
    customer_secret: str = field(default="test-customer-secret", repr=False)

    def fault(self, kind: str, **fields: Any) -> None:
        """Arm a fault. Raises `ValueError` with the emulator's own words for one that it does not know."""
        self._call("POST", "/emulator/faults", {"kind": kind, **fields})

    def clear_faults(self) -> None:
        self._call("DELETE", "/emulator/faults")

    def strikes(self) -> list[dict[str, Any]]:
        """Which fault struck which task, in order."""
        strikes: list[dict[str, Any]] = self._call("GET", "/emulator/faults")["strikes"]
        return strikes

    def tasks(self) -> list[dict[str, Any]]:
        """The truth about every task since the emulator started, oldest first."""
        tasks: list[dict[str, Any]] = self._call("GET", "/emulator/tasks")["tasks"]
        return tasks

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, content, method=method), timeout=CALL_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            with error:
                said: str = json.load(error)["message"]
            raise ValueError(re.sub(r"^\[0\](\.|: )", "", said)) from None  # the first and only one of a list


@dataclass(frozen=True, slots=True)
class Bucket:
    """A real S3 server on this machine, with a bucket and keys that may write to it."""

    endpoint: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running Pagereel with the emulator behind it. `api` and `token` are what a `Client` takes."""

    api: str
    token: str = field(repr=False)
    emulator: Emulator
