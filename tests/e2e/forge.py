"""Starts `pagereel` processes quickly: imports the service once, then forks for each order that a line of stdin gives.

A fork is a process of its own like any other: its own session, its own log, killed by SIGKILL alone. Run as
`python -m tests.e2e.forge`; `house.Forge` speaks to it. It must not start a thread, or a fork would be half a process.
"""

import json
import os
import random
import sys
import threading
import traceback
from typing import Any

from click import Context

from pagereel.cli import main
from pagereel.cli.processes import serve_command


def _run(log: str, words: list[str]) -> int:
    """The command in this process, with its output in the log."""
    os.setsid()
    random.seed()
    for source, mode, targets in (
        (os.devnull, os.O_RDONLY, (0,)),
        (log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, (1, 2)),
    ):
        opened = os.open(source, mode, 0o600)
        for target in targets:
            os.dup2(opened, target)
        os.close(opened)
    try:
        main(words, prog_name="pagereel")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:  # what the interpreter would say at the end of a process of its own
        traceback.print_exc()
        return 1
    return 0


def _answer(order: dict[str, Any]) -> int | None:
    if "poll" in order:
        pid, status = os.waitpid(order["poll"], os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None
    assert threading.active_count() == 1
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = _run(order["log"], order["words"])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


if __name__ == "__main__":
    assert serve_command is main.get_command(Context(main), "serve"), "everything that a fork needs is imported"
    print("null", flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
