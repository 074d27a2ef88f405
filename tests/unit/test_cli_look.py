"""`pagereel look` waits for its own result, and never gives an older one for it; `pagereel list` between two times."""

import json
from typing import Any

import pytest
from cli_rig import ID, REPORT, recording, serving

PATH = f"/v1/recordings/{ID}"
BLIND = {"code": "storage_refused", "severity": "error", "object": None, "text": "the bucket refuses: AccessDenied."}
SHORT = {"code": "slice_missing", "severity": "error", "object": None, "text": "a slice is missing"}
OLD = REPORT | {"number": 1, "judged_at": "2026-11-28T10:00:00.000Z"}


def answers(before: dict[str, Any] | None, after: dict[str, Any] | None, state: str = "verified") -> dict[str, Any]:
    return {
        f"POST {PATH}/verify": (202, recording(state=state, latest_report=before)),
        f"GET {PATH}": (200, recording(state=state, latest_report=after)),
    }


@pytest.mark.parametrize("before", [None, OLD], ids=["the first look", "a later look"])
@pytest.mark.parametrize(
    ("after", "status", "said"),
    [
        (REPORT, 0, f"{ID}: verified at level content, looked at 2026-11-29T02:20:00.000Z\n"),
        (REPORT | {"verdict": "defective", "findings": [SHORT]}, 1, "slice_missing · the recording is verified\n"),
        (REPORT | {"verdict": "unreachable", "findings": [BLIND]}, 2, "could not look: the bucket refuses: AccessDen"),
    ],
    ids=["verified", "defective", "unreachable"],
)
def test_the_exit_status_is_that_of_the_new_look(before: Any, after: dict[str, Any], status: int, said: str) -> None:
    with serving(answers(before, after)) as service:
        done = service.typed("look", ID)
        as_json = service.typed("look", ID, "--json")
    assert (done.exit_code, as_json.exit_code) == (status, status)
    assert said in done.stdout
    assert json.loads(as_json.stdout)["latest_report"]["number"] == 2


def test_a_look_that_saw_nothing_names_the_older_verdict_as_older() -> None:
    with serving(answers(OLD, REPORT | {"verdict": "unreachable", "findings": [BLIND]})) as service:
        done = service.typed("look", ID)
    assert "It stays verified. The verdict before that, of 2026-11-28T10:00:00.000Z: verified." in done.stdout


def test_a_look_asks_for_the_level_that_was_typed_and_for_none_otherwise() -> None:
    with serving(answers(OLD, REPORT)) as service:
        assert service.typed("look", ID, "--level", "bytes").exit_code == 0
        assert service.typed("look", ID).exit_code == 0
        wrong = service.typed("look", ID, "--level", "deep")
    assert [query for method, _, query, _ in service.asked if method == "POST"] == [{"level": ["bytes"]}, {}]
    assert wrong.exit_code == 2
    assert "'listing', 'structure', 'content', 'bytes', 'full'" in " ".join(wrong.stderr.split())


@pytest.mark.parametrize("known", [None, OLD], ids=["no verdict", "an older verdict"])
def test_an_older_verdict_is_no_result(known: dict[str, Any] | None) -> None:
    with serving(answers(known, known)) as service:
        done = service.typed("look", ID, "--wait-for", "0.2s")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{ID}: no result after" in done.stderr
    assert f"pagereel show {ID}" in done.stderr


def test_a_look_says_that_the_bucket_does_not_answer_while_it_waits() -> None:
    away = {"code": "storage_unreachable", "detail": "timeout", "since_at": "A", "next_try_at": None}
    shown = {**recording(state="incomplete", latest_report=OLD), "attention": away}
    with serving({**answers(OLD, OLD), f"GET {PATH}": (200, shown)}) as service:
        done = service.typed("look", ID, "--wait-for", "2.5s")
    assert done.exit_code == 2
    assert done.stderr.count("the bucket cannot be read (timeout); still waiting") == 1
    assert "no result after 2.5 s, since the bucket cannot be read (timeout); the verification goes on" in done.stderr


def test_a_look_that_ends_without_a_result_names_the_last_known_reason() -> None:
    unread = OLD | {"verdict": "unreachable", "findings": [BLIND]}
    waits = {"code": "verification_incomplete", "detail": "object_unread", "since_at": "A", "next_try_at": None}
    for known, attention, why in (
        (
            unread,
            None,
            "The look before, of 2026-11-28T10:00:00.000Z, could not read the bucket: the bucket refuses: Ac",
        ),
        (OLD, waits, "no result after 0.2 s (verification_incomplete: object_unread); the verification goes on"),
    ):
        shown = {**recording(state="incomplete", latest_report=known), "attention": attention}
        with serving({**answers(known, known), f"GET {PATH}": (200, shown)}) as service:
            done = service.typed("look", ID, "--wait-for", "0.2s")
        assert done.exit_code == 2
        assert why in done.stderr


def test_watching_that_ends_without_a_verdict_names_the_reason_of_the_attention() -> None:
    away = {"code": "storage_unreachable", "detail": "timeout", "since_at": "A", "next_try_at": "B"}
    shown = {**recording(state="verifying", latest_report=None), "attention": away}
    with serving({f"GET {PATH}": (200, shown)}) as service:
        done = service.typed("watch", ID, "--wait-for", "0.2s")
        full = service.typed("show", ID)
    assert "verifying · attention: storage_unreachable · reason: timeout" in done.stderr
    assert "storage_unreachable: timeout, since A, next try at B" in full.stdout


def test_a_list_is_bounded_by_the_times_that_are_given() -> None:
    with serving({"GET /v1/recordings": (200, {"items": [], "next": None})}) as service:
        words = ("list", "--from", "2026-11-30T01:00:00+01:00", "--to", "2026-11-30T12:00:00.5Z")
        assert service.typed(*words).exit_code == 0
        assert service.typed("list").exit_code == 0
    queries = [query for *_, query, _ in service.asked]
    assert (queries[0]["from"], queries[0]["to"]) == (["2026-11-30T00:00:00.000Z"], ["2026-11-30T12:00:00.500Z"])
    assert not {"from", "to"} & queries[1].keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "yesterday"), "'yesterday': write a time with its offset, for example 2026-"),
        (("--to", "2026-11-30T12:00:00"), "write a time with its offset"),
        (("--from", "0001-01-01T00:00:00+23:00"), "write a time with its offset"),
        (("--to", "9999-12-31T23:59:59-23:00"), "write a time with its offset"),
        (("--from", "2026-11-30T00:00:00Z", "--to", "2026-11-29T00:00:00Z"), "--from is later than --to"),
    ],
    ids=["a word", "no offset", "before all", "after all", "the wrong way round"],
)
def test_a_wrong_time_is_refused_before_the_service_is_asked(words: tuple[str, ...], said: str) -> None:
    with serving({}) as service:
        done = service.typed("list", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert service.asked == []
