"""Every status and code of agora-reference §1.6, the three shapes of §1.5, and what must not appear in an error."""

import pytest

from metrics.agora import Operation
from service.agora.refusals import Fault, TaskMissing, parse_fault, plain_words, refusal, unclear
from service.errors import Refused, Unavailable, UnknownOutcome

A, S, Q, U, E, N = (
    Operation.ACQUIRE,
    Operation.START,
    Operation.QUERY,
    Operation.UPDATE,
    Operation.STOP,
    Operation.NCS_IPS,
)

GENERAL = [
    (400, {"message": "appid is invalid"}, Refused, "invalid_app"),
    (401, {"message": "Unauthorized"}, Refused, "unauthorized"),
    (401, {"message": "Invalid authentication credentials"}, Refused, "unauthorized"),
    (403, {"message": "Forbidden"}, Refused, "forbidden"),
    (404, {"message": "no Route matched with those values"}, Refused, "no_route"),
    (429, {"message": "API rate limit exceeded"}, Unavailable, "rate_limited"),
]
TABLE = [
    (A, 400, 2, "Acquire: invalid resourceExpiredHour value!", Refused, "bad_parameter"),
    (A, 400, 400, "invalid_appid", Refused, "invalid_app"),
    (A, 400, 401, "invalid_channel_name", Refused, "invalid_cname"),
    (A, 400, 405, "no_active_status", Refused, "account_inactive"),
    (A, 400, 406, "vendor_over_load", Unavailable, "capacity"),
    (A, 400, 62, "", Refused, "not_enabled"),
    (A, 500, 62, "request timeout", Unavailable, "request_timeout"),
    (A, 206, 65, "request not completed", Unavailable, "not_completed"),
    (A, 500, 500, "internal_error", Unavailable, "internal_error"),
    (A, 500, 501, "no_worker_manager_available", Unavailable, "capacity"),
    (A, 500, 504, "allocate_timeout", Unavailable, "allocate_timeout"),
    (A, 400, 1013, "", Refused, "invalid_cname"),
    (A, 500, 15, "", UnknownOutcome, "server_error"),
    (S, 206, 65, "request not completed", UnknownOutcome, "not_completed"),
    (S, 400, 2, "x", Refused, "bad_parameter"),
    (S, 400, 8, "", Refused, "bad_request"),
    (S, 400, 53, "task conflict", Refused, "task_conflict"),
    (S, 400, 406, "vendor_over_load", Unavailable, "capacity"),
    (S, 500, 62, "request timeout", UnknownOutcome, "request_timeout"),
    (S, 504, 62, "request timeout", UnknownOutcome, "request_timeout"),
    (S, 500, 502, "Failed to allocate worker", Unavailable, "capacity"),
    (S, 400, 109, "", Refused, "bad_token"),
    (S, 400, 110, "", Refused, "bad_token"),
    (S, 400, 432, "", Refused, "resource_mismatch"),
    (S, 400, 433, "", Refused, "resource_expired"),
    (S, 400, 1001, "", Refused, "resource_expired"),
    (S, 400, 1003, "", Refused, "resource_mismatch"),
    (S, 400, 7777, "", Refused, "refused"),
    (S, 500, 15, "", UnknownOutcome, "server_error"),
    (S, 206, None, "", UnknownOutcome, "not_completed"),
    (Q, 206, 65, "request not completed", Unavailable, "not_completed"),
    (Q, 400, 2, "", Refused, "bad_parameter"),
    (Q, 404, 404, "failed to find worker", TaskMissing, "no_task"),
    (Q, 504, 62, "request timeout", Unavailable, "request_timeout"),
    (Q, 400, 501, "", Unavailable, "exiting"),
    (Q, 400, 433, "", Refused, "resource_expired"),
    (Q, 503, None, "", Unavailable, "server_error"),
    (U, 206, 65, "request not completed", UnknownOutcome, "not_completed"),
    (U, 400, 2, "", Refused, "bad_parameter"),
    (U, 400, 49, "invalid operation", Refused, "invalid_operation"),
    (U, 400, 1028, "", Refused, "bad_parameter"),
    (U, 404, 404, "failed to find worker", TaskMissing, "no_task"),
    (U, 504, 62, "request timeout", UnknownOutcome, "request_timeout"),
    (U, 502, None, "", UnknownOutcome, "server_error"),
    (U, 400, 501, "", Unavailable, "exiting"),
    (E, 206, 65, "request not completed", UnknownOutcome, "not_completed"),
    (E, 400, 2, "", Refused, "bad_parameter"),
    (E, 404, 404, "failed to find worker", TaskMissing, "no_task"),
    (E, 504, 62, "request timeout", UnknownOutcome, "request_timeout"),
    (E, 400, 501, "", Unavailable, "exiting"),
    (E, 400, 1001, "", Refused, "resource_expired"),
    (N, 500, None, "", Unavailable, "server_error"),
]


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize(("status", "body", "kind", "code"), GENERAL)
def test_gateway_answers_mean_the_same_for_every_operation(operation, status, body, kind, code):
    error = refusal(operation, status, parse_fault(body))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(("operation", "status", "number", "text", "kind", "code"), TABLE)
def test_a_documented_answer_has_its_error_and_its_stable_code(operation, status, number, text, kind, code):
    body = {"reason": text} if number is None else {"code": number, "reason": text}
    error = refusal(operation, status, parse_fault(body))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(("operation", "status", "number", "text", "kind", "code"), [row for row in TABLE if row[2]])
def test_the_long_form_means_what_the_short_form_means(operation, status, number, text, kind, code):
    body = {
        "cname": "c",
        "sid": "",
        "code": str(number),
        "serverResponse": {"command": "X", "payload": {"message": text}},
    }
    error = refusal(operation, status, parse_fault(body))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(
    ("operation", "status", "text", "code"),
    [
        (S, 400, "task conflict", "task_conflict"),
        (Q, 404, "failed to find worker", "no_task"),
        (A, 400, "vendor_over_load", "capacity"),
        (E, 504, "Request timeout", "request_timeout"),
    ],
)
def test_a_known_text_stands_in_for_a_missing_code(operation, status, text, code):
    assert refusal(operation, status, parse_fault({"message": text})).code == code


@pytest.mark.parametrize("operation", [Q, U, E])
def test_a_404_that_does_not_name_the_task_is_no_missing_task(operation):
    for fault in (None, Fault(None, "no Route matched with those values"), Fault(None, "")):
        assert not isinstance(refusal(operation, 404, fault), TaskMissing)


@pytest.mark.parametrize("status", [200, 201, 202, 206, 301, 302, 400, 404, 418, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("operation", list(Operation))
def test_a_body_that_is_no_json_never_refuses_and_leaves_commands_unknown(operation, status):
    error = refusal(operation, status, None)
    assert type(error) is unclear(operation)
    assert error.code == "garbled"


def test_a_question_without_an_answer_is_unavailable_and_a_command_unknown():
    assert {operation: unclear(operation) for operation in Operation} == {
        A: UnknownOutcome,
        S: UnknownOutcome,
        Q: Unavailable,
        U: UnknownOutcome,
        E: UnknownOutcome,
        N: Unavailable,
    }


@pytest.mark.parametrize("body", [{}, {"code": None}, {"code": True}, {"code": []}, {"code": "x" * 900}, {"reason": 3}])
def test_an_odd_error_body_is_tolerated(body):
    assert parse_fault(body) == Fault(None, "")


def test_an_error_text_keeps_plain_words_and_drops_values():
    text = "Acquire: invalid url https://page.example/?token=abc, key AKIAEXAMPLE77 at 12 and p4ss"
    assert plain_words(text) == "Acquire: invalid url … key … at 12 and …"


def test_an_error_text_that_repeats_a_secret_is_dropped_whole():
    error = refusal(S, 400, Fault(2, "bad secretKey letmein"), secrets=["letmein"])
    assert "letmein" not in str(error)
    assert error.detail == "HTTP 400, code 2"


def test_the_wait_that_agora_asks_for_is_passed_on():
    assert refusal(A, 429, None, retry_after_seconds=7).retry_after_seconds == 7
