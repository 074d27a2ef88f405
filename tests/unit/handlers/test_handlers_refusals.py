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

from emulator.app import close
from handlers import Limits, build_api
from service.errors import Code, FieldError, ServiceError, invalid
from service.operations.cursors import decode_cursor, encode_cursor

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
    ("video_width", 640.0),
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
        (ServiceError(Code.CONFLICT, "Over.", detail="verified"), 409, {"state": "verified", "detail": "Over."}),
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
    [("webhook_url", "notify"), ("status", None), ("height", "video_height"), ("label", "labels"), ("zzz", None)],
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


async def test_a_mistyped_path_is_no_missing_recording(api: Client) -> None:
    assert (await problem_of(await api.get("/v1/recording"), 404))["detail"] == "There is no such path here."
