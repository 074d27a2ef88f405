"""Every end has its sentence, and what nobody knows is said to be unknown."""

import ast
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from emulator.faults.model import Fault, kinds
from metrics import recordings
from service.explain import UNKNOWN, Certainty, explain
from service.explain.waits import NOT_MADE
from service.explain.warned import ABOUT_THE_PAGE, ADVICE, advice_of
from service.lifecycle import apply
from service.lifecycle.observations import Acquire, CallFailed, Failure, PageTried
from service.lifecycle.reasons import OUR_FAILURES
from service.media.findings import RULES
from service.recording import BLAME, AttemptState, Attention, Blame, EndReason, Recording, State, Watch
from service.report import Coverage, Finding, Interval, Level, MissingClass, ReportSummary, Severity, Verdict
from service.wording import clock
from tests.database.samples import attempt, recording

ROOT = Path(__file__).parents[2]
LATER = 2000.0
PAGE_DIED = {"end_reason": EndReason.PAGE_UNREACHABLE}


@dataclass(frozen=True)
class Line:
    kind: str
    at: float = 1500.0
    source: str = "notice"
    detail: dict[str, Any] = field(default_factory=dict)


def judged(state: State, *codes: str, **more: Any) -> Recording:
    verdict = Verdict.VERIFIED if state is State.VERIFIED else Verdict.DEFECTIVE
    findings = tuple(Finding(code, Severity.ERROR, f"{code} it is.") for code in codes)
    report = ReportSummary(1, verdict, Level.LISTING, LATER, 0, findings, len(findings), None)
    given = {"end_reason": EndReason.STOPPED, "blame": Blame.CALLER} | more
    return replace(recording(), state=state, latest_report=report, **given)


@pytest.mark.parametrize("reason", [reason for reason in EndReason if reason is not EndReason.ENDED_BY_ITSELF])
def test_every_reason_for_which_nothing_was_recorded_is_named_with_its_blame(reason: EndReason) -> None:
    failed = replace(recording(), state=State.FAILED, end_reason=reason, blame=BLAME[reason])
    told = explain(failed, [Line("notice_web_recorder_stopped", detail={"code": 5})])
    assert (told.cause, told.blame) == (reason, BLAME[reason])
    assert told.summary.endswith(".")
    assert told.advice[-1] in ".?"
    assert told.proof[0].text == "Agora's event 71 gives the reason for the end (code 5)"


def test_a_recording_of_an_asked_length_stopped_after_it_and_nobody_is_blamed() -> None:
    ended = {"end_reason": EndReason.STOP_AT, "record_for_seconds": 2700.0, "recorded_from_at": 1010.0}
    told = explain(judged(State.VERIFIED, **ended, stop_at=3710.0), [])
    assert told.summary.endswith(" It stopped after the length that you asked for (45 min).")
    assert told.blame is None
    changed = explain(judged(State.VERIFIED, **ended, stop_at=2000.0), [])
    assert changed.summary.endswith(" It ended because it reached its stop time (`stop_at`)."), "a caller changed it"


def test_a_reason_that_only_fits_is_not_called_certain() -> None:
    failed = replace(recording(), state=State.FAILED, end_reason=EndReason.PAGE_UNREACHABLE, blame=Blame.PAGE)
    assert explain(failed, []).certainty is Certainty.LIKELY
    told = Line("notice_web_recorder_stopped", detail={"code": 5})
    assert explain(failed, [told]).certainty is Certainty.CERTAIN
    assert explain(failed, [Line("notice_web_recorder_stopped", detail={"code": 0})]).certainty is Certainty.LIKELY
    alone = explain(replace(failed, end_reason=EndReason.ENDED_BY_ITSELF), [told])
    assert (alone.cause, alone.certainty, alone.blame) == (UNKNOWN, Certainty.UNKNOWN, None)
    assert "without a known reason" in alone.summary


@pytest.mark.parametrize(
    ("codes", "kinds", "more", "cause", "certainty"),
    [
        (("ended_early",), ("notice_web_recorder_stopped",), PAGE_DIED, "page_unreachable", "certain"),
        (("ended_early",), (), {"end_reason": EndReason.ENDED_BY_ITSELF}, "unknown", "unknown"),
        (("slice_missing",), ("notice_uploaded",), {}, "slice_missing", "likely"),
        (("slice_missing",), ("notice_backuped",), {}, "backup_upload", "certain"),
        (("slice_missing",), (), {}, "slice_missing", "likely"),
        (("slice_missing", "playlist_absent"), (), {}, "unknown", "unknown"),
        (("playlist_absent",), (), {}, "unknown", "unknown"),
        (("no_objects",), ("notice_error",), {"warnings": ("upload_error",)}, "storage_refused", "certain"),
        (("failover",), ("notice_session_failover",), {}, "failover", "certain"),
        (("gap",), ("notice_session_failover",), {}, "failover", "likely"),
        (("gap",), ("notice_web_recorder_reload",), {}, "page_reloaded", "likely"),
        (("gap",), (), {}, "unknown", "unknown"),
        (("restart",), ("restart",), {}, "restart", "certain"),
        (("late_start",), ("call_failed",), {}, "late_start", "likely"),
        (("damaged",), (), {}, "damaged", "certain"),
        (("slice_truncated",), (), {}, "slice_truncated", "certain"),
    ],
)  # fmt: skip
def test_findings_lead_to_the_cause_behind_them(
    codes: tuple[str, ...], kinds: tuple[str, ...], more: dict[str, Any], cause: str, certainty: str
) -> None:
    told = explain(judged(State.DEFECTIVE, *codes, **more), [Line(kind, detail={"code": 5}) for kind in kinds])
    assert (told.cause, told.certainty) == (cause, certainty)
    assert {proof.text for proof in told.proof} >= {f"{code}: {code} it is." for code in codes}
    assert {proof.source for proof in told.proof} == {"bucket"} | ({"notice"} if kinds else set())


@pytest.mark.parametrize("state", [State.VERIFIED, State.DEFECTIVE])
def test_that_other_rules_judge_the_same_objects_is_said_of_every_verdict(state: State) -> None:
    told = explain(judged(state, "rules_changed"), [Line("judged")])
    assert told.summary.endswith(" rules_changed it is.")
    assert told.proof[-1].text == "rules_changed: rules_changed it is."


def test_a_start_that_pagereel_took_late_is_not_said_to_be_agoras_doing() -> None:
    late = Line("warning", detail={"code": "start_late", "late_seconds": 65.0, "because": "not_running"})
    told = explain(judged(State.DEFECTIVE, "late_start"), [late, Line("call_failed", detail={"code": 5})])
    assert (told.cause, told.certainty, told.blame) == ("start_late", "certain", Blame.US)
    assert "Pagereel took its start 1 min 5 s late, because the service was not running" in told.summary


def test_files_that_may_still_come_are_waited_for() -> None:
    told = explain(judged(State.INCOMPLETE, "slice_missing"), [])
    assert (told.cause, told.advice.split(":")[0]) == (UNKNOWN, "Wait")


@pytest.mark.parametrize(
    ("ended_at", "newest_at", "covered", "cause"),
    [(96.0, 95.0, 60.0, UNKNOWN), (96.0, 95.0, 97.0, "fine"), (99.0, 95.0, 60.0, "fine"), (96.0, 99.0, 60.0, "fine")],
)
def test_a_task_that_was_over_before_its_stop_is_not_said_to_have_been_stopped(
    ended_at: float, newest_at: float, covered: float, cause: str
) -> None:
    """Some seconds at the edges are borne by the verdict, and the wish to stop came before the end was believed."""
    coverage = Coverage(Interval(0, 100), 100, covered, 0, 0, 0, 5, covered / 100)
    watch = Watch(slices=4, last_slice_at=newest_at)
    verified = judged(State.VERIFIED, ended_at=ended_at, stop_wished_at=98.0, watch=watch)
    assert verified.latest_report is not None
    verified = replace(verified, latest_report=replace(verified.latest_report, coverage=coverage))
    told = explain(verified, [Line("judged")])
    assert told.cause == cause
    assert ("2 s before the stop" in told.summary) is (cause == UNKNOWN)


@pytest.mark.parametrize(
    ("paused", "said"), [(60.0, "it was on hold for the whole wanted window (1 min)"), (0.0, "the window is empty")]
)
def test_a_recording_of_which_no_time_was_wanted_holds_no_share_of_it(paused: float, said: str) -> None:
    none = Coverage(Interval(0, paused), 0, 0, paused, 0, 0, 5, None)
    verified = judged(State.VERIFIED)
    assert verified.latest_report is not None
    told = explain(replace(verified, latest_report=replace(verified.latest_report, coverage=none)), [Line("judged")])
    assert "%" not in told.summary
    assert f"No time was wanted: {said}" in told.summary.replace("the wanted window is", "the window is")


def test_what_agora_told_at_another_time_does_not_explain_a_hole() -> None:
    hole = Finding("gap", Severity.ERROR, "A hole.", interval=Interval(1600.0, 1610.0))
    defective = judged(State.DEFECTIVE)
    assert defective.latest_report is not None
    defective = replace(defective, latest_report=replace(defective.latest_report, findings=(hole,)))
    for at, cause in ((1605.0, "page_reloaded"), (1500.0, UNKNOWN), (1700.0, UNKNOWN)):
        assert explain(defective, [Line("notice_web_recorder_reload", at)]).cause == cause


def test_no_rule_knows_a_word_of_the_emulators_faults() -> None:
    """What is a word of the service or of Agora's too is public; the rest would be a rule made for the test."""
    public = {*EndReason, *MissingClass, *RULES, *recordings.WARNINGS, "code"}
    words = {*kinds(), *Fault.model_fields} - public
    for path in sorted((ROOT / "service/explain").glob("*.py")):
        compared = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not compared & words, path.name


def test_what_nobody_knows_is_said_to_be_unknown() -> None:
    told = explain(judged(State.DEFECTIVE), [])
    assert (told.cause, told.certainty, told.blame) == (UNKNOWN, Certainty.UNKNOWN, None)
    assert explain(replace(recording(), state=State.FAILED), []).cause == UNKNOWN


def test_what_is_well_and_what_waits_is_said_too() -> None:
    assert explain(judged(State.VERIFIED), [Line("judged")]).cause == "fine"
    assert explain(replace(recording(), state=State.RECORDING), []).cause == "under_way"
    held = replace(recording(), state=State.RECORDING, attempts=(attempt(1, "test-1", 7, onhold=True),))
    told = explain(held, [Line("paused", source="agora")])
    assert (told.cause, told.advice) == ("under_way", "Resume it, or stop it.")
    waiting = Attention("agora_unavailable", "query: timeout", 1700.0, None)
    told = explain(replace(recording(), state=State.RECORDING, attention=waiting), [])
    assert (told.cause, told.proof[0].at) == ("agora_unavailable", 1700.0)
    assert "got no answer (query: timeout)." in told.summary
    assert "Pagereel retries" in told.advice
    unproven = explain(judged(State.UNPROVEN, "storage_refused"), [])
    assert (unproven.cause, unproven.blame) == ("storage_refused", Blame.STORAGE)
    cancelled = replace(recording(), state=State.CANCELLED, end_reason=EndReason.STOPPED)
    assert explain(cancelled, [Line("stop_requested", source="caller")]).proof[0].source == "caller"


ONE = attempt(1, "test-1", 7)
UNHEARD = {
    "agora": Attention("agora_unavailable", "stop: timeout", 1650.0, 1710.0),
    "ours": Attention("call_not_made", "stop: budget", 1650.0, 1710.0),
}


@pytest.mark.parametrize(
    "more",
    [{"stop_wished_at": 1600.0}, {"stop_at": 1600.0, "stop_wished_at": 1700.0}, {"stop_at": 9000.0}, {}],
    ids=["wish", "time", "sooner", "limit"],
)
@pytest.mark.parametrize("waiting", UNHEARD.values(), ids=UNHEARD)
def test_a_stop_that_agora_does_not_hear_is_said_to_be_overdue_and_billed(
    waiting: Attention, more: dict[str, float]
) -> None:
    """`state_since_at` is when it was to be stopped, where no instant before it was named."""
    since = 1600.0 if more.get("stop_at", 0) < 9000 and more else 1620.0
    runs = replace(recording(), state=State.STOPPING, state_since_at=1620.0, attempts=(ONE,), **more)
    told = explain(replace(runs, attention=waiting), [])
    assert f"Its stop is due since {clock(since)}, and Agora has not accepted it: the recorder may still run" in (
        told.summary
    )
    assert "Agora bills that time" in told.summary


def test_a_stop_that_is_not_due_or_that_agora_took_is_not_said_to_be_overdue() -> None:
    waiting = Attention("agora_unavailable", "query: timeout", 1700.0, None)
    running = replace(recording(), state=State.RECORDING, stop_at=9000.0, attempts=(ONE,), attention=waiting)
    taken = replace(running, state=State.STOPPING, attempts=(replace(ONE, stop_accepted_at=1690.0),))
    listed = replace(running, state=State.STOPPING, attention=replace(waiting, code="storage_unreachable"))
    for each in (running, taken, listed):
        assert "due since" not in explain(each, []).summary


@pytest.mark.parametrize("code", sorted(OUR_FAILURES))
def test_what_pagereel_lacks_is_not_laid_at_agoras_door(code: str) -> None:
    planned = attempt(1, "test-1", 7, state=AttemptState.PLANNED)
    asked = replace(recording(), state=State.STARTING, attempts=(planned,))
    away = apply(asked, CallFailed(Acquire(new=False), Failure.UNAVAILABLE, code), 1700.0).recording
    told = explain(away, [])
    assert (told.cause, told.blame) == ("call_not_made", Blame.US)
    lacking, advice = NOT_MADE[code]
    assert f"Pagereel could not make a call to Agora (acquire: {code}), because {lacking}." in told.summary
    assert told.advice == advice
    late = replace(away, state=State.FAILED, end_reason=EndReason.MISSED, blame=Blame.US, attention=None)
    told = explain(late, [])
    assert (told.cause, told.blame, told.advice) == ("missed", Blame.US, advice)
    assert told.summary == f"Nothing was recorded because Pagereel could not start it in time, because {lacking}."


def test_a_planned_recording_whose_page_no_key_opens_says_so_and_what_to_put_back() -> None:
    planned = replace(recording(), start_at=9000.0)
    lacking = apply(planned, PageTried(readable=False), 1700.0).recording
    told = explain(lacking, [])
    assert (told.cause, told.blame) == ("page_not_readable", Blame.US)
    assert told.summary == (
        "It is requested and needs attention: no sealing key of the settings opens the URL of its page, so it cannot "
        "start. Pagereel tries again at 1970-01-01 02:30:00 UTC."
    )
    assert told.advice.startswith("Put the key that sealed it back as the second one of `database.sealing_keys`")
    assert explain(apply(lacking, PageTried(readable=True), 1800.0).recording, []).cause == "under_way"


def test_a_start_that_failed_for_its_page_keeps_saying_so() -> None:
    planned = attempt(1, "test-1", 7, state=AttemptState.PLANNED)
    asked = replace(recording(), state=State.STARTING, attempts=(planned,))
    away = apply(asked, CallFailed(Acquire(new=False), Failure.UNAVAILABLE, "page_not_readable"), 1700.0).recording
    for readable in (False, True):
        assert apply(away, PageTried(readable), 1800.0).recording is away
    running = replace(
        recording(), state=State.STARTING, attempts=(attempt(1, "test-1", 7, state=AttemptState.RUNNING),)
    )
    assert apply(running, PageTried(readable=False), 1700.0).recording is running


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("agora_unavailable", "query: unauthorized"),  # as an earlier version stored it
        ("agora_credentials_refused", "query: unauthorized"),
        ("stop_refused", "stop: unauthorized"),
        ("refused", "unauthorized: HTTP 401: Unauthorized"),
        ("credentials_not_refreshed", "unauthorized"),
    ],
)
def test_refused_credentials_lead_to_their_own_section_whatever_waits(code: str, detail: str) -> None:
    """With "nothing at first" somebody waits while nothing can be stopped, and everything that runs is billed."""
    waiting = Attention(code, detail, 1700.0, None)
    told = explain(replace(recording(), state=State.RECORDING, attention=waiting), [])
    assert told.advice.startswith("Act now: Agora refuses the customer ID or its secret")
    assert told.advice.endswith("docs/operations.md#agora-refuses-the-credentials.")


def test_a_start_that_failed_for_the_credentials_leads_to_their_section() -> None:
    planned = attempt(1, "test-1", 7, state=AttemptState.PLANNED)
    asked = replace(recording(), state=State.STARTING, attempts=(planned,))
    words = "HTTP 401: Invalid authentication credentials"
    failed = apply(asked, CallFailed(Acquire(new=False), Failure.REFUSED, "unauthorized", words), 1700.0).recording
    told = explain(failed, [])
    assert (failed.state, told.cause) == (State.FAILED, "refused")
    assert f"Agora refused to start it: unauthorized: {words}." in told.summary
    assert told.advice.startswith("Act now: Agora refuses the customer ID or its secret")
    other = apply(asked, CallFailed(Acquire(new=False), Failure.REFUSED, "invalid_app", "HTTP 400"), 1700.0).recording
    assert explain(other, []).advice.startswith("Read Agora's refusal.")


def warned(*codes: str) -> Recording:
    findings = tuple(Finding(code, Severity.WARNING, f"{code} it is.") for code in codes)
    made = judged(State.VERIFIED)
    assert made.latest_report is not None
    return replace(made, warned=codes, latest_report=replace(made.latest_report, findings=findings))


def test_what_is_verified_with_warnings_is_not_called_fine_and_says_what_to_do_about_each() -> None:
    told = explain(warned("picture_blank", "sound_silent"), [])
    assert (told.cause, told.certainty) == ("warned", Certainty.CERTAIN)
    assert told.summary.endswith("It is verified with warnings: picture_blank, sound_silent.")
    assert ADVICE["picture_blank"] in told.advice
    assert ADVICE["sound_silent"] in told.advice
    assert "`pagereel-emulator check-page URL`" in told.advice
    assert {proof.text for proof in told.proof} == {
        "picture_blank: picture_blank it is.",
        "sound_silent: sound_silent it is.",
    }
    assert "check-page" not in explain(warned("playlist_form"), []).advice
    assert explain(warned(), []).cause == "fine"


def test_what_was_verified_and_is_gone_is_not_called_fine() -> None:
    gone = Finding("object_vanished", Severity.ERROR, "x.ts was in the bucket when the recording was verified.")
    made = warned("object_vanished")
    assert made.latest_report is not None
    lost = replace(made.latest_report, verdict=Verdict.DEFECTIVE, findings=(gone,))
    told = explain(replace(made, latest_report=lost), [])
    assert told.cause == "object_vanished"
    assert "found it defective" in told.summary
    assert "Objects in the bucket are gone or have changed since it was verified." in told.summary
    assert "restore the objects" in told.advice
    assert told.proof
    unread = replace(made.latest_report, verdict=Verdict.UNREACHABLE)
    assert explain(replace(made, warned=(), latest_report=unread), []).cause == "fine"


def test_every_finding_that_may_be_a_warning_has_its_advice() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (ROOT / "docs/verification.md").read_text(), re.MULTILINE)
    documented = {code for code, weight in rows if code in RULES and "warning" in weight}
    assert len(documented) > 40
    assert set(ADVICE) == documented
    assert all(advice[-1] == "." for advice in ADVICE.values())
    assert set(ADVICE) >= ABOUT_THE_PAGE


def test_an_incomplete_recording_says_when_it_is_verified_next_and_until_when() -> None:
    waits = replace(judged(State.INCOMPLETE, "slice_missing"), next_look_at=90.0, give_up_at=86400.0)
    told = explain(waits, [])
    assert "verifies it again at 1970-01-01 00:01:30 UTC, and gives up at 1970-01-02 00:00:00 UTC." in told.summary
    assert "verifies it again" not in explain(replace(waits, state=State.DEFECTIVE), []).summary


@pytest.mark.parametrize("state", [State.UPLOADING, State.VERIFYING])
def test_while_files_are_awaited_the_last_and_the_next_listing_of_the_bucket_are_told(state: State) -> None:
    waits = replace(recording(), state=state, next_look_at=90.0, give_up_at=86400.0)
    never = f"It is {state}; no problems so far. The bucket has not been listed yet; the next listing is due at "
    assert explain(waits, []).summary == f"{never}1970-01-01 00:01:30 UTC."
    seen = replace(waits, watch=Watch(listed_at=60.0))
    last = "The bucket was last listed at 1970-01-01 00:01:00 UTC; the next listing is due at 1970-01-01 00:01:30 UTC."
    assert explain(seen, []).summary.endswith(last)
    wished = explain(replace(seen, look_wished=True), []).summary
    assert wished.endswith("00:01:00 UTC; a caller asked for a new listing, and it is due now.")


@pytest.mark.parametrize("code", ["sound_silent", "audio_absent"])
def test_the_advice_about_silence_says_that_check_page_does_not_listen(code: str) -> None:
    advice = advice_of([code])
    assert "check-page" in advice
    assert "hears" not in advice
    assert "It does not listen." in advice


def test_the_advice_about_silence_names_the_option_of_the_command() -> None:
    assert "--no-sound" in advice_of(["sound_silent"])
