"""The code of a Markdown page, block by block. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "clients/python/README.md", *sorted((ROOT / "docs").glob("*.md")))
RUN = ("sh", "python")
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?^(?P<fence>```+)(?P<kind>[^\n]*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """`kind`: the first word behind the fence; `how`: the second. `reason`: why it cannot be run here."""

    page: Path
    line: int
    kind: str
    how: str
    text: str
    reason: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        kind, _, how = found["kind"].partition(" ")
        line = text.count("\n", 0, found.start("text"))
        yield Block(page, line, kind, how, found["text"], found["reason"])


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.kind in RUN and block.reason is None]
