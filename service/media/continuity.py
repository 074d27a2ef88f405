"""Checks the continuity of a recorder's slices: time stamps, counters and parameter sets across each joint.

A recorder writes one line of time stamps. A line that restarts and continues to the end is a restart, caused by a
pause, a reload or a failover. Agora does not document its behaviour in this case, so a restart is never an error. A
recorder never resumes a line that it left, nor covers a stretch twice. If this happens, the slices between were
swapped, repeated or come from elsewhere. Each joint is measured by the recorder's own habits (how its slices join,
whether its counters continue).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from service.media.displaced import ends_of, find_displaced, origin_of
from service.media.findings import Evidence
from service.media.pieces import Piece, by_run, joined
from service.media.spans import Span
from service.media.timeline import JOINED_SECONDS
from service.media.ts.slices import Held, SliceFacts, since
from service.report import Severity

# Half an audio frame at 48 kHz, the smallest amount that can be lost.
_LOST_SECONDS = 0.0107
_LOST_STEPS = 0.6
# The minimum number of joints that show a habit, and the share of equal first counters that shows a restart per slice.
_LEAST_JOINTS = 3
_SAME_SHARE = 0.6
# A change in more than this share of the slices is the recorder's habit.
_HABIT_MOST = 1 / 3
# The tolerance if only the ends of audio and pictures are compared, because slices are cut at pictures.
_LAG_SECONDS = 0.15
_STEP_MOST = 0.2

Of = Callable[[SliceFacts], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the slice with this index. If `severity` is None, the severity of the rule applies."""

    index: int
    code: str
    text: str
    severity: Severity | None = None
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Continuity:
    """The faults of slices, the lost stretches by slice index (seconds after the slice's beginning, possibly reaching
    into the next slice), and the error in seconds of the playlist's duration by slice index."""

    faults: tuple[Fault, ...]
    lost: Mapping[int, tuple[Span, ...]]
    durations: Mapping[int, float]


def judge_continuity(
    pieces: Sequence[Piece], facts: Mapping[int, SliceFacts], *, sound: bool | None = None
) -> Continuity:
    """Check how the slices of each run join, skipping slices that were not read. `sound` states whether audio was
    requested. If it is None, missing audio is a fault only if some slice contains or declares audio."""
    faults: list[Fault] = []
    lost: dict[int, list[Span]] = {}
    durations: dict[int, float] = {}
    audible = any(one.audio is not None or one.has_audio for one in facts.values()) if sound is None else sound
    for begin, end in by_run(pieces):
        run = _Run(pieces, facts, range(begin, end), audible=audible)
        durations |= run.durations()
        faults += run.displaced()
        faults += run.restarts()
        faults += run.foreign()
        faults += run.sizes()
        for index, kind, span in run.missing():
            if span[0] < span[1]:
                lost.setdefault(index, []).append(span)
                faults.append(_missing_fault(index, pieces[index], kind, span))
    return Continuity(
        tuple(sorted(faults, key=lambda fault: fault.index)),
        {index: tuple(spans) for index, spans in lost.items()},
        durations,
    )


class _Run:
    """The slices of one recorder, in the order of their playlist."""

    def __init__(
        self, pieces: Sequence[Piece], facts: Mapping[int, SliceFacts], indexes: range, *, audible: bool
    ) -> None:
        self._pieces = pieces
        self._facts = facts
        self._known = [index for index in indexes if index in facts and facts[index].origin is not None]
        self._pairs = [(one, other) for one, other in zip(self._known, self._known[1:], strict=False)]
        self._goes_on = {other: self._continues(one, other) for one, other in self._pairs}
        self._lines = self._split()
        self._displaced = find_displaced(pieces, facts, self._lines)
        self._audible = audible

    # --- lines -------------------------------------------------------------------------------------------------------

    def _continues(self, one: int, other: int) -> bool:
        """Return whether a slice's time stamps continue those of the previous slice, by any of the known durations."""
        before, after = self._facts[one], self._facts[other]
        stamped = since(origin_of(before), origin_of(after))
        held = ends_of(before)
        between = self._pieces[one:other]
        expected = [
            sum(piece.seconds for piece in between),
            self._pieces[other].starts_at - self._pieces[one].starts_at,
        ]
        if held is not None and other == one + 1:
            expected.append(held)
        return any(abs(stamped - seconds) <= JOINED_SECONDS for seconds in expected)

    def _split(self) -> list[list[int]]:
        lines: list[list[int]] = []
        for index in self._known:
            if lines and self._goes_on.get(index, False):
                lines[-1].append(index)
            else:
                lines.append([index])
        return lines

    def displaced(self) -> Iterator[Fault]:
        for index, reason in self._displaced.items():
            yield Fault(index, "slice_displaced", f"The slice {self._pieces[index].key} is out of place: {reason}.")

    def restarts(self) -> Iterator[Fault]:
        """Yield lines that restart without a DISCONTINUITY or an interruption that is visible in the names."""
        for line in self._lines[1:]:
            index = line[0]
            before = self._known[self._known.index(index) - 1]
            pairs = zip(self._pieces[before:index], self._pieces[before + 1 : index + 1], strict=True)
            if index in self._displaced or before in self._displaced or not all(joined(*pair) for pair in pairs):
                continue
            stamped = since(origin_of(self._facts[before]), origin_of(self._facts[index]))
            expected = sum(piece.seconds for piece in self._pieces[before:index])
            text = (
                f"The time stamps up to {self._pieces[index].key} move by {stamped:.3f} s instead of {expected:.3f} s, "
                "and the playlist does not mark it."
            )
            evidence: Evidence = {"stamped_seconds": round(stamped, 3), "playlist_seconds": round(expected, 3)}
            yield Fault(index, "timestamps_jump", text, evidence=evidence)

    # --- counters and parameter sets ---------------------------------------------------------------------------------

    def foreign(self) -> Iterator[Fault]:
        """Yield slices whose counters or parameter sets do not match those of the slices around them."""
        reasons: dict[int, list[str]] = {}
        for index in self._odd_counters():
            reasons.setdefault(index, []).append("counters")
        for what, of in (("parameter sets", _parameters), ("streams", lambda facts: frozenset(facts.streams or ()))):
            returned = self._returned(of)
            # A recorder with this habit changes them often.
            once = sum(index - 1 not in returned for index in returned) < _LEAST_JOINTS
            if once or len(returned) <= _HABIT_MOST * len(self._known):
                for index in returned:
                    reasons.setdefault(index, []).append(what)
        for index, found in sorted(reasons.items()):
            if index not in self._displaced:
                text = (
                    f"The slice {self._pieces[index].key} is not from this recorder: its {' and '.join(found)} do not "
                    "match those of the slices around it."
                )
                yield Fault(index, "slice_foreign", text)

    def _odd_counters(self) -> Iterator[int]:
        """Yield slices whose counters do not continue those of the previous slice although nothing is missing between
        them. A recorder that restarts also restarts its counters."""
        fresh = _first_counters(self._facts[self._known[0]]) if self._known else ()
        odd: set[int] = set()
        for kind in ("video", "audio"):
            beyond = self._beyond(kind)
            for index, kept in self._joints(kind).items():
                before = _held(self._facts[index - 1], kind)
                closed = before is not None and before.closed and beyond.get(index - 1, 0.0) <= _shortest(before, kind)
                whole = closed and not self._facts[index].orphaned
                if not kept and whole and not _may_equal(_first_counters(self._facts[index]), fresh):
                    odd.add(index)
        # A foreign slice breaks the joints on both sides of it, so only the slice itself is reported.
        yield from (index for index in sorted(odd) if index - 1 not in odd)

    def _joints(self, kind: str) -> dict[int, bool]:
        """Return by slice whether its counters continue those of the previous slice, if both are known. If the recorder
        restarts its counters with each slice, return an empty mapping."""
        found = {}
        firsts: list[int] = []
        for one, other in self._pairs:
            before, after = _held(self._facts[one], kind), _held(self._facts[other], kind)
            if other != one + 1 or before is None or after is None or not self._goes_on[other]:
                continue
            if before.counters[1] is not None and after.counters[0] is not None:
                found[other] = (before.counters[1] + 1) % 16 == after.counters[0]
                firsts.append(after.counters[0])
        same = max((firsts.count(value) for value in set(firsts)), default=0)
        return found if len(firsts) >= _LEAST_JOINTS and same < _SAME_SHARE * len(firsts) else {}

    def _returned(self, of: Of, *, anywhere: bool = False) -> set[int]:
        """Return the slices in which a value differs from the value both before and after them. Unless `anywhere` is
        true, the time stamps must be continuous there."""
        lines = (*self._lines, self._known)
        return {index for line in lines for index in self._left_and_back(line, of, anywhere=anywhere)}

    def _left_and_back(self, indexes: Sequence[int], of: Of, *, anywhere: bool) -> Iterator[int]:
        values = [(index, value) for index in indexes if (value := of(self._facts[index]))]
        last = {value: place for place, (_, value) in enumerate(values)}
        at = 0
        while at < len(values):
            usual, until, others = values[at][1], last[values[at][1]], list[int]()
            for index, value in values[at : until + 1]:
                if value != usual:
                    others.append(index)
                else:
                    if anywhere or (others and all(self._goes_on.get(joint, False) for joint in (others[0], index))):
                        yield from others
                    others = []
            at = until + 1

    def sizes(self) -> Iterator[Fault]:
        """Yield changes of the picture's size."""
        returned = self._returned(_size, anywhere=True)
        known = [(index, size) for index in self._known if (size := _size(self._facts[index])) is not None]
        for (_, before), (index, after) in pairwise(known):
            if before != after:
                text = (
                    f"From {self._pieces[index].key} on, the picture is {after[0]} × {after[1]} instead of "
                    f"{before[0]} × {before[1]}."
                )
                torn = not self._pieces[index].marked and not self._goes_on.get(index, True)
                severity = None if index in returned or torn else Severity.WARNING
                evidence: Evidence = {"width": after[0], "height": after[1]}
                yield Fault(index, "size_changed", text, severity, evidence)

    def durations(self) -> Iterator[tuple[int, float]]:
        """Yield the seconds by which the playlist's duration of a slice differs from that of its time stamps."""
        for index in self._known:
            facts, piece = self._facts[index], self._pieces[index]
            lasts = ends_of(facts)
            if lasts is not None and self._goes_on.get(index + 1, False) and index + 1 in self._facts:
                stamped = since(origin_of(facts), origin_of(self._facts[index + 1]))
                # A slice with a missing end has the playlist's duration. A slice before a pause has its measured
                # duration.
                lasts = piece.seconds if abs(stamped - piece.seconds) <= JOINED_SECONDS else lasts
            step = facts.video.step if facts.video is not None else 0.0
            if lasts is not None and abs(piece.seconds - lasts) > JOINED_SECONDS + min(step, _STEP_MOST):
                yield index, piece.seconds - lasts

    # --- lost time ---------------------------------------------------------------------------------------------------

    def missing(self) -> Iterator[tuple[int, str, Span]]:
        """Yield the missing stretches of a stream at the ends of slices, by its own time stamps."""
        for index in self._displaced:
            yield index, "pictures and sound", (0.0, self._pieces[index].seconds)
        for kind in ("video", "audio"):
            beyond = self._beyond(kind)
            for index in self._known:
                held = _held(self._facts[index], kind)
                if index in self._displaced:
                    continue
                name = "pictures" if kind == "video" else "sound"
                if held is None:
                    yield from ((at, name, span) for at, span in self._absent(index, kind))
                    continue
                yield from ((at, name, span) for at, span in self._carried(index, held))
                yield from ((index, name, span) for span in self._headless(index, kind))
                if held.ends is None:
                    continue
                seconds = self._until_next(index)
                if index in beyond:
                    if beyond[index] > _shortest(held, kind):
                        yield index, name, (held.ends, held.ends + beyond[index])
                elif seconds - held.ends > JOINED_SECONDS + min(held.step, _STEP_MOST):
                    yield index, name, (held.ends, seconds)

    def _until_next(self, index: int) -> float:
        """Return the seconds from the start of a slice to the start of the next, at most the playlist's duration."""
        seconds = self._pieces[index].seconds
        if not self._goes_on.get(index + 1, False) or index + 1 not in self._facts:
            return seconds
        return min(seconds, since(origin_of(self._facts[index]), origin_of(self._facts[index + 1])))

    def _headless(self, index: int, kind: str) -> Iterator[Span]:
        """Yield the missing beginning of a slice, and the following pictures that cannot be decoded without it. The
        playlist and the names agree on a duration, but the time stamps begin later and cover less."""
        if self._goes_on.get(index, True) or not self._goes_on.get(index + 1, False) or index + 1 not in self._facts:
            return  # the start of the first slice is unknown, because good slices are shorter than their names imply
        piece, facts, lasts = self._pieces[index], self._facts[index], self._until_next(index)
        named = self._pieces[index + 1].starts_at - piece.starts_at
        if piece.seconds - lasts > JOINED_SECONDS and abs(named - piece.seconds) <= JOINED_SECONDS:
            yield lasts, piece.seconds
            if kind == "video" and not facts.key:
                key = facts.video.first_key if facts.video is not None else None
                yield 0.0, lasts if key is None else key

    def _beyond(self, kind: str) -> dict[int, float]:
        """Return, by slice, how many seconds earlier than usual a stream ends, if this can be measured."""
        found = self._less_usual(dict(self._steps(kind)))
        if kind == "audio":
            # The first audio of the next slice may be beyond the bytes read, so the pictures are then the reference.
            lags = {}
            for index in self._known:
                video, audio = self._facts[index].video, self._facts[index].audio
                if video is not None and audio is not None and video.ends is not None and audio.ends is not None:
                    lags[index] = video.ends - audio.ends
            lags = self._less_usual(lags)
            found |= {
                index: 0.0 if lag <= _LAG_SECONDS else lag
                for index, lag in lags.items()
                if index not in found and self._goes_on.get(index + 1, False)
            }
        return found

    def _less_usual(self, seconds: Mapping[int, float]) -> dict[int, float]:
        """Return each value minus the usual value of whole slices. The usual value is capped, because a habit beyond
        the tolerance would hide losses."""
        whole = [value for index, value in seconds.items() if not self._facts[index].damage]
        usual = min(max(median(whole) if whole else 0.0, -JOINED_SECONDS), JOINED_SECONDS)
        return {index: value - usual for index, value in seconds.items()}

    def _steps(self, kind: str) -> Iterator[tuple[int, float]]:
        """Yield the seconds from a stream's end in a slice to its beginning in the next slice, if the time stamps
        continue."""
        for one, other in self._pairs:
            before, after = _held(self._facts[one], kind), _held(self._facts[other], kind)
            if other != one + 1 or not self._goes_on[other] or {one, other} & self._displaced.keys():
                continue
            if before is None or before.ends is None or after is None:
                continue
            if after.begins is None or not joined(self._pieces[one], self._pieces[other]):
                continue
            yield one, since(origin_of(self._facts[one]), origin_of(self._facts[other])) + after.begins - before.ends

    def _absent(self, index: int, kind: str) -> Iterator[tuple[int, Span]]:
        """Yield a stream that is absent from the slice although the slice or its neighbours declare it."""
        facts = self._facts[index]
        named = facts.has_video if kind == "video" else facts.has_audio
        if (facts.whole or not named) and (kind == "video" or self._audible):
            yield index, (0.0, self._pieces[index].seconds)

    def _carried(self, index: int, held: Held) -> Iterator[tuple[int, Span]]:
        """Yield a loss that continues in the next slices up to their first key picture."""
        if not held.unfinished:
            return
        yield index, (held.ends or 0.0, self._pieces[index].seconds)
        for other in range(index + 1, len(self._pieces)):
            facts = self._facts.get(other)
            if facts is None or self._pieces[other].run != self._pieces[index].run or facts.key:
                return
            key = facts.video.first_key if facts.video is not None else None
            if not facts.whole and key is None:
                return
            yield other, (0.0, self._pieces[other].seconds if key is None else key)
            if key is not None:
                return


def must_follow(pieces: Sequence[Piece], facts: Mapping[int, SliceFacts]) -> list[int]:
    """Return the slices that must be read whole to measure how far a loss of the previous slice extends."""
    return [
        index + 1
        for index, one in facts.items()
        if one.video is not None and one.video.unfinished and index + 1 < len(pieces)
        if pieces[index + 1].run == pieces[index].run and index + 1 in facts
        if not facts[index + 1].whole and not facts[index + 1].key
    ]


def _missing_fault(index: int, piece: Piece, name: str, span: Span) -> Fault:
    seconds = span[1] - span[0]
    text = f"{seconds:.3f} s of {name} are missing in {piece.key} or between it and the next slice."
    return Fault(index, "media_lost", text, evidence={"seconds": round(seconds, 3), "stream": name})


def _parameters(facts: SliceFacts) -> object:
    return facts.parameters[:1]


def _size(facts: SliceFacts) -> tuple[int, int] | None:
    return (facts.parameters[0].width, facts.parameters[0].height) if facts.parameters else None


def _first_counters(facts: SliceFacts) -> tuple[int | None, ...]:
    return tuple(None if held is None else held.counters[0] for held in (facts.video, facts.audio))


def _may_equal(one: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Return whether all values known on both sides are equal."""
    return all(None in pair or pair[0] == pair[1] for pair in zip(one, other, strict=False))


def _shortest(held: Held, kind: str) -> float:
    """Return the shortest stretch of a stream, in seconds, that can be missing."""
    return held.step * _LOST_STEPS if kind == "video" else _LOST_SECONDS


def _held(facts: SliceFacts, kind: str) -> Held | None:
    return facts.video if kind == "video" else facts.audio
