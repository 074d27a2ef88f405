"""What became of a recording by the emulator's ground truth, held against what Pagereel says became of it.

Only what is promised of a verdict is known here, nothing of how one is made: media are the slices that the emulator
says are stored, holes are what they leave of the wanted time, and each hole has its cause from what the emulator did.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from house import instant

Span = tuple[float, float]

# What two clocks, a busy machine and the way of a request may make; the edges of a window are compared to five seconds.
SLACK = 1.5
EDGE = 5.0
NOTABLE = 1.0
FAILOVER_HOLE = 90.0
TIME_CODES = {"late_start", "ended_early", "failover", "gap"}
THERE = {"stored", "forwarded"}
NEVER_RECORDED = {3, 4, 5}
REASONS = {
    1: "hour_limit",
    2: "capability_limit",
    3: "engine_failed",
    4: "page_load_timeout",
    5: "page_unreachable",
    6: "recorder_error",
}
_COLOURS = {235: "picture_white", 16: "picture_black", 128: "picture_blank"}
_SLICE = re.compile(r"(?:.*/)?(?:bak(\d+)_)?[0-9a-f]{32}_.*_(\d{17})\.ts")


@dataclass(frozen=True)
class Media:
    """One slice as it was recorded."""

    span: Span
    file_set: int
    stored: bool


@dataclass(frozen=True)
class Hole:
    """Wanted time without media, and why. `edge`: at an end of the window."""

    span: Span
    cause: str
    edge: bool

    @property
    def seconds(self) -> float:
        return self.span[1] - self.span[0]


def disagreements(
    shown: dict[str, Any], report: dict[str, Any], files: list[dict[str, Any]], task: dict[str, Any]
) -> list[str]:
    """In what Pagereel is wrong about a recording of one task; nothing where it is right. `report` is the newest one,
    empty where nobody looked."""
    media = sorted(_media(task), key=lambda one: one.span)
    window = _window(shown)
    holes = _holes(media, window, task)
    return [
        *_reason(shown, task),
        *_state(shown, media, holes, task),
        *_files(files, task),
        *_pauses(shown, task),
        *(_time(report, media, window, holes) if media else ()),
        *(_sight(shown, report, task) if any(one.stored for one in media) else ()),
    ]


def _media(task: dict[str, Any]) -> Iterable[Media]:
    starts: dict[int, list[tuple[float, bool]]] = {}
    for name, fate in task["files"].items():
        if found := _SLICE.fullmatch(name):
            number = 0 if found[1] is None else int(found[1]) + 1
            starts.setdefault(number, []).append((_utc17(found[2]), fate in THERE))
    for number, found in starts.items():
        spans = [(instant(one["from_at"]), instant(one["to_at"])) for one in task["media"] if one["file_set"] == number]
        ordered = sorted(found)
        for (begin, stored), (following, _) in zip(ordered, [*ordered[1:], (float("inf"), False)], strict=True):
            until = max(end for start, end in spans if start <= begin + 0.01)
            yield Media((begin, min(until, following)), number, stored)


def _utc17(text: str) -> float:
    return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() + int(text[14:]) / 1000


def _window(shown: dict[str, Any]) -> Span:
    """What the caller wanted, by what the caller asked for; the start allowance of these tests is a second."""
    asked, instants = shown["parameters"], shown["instants"]
    begin = instant(instants["start_at"] or instants["requested_at"]) + 1
    wished = instants["stop_wished_at"]
    hours = asked["max_recording_hour"] * 3600 + instant(instants["started_at"] or instants["requested_at"])
    end = hours if wished is None else min(instant(wished), hours)
    return min(begin, end), end


def _holes(media: list[Media], window: Span, task: dict[str, Any]) -> list[Hole]:
    have = [one for one in media if one.stored]
    held = [(instant(one["from_at"]) - 6, instant(one["to_at"]) + 6) for one in task["holds"]]
    last = "ended_early" if task["end_code"] in (1, 2, 6) else "gap"
    if not have:
        return [Hole(window, "late_start" if task["end_code"] == 0 else last, False)]
    edges = [(window[0], have[0].span[0], "late_start"), (max(one.span[1] for one in have), window[1], last)]
    holes = [Hole((begin, end), cause, True) for begin, end, cause in edges if end > begin]
    covered = have[0]
    for one in have[1:]:
        begin, end = max(covered.span[1], window[0]), min(one.span[0], window[1])
        paused = any(a < end and begin < b for a, b in held)
        if end > begin and not paused:
            holes.append(Hole((begin, end), "failover" if one.file_set != covered.file_set else "gap", False))
        covered = max(covered, one, key=lambda each: each.span[1])
    return holes


def _reason(shown: dict[str, Any], task: dict[str, Any]) -> Iterable[str]:
    """Why it ended, as the recorder knows it and as far as anybody was told."""
    code, told = task["end_code"], {one["event"] for one in task["notices"] if _heard(one)}
    reason = REASONS.get(code) if code else "stopped"
    if code == 6 and not any(fate in THERE for fate in task["files"].values()) and 1 in told:
        reason = "storage_refused"
    if code and 71 not in told:
        reason = "ended_by_itself"
    if shown["end_reason"] != reason:
        yield f"it ended for {shown['end_reason']}, in truth for {reason} (code {code})"


def _heard(notice: dict[str, Any]) -> bool:
    return any(attempt["status"] == 200 for one in notice["deliveries"] for attempt in one["tries"])


def _blank(shown: dict[str, Any], task: dict[str, Any]) -> bool:
    """Whether the page showed one colour, and somebody looked."""
    return shown["level"] in ("content", "full") and task["recorder"]["brightness"] is not None


def _state(shown: dict[str, Any], media: list[Media], holes: list[Hole], task: dict[str, Any]) -> Iterable[str]:
    allowed = (shown["coverage"] or {"allowed_seconds": 0.0})["allowed_seconds"]
    missing = _unexplained(holes)
    whole = bool(media) and all(fate in THERE for fate in task["files"].values())
    if abs(missing - allowed) < SLACK and whole:
        wanted = {"verified", "defective"}
    elif whole and missing < allowed and not _blank(shown, task):
        wanted = {"verified"}
    elif media or task["slices_made"]:
        wanted = {"defective"}
    else:
        wanted = {"failed" if task["end_code"] in NEVER_RECORDED else "cancelled"}
        wanted |= {"defective"} if task["recording_started_at"] else set()
    if shown["state"] not in wanted:
        yield f"it is {shown['state']}, in truth {wanted}: {missing:.1f} s missing, {allowed} allowed, whole: {whole}"


def _unexplained(holes: list[Hole]) -> float:
    missing, failovers = 0.0, 0
    for hole in holes:
        failovers += hole.cause == "failover"
        explained = hole.cause == "failover" and failovers == 1 and hole.seconds <= FAILOVER_HOLE
        if not explained and hole.seconds > (EDGE if hole.edge else 0):
            missing += hole.seconds
    return missing


def _files(files: list[dict[str, Any]], task: dict[str, Any]) -> Iterable[str]:
    """Slices and MP4 files; a playlist that went another way has another name."""
    there = {_base(one["key"]) for one in files if one["listed"] and one["kind"] != "playlist"}
    missing = {_base(one["key"]) for one in files if one["missing"] and one["kind"] != "playlist"}
    fates = {_base(name): fate for name, fate in task["files"].items() if not name.endswith(".m3u8")}
    stored = {name for name, fate in fates.items() if fate in THERE}
    if there != stored:
        yield f"it has {sorted(there ^ stored)}, or has not, otherwise than in truth"
    if missing - (fates.keys() - stored):
        yield f"it misses {sorted(missing)}, which is not lost"


def _pauses(shown: dict[str, Any], task: dict[str, Any]) -> Iterable[str]:
    told, true = (
        [(instant(one["from_at"]), instant(one["to_at"])) for one in spans if one["to_at"]]
        for spans in (shown["pauses"], task["holds"])
    )
    if len(told) != len(true) or not all(map(_meet, told, true)):
        yield f"it was paused {told}, in truth {true}"


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _time(report: dict[str, Any], media: list[Media], window: Span, holes: list[Hole]) -> Iterable[str]:
    """Covered time, and every hole with its place and its cause."""
    stored = _merged(one.span for one in media if one.stored)
    have = sum(max(0.0, min(end, window[1]) - max(begin, window[0])) for begin, end in stored)
    covered = report["coverage"]["covered_seconds"]
    if abs(have - covered) > SLACK:
        yield f"{covered} s are covered, in truth {have:.1f}"
    told = [(one["kind"], (instant(one["from_at"]), instant(one["to_at"]))) for one in report["missing"]]
    for hole in holes:
        sure = hole.seconds > (EDGE if hole.edge else NOTABLE) + SLACK
        if sure and not any(kind == hole.cause and _meet(span, hole.span) for kind, span in told):
            yield f"nothing tells of {hole.cause} for {hole.seconds:.1f} s"
    for kind, span in told:
        if not any(kind == hole.cause and _meet(span, hole.span) for hole in holes):
            yield f"{kind} for {span[1] - span[0]:.1f} s is told of, in truth there are {holes}"
    causes = {kind for kind, _ in told}
    if _codes(report) & TIME_CODES != causes:
        yield f"{_codes(report) & TIME_CODES} are found, {causes} are in the account"


def _meet(one: Span, other: Span) -> bool:
    """Whether two stretches are the same, as far as clocks agree."""
    return abs(one[0] - other[0]) < SLACK and abs(one[1] - other[1]) < SLACK


def _sight(shown: dict[str, Any], report: dict[str, Any], task: dict[str, Any]) -> Iterable[str]:
    """What was seen and heard, where somebody looked at all."""
    page = task["recorder"]
    wanted = {_COLOURS[page["brightness"]]} if _blank(shown, task) else set()
    heard = shown["level"] in ("content", "full") and shown["sound"] is not False
    wanted |= {"sound_silent"} if page["silent"] and heard else set()
    found = _codes(report) & {"sound_silent", *_COLOURS.values()}
    if found != wanted:
        yield f"it is called {found}, in truth {wanted}"


def _codes(report: dict[str, Any]) -> set[str]:
    return {one["code"] for one in report["findings"]}


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged
