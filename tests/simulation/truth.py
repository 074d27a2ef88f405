"""What is true of one recording, read off the world alone: which media lie in the bucket, and what was wanted.

Where a wish took effect only between two instants, both readings are given: a verdict is wrong only if it is wrong
either way.
"""

from dataclasses import dataclass

from tests.simulation.agora import Task
from tests.simulation.lessons import Lesson
from tests.simulation.recorder import Recorder

ALLOWANCE = 30.0
EDGE = 7.5  # what two clocks and the slack at the window's edges may make
HOLE = 90.0
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Truth:
    """`media`: something of it lies in the bucket. `whole`: so does all that was ever written, intact and named; None
    where it cannot be told from names and sizes. `least`, `most`: wanted seconds that nobody recorded."""

    media: bool
    whole: bool | None
    least: float
    most: float


def truth_of(lesson: Lesson, tasks: list[Task], at: float) -> Truth:
    recorders = [one for task in tasks for one in task.recorders]
    for one in recorders:
        one.grow(at)
    wrote = [one for one in recorders if one.slices]
    media = [span for one in wrote for span in _in_bucket(one, at)]
    narrow, wide = _windows(lesson, tasks)
    held = [span for task in tasks for span in _held(task, at)]
    # Nobody wanted media between pause and resume; what a recorder left out beyond that, it left out. Whether it counts
    # where no recorder was there to be paused is left open.
    least_paused = [(a - 6, b + 6) for a, b in _paused(lesson, 0, 1)]
    most_paused = [(max(a, c), min(b, d)) for a, b in held for c, d in _paused(lesson, 1, 0)]
    least = subtract([narrow], media + _explained(tasks, narrow, HOLE) + least_paused)
    most = subtract([wide], media + _explained(tasks, wide, HOLE - 2) + most_paused)
    return Truth(bool(media), _whole(wrote, at), length(least), length(most))


def _in_bucket(recorder: Recorder, at: float) -> list[Span]:
    if recorder.damage.playlist_lost:
        return []
    named = recorder.slices
    if recorder.damage.playlist_stale and recorder.ended_at is not None and len(named) > 1:
        named = named[:-1]
    there = [one for one in named if one.arrives_at is not None and one.arrives_at <= at and one.size == one.whole]
    return [(one.begins, one.ends) for one in there]


def _whole(wrote: list[Recorder], at: float) -> bool | None:
    for one in wrote:
        late = any(each.arrives_at is None or each.arrives_at > at or each.size != each.whole for each in one.slices)
        stale = one.damage.playlist_stale and one.ended_at is not None and len(one.slices) > 1
        if late or stale or one.damage.playlist_lost:
            return False
    wanted = [one for one in wrote if one.mp4]
    there = [one for one in wanted if one.ended_at is not None and not one.damage.mp4_lost]
    if wanted and not there:
        return False
    if any(one.damage.mp4_lost for one in wanted):
        return None  # another recorder left one: nobody can know how many there were
    return True


def _windows(lesson: Lesson, tasks: list[Task]) -> tuple[Span, Span]:
    """The wanted window, as short and as long as it can be meant."""
    asked = lesson.asked or (0.0, 0.0)
    begins = (lesson.start_at, lesson.start_at) if lesson.start_at is not None else asked
    if lesson.onhold_until is not None:
        resumed = next((around for held, around in lesson.held if not held), None)
        if resumed is None:
            return (0, 0), (0, 0)
        begins = max(resumed[0], begins[0]), max(resumed[1], begins[1])
    ends = [(tasks[0].made_at + 3600 - 60, tasks[0].made_at + 3600 + 60)] if tasks else [(begins[0], begins[1] + 3600)]
    if lesson.stopped is not None:
        ends.append(lesson.stopped)
    if lesson.stop_at is not None:
        ends.append((lesson.stop_at, lesson.stop_at))
    first, last = min(end[0] for end in ends), min(end[1] for end in ends)
    allowance = ALLOWANCE
    if lesson.start_at is not None and lesson.stop_at is not None:  # planned: at most a tenth of the window
        allowance = min(ALLOWANCE, (lesson.stop_at - begins[0]) / 10)
    return (begins[1] + allowance + EDGE, first - EDGE), (begins[0] + allowance, last)


def _paused(lesson: Lesson, begin: int, end: int) -> list[Span]:
    """What the caller meant to leave out; a start on hold has a window of its own for that."""
    spans: list[Span] = []
    for number, (held, around) in enumerate(lesson.held):
        if held:
            later = [after[end] for still, after in lesson.held[number + 1 :] if not still]
            spans.append((around[begin], later[0] if later else float("inf")))
    return spans


def _held(task: Task, at: float) -> list[Span]:
    spans, since = [], task.made_at if task.held_from_start else None
    for when, held in task.held:
        if held and since is None:
            since = when
        elif not held and since is not None:
            spans.append((since, when))
            since = None
    if since is not None:
        spans.append((since, task.ended_at if task.ended_at is not None else at))
    return spans


def _explained(tasks: list[Task], window: Span, longest: float) -> list[Span]:
    """The first hole between two recorders of one task, where no more wanted time is in it than a failover may cost."""
    for task in tasks:
        for before, after in zip(task.recorders, task.recorders[1:], strict=False):
            if before.slices and after.slices:
                hole = before.slices[-1].ends, after.slices[0].begins
                return [hole] if min(hole[1], window[1]) - max(hole[0], window[0]) <= longest else []
    return []


def subtract(spans: list[Span], cuts: list[Span]) -> list[Span]:
    left = [span for span in spans if span[1] > span[0]]
    for begins, ends in cuts:
        left = [
            piece
            for a, b in left
            for piece in ((a, min(b, begins)), (max(a, ends), b))
            if piece[1] > piece[0] and (piece[1] <= begins or piece[0] >= ends)
        ]
    return left


def length(spans: list[Span]) -> float:
    return sum(b - a for a, b in spans)
