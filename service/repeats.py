"""Lines of a history that say the same, as one: for people, in the console and the command line. The API keeps every
line. Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final, TypeVar

T = TypeVar("T")

_PROGRESS: Final = "notice_uploading_progress"
# What Agora may send many times a second. Among themselves these lines need no order.
_FLOODS: Final = frozenset({"notice_error", "notice_warning", _PROGRESS})


def runs(lines: Iterable[T], kind: Callable[[T], str], says: Callable[[T], object]) -> Iterator[list[T]]:
    """The lines in runs that say the same, each at the place of its first.

    `says` is all that a reader is shown of a line besides its instant and its count. Lines that are equal and follow
    each other are a run. Where errors, warnings and progress of Agora alternate, those that are equal are a run too;
    of progress only the last line counts.
    """
    for flooding, stretch in groupby(lines, lambda line: kind(line) in _FLOODS):
        if not flooding:
            for _, run in groupby(stretch, says):
                yield list(run)
            continue
        found: dict[str, list[T]] = {}
        for line in stretch:
            found.setdefault(_PROGRESS if kind(line) == _PROGRESS else repr(says(line)), []).append(line)
        yield from found.values()
