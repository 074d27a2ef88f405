"""The console, and tables that fit its width."""

import re
from collections.abc import Collection, Iterable
from typing import Any, Final, NoReturn

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pagereel.cli.terminal.output import printable, say
from pagereel.interrupts import BROKEN_PIPE

# Words that a person copies: ids of recordings, messages, tokens and tasks, and instants. A key with one in it is none.
_ID: Final = re.compile(r"\W*(?:(?:rec|msg|prl)_\w{1,64}|[0-9a-f]{12,40}|\d{4}-\d\d-\d\dT[\d:.]{8,12}Z)\W*", re.ASCII)
_GAP: Final = 2
_LEAST_CUT: Final = 6
_WIDE: Final = 100
PIPE_WIDTH = 1_000_000
"""Columns of an output that is no terminal: a text of any length stays on its line."""

WARNED: Final = "verified (warned)"
_STYLES = {
    "verified": "green",
    WARNED: "yellow",
    "recording": "cyan",
    "incomplete": "yellow",
    "unproven": "yellow",
    "defective": "red",
    "unreachable": "magenta",
    "failed": "red",
    "error": "red",
    "warning": "yellow",
    "dead": "red",
    "failing": "yellow",
    "disabled": "red",
}


class _PlainConsole(Console):
    """A console for text from outside: no markup, no emoji codes, no control characters."""

    def print(self, *objects: Any, **how: Any) -> None:
        how.setdefault("crop", False)
        shown = [printable(one, keep="\n") if isinstance(one, str) else one for one in objects]
        if self.is_terminal:
            super().print(*shown, **how)
            return
        with self.capture() as captured:
            super().print(*shown, **how)
        # A table fills each of its lines with blanks, up to the longest.
        lines = captured.get().split("\n")
        click.echo("\n".join(line.rstrip(" ") for line in lines), file=self.file, nl=False)

    def on_broken_pipe(self) -> NoReturn:
        """End with the status of all commands: rich's own is a verdict here."""
        self.quiet = True
        raise SystemExit(BROKEN_PIPE)


def console(*, stderr: bool = False) -> Console:
    """Plain and wide where the output is no terminal, without colour where `NO_COLOR` is set."""
    made = _PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def table(
    heads: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    coloured: int | None = None,
    cut: Collection[int] = (),
    middle: Collection[int] = (),
    width: int = PIPE_WIDTH,
) -> Table:
    """A table without lines; the column `coloured` holds states. No id is broken: the columns `cut` are shortened
    with "…" to `width` in its stead, and a table that still finds no room is wider than that. Those of `cut` that are
    `middle` too keep both ends of their text."""
    titles = [printable(head) for head in heads]
    shown = [["-" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    made = Table(box=None, pad_edge=False, header_style="bold", show_header=any(titles))
    room = _room(titles, shown, cut, width)
    for number, title in enumerate(titles):
        if number in cut:
            made.add_column(title, overflow="ellipsis", no_wrap=True, min_width=room[number], max_width=room[number])
        else:
            whole = _whole([title, *(row[number] for row in shown)], coloured=number == coloured)
            made.add_column(title, overflow="fold", min_width=whole)
    for cells in shown:
        for number in middle:
            cells[number] = _shortened(cells[number], room[number])
        made.add_row(*(coloured_text(cell) if number == coloured else cell for number, cell in enumerate(cells)))
    return made


def _whole(cells: Iterable[str], *, coloured: bool) -> int:
    """How wide the words of a column are that must not be broken: ids and states."""
    return max(
        (cell_len(word) for cell in cells for word in cell.split() if coloured or _ID.fullmatch(word)), default=1
    )


def _shortened(text: str, width: int) -> str:
    """At most `width` characters of a text: a third of them from its beginning, the rest from its end."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _room(titles: list[str], rows: list[list[str]], cut: Collection[int], width: int) -> dict[int, int]:
    """The widths of the columns that may be cut: what the others leave, shared from the first to the last."""
    needed = [max(map(cell_len, column)) for column in zip(titles, *rows, strict=True)]
    left = width - sum(size for number, size in enumerate(needed) if number not in cut) - _GAP * (len(titles) - 1)
    room: dict[int, int] = {}
    for position, number in enumerate(cut):
        share = left // (len(cut) - position)
        room[number] = min(needed[number], max(share, _LEAST_CUT))
        left -= room[number]
    return room


def print_table(
    heads: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    coloured: int | None = None,
    cut: Collection[int] = (),
    middle: Collection[int] = (),
    empty: str = "Nothing.",
) -> None:
    """Print a table as wide as the terminal; where it has no rows, `empty` on stderr."""
    shown = list(rows)
    if not shown:
        say(empty, err=True)
        return
    screen = console()
    screen.print(table(heads, shown, coloured=coloured, cut=cut, middle=middle, width=screen.width))


def is_wide() -> bool:
    """Whether there is room for what is only good to know."""
    return console().width >= _WIDE


def coloured_text(word: str) -> Text:
    return Text(word, style=_STYLES.get(word, ""))
