"""The file with a sandbox's token, which belongs to one running sandbox at a time.

A lock on an adjacent file shows whether that sandbox still runs. The system releases the lock when the process ends, so
a killed sandbox's file does not block the next sandbox.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pagereel.demo.running import DemoError

Keep = Callable[[str, str], None]

SANDBOX_BEGINNING: Final = "prl_bootstrap_"


@contextmanager
def token_file(file: Path) -> Iterator[Keep]:
    """Reserve `file` while the block runs. The block passes token and service address to the yielded function.

    Raise `DemoError` if another running sandbox uses the file, if it contains anything other than a sandbox's token, or
    if it cannot be written.
    """
    with _told(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock_of(file).open("a+", encoding="utf-8")
    with lock:
        with _told(file):
            _reserve(lock, file)
            _drop(file)
        try:
            yield lambda token, address: _keep(lock, file, token, address)
        finally:
            with _told(file):
                _drop(file)
                _say(lock, "")


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DemoError(f"{error.filename or file} cannot be used for the token ({error.strerror})") from None


def _lock_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def _reserve(lock: IO[str], file: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        where = lock.read().strip() or "it is starting or ending"
        raise DemoError(
            f"a sandbox already runs here ({where}); its token is in {file}. Use that one, or end it with Ctrl-C in "
            f"its terminal. A second one beside it needs a port and a token file of its own: --port 0 "
            f"--token-file {file}-2 (with make: PORT=0 TOKEN_FILE={file}-2)"
        ) from None
    _say(lock, f"process {os.getpid()}")


def _drop(file: Path) -> None:
    """Remove the token of a sandbox that no longer runs. Raise `DemoError` for any other content."""
    try:
        held = file.read_bytes()
    except FileNotFoundError:
        return
    if held and not held.startswith(SANDBOX_BEGINNING.encode()):
        raise DemoError(f"{file} holds no token of a sandbox, and is left as it is: choose another file")
    file.unlink()


def _keep(lock: IO[str], file: Path, token: str, address: str) -> None:
    with _told(file):
        file.touch(mode=0o600)
        file.write_text(token, encoding="utf-8")
        _say(lock, f"{address}, process {os.getpid()}")


def _say(lock: IO[str], text: str) -> None:
    lock.truncate(0)
    lock.write(text)
    lock.flush()
