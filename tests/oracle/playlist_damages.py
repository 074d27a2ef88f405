"""Damages to a playlist: to its lines, its entries and its bytes."""

from collections.abc import Callable

from tests.oracle.bases import PREFIX
from tests.oracle.draft import Draft
from tests.oracle.ts_damages import filled

Change = Callable[[Draft], None]
_FOREIGN = ("http://127.0.0.1:9/a.ts", "../../other/a.ts", "file:///a.ts", "a.ts", "a.mp4", "%2e%2e/a.ts", "")


def _lines(draft: Draft) -> list[str]:
    return draft.objects[draft.made.playlist].decode().splitlines()


def _write(draft: Draft, lines: list[str], note: str) -> None:
    draft.write(draft.made.playlist, ("\n".join(lines) + "\n").encode(), note)


def _entries(lines: list[str]) -> list[int]:
    """Numbers of the lines that name a slice; its EXTINF is the line before."""
    return [number for number, line in enumerate(lines) if line and not line.startswith("#")]


def lines_dropped(draft: Draft) -> None:
    """Some lines are missing."""
    lines = _lines(draft)
    lost = sorted(draft.dice.sample(range(len(lines)), draft.size(len(lines), 1)))
    _write(draft, [line for number, line in enumerate(lines) if number not in lost], f"lines {lost} dropped")


def lines_doubled(draft: Draft) -> None:
    """Some lines come twice."""
    lines = _lines(draft)
    twice = sorted(draft.dice.sample(range(len(lines)), draft.size(len(lines), 1)))
    doubled = [line for number, line in enumerate(lines) for _ in range(2 if number in twice else 1)]
    _write(draft, doubled, f"lines {twice} doubled")


def lines_shuffled(draft: Draft) -> None:
    """A stretch of lines stands in another order."""
    lines = _lines(draft)
    size = draft.size(len(lines), 2)
    at = draft.dice.randint(0, len(lines) - size)
    middle = lines[at : at + size]
    draft.dice.shuffle(middle)
    _write(draft, lines[:at] + middle + lines[at + size :], f"lines {at}:{at + size} shuffled")


def durations_changed(draft: Draft) -> None:
    """EXTINF of some entries states other seconds."""
    lines = _lines(draft)
    numbers = [number - 1 for number in _entries(lines)]
    for number in draft.dice.sample(numbers, draft.dice.randint(1, len(numbers))):
        seconds = float(lines[number][8:].rstrip(","))
        new = draft.dice.choice((seconds + draft.dice.choice((-1.2, -0.4, 0.4, 1.2, 9)), seconds * 2, seconds / 4, 0))
        lines[number] = f"#EXTINF:{max(0.0, new):.6f}" + "," * lines[number].endswith(",")
    _write(draft, lines, "EXTINF changed")


def entries_removed(draft: Draft) -> None:
    """Entries are missing while their slices lie in the bucket: at the end, or anywhere."""
    lines = _lines(draft)
    numbers = _entries(lines)
    count = draft.dice.randint(1, len(numbers) - 1)
    lost = numbers[-count:] if draft.dice.random() < 0.5 else draft.dice.sample(numbers, count)
    kept = [line for number, line in enumerate(lines) if number not in lost and number + 1 not in lost]
    _write(draft, kept, f"{count} of {len(numbers)} entries removed")


def entries_doubled(draft: Draft) -> None:
    """Entries come twice."""
    lines = _lines(draft)
    numbers = _entries(lines)
    for number in sorted(draft.dice.sample(numbers, draft.dice.randint(1, len(numbers))), reverse=True):
        lines[number + 1 : number + 1] = lines[number - 1 : number + 1]
    _write(draft, lines, "entries doubled")


def entries_reordered(draft: Draft) -> None:
    """The names of some slices stand in another order."""
    lines = _lines(draft)
    numbers = draft.dice.sample(_entries(lines), draft.dice.randint(2, len(_entries(lines))))
    names = [lines[number] for number in numbers]
    for number, name in zip(numbers, names[1:] + names[:1], strict=True):
        lines[number] = name
    _write(draft, lines, f"{len(numbers)} entries reordered")


def foreign_uris(draft: Draft) -> None:
    """Some entries name what is no slice of the recording."""
    lines = _lines(draft)
    numbers = _entries(lines)
    for number in draft.dice.sample(numbers, draft.dice.randint(1, len(numbers))):
        name = lines[number]
        lines[number] = draft.dice.choice((*_FOREIGN, name.replace("0123", "3210"), name.replace(".ts", "x.ts")))
    _write(draft, lines, "foreign URIs")


def bytes_changed(what: str) -> Change:
    """Bytes are zeros, noise, cut out or come twice."""

    def change(draft: Draft) -> None:
        content = draft.objects[draft.made.playlist]
        size = draft.size(len(content), 1)
        begin = draft.dice.randint(0, len(content) - size)
        new = filled(draft, content, begin, begin + size, what)
        draft.write(draft.made.playlist, new, f"{what} {begin}:{begin + size} of {len(content)}")

    return change


def cut_text(draft: Draft) -> None:
    """The text ends at any byte."""
    content = draft.objects[draft.made.playlist]
    end = draft.dice.randrange(len(content))
    draft.write(draft.made.playlist, content[:end], f"ends after {end} of {len(content)} bytes")


def end_moved(draft: Draft) -> None:
    """ENDLIST stands before slices that follow."""
    lines = [line for line in _lines(draft) if line != "#EXT-X-ENDLIST"]
    at = draft.dice.choice(_entries(lines)[:-1]) + 1
    _write(draft, [*lines[:at], "#EXT-X-ENDLIST", *lines[at:]], f"ENDLIST in line {at}")


def text_gone(draft: Draft) -> None:
    """The playlist is not in the bucket."""
    del draft.objects[draft.made.playlist]
    draft.notes.append(f"{PREFIX} has no playlist")
