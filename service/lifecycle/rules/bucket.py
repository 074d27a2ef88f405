"""Rules for the results of listings and verifications of the bucket. Pure."""

import re
from dataclasses import replace

from service.lifecycle.change import CLOCK_SLACK_SECONDS, LOOKED_AT, Draft
from service.lifecycle.deadlines import ENDS_FOUND, FIRST_SLICES, find_wait, task_end_at, watch_period
from service.lifecycle.observations import Judged, Looked, LookFailed, LookHeldUp
from service.lifecycle.rules.calls import believe_end, lived
from service.lifecycle.rules.start import sid_found
from service.recording import ADOPTED, Attempt, AttemptState, Attention, EndReason, Recording, State, Watch
from service.report import FileKind, Finding, Report, ReportSummary, Severity, Verdict, rules_of
from service.wording import clock

# The recording keeps at most this many findings; a report may have thousands.
KEPT_FINDINGS = 20
# Findings of a later verification about changed objects of a verified recording.
TOUCHED = ("object_vanished", "object_changed")
RULES_CHANGED = "rules_changed"
# Findings that mean the bucket as a whole cannot be read.
BLIND = ("storage_refused", "storage_unreachable", "too_many_objects")
_UNREAD = re.compile(r"Pagereel could not read the bucket \((.+)\)\.", re.DOTALL)
# If the start was seen this much later than the first slice, it is moved back to the slice.
SEEN_LATE_SECONDS = 10
BLANK = ("black", "white", "blank")


def looked(draft: Draft, look: Looked) -> None:
    recording, watch = draft.recording, draft.recording.watch
    newest = max((at for at in (watch.last_slice_at, look.last_slice_at) if at is not None), default=None)
    draft.set(
        watch=Watch(
            next_list_at=draft.now + watch_period(recording, watch.slices + look.slices),
            after_key=look.after_key,
            slices=watch.slices + look.slices,
            size_bytes=watch.size_bytes + look.size_bytes,
            last_slice_at=newest,
            listed_at=draft.now,
            sampled_at=watch.sampled_at if look.picture is None else look.last_slice_at,
        )
    )
    draft.attended("storage_unreachable", *(("storage_refused",) if look.slices else ()))
    for number, sid in look.sids.items():
        sid_found(draft, number, sid, "bucket")
    attempt = draft.attempt
    if attempt is not None and attempt.may_be_alive and attempt.sid is None:
        draft.set_attempt(next_query_at=draft.now + find_wait(recording, draft.now))
        _never_took_effect(draft, attempt)
    if attempt is not None and attempt.may_be_alive and attempt.lost:
        _look_after_lost(draft, attempt, ended=look.ended)
    if look.began_at is not None:
        lived(draft, look.began_at, "bucket", recorded=True)
    _records_since(draft, look.first_at)
    _judge_progress(draft)
    _judge_picture(draft, look)


def _records_since(draft: Draft, first_at: float | None) -> None:
    """Move the start back to the first slice for an adopted task, and for a task that Agora did not find at first or
    that was seen late. A length that counted from a later time then counts from the first slice."""
    attempt = draft.attempt
    if attempt is None or first_at is None:
        return
    known = attempt.recording_at
    if draft.recording.page != ADOPTED:
        sent_at = attempt.start_sent_at  # an older slice belongs to an earlier task
        late = known is not None and known - first_at >= SEEN_LATE_SECONDS
        if late and sent_at is not None and first_at >= sent_at:
            draft.set_attempt(recording_at=first_at, started_at=min(attempt.started_at or first_at, first_at))
            draft.bring_end_forward(first_at)
        return
    if known is None and attempt.state is not AttemptState.ENDED:
        return  # Agora's answer sets the state `recording`
    draft.set_attempt(recording_at=min(max(first_at, attempt.started_at or first_at), known or draft.now))


def _judge_picture(draft: Draft, look: Looked) -> None:
    """Set the attention for a blank or silent page while someone can still fix it. This never changes the verdict."""
    if look.picture is None:
        return
    if look.picture in BLANK:
        draft.warn("picture_blank", picture=look.picture)
        draft.attend("picture_blank", f"the picture of the newest slice is {look.picture}")
    elif look.picture == "error_page":
        draft.warn("picture_error_page", picture=look.picture)
        draft.attend("picture_error_page", "the newest slice shows a browser error page instead of the page")
    elif look.picture == "fine":
        draft.attended("picture_blank", "picture_error_page")
    if look.silent is None or draft.recording.sound is False:
        return
    if not look.silent:
        draft.attended("sound_silent")
        return
    draft.warn("sound_silent")
    if look.picture == "fine":
        draft.attend("sound_silent", "the newest slice contains no sound")


def _never_took_effect(draft: Draft, attempt: Attempt) -> None:
    """End an attempt whose repeated start was refused, if no file appeared within a failover window."""
    window = draft.recording.policy.failover_window_seconds
    if attempt.refused_at is not None and draft.now >= attempt.refused_at + window:
        draft.end_attempt(draft.recording.end_reason or EndReason.REFUSED, "refused", draft.now, nothing=True)


def _look_after_lost(draft: Draft, attempt: Attempt, *, ended: bool) -> None:
    """End a lost task when its playlist is complete, because Agora cannot be queried for it. The last slice marks the
    end."""
    last = draft.recording.watch.last_slice_at
    if ended:
        draft.set_attempt(missing_since_at=draft.now if last is None else max(last, attempt.started_at or last))
        believe_end(draft, "playlist_ended")
    else:
        draft.set_attempt(next_query_at=draft.now + watch_period(draft.recording, FIRST_SLICES))


def _judge_progress(draft: Draft) -> None:
    """Set the `stalled` attention if no slice has arrived for `stalled_seconds` while recording. Only listings show
    this, so the attention can be up to a watch period late."""
    recording, attempt = draft.recording, draft.attempt
    if recording.state is not State.RECORDING or attempt is None or attempt.onhold or recording.pause_wished:
        return
    resumed = recording.pauses[-1].to_at if recording.pauses else None
    known = [recording.watch.last_slice_at, attempt.recording_at, resumed]
    since = max(at for at in known if at is not None) if any(at is not None for at in known) else draft.now
    if draft.now - since > recording.policy.stalled_seconds:
        draft.warn("stalled", seconds=round(draft.now - since))
        draft.attend("stalled", f"no new slice has arrived since {clock(since)}")
    else:
        draft.attended("stalled")


def look_failed(draft: Draft, failed: LookFailed) -> None:
    watch = draft.recording.watch
    next_try_at = draft.now + watch_period(draft.recording, FIRST_SLICES)
    since_at = draft.now if watch.unreachable_since_at is None else watch.unreachable_since_at
    told = _told_unreachable(failed.code, failed.detail)
    draft.set(watch=replace(watch, next_list_at=next_try_at, unreachable_since_at=since_at, unreachable=told))
    attempt = draft.attempt
    if attempt is not None and attempt.may_be_alive and (attempt.sid is None or attempt.lost):
        draft.set_attempt(next_query_at=draft.now + find_wait(draft.recording, draft.now))
    draft.attend("storage_unreachable", told, next_try_at)


def look_held_up(draft: Draft, held: LookHeldUp) -> None:
    """Set the attention immediately but without a history entry, because most buckets answer again before the
    verification stops retrying."""
    waits, state = draft.recording.attention, draft.recording.state
    if state not in LOOKED_AT and not state.terminal:
        return
    if not held.code:
        if waits is not None and waits.code == "storage_unreachable":
            draft.set(attention=None)
        return
    if waits is None or waits.code in ("storage_unreachable", "verification_incomplete"):
        since_at = draft.now if waits is None or waits.code != "storage_unreachable" else waits.since_at
        told = _told_unreachable(held.code, held.detail)
        draft.set(attention=Attention("storage_unreachable", told, since_at))


def judged(draft: Draft, judged: Judged) -> None:
    report, before = judged.report, draft.recording
    if before.state.terminal:
        draft.attended("storage_unreachable")
    number = before.reports + 1
    draft.set(
        reports=number,
        look_wished=False,
        look_level=None,
        latest_report=ReportSummary(
            number=number,
            verdict=report.verdict,
            level=report.level,
            judged_at=report.judged_at,
            warnings=report.warnings,
            findings=_first_findings(report),
            findings_count=len(report.findings),
            coverage=report.coverage,
            wanted_level=report.wanted_level,
            rules_version=rules_of(report),
        ),
        watch=_counted(before, report),
        **_warned(before, report),
    )
    _show_until(draft, report)
    draft.note("judged", report=number, verdict=report.verdict, findings=len(report.findings), **_levels(report))
    for attempt in before.attempts:
        _wrote_after_its_end(draft, attempt, report)
    if before.state.terminal:
        _note_change(draft, before, judged)
    elif draft.recording.state in LOOKED_AT:
        _conclude(draft, report)


def _show_until(draft: Draft, report: Report) -> None:
    """For ends that were not reported, record how long the files show that tasks ran, because notices may name missing
    files. For an adopted task, also record when it began."""
    for attempt in draft.recording.attempts:
        if attempt.ended_proof in ENDS_FOUND:
            own = (file for file in report.files if file.key.startswith(attempt.prefix) and file.starts_at is not None)
            ends = [(file.starts_at or 0) + (file.duration_seconds or 0) for file in own]
            if ends:
                draft.set_attempt(attempt.number, shown_until=max(attempt.shown_until or 0, *ends))
    slices = (file.starts_at for file in report.files if file.listed and file.kind is FileKind.SLICE)
    _records_since(draft, min((at for at in slices if at is not None), default=None))


def _wrote_after_its_end(draft: Draft, attempt: Attempt, report: Report) -> None:
    """Query Agora if a slice begins after an end that is inferred from a 404 alone. If the difference exceeds any clock
    skew, stop the recorder at once."""
    ended_at, sid = attempt.ended_at, attempt.sid
    if ended_at is None or sid is None or attempt.state is not AttemptState.ENDED or attempt.ended_proof != "404":
        return
    if draft.now >= task_end_at(draft.recording, attempt):
        return
    slices = (file for file in report.files if file.listed and file.kind is FileKind.SLICE)
    own = (file for file in slices if file.key.startswith(attempt.prefix) and sid in file.key.rpartition("/")[2])
    newest = max((file.starts_at for file in own if file.starts_at is not None), default=0.0)
    if newest >= ended_at + CLOCK_SLACK_SECONDS:
        draft.revive(attempt, sid)
    elif newest > ended_at:
        draft.set_attempt(attempt.number, next_query_at=draft.now)


def _warned(before: Recording, report: Report) -> dict[str, object]:
    """Return the warnings that remain after a report. A shallower verification cannot remove the warnings of a deeper
    one, but it replaces the errors of the report before. A verification that could not read the bucket changes
    nothing."""
    if report.verdict is Verdict.UNREACHABLE:
        return {}
    shown = {Severity.WARNING}
    if before.state is State.VERIFIED and report.verdict is not Verdict.VERIFIED:
        shown.add(Severity.ERROR)  # the state stays the same, so the errors must be shown here
    codes = tuple(dict.fromkeys(one.code for one in report.findings if one.severity in shown))
    deepest = before.warned_level
    if before.warned and deepest is not None and not report.level.reaches(deepest):
        earlier = () if before.latest_report is None else before.latest_report.findings
        errors = {one.code for one in earlier if one.severity is Severity.ERROR}
        kept = (code for code in before.warned if code not in errors)
        return {"warned": tuple(dict.fromkeys((*kept, *codes)))}
    return {"warned": codes, "warned_level": report.level}


def _levels(report: Report) -> dict[str, str]:
    """Return the level reached. If it is not the requested level, return that too."""
    below = report.wanted_level is not None and not report.level.reaches(report.wanted_level)
    return {"level": report.level, **({"wanted_level": str(report.wanted_level)} if below else {})}


def _first_findings(report: Report) -> tuple[Finding, ...]:
    """Return the most severe findings. `rules_changed` is always included, because callers must learn of it even if
    there are many other findings."""
    worst_first = sorted(report.findings, key=lambda finding: list(Severity).index(finding.severity))
    kept = worst_first[:KEPT_FINDINGS]
    left = [finding for finding in worst_first[KEPT_FINDINGS:] if finding.code == RULES_CHANGED]
    return (*kept[: KEPT_FINDINGS - len(left)], *left)


def _note_change(draft: Draft, before: Recording, judged: Judged) -> None:
    """Record a changed result in the history to notify callers, because a report of a finished recording changes no
    state."""
    report = judged.report
    touched = sum(int(one.evidence.get("more") or 1) for one in report.findings if one.code in TOUCHED)
    other_verdict = report.verdict not in (Verdict.UNREACHABLE, _known_verdict(before))
    other_rules = any(one.code == RULES_CHANGED for one in report.findings)
    if touched or other_verdict or other_rules:
        objects = {"objects": touched} if touched else {}
        because = {} if judged.because is None else {"because": judged.because}
        draft.note("changed", verdict=report.verdict, **objects, **because)


def _counted(recording: Recording, report: Report) -> Watch:
    """Return the totals of a complete verification, because no incremental listing follows the end."""
    if report.verdict is Verdict.UNREACHABLE or not (recording.state.terminal or recording.state in LOOKED_AT):
        return recording.watch
    slices = [file for file in report.files if file.listed and file.kind is FileKind.SLICE]
    newest = max(slices, key=lambda file: file.starts_at or 0, default=None)
    return replace(
        recording.watch,
        after_key=recording.watch.after_key if newest is None else newest.key,
        slices=len(slices),
        size_bytes=sum(file.size_bytes or 0 for file in report.files if file.listed),
        last_slice_at=recording.watch.last_slice_at if newest is None else newest.modified_at,
        listed_at=report.judged_at,
        unreachable_since_at=None,
        unreachable="",
    )


def _known_verdict(recording: Recording) -> str:
    """Return the last verdict that callers received. A verification that could not read the bucket produces no
    verdict."""
    latest = recording.latest_report
    known = latest is not None and latest.verdict is not Verdict.UNREACHABLE
    return latest.verdict.value if latest is not None and known else recording.state.value


def _told_unreachable(code: str, detail: str | None) -> str:
    """Return the text of the attention, preceded by the bucket's code if it is more specific than the attention's."""
    words = [code, detail] if code != "storage_unreachable" else [detail or code]
    return ": ".join(filter(None, words))


def _reason(finding: Finding) -> str:
    """Return the reason in a finding about an unreadable bucket, without the words that the attention already
    contains."""
    inner = _UNREAD.fullmatch(finding.text)
    return finding.text.removesuffix(".") if inner is None else inner[1]


def _attend_unread(draft: Draft, report: Report) -> None:
    """Set the attention for a bucket, or an object in it, that cannot be read."""
    first = next((one for one in report.findings if one.severity is Severity.ERROR), None)
    code = "storage_unreachable" if first is None else first.code
    next_try_at = draft.recording.next_look_at
    if code in BLIND:
        told = _told_unreachable(code, "" if first is None else _reason(first))
        draft.attend("storage_unreachable", told, next_try_at)
    else:
        draft.attend("verification_incomplete", code, next_try_at)


def _conclude(draft: Draft, report: Report) -> None:
    """Set the state that follows from a report. The state `incomplete` never returns to `verifying`, so callers are
    notified only once."""
    over = draft.recording.give_up_at is not None and draft.now >= draft.recording.give_up_at
    if draft.recording.state is State.UPLOADING:
        draft.enter(State.VERIFYING)
    if report.verdict is Verdict.UNREACHABLE:
        draft.look_again()
        _attend_unread(draft, report)
        if over:
            draft.enter(State.UNPROVEN)
        return
    draft.attended()
    if report.verdict is Verdict.VERIFIED:
        # An empty playlist is valid, and an expected length of zero means that nothing is missing, but no media exists.
        media = any(file.listed and file.kind in (FileKind.SLICE, FileKind.MP4) for file in report.files)
        draft.enter(State.VERIFIED if media else draft.nothing_recorded())
    elif _nothing_was_recorded(draft.recording, report, over):
        draft.enter(draft.nothing_recorded())
    elif report.verdict is Verdict.DEFECTIVE or over:
        draft.enter(State.DEFECTIVE)
    else:
        draft.enter(State.INCOMPLETE)
        draft.look_again()


def _nothing_was_recorded(recording: Recording, report: Report, over: bool) -> bool:
    """Return whether nothing was recorded. This requires an empty bucket. In addition, either no evidence shows that
    slices were due, or the recording ended before any were expected and none can still arrive."""
    if any(file.listed for file in report.files):
        return False
    if recording.window_from_at is None or not any(attempt.recording_at is not None for attempt in recording.attempts):
        return True
    none_wanted = report.coverage is not None and report.coverage.expected_seconds == 0
    none_made = recording.attempts[-1].ended_proof == "no_recorded_data"
    return none_wanted and (none_made or over)
