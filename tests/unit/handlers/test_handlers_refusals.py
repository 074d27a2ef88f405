"""Whatever is wrong with a request: a problem document names it, nothing of it is repeated, no operation is called."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from handlers_stand_in import ID, NOW, StandIn
from structlog.testing import capture_logs
from yarl import URL as URLPath

from emulator.app import close
from handlers import Limits, build_api
from handlers.requests.decoding import adapter
from handlers.requests.payloads import StartBody
from handlers.routes import ROUTES
from service.errors import Code, FieldError, ServiceError, invalid
from service.operations.pagination import decode_cursor, encode_cursor

Client = TestClient[Any, Any]

SECRET = "hunter2"
URL = f"https://user:{SECRET}@example.org/lesson?token={SECRET}"
ONE = f"/v1/recordings/{ID}"


async def problem_of(response: Any, status: int) -> dict[str, Any]:
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/problem+json"
    assert SECRET not in text
    problem: dict[str, Any] = json.loads(text)
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert problem["type"] == f"/docs#problem-{status}"
    assert {"title", "detail", "code"} <= problem.keys()
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


BAD_FIELDS: list[tuple[str, Any]] = [
    ("url", None),
    ("url", 5),
    ("url", ""),
    ("url", f"https://example.org/{SECRET}\n"),
    ("url", "https://example.org/" + SECRET * 3000),
    ("app", "no spaces"),
    ("storage", ["a"]),
    ("preset", ""),
    ("video_width", "640"),
    ("video_width", 640.5),
    ("video_width", None),
    ("video_width", 239),
    ("video_width", 1921),
    ("video_height", 239),
    ("video_height", True),
    ("video_fps", 4),
    ("video_fps", 61),
    ("video_bitrate", 49),
    ("video_bitrate", 8001),
    ("video_bitrate", 10**30),
    ("audio_profile", -1),
    ("audio_profile", 3),
    ("mobile", 1),
    ("mobile", "true"),
    ("max_recording_hour", 0),
    ("max_recording_hour", 720),
    ("max_video_duration", 29),
    ("max_video_duration", 241),
    ("ready_timeout", 61),
    ("ready_timeout", 1.5),
    ("onhold", 0),
    ("av_file_type", []),
    ("av_file_type", ["mp4"]),
    ("av_file_type", ["mp4", "hls"]),
    ("av_file_type", "hls"),
    ("rtmp_url", f"https://example.org/{SECRET}"),
    ("labels", {str(number): "x" for number in range(17)}),
    ("labels", []),
    ("max_missing_seconds", -1),
    ("restart", "always"),
    ("max_restarts", -1),
    ("max_restarts", 21),
    ("max_missing_seconds", "5"),
    ("max_missing_seconds", True),
    ("start_within_seconds", 0),
    ("start_at", NOW + 60),
    ("start_at", "2027-01-15T08:00:00"),
    ("start_at", "2027-01-15"),
    ("start_at", "2027-02-30T08:00:00Z"),
    ("start_at", "0001-01-01T00:00:00+23:59"),
    ("stop_at", "9999-12-31T23:59:59-23:59"),
    ("stop_at", "tomorrow"),
    ("stop_at", None),
    ("surprise", SECRET),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS, ids=lambda value: str(value)[:30])
async def test_a_wrong_field_is_named_and_nothing_is_started(
    api: Client, operations: StandIn, field: str, value: Any
) -> None:
    response = await api.post("/v1/recordings", json={"url": URL, field: value})
    problem = await problem_of(response, 422)
    assert pointers(problem) == [f"/{field}"]
    assert problem["code"] == "invalid"
    assert operations.calls == []


WHOLE_NUMBERS = {
    **{"video_width": 640, "video_height": 480, "video_fps": 15, "video_bitrate": 500, "audio_profile": 0},
    **{"max_recording_hour": 2, "max_video_duration": 30, "ready_timeout": 0, "max_restarts": 1},
}


def test_the_list_of_whole_numbers_is_complete() -> None:
    properties = adapter(StartBody).json_schema()["properties"]
    assert {name for name, schema in properties.items() if schema.get("type") == "integer"} == WHOLE_NUMBERS.keys()


async def test_a_number_without_a_fraction_is_a_whole_number_however_it_is_written(
    api: Client, operations: StandIn
) -> None:
    """JSON has one kind of number, and JSON Schema calls 2.0 an integer."""
    body = {name: float(value) for name, value in WHOLE_NUMBERS.items()}
    response = await api.post("/v1/recordings", json={"url": URL, **body})
    assert response.status == 202, await response.text()
    ((_, (wish, _)),) = operations.calls
    taken = {**wish.parameters, "max_restarts": wish.max_restarts}
    assert taken == WHOLE_NUMBERS
    assert {type(value) for value in taken.values()} == {int}


@pytest.mark.parametrize("number", ["0.5", "2.0000001", "1e300", "true", '"2"'])
async def test_another_number_is_no_whole_number(api: Client, operations: StandIn, number: str) -> None:
    content = f'{{"url": "{URL}", "max_recording_hour": {number}}}'.encode()
    problem = await problem_of(
        await api.post("/v1/recordings", data=content, headers={"Content-Type": "application/json"}), 422
    )
    assert problem["errors"] == [{"pointer": "/max_recording_hour", "message": "must be a whole number"}]
    assert operations.calls == []


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [
        ({"Room": "7"}, "/labels/Room"),
        ({"a/b~c": "7"}, "/labels/a~1b~0c"),
        ({"room": 7}, "/labels/room"),
        ({"room": "\u0000"}, "/labels/room"),
        ({"room": "ä" * 65}, "/labels/room"),
        ({"k" * 33: ""}, "/labels/" + "k" * 33),
    ],
)
async def test_a_wrong_label_is_named_by_its_own_pointer(
    api: Client, operations: StandIn, labels: dict[str, Any], pointer: str
) -> None:
    problem = await problem_of(await api.post("/v1/recordings", json={"url": URL, "labels": labels}), 422)
    assert pointers(problem) == [pointer]
    assert operations.calls == []


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "0",
        "01",
        "+1",
        "-1",
        "1\n",
        "1_0",
        "1.0",
        "\u0661",
        "4294967296",
        "1" * 5000,
        "abc",
        0,
        2**32,
        1.5,
        True,
        None,
    ],
)
async def test_what_is_no_uid_is_refused(api: Client, operations: StandIn, uid: Any) -> None:
    body = {"app": "main", "storage": "archive", "uid": uid, "resource_id": "r"}
    problem = await problem_of(await api.post(f"{ONE}/adopt", json=body), 422)
    assert pointers(problem) == ["/uid"]
    assert operations.calls == []


async def test_all_wrong_fields_are_named_at_once(api: Client) -> None:
    problem = await problem_of(await api.post("/v1/recordings", json={"video_fps": 1, "mobile": 1, "more": 0}), 422)
    assert set(pointers(problem)) == {"/url", "/video_fps", "/mobile", "/more"}


async def test_the_number_of_named_fields_is_bounded(api: Client) -> None:
    problem = await problem_of(await api.post("/v1/recordings", json={f"f{n}": 0 for n in range(500)}), 422)
    assert len(problem["errors"]) == 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"url": NaN}',
        b'{"url": "\\ud800"}',
        b'{"url": "a", "url": "b"}',
        b'{"url": "a", "labels": {"k": "1", "k": "2"}}',
        b"[" * 30_000,
        b"[" * 1_020 + b"]" * 1_020,
        b"[" * 102 + b"]" * 102,
        b"1" * 10_000,
    ],
    ids=lambda content: repr(content[:24]),
)
async def test_an_unreadable_body_is_400(api: Client, operations: StandIn, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    problem = await problem_of(await api.post("/v1/recordings", data=content, headers=headers), 400)
    assert problem["code"] == "invalid"
    assert operations.calls == []


@pytest.mark.parametrize("body", [[], "x", 5, None, True])
async def test_a_body_that_is_no_object_is_422(api: Client, operations: StandIn, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    problem = await problem_of(await api.post("/v1/recordings", data=json.dumps(body), headers=headers), 422)
    assert pointers(problem) == [""]
    assert operations.calls == []


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("PATCH", ONE, {}, ""),
        ("PATCH", ONE, {"stop_at": None}, "/stop_at"),
        ("PATCH", ONE, {"stop_at": "2027-01-15T08:00:00"}, "/stop_at"),
        ("PATCH", ONE, {"url": URL}, "/url"),
        ("PUT", f"{ONE}/rtmp", {}, "/rtmp_url"),
        ("PUT", f"{ONE}/rtmp", {"rtmp_url": SECRET}, "/rtmp_url"),
    ],
)
async def test_a_wrong_change_is_refused(
    api: Client, operations: StandIn, method: str, path: str, body: Any, pointer: str
) -> None:
    assert pointers(await problem_of(await api.request(method, path, json=body), 422)) == [pointer]
    assert operations.calls == []


async def test_null_is_refused_with_what_to_do_instead(api: Client, operations: StandIn) -> None:
    for field in sorted(StartBody.__annotations__.keys() - {"url"}):
        problem = await problem_of(await api.post("/v1/recordings", json={"url": URL, field: None}), 422)
        (error,) = problem["errors"]
        assert error["pointer"] == f"/{field}"
        assert error["message"].startswith("must "), error
        assert error["message"].endswith(", not null; leave the field out to say nothing about it")
    assert operations.calls == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"stop_at": None},
            'must be an instant with an offset, such as "2026-01-31T09:30:00Z", not null; '
            "an end can be moved, not removed",
        ),
        ({"labels": None}, "must be an object, not null; {} removes all labels"),
        ({"state": "verified"}, "is unknown; this call takes stop_at, labels"),
        ({"label": {}}, "is unknown (did you mean labels?)"),
    ],
    ids=["stop_at", "labels", "state", "label"],
)
async def test_a_refused_change_says_what_may_be_sent(
    api: Client, operations: StandIn, body: dict[str, Any], message: str
) -> None:
    problem = await problem_of(await api.patch(ONE, json=body), 422)
    assert [error["message"] for error in problem["errors"]] == [message]
    assert operations.calls == []


async def test_a_field_that_cannot_be_changed_is_answered_with_those_that_can(api: Client, operations: StandIn) -> None:
    message = "cannot be changed afterwards; what can be changed: stop_at, labels"
    for field in sorted(StartBody.__annotations__.keys() - {"stop_at", "labels"}):
        problem = await problem_of(await api.patch(ONE, json={field: SECRET}), 422)
        assert problem["errors"] == [{"pointer": f"/{field}", "message": message}]
    assert operations.calls == []


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/recordings?limit=0", "?limit"),
        ("/v1/recordings?limit=201", "?limit"),
        ("/v1/recordings?limit=x", "?limit"),
        ("/v1/recordings?limit=1&limit=2", "?limit"),
        ("/v1/recordings?limit=-1", "?limit"),
        ("/v1/recordings?state=done", "?state"),
        ("/v1/recordings?state=failed,", "?state"),
        ("/v1/recordings?planned=yes", "?planned"),
        ("/v1/recordings?warned=1", "?warned"),
        ("/v1/recordings?warned=true&warned=true", "?warned"),
        ("/v1/recordings?label=room", "?label"),
        ("/v1/recordings?label=Room:7", "?label"),
        ("/v1/recordings?label=a:1&label=a:2", "?label"),
        ("/v1/recordings?from=2027-01-15T08:00:00", "?from"),
        ("/v1/recordings?from=2027-01-15T08:00:00+01:00", "?from"),
        ("/v1/recordings?to=now", "?to"),
        ("/v1/recordings?app=a%00b", "?app"),
        ("/v1/recordings?cursor=%00", "?cursor"),
        (f"/v1/recordings?password={SECRET}", "?password"),
        (f"{ONE}/timeline?links=true", "?links"),
        (f"{ONE}/files?links=yes", "?links"),
        ("/v1/notifications?type=x", "?type"),
        ("/v1/notifications?outcome=lost", "?outcome"),
        ("/v1/notifications?sid=%00", "?sid"),
    ],
)
async def test_a_wrong_query_parameter_is_named(api: Client, operations: StandIn, path: str, pointer: str) -> None:
    assert pointers(await problem_of(await api.get(path), 422)) == [pointer]
    assert operations.calls == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "a b"),
        ("Idempotency-Key", "é"),
        ("Idempotency-Key", "k" * 256),
        ("Prefer", "wait=61"),
        ("Prefer", "wait=-1"),
        ("Prefer", "respond-async, wait"),
    ],
)
async def test_a_wrong_header_is_named(api: Client, operations: StandIn, name: str, value: str) -> None:
    response = await api.post("/v1/recordings", json={"url": URL}, headers={name: value})
    assert pointers(await problem_of(response, 422)) == [name]
    assert operations.calls == []


@pytest.mark.parametrize("path", ["/v1/recordings/no-such!", f"/v1/recordings/{'x' * 65}", "/v1/recordings/%00"])
async def test_what_can_be_no_id_is_not_found_without_asking(api: Client, operations: StandIn, path: str) -> None:
    await problem_of(await api.get(path), 404)
    assert operations.calls == []


@pytest.mark.parametrize("number", ["x", "-1", "9" * 19])
async def test_what_can_be_no_notification_is_not_found(api: Client, operations: StandIn, number: str) -> None:
    await problem_of(await api.post(f"/v1/notifications/{number}/replay"), 404)
    assert operations.calls == []


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer wrong", "Bearer a b", "Bearer " + "x" * 600]
)
async def test_without_a_valid_token_nothing_is_done(api: Client, operations: StandIn, authorization: str) -> None:
    response = await api.post("/v1/recordings", json={"url": URL}, headers={"Authorization": authorization})
    await problem_of(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert operations.calls == []


@pytest.mark.parametrize(
    ("token", "method", "path"),
    [
        ("reader", "POST", "/v1/recordings"),
        ("reader", "PATCH", ONE),
        ("reader", "POST", f"{ONE}/stop"),
        ("reader", "POST", f"{ONE}/verify"),
        ("starter", "GET", "/v1/recordings"),
        ("reader", "GET", "/v1/notifications"),
        ("starter", "POST", "/v1/notifications/5/replay"),
    ],
)
async def test_a_token_without_the_scope_is_forbidden(
    api: Client, operations: StandIn, token: str, method: str, path: str
) -> None:
    response = await api.request(method, path, headers={"Authorization": f"Bearer {token}"})
    assert (await problem_of(response, 403))["code"] == "forbidden"
    assert operations.calls == []


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "text/plain"}, b"{}"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"url=1"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"x"),
    ],
)
async def test_other_than_plain_json_is_415(
    api: Client, operations: StandIn, headers: dict[str, str], content: bytes
) -> None:
    await problem_of(await api.post("/v1/recordings", data=content, headers=headers), 415)
    assert operations.calls == []


async def test_a_body_that_says_itself_that_it_is_huge_is_413_before_it_comes(api: Client) -> None:
    head = "POST /v1/recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\nContent-Type: application/json\r\n"
    answer = await send_raw(api, f"{head}Content-Length: 10000000000\r\n\r\n{{".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_cursor_with_nul_in_it_is_none_of_ours() -> None:
    made = encode_cursor(1.0, "rec_1")
    assert decode_cursor(made, (float, str)) == (1.0, "rec_1")
    for text in (encode_cursor(1.0, "a\0b"), encode_cursor(1.0, "\0")):
        with pytest.raises(ServiceError):
            decode_cursor(text, (float, str))


async def test_a_huge_body_is_413(api: Client, operations: StandIn) -> None:
    problem = await problem_of(await api.post("/v1/recordings", json={"url": "x" * 65536}), 413)
    assert problem["code"] == "too_large"
    assert operations.calls == []


async def send_raw(client: Client, content: bytes) -> bytes:
    """The head of what the server says to these bytes."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(content)
    try:
        async with asyncio.timeout(30):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_silent_body_is_408_after_the_limit(api: Client, operations: StandIn) -> None:
    head = b"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\n"
    answer = await send_raw(api, head + b'Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"url"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert b"Connection: close" in answer
    assert operations.calls == []


@pytest.fixture
async def uncancelled_port(operations: StandIn) -> AsyncIterator[int]:
    """The port of an API as the service runs it: aiohttp's test server would cancel a handler whose caller is gone."""
    app = build_api(operations, Limits(), clock=lambda: NOW)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await close(runner)


async def test_a_caller_who_hangs_up_leaves_nothing_but_a_log_line(
    uncancelled_port: int, operations: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as lines:
        reader, writer = await asyncio.open_connection("127.0.0.1", uncancelled_port)
        head = f"PUT {ONE}/rtmp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\nExpect: 100-continue\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n")
        assert b"100" in await reader.readline()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(30):
            while not lines:
                await asyncio.sleep(0.01)
    assert lines[0]["status"] == 408
    assert operations.calls == []
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_broken_chunk_is_400(api: Client, operations: StandIn) -> None:
    head = b"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\nContent-Type: application/json\r\n"
    answer = await send_raw(api, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}")
    assert answer.split(maxsplit=2)[1] == b"400"
    assert operations.calls == []


async def test_unknown_paths_and_methods_are_problems_too(api: Client) -> None:
    assert (await problem_of(await api.get("/v1/nothing"), 404))["code"] == "not_found"
    response = await api.delete("/v1/recordings")
    assert (await problem_of(response, 405))["code"] == "method_not_allowed"
    assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    ("error", "status", "members"),
    [
        (invalid("/app", "is unknown"), 422, {"errors": [{"pointer": "/app", "message": "is unknown"}]}),
        (ServiceError(Code.CONFLICT, "Over.", state="verified"), 409, {"state": "verified", "detail": "Over."}),
        (
            ServiceError(Code.CONFLICT, "Over.", detail="nothing_runs", state="verified"),
            409,
            {"state": "verified", "reason": "nothing_runs"},
        ),
        (
            ServiceError(Code.CONFLICT, "Other request.", detail="idempotency_mismatch"),
            422,
            {"reason": "idempotency_mismatch"},
        ),
        (ServiceError(Code.NOT_FOUND, "No."), 404, {"code": "not_found"}),
        (ServiceError(Code.FORBIDDEN, "No."), 403, {"code": "forbidden"}),
        (ServiceError(Code.UNAVAILABLE, "Later."), 503, {"code": "unavailable"}),
        (ServiceError(Code.LIMITED, "Later.", retry_after_seconds=1.2), 429, {"code": "limited"}),
        (ServiceError(Code.INTERNAL, "Sorry."), 500, {"code": "internal"}),
        (ServiceError(Code.INVALID, "No.", errors=(FieldError("/url", "https"),)), 422, {"code": "invalid"}),
    ],
)
async def test_each_error_of_an_operation_has_its_status(
    api: Client, operations: StandIn, error: ServiceError, status: int, members: dict[str, Any]
) -> None:
    operations.error = error
    response = await api.post("/v1/recordings", json={"url": URL})
    problem = await problem_of(response, status)
    assert members.items() <= problem.items()
    assert response.headers.get("Retry-After") == {429: "2", 503: "5"}.get(status)


async def test_what_went_wrong_inside_stays_inside(api: Client, operations: StandIn) -> None:
    operations.error = RuntimeError(f"password {SECRET} in table tokens")
    problem = await problem_of(await api.get(ONE), 500)
    assert problem["code"] == "internal"
    assert "table" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Not valid: /url is required."),
        ({"width": 1}, "Not valid: /url is required; /width is unknown (did you mean video_width?)."),
        ({"url": 5}, "Not valid: /url must be a text."),
        ({"url": URL, "video_fps": 1}, "Not valid: /video_fps must be at least 5."),
        ({"url": URL, "video_fps": "15"}, "Not valid: /video_fps must be a whole number."),
        ({"url": URL, "mobile": 1}, "Not valid: /mobile must be true or false."),
        ({"url": URL, "labels": []}, "Not valid: /labels must be an object."),
        ({"url": URL, "restart": "always"}, "Not valid: /restart must be 'never' or 'on_failure'."),
        (
            {"url": URL, "labels": {"lessonId": "1"}},
            "Not valid: /labels/lessonId is no key: keys have 1 to 32 of a to z, 0 to 9, _ . and -.",
        ),
        (
            {"url": URL, "notify": [URL]},
            "Not valid: /notify/0 must name an endpoint of the settings; a URL cannot be given here.",
        ),
        (
            {"a": 1, "b": 1, "c": 1},
            "Not valid: /url is required; /a is unknown; /b is unknown; and 1 more.",
        ),
        ([], "Not valid: the body must be an object."),
    ],
    ids=lambda given: given[:40] if isinstance(given, str) else None,
)
async def test_the_sentence_of_a_refusal_says_what_is_wrong_in_our_words(api: Client, body: Any, sentence: str) -> None:
    """Many log nothing but `detail`; a validator's own words mean nothing to them."""
    problem = await problem_of(await api.post("/v1/recordings", json=body), 422)
    assert problem["detail"] == sentence


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("webhook_url", "notify"),
        ("status", None),
        ("height", "video_height"),
        ("label", "labels"),
        ("mute", "sound"),
        ("zzz", None),
    ],
)
async def test_an_unknown_field_is_answered_with_what_was_probably_meant(
    api: Client, name: str, meant: str | None
) -> None:
    problem = await problem_of(await api.post("/v1/recordings", json={"url": URL, name: "x"}), 422)
    (error,) = problem["errors"]
    assert error["message"] == ("is unknown" if meant is None else f"is unknown (did you mean {meant}?)")


@pytest.mark.parametrize(("name", "meant"), [("status", "state"), ("after", "from"), ("page", "cursor")])
async def test_an_unknown_parameter_is_answered_with_what_was_probably_meant(
    api: Client, name: str, meant: str
) -> None:
    problem = await problem_of(await api.get(f"/v1/recordings?{name}=x"), 422)
    assert problem["errors"] == [{"pointer": f"?{name}", "message": f"is unknown (did you mean {meant}?)"}]


async def test_a_call_without_parameters_refuses_them(api: Client, operations: StandIn) -> None:
    problem = await problem_of(await api.get(f"{ONE}?wait=30"), 422)
    assert problem["errors"] == [{"pointer": "?wait", "message": "is unknown: this call takes no parameters"}]
    assert operations.calls == []


async def test_a_body_that_is_no_json_is_refused_with_the_place(api: Client) -> None:
    content = b'{"url": "https://example.org/",\n "mobile": tru}'
    headers = {"Content-Type": "application/json"}
    problem = await problem_of(await api.post("/v1/recordings", data=content, headers=headers), 400)
    assert problem["detail"].startswith("The body is not readable as JSON. Line 2, column ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The body is empty; it must be a JSON object."),
        (b' "\xfc"', "The body is not UTF-8: byte 3 cannot be read."),
        (b"\xef\xbb\xbf{}", "The body begins with a byte order mark, which JSON does not allow."),
        (b'{"url": "x", "labels": {"a": "1", "a": "2"}}', 'The body has the name "a" twice.'),
    ],
    ids=["empty", "latin1", "mark", "twice"],
)
async def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    api: Client, content: bytes, sentence: str
) -> None:
    headers = {"Content-Type": "application/json"}
    problem = await problem_of(await api.post("/v1/recordings", data=content, headers=headers), 400)
    assert problem["detail"] == sentence


async def test_a_body_that_is_too_large_is_refused_with_the_limit(api: Client) -> None:
    headers = {"Content-Type": "application/json"}
    problem = await problem_of(await api.post("/v1/recordings", data=b" " * 70_000, headers=headers), 413)
    assert problem["detail"] == f"The body exceeds the limit of {Limits().max_body_bytes} bytes; nothing changed."


async def test_a_change_of_nothing_names_what_can_be_changed(api: Client) -> None:
    problem = await problem_of(await api.patch(ONE, json={}), 422)
    assert problem["detail"] == "The body must name stop_at or labels."


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("recordings?from=2026-11-29T15:00:00+01:00", 'offset, such as "2026-01-31T09:30:00Z"; write + as %2B'),
        ("recordings?from=2026-11-29", 'offset, such as "2026-01-31T09:30:00Z"'),
        ("usage?month=11-2026", 'must be a month, such as "2026-11"'),
    ],
    ids=["plus", "date", "month"],
)
async def test_a_wrong_time_in_a_query_is_refused_with_the_right_form(api: Client, query: str, message: str) -> None:
    problem = await problem_of(await api.get(URLPath(f"/v1/{query}", encoded=True)), 422)
    assert problem["errors"][0]["message"].endswith(message)


async def test_a_mistyped_path_is_no_missing_recording(api: Client) -> None:
    assert (await problem_of(await api.get("/v1/recording"), 404))["detail"] == "There is no such path here."


WITHOUT_A_BODY = [
    *(f"{ONE}/{wish}" for wish in ("pause", "resume", "verify")),
    "/v1/notifications/5/replay",
    "/v1/endpoints/hook/enable",
]


async def test_a_body_of_a_call_that_only_shows_is_refused(api: Client, operations: StandIn) -> None:
    """Who sends one means something by it, such as a filter, and would take the answer for filtered."""
    for route in ROUTES:
        if route.method == "GET" and route.scope:
            path = route.path.replace("{id}", ID)
            problem = await problem_of(await api.get(path, json={"state": "failed"}), 422)
            takes_it = route.query is not None and "state" in route.query.__annotations__
            message = "belongs into the query: ?state=…" if takes_it else "is unknown: this call takes no fields"
            assert problem["errors"] == [{"pointer": "/state", "message": message}]
    assert operations.calls == []


async def test_an_empty_body_of_a_call_that_only_shows_is_taken(api: Client) -> None:
    for content in (b"", b"{}"):
        assert (await api.get(ONE, data=content, headers={"Content-Type": "application/json"})).status == 200


@pytest.mark.parametrize("path", WITHOUT_A_BODY)
async def test_what_a_call_without_a_body_does_not_know_is_refused(api: Client, operations: StandIn, path: str) -> None:
    problem = await problem_of(await api.post(path, json={"stop_at": "2027-01-15T09:00:00Z"}), 422)
    assert pointers(problem) == ["/stop_at"]
    assert problem["errors"][0]["message"] == "is unknown: this call takes no fields"
    await problem_of(await api.post(path, json=["now"]), 422)
    await problem_of(await api.post(path, data=b"{", headers={"Content-Type": "application/json"}), 400)
    await problem_of(await api.post(path, data={"reason": "done"}), 415)
    assert operations.calls == []


async def test_a_stop_that_names_fields_is_refused(api: Client, operations: StandIn) -> None:
    problem = await problem_of(await api.post(f"{ONE}/stop", json={"stop_at": "2027-01-15T09:00:00Z"}), 422)
    assert problem["errors"] == [{"pointer": "/stop_at", "message": "is unknown: this call takes no fields"}]
    assert operations.calls == []


@pytest.mark.parametrize("content", [b"[]", b"null", b'""', b"{", b"reason=done", b"x" * 300_000])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
async def test_a_stop_is_not_lost_over_a_body_that_names_nothing(
    api: Client, operations: StandIn, content: bytes, kind: str
) -> None:
    """What is not stopped is billed; `[]` is how some write an empty object."""
    assert (await api.post(f"{ONE}/stop", data=content, headers={"Content-Type": kind})).status == 202
    assert [name for name, _ in operations.calls] == ["stop"]


async def test_a_stop_waits_shortly_for_a_body_that_never_comes(api: Client, operations: StandIn) -> None:
    reader, writer = await asyncio.open_connection(api.host, api.port)
    head = f"POST {ONE}/stop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 20)).split()[1] == b"202"
    assert [name for name, _ in operations.calls] == ["stop"]
    writer.close()


async def test_what_is_nested_too_deep_is_refused(api: Client, operations: StandIn) -> None:
    for deep in (300, 600, 900, 5000, 30_000):
        content = b'{"labels":' + b"[" * deep + b"]" * deep + b"}"
        answer = await api.post("/v1/recordings", data=content, headers={"Content-Type": "application/json"})
        assert answer.status in (400, 422)
    assert operations.calls == []


async def test_a_field_that_belongs_into_the_query_is_led_there(api: Client, operations: StandIn) -> None:
    problem = await problem_of(await api.post(f"{ONE}/verify", json={"level": "bytes"}), 422)
    assert [each["message"] for each in problem["errors"]] == ["belongs into the query: ?level=…"]
    assert operations.calls == []


@pytest.mark.parametrize("wish", ["stop", "pause", "resume", "verify"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", None])
@pytest.mark.parametrize("content", [b"", b"{}", b" { }\n"])
async def test_an_empty_body_says_nothing_and_is_taken(
    api: Client, operations: StandIn, wish: str, kind: str | None, content: bytes
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert (await api.post(f"{ONE}/{wish}", data=content, headers=headers)).status == 202
    assert [name for name, _ in operations.calls] == [wish]


@pytest.mark.parametrize("path", ["/v1/recordings", f"{ONE}/playlist.m3u8"])
async def test_a_span_that_ends_before_it_begins_is_refused(api: Client, operations: StandIn, path: str) -> None:
    span = {"from": "2027-01-15T09:00:00Z", "to": "2027-01-15T08:00:00Z"}
    problem = await problem_of(await api.get(path, params=span), 422)
    assert [(each["pointer"], each["message"]) for each in problem["errors"]] == [
        ("?from", "is later than ?to, so nothing lies between them")
    ]
    assert operations.calls == []
    assert (await api.get(path, params={"from": span["to"], "to": span["from"]})).status == 200


@pytest.mark.parametrize("content", [None, b"", b" \n", b"{}"], ids=["none", "empty", "blank", "object"])
async def test_all_dead_deliveries_are_tried_again_where_none_is_named(
    api: Client, operations: StandIn, content: bytes | None
) -> None:
    headers = {"Content-Type": "application/json"} if content == b"{}" else {}
    answer = await api.post("/v1/messages/redrive", data=content, headers=headers)
    assert answer.status == 202, await answer.text()
    assert operations.calls == [("redrive", ({"endpoint": None, "message_ids": None},))]


async def test_a_body_that_names_some_is_still_looked_at(api: Client, operations: StandIn) -> None:
    path = "/v1/messages/redrive"
    assert pointers(await problem_of(await api.post(path, json={"endpoints": "crm"}), 422)) == ["/endpoints"]
    await problem_of(await api.post(path, data={"endpoint": "crm"}), 415)
    assert operations.calls == []
