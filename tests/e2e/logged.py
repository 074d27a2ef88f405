"""The lines of a log as docs/logs.md describes them, for tests that read a real one."""

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "logs.md"
ALWAYS = {"event", "at", "level"}
# What is on a line because of what caused it.
CAUSES = {"request_id", "notice_id", "exception"}


def documented() -> dict[str, list[str]]:
    """Every event of the page and its fields."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", fields) for name, fields in rows}


def lines_of(log: Path) -> list[dict[str, Any]]:
    """The lines that the service's log consists of; what it prints on stdout is none."""
    found = (line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{"))
    return [json.loads(line) for line in found]


def undocumented(log: Path) -> list[str]:
    """Lines whose event or whose fields the page does not know."""
    events, wrong = documented(), []
    for line in lines_of(log):
        fields = line.keys() - CAUSES
        if fields != ALWAYS | set(events.get(line["event"], ())):
            wrong.append(f"{line['event']}: {sorted(fields)}")
    return wrong
