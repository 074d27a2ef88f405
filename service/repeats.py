"""The grouping of repeated lines of a history, for the console and the command line. The API returns every line.
Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final, TypeVar

T = TypeVar("T")

_PROGRESS: Final = "notice_uploading_progress"
# Events that Agora may send many times a second. The order among them does not matter.
_FLOODS: Final = frozenset({"notice_error", "notice_warning", _PROGRESS})


def runs(lines: Iterable[T], kind: Callable[[T], str], says: Callable[[T], object]) -> Iterator[list[T]]:
    """Yield the lines in groups of equal lines, each at the position of its first line.

    `says` returns the shown content of a line except its timestamp and count. Consecutive equal lines form a group.
    Among alternating errors, warnings and progress events of Agora, equal lines form a group even if they are not
    consecutive. All progress events form one group, of which only the last is current.
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
