"""Evaluates the facts read of a recording by every applicable rule, once.

A `Snapshot` contains these facts, and each rule is a function of it. Additional facts can only add findings, so a
deeper level never gives the same bytes a better verdict.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from service.media.content import judge_looks, judge_samples
from service.media.continuity import Continuity, Fault, judge_continuity
from service.media.findings import RULES, RULES_VERSION, Effect, Evidence, Findings
from service.media.listing.rules import Listed
from service.media.manifest import list_files
from service.media.mp4 import Mp4
from service.media.mp4.judging import Asked, SlicesHeld, Undecodable, judge_mp4s, judge_other
from service.media.pictures.measures import Look, Sample
from service.media.pieces import Piece
from service.media.slice_rules import judge_slices
from service.media.spans import Span
from service.media.timeline import NOTABLE_SECONDS, Slice, Timeline, build_timeline
from service.media.ts.slices import SliceFacts, held_seconds, sound_delay
from service.report import Coverage, Interval, Level, MissingClass, Report, Severity, Verdict
from service.wording import length, nothing_wanted

_MISSING_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Unread:
    """An object that `level` requires but that was not opened, with the code and the reason."""

    code: str
    text: str
    key: str | None
    level: Level


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The facts read of a recording. `slices` and `samples` are by the index of their piece. `mp4s` contains the parsed
    MP4 files by key, `mp4_undecodable` their samples that do not decode, `mp4_other` their samples that differ from
    those of the slices, and `mp4_looks` the kinds of their key pictures, each with the seconds it represents. `gone`
    contains objects that were listed and no longer exist, and `unread` objects that could not be opened. `digests` are
    SHA-256 by key and `checksums` are the store's own, for objects read as a whole."""

    listed: Listed
    slices: Mapping[int, SliceFacts] = field(default_factory=dict)
    samples: Mapping[int, Sample] = field(default_factory=dict)
    mp4s: Mapping[str, Mp4] = field(default_factory=dict)
    mp4_undecodable: Undecodable = field(default_factory=dict)
    mp4_other: Undecodable = field(default_factory=dict)
    mp4_looks: Mapping[str, Sequence[tuple[float, Look]]] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)


def judge(snapshot: Snapshot, level: Level, now: float) -> Report:
    """Evaluate all facts. `level` is the level that was reached. Never raise on the contents of the snapshot."""
    snapshot = replace(snapshot, listed=_timed(snapshot))
    listed = snapshot.listed
    findings = listed.findings.copy()
    for key, code in snapshot.gone.items():
        findings.add(code, f"{key} was in the listing, but disappeared before it was read.", key=key)
    for one in snapshot.unread:
        findings.add(one.code, one.text, key=one.key)
    sound = listed.expected.sound
    continuity = judge_continuity(listed.pieces, snapshot.slices, sound=sound)
    _add_faults(findings, listed, (*judge_slices(listed.pieces, snapshot.slices, sound=sound), *continuity.faults))
    judge_samples(findings, listed, snapshot.samples, snapshot.slices)
    _judge_mp4s(findings, snapshot)
    timeline = build_timeline(_media(snapshot, continuity), listed.expected, listed.unnamed)
    _judge_durations(findings, listed, continuity, timeline)
    _judge_time(findings, listed, timeline)
    return Report(
        verdict=_verdict(findings.effects),
        level=level,
        judged_at=now,
        findings=findings.all(),
        coverage=timeline.coverage,
        missing=tuple(one for one in timeline.missing if one.seconds > NOTABLE_SECONDS)[:_MISSING_KEPT],
        covered=timeline.covered[:_MISSING_KEPT],
        paused=timeline.paused[:_MISSING_KEPT],
        doubled=timeline.doubled[:_MISSING_KEPT],
        drift_seconds=timeline.drift_seconds,
        files=tuple(
            replace(file, sha256=snapshot.digests.get(file.key), checksum=snapshot.checksums.get(file.key))
            if file.key in snapshot.digests
            else file
            for file in list_files(listed.expected, listed.listing.runs, listed.playlists)
        ),
        rules_version=RULES_VERSION,
    )


def lost_seconds(snapshot: Snapshot) -> tuple[float, float]:
    """Return the unexplained seconds so far, and how many of them `verified` allows."""
    listed = _timed(snapshot)
    snapshot = replace(snapshot, listed=listed)
    continuity = judge_continuity(listed.pieces, snapshot.slices, sound=listed.expected.sound)
    account = build_timeline(_media(snapshot, continuity), listed.expected, listed.unnamed)
    return account.coverage.unexplained_seconds, account.coverage.allowed_seconds


def _timed(snapshot: Snapshot) -> Listed:
    """Return the listing. If a playlist states no durations of slices, the durations are set from their time stamps."""
    listed = snapshot.listed
    if all(piece.stated for piece in listed.pieces):
        return listed
    pieces = tuple(
        piece if piece.stated else replace(piece, seconds=held_seconds(snapshot.slices.get(index)) or piece.seconds)
        for index, piece in enumerate(listed.pieces)
    )
    return replace(listed, pieces=pieces)


def judge_blind(code: str, text: str, now: float, evidence: Evidence | None = None) -> Report:
    """Return the report of a verification that read nothing and makes no statement about the recording."""
    assert RULES[code].effect is Effect.BLIND
    findings = Findings()
    findings.add(code, text, evidence=evidence)
    return Report(_verdict(findings.effects), Level.LISTING, now, findings.all(), rules_version=RULES_VERSION)


def _judge_mp4s(findings: Findings, snapshot: Snapshot) -> None:
    listed = snapshot.listed
    expected = listed.expected
    audible = any(one.has_audio for one in snapshot.slices.values())
    for index, run in enumerate(listed.listing.runs):
        keys = [run.mp4s[part].key for part in sorted(run.mp4s)]
        files = {key: snapshot.mp4s[key] for key in keys if key in snapshot.mp4s}
        held = _held(snapshot, index)
        if not files or held is None:
            continue
        asked = Asked(
            allowed_seconds=expected.allowed_seconds(held.seconds_by_playlist),
            size=expected.size,
            audible=audible,
            mute=expected.sound is False,
            whole=len(files) == len(run.mp4s) and sorted(run.mp4s) == list(range(len(files))),
            final=listed.final.get(index, False),
        )
        judge_mp4s(findings, files, held, asked, snapshot.mp4_undecodable)
        for key, facts in files.items():
            judge_other(findings, key, facts, snapshot.mp4_other.get(key, {}), asked)
        judge_looks(findings, listed, {key: snapshot.mp4_looks.get(key, ()) for key in files}, final=asked.final)


def _held(snapshot: Snapshot, index: int) -> SlicesHeld | None:
    """Return the contents of a run's slices, as the reference of its MP4 files."""
    pieces = [(place, one) for place, one in enumerate(snapshot.listed.pieces) if one.run == index]
    if not pieces:
        return None
    facts = [snapshot.slices[place] for place, _ in pieces if place in snapshot.slices]
    last = pieces[-1][1]
    first = facts[0] if facts else None
    return SlicesHeld(
        seconds_by_playlist=sum(one.seconds for _, one in pieces),
        spanned_seconds=last.starts_at + last.seconds - pieces[0][1].starts_at,
        sound_delay_seconds=None if first is None else sound_delay(first),
        picture_step_seconds=_middle(one.video.step for one in facts if one.video is not None),
        sound_step_seconds=_middle(one.audio.frame_seconds for one in facts if one.audio is not None),
    )


def _middle(steps: Iterable[float]) -> float | None:
    known = [step for step in steps if step]
    return median(known) if known else None


def _media(snapshot: Snapshot, continuity: Continuity) -> list[Slice]:
    pieces = snapshot.listed.pieces
    return [
        Slice(
            one.starts_at, one.starts_at + one.seconds, one.sid, one.recorder, _lost(snapshot, continuity, index, one)
        )
        for index, one in enumerate(pieces)
    ]


def _lost(snapshot: Snapshot, continuity: Continuity, index: int, piece: Piece) -> tuple[Span, ...]:
    """Return the stretches of a slice that no player can play, as timestamps."""
    facts = snapshot.slices.get(index)
    spans = list(continuity.lost.get(index, ()))
    if piece.size_bytes == 0 or (facts is not None and facts.whole and facts.origin is None):
        spans.append((0.0, piece.seconds))
    elif facts is not None:
        # A loss that reaches into the next slice (bytes of another time may state this) does not count there.
        until = _until_next(snapshot.listed.pieces, index)
        spans += [
            (begin, min(end, until))
            for held in (facts.video, facts.audio)
            if held is not None
            for begin, end in held.lost
            if begin < until
        ]
    return tuple((piece.starts_at + begin, piece.starts_at + end) for begin, end in spans)


def _until_next(pieces: Sequence[Piece], index: int) -> float:
    """Return the seconds from the beginning of a slice to that of the recorder's next slice. Return infinity for its
    last slice."""
    piece = pieces[index]
    if index + 1 == len(pieces) or pieces[index + 1].run != piece.run:
        return math.inf
    return max(piece.seconds, pieces[index + 1].starts_at - piece.starts_at)


def _add_faults(findings: Findings, listed: Listed, faults: tuple[Fault, ...]) -> None:
    for fault in faults:
        piece = listed.pieces[fault.index]
        findings.add(
            fault.code,
            fault.text,
            key=piece.key,
            severity=fault.severity,
            final=listed.final[piece.run],
            evidence=fault.evidence,
        )


def _judge_durations(findings: Findings, listed: Listed, continuity: Continuity, timeline: Timeline) -> None:
    """Add findings for wrong durations in the playlist, because players seek by them and time is counted by them."""
    beyond = _seek_error(listed, continuity.durations) > timeline.coverage.allowed_seconds
    for index, seconds in continuity.durations.items():
        piece = listed.pieces[index]
        text = f"The playlist says {piece.seconds:.3f} s for {piece.key}, but it lasts {piece.seconds - seconds:.3f} s."
        findings.add(
            "duration_wrong",
            text,
            key=piece.key,
            severity=None if beyond else Severity.WARNING,
            final=listed.final[piece.run],
            evidence={"playlist_seconds": round(piece.seconds, 3), "held_seconds": round(piece.seconds - seconds, 3)},
        )


def _seek_error(listed: Listed, durations: Mapping[int, float]) -> float:
    """Return the largest error of a player's position in seconds, summed over the runs."""
    off: dict[int, float] = {}
    worst: dict[int, float] = {}
    for index, seconds in sorted(durations.items()):
        run = listed.pieces[index].run
        off[run] = off.get(run, 0.0) + seconds
        worst[run] = max(worst.get(run, 0.0), abs(off[run]))
    return sum(worst.values())


def _judge_time(findings: Findings, listed: Listed, timeline: Timeline) -> None:
    account = timeline.coverage
    if not account.expected_seconds:
        _add_nothing_wanted(findings, account)
    beyond = account.unexplained_seconds > account.allowed_seconds
    # While files may still arrive, missing time does not make the recording defective; with an unreadable playlist it
    # is unknown.
    counts = beyond and listed.timed and Effect.AWAITS not in findings.effects
    severity = Severity.ERROR if counts else Severity.WARNING
    final = all(listed.final.values())
    notable = 0.0
    for one in timeline.missing:
        if one.seconds <= NOTABLE_SECONDS:
            continue
        notable += 0.0 if one.explained else one.seconds
        findings.add(
            one.kind.value,
            _missing_text(one.kind, one.seconds),
            interval=Interval(one.from_at, one.to_at),
            severity=Severity.WARNING if one.explained else severity,
            final=final or one.kind is not MissingClass.DAMAGED,
            evidence={"seconds": round(one.seconds, 3), "explained": one.explained},
        )
    small = account.unexplained_seconds - notable
    if timeline.drift_seconds or (beyond and notable <= account.allowed_seconds):
        text = f"Gaps of less than a second between slices add up to {small:.1f} s."
        findings.add("small_gaps", text, severity=severity, evidence={"seconds": round(small, 3)})
    for both in timeline.doubled:
        seconds = (both.to_at or both.from_at) - both.from_at
        text = f"{seconds:.1f} s were recorded twice."
        findings.add("media_doubled", text, interval=both, evidence={"seconds": round(seconds, 3)})


def _add_nothing_wanted(findings: Findings, account: Coverage) -> None:
    """Warn a caller who paused the whole window, because this may be unexpected. A stop within the start allowance is
    only noted."""
    said = nothing_wanted(account.paused_seconds)
    findings.add(
        "nothing_wanted",
        f"{said[0].upper()}{said[1:]}. So nothing can be missing, and the verdict says only that the files are sound.",
        severity=None if account.paused_seconds else Severity.NOTE,
        evidence={"paused_seconds": account.paused_seconds},
    )


def _missing_text(kind: MissingClass, seconds: float) -> str:
    if kind is MissingClass.DAMAGED:
        return f"{length(seconds)} of the wanted time is in the bucket, but no player can play it."
    return f"{length(seconds)} of the wanted time is missing ({kind.value.replace('_', ' ')})."


def _verdict(effects: set[Effect]) -> Verdict:
    """Return the verdict for these effects. Findings count even if other objects could not be read. `verified` requires
    that every object was read."""
    if Effect.UNSOUND in effects:
        return Verdict.DEFECTIVE
    if Effect.AWAITS in effects:
        return Verdict.INCOMPLETE
    if Effect.TIME in effects:
        return Verdict.DEFECTIVE
    return Verdict.UNREACHABLE if Effect.BLIND in effects else Verdict.VERIFIED
