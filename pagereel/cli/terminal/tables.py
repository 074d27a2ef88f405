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

# Words that a person copies: timestamps and ids of recordings, messages, tokens and tasks. An object key that contains
# such a word does not match.
_ID: Final = re.compile(r"\W*(?:(?:rec|msg|prl)_\w{1,64}|[0-9a-f]{12,40}|\d{4}-\d\d-\d\dT[\d:.]{8,12}Z)\W*", re.ASCII)
_GAP: Final = 2
_LEAST_CUT: Final = 6
_WIDE: Final = 100
PIPE_WIDTH = 1_000_000
"""The width of output without a terminal, so that a text of any length stays on its line."""

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
    """A console for external text, without markup, emoji codes and control characters."""

    def print(self, *objects: Any, **how: Any) -> None:
        how.setdefault("crop", False)
        shown = [printable(one, keep="\n") if isinstance(one, str) else one for one in objects]
        if self.is_terminal:
            super().print(*shown, **how)
            return
        with self.capture() as captured:
            super().print(*shown, **how)
        # A table pads each line with blanks to the length of the longest.
        lines = captured.get().split("\n")
        click.echo("\n".join(line.rstrip(" ") for line in lines), file=self.file, nl=False)

    def on_broken_pipe(self) -> NoReturn:
        """Exit with the status that all commands use, because rich's own status is a verdict here."""
        self.quiet = True
        raise SystemExit(BROKEN_PIPE)


def console(*, stderr: bool = False) -> Console:
    """Return a console. Without a terminal it is plain and wide, and if `NO_COLOR` is set it has no colours."""
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
    """Return a table without lines. The column `coloured` contains states. Ids are never broken. Instead, the columns
    `cut` are shortened with "…" to fit `width`, and a table that still does not fit exceeds it. Columns of `cut` that
    are also in `middle` keep both ends of their text."""
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
    """Return the width of a column's words that must not be broken, which are ids and states."""
    return max(
        (cell_len(word) for cell in cells for word in cell.split() if coloured or _ID.fullmatch(word)), default=1
    )


def _shortened(text: str, width: int) -> str:
    """Return at most `width` characters of a text: a third from its beginning, and the rest from its end."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _room(titles: list[str], rows: list[list[str]], cut: Collection[int], width: int) -> dict[int, int]:
    """Return the widths of the columns that may be cut, which share the remaining width in order."""
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
    """Print a table that fits the terminal, or `empty` on stderr if it has no rows."""
    shown = list(rows)
    if not shown:
        say(empty, err=True)
        return
    screen = console()
    screen.print(table(heads, shown, coloured=coloured, cut=cut, middle=middle, width=screen.width))


def is_wide() -> bool:
    """Return True if the console has room for additional columns."""
    return console().width >= _WIDE


def coloured_text(word: str) -> Text:
    return Text(word, style=_STYLES.get(word, ""))
