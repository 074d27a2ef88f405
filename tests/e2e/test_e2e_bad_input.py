"""Bad input over the real API: a problem document that names the field, and nothing has changed."""

import time
from typing import Any

import pytest
from house import PAGE, TOKEN, House, Living, eventually, rfc3339

from service.operations import Scope

PROBLEM = "application/problem+json"
EVERY_ROUTE_WITH_AN_ID = (
    ("GET", "", None),
    ("PATCH", "", {"labels": {"a": "b"}}),
    ("POST", "/stop", None),
    ("POST", "/pause", None),
    ("POST", "/resume", None),
    ("PUT", "/rtmp", {"rtmp_url": "rtmp://push.example.org/live/key"}),
    ("POST", "/verify", None),
    ("GET", "/timeline", None),
    ("GET", "/files", None),
)


def _wrong_bodies() -> list[tuple[dict[str, Any], str]]:
    hour = 3600
    ahead = rfc3339(time.time() + hour)
    private = ("127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "[::1]", "[fd00::1]", "2130706433", "0x7f.1")
    names = ("localhost", "printer.local", "intranet", "metadata.google.internal")
    return [
        *(({"url": f"https://{host}/page"}, "/url") for host in (*private, *names)),
        ({"url": "http://class.example.org/"}, "/url"),
        ({"url": "ftp://class.example.org/"}, "/url"),
        ({"url": "https://class.example.org/" + "a" * 3000}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": 7}, "/url"),
        ({"url": None}, "/url"),
        ({"rtmp_url": "rtmp://10.0.0.1/live/key"}, "/rtmp_url"),
        ({"rtmp_url": "https://push.example.org/"}, "/rtmp_url"),
        ({"app": "nobody"}, "/app"),
        ({"storage": "nowhere"}, "/storage"),
        ({"preset": "nothing"}, "/preset"),
        ({"labels": {"UPPER": "x"}}, "/labels/UPPER"),
        ({"labels": {"a": "é" * 65}}, "/labels/a"),
        ({"labels": {"a": "line\nbreak"}}, "/labels/a"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"labels": {f"l{number}": "" for number in range(17)}}, "/labels"),
        ({"start_at": rfc3339(time.time() - 60)}, "/start_at"),
        ({"start_at": rfc3339(time.time() + 31 * 24 * hour)}, "/start_at"),
        ({"start_at": "2126-01-31T09:30:00"}, "/start_at"),
        ({"start_at": "tomorrow"}, "/start_at"),
        ({"start_at": 1_900_000_000}, "/start_at"),
        ({"stop_at": rfc3339(time.time() - 1)}, "/stop_at"),
        ({"start_at": ahead, "stop_at": ahead}, "/stop_at"),
        ({"stop_at": "2126-01-31T09:30:00"}, "/stop_at"),
        ({"video_width": 1920, "video_height": 1200}, "/video_height"),
        ({"video_width": 100}, "/video_width"),
        ({"max_recording_hour": 720}, "/max_recording_hour"),
        ({"max_recording_hour": "3"}, "/max_recording_hour"),
        ({"av_file_type": ["mp4"]}, "/av_file_type"),
        ({"start_within_seconds": 0}, "/start_within_seconds"),
        ({"max_missing_seconds": -1}, "/max_missing_seconds"),
        ({"callback_url": "https://elsewhere.example.org/"}, "/callback_url"),
    ]


async def _refused(house: House, status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
    answer = await house.call(method, path, **more)
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (status, PROBLEM), answer
    assert answer.body["status"] == status
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    problem: dict[str, Any] = answer.body
    return problem


async def _finished(house: House) -> str:
    recording = await house.ask(start_at=rfc3339(time.time() + 3600))
    await house.do(recording, "stop")
    assert (await house.shown(recording))["state"] == "cancelled"
    return recording


async def test_a_wrong_field_is_named_and_nothing_is_stored(house: House) -> None:
    before = await house.snapshot("tokens")
    for body, pointer in _wrong_bodies():
        headers = {"Idempotency-Key": "one"}
        problem = await _refused(house, 422, "POST", "/v1/recordings", json={"url": PAGE, **body}, headers=headers)
        assert problem["code"] == "invalid"
        assert pointer in [error["pointer"] for error in problem["errors"]], (body, problem)
    many = {"url": "https://10.0.0.1/", "app": "nobody", "storage": "nowhere", "start_at": rfc3339(time.time() - 9)}
    problem = await _refused(house, 422, "POST", "/v1/recordings", json=many)
    assert {error["pointer"] for error in problem["errors"]} == {"/url", "/app", "/storage", "/start_at"}
    for text in (b"{", b"", b'{"url": "a", "url": "b"}', b"\xff"):
        headers = {"Content-Type": "application/json"}
        assert (await _refused(house, 400, "POST", "/v1/recordings", data=text, headers=headers))["code"] == "invalid"
    await _refused(house, 415, "POST", "/v1/recordings", data=b"url=x", headers={"Content-Type": "text/plain"})
    await _refused(house, 413, "POST", "/v1/recordings", json={"url": PAGE, "labels": {"a": "x" * 70_000}})
    await _refused(
        house, 422, "POST", "/v1/recordings", json={"url": PAGE}, headers={"Idempotency-Key": "not one word"}
    )
    for query in ("limit=0", "limit=x", "state=done", "cursor=%00", "label=noseparator", "unknown=1", "from=yesterday"):
        problem = await _refused(house, 422, "GET", f"/v1/recordings?{query}")
        assert problem["errors"][0]["pointer"] == "?" + query.partition("=")[0]
    assert await house.snapshot("tokens") == before


async def test_without_the_right_token_nothing_is_shown_or_changed(build: Living) -> None:
    owners = {"other": list(Scope), "reader": [Scope.READ], "starter": [Scope.START], "operator": [Scope.OPERATE]}
    async with build(owners=owners) as house:
        recording = await house.ask(start_at=rfc3339(time.time() + 3600))
        await eventually(lambda: _rests(house, recording))
        before = await house.snapshot("tokens")
        wrong = ["prl_bootstrap_" + "f" * 64, "prl_nobody_secret", "nonsense", house.tokens["other"][:-1] + "!", "a b"]
        for method, path, body in EVERY_ROUTE_WITH_AN_ID:
            url = f"/v1/recordings/{recording}{path}"
            for token in (None, *wrong):
                problem = await _refused(house, 401, method, url, json=body, token=token)
                assert problem["code"] == "unauthorized"
            problem = await _refused(house, 404, method, url, json=body, token=house.tokens["other"])
            assert problem["code"] == "not_found"
            missing = await _refused(
                house, 404, method, f"/v1/recordings/rec_{'0' * 26}{path}", json=body, token=house.tokens["other"]
            )
            assert {**missing, "request_id": ""} == {**problem, "request_id": ""}, "another's looks like none at all"
            lacking = house.tokens["starter" if method == "GET" else "reader"]
            assert (await _refused(house, 403, method, url, json=body, token=lacking))["code"] == "forbidden"
            await _refused(house, 403, method, url, json=body, token=house.tokens["operator"])
        await _refused(house, 403, "POST", "/v1/recordings", json={"url": PAGE}, token=house.tokens["reader"])
        await _refused(house, 403, "GET", "/v1/notifications", token=house.tokens["reader"])
        await _refused(house, 403, "POST", "/v1/notifications/1/replay", token=house.tokens["starter"])
        await _refused(house, 404, "POST", "/v1/notifications/1/replay", token=house.tokens["operator"])
        assert (await house.call("GET", "/v1/recordings", token=house.tokens["other"])).body["items"] == []
        assert await house.snapshot("tokens") == before
        assert (await house.shown(recording))["state"] == "requested"


async def _rests(house: House, recording: str) -> bool:
    """The worker has seen it once and lets it lie until its start."""
    rows = await house.rows(f"SELECT lease_owner FROM recordings WHERE id = '{recording}'")
    return rows == [(None,)]


async def test_what_makes_no_sense_any_more_is_409_and_changes_nothing(house: House) -> None:
    recording = await _finished(house)
    before = await house.snapshot("tokens")
    later = rfc3339(time.time() + 7200)
    wishes: list[tuple[str, str, dict[str, Any] | None]] = [
        *(("POST", f"/{what}", None) for what in ("stop", "pause", "resume", "verify")),
        ("PATCH", "", {"stop_at": later}),
        ("PUT", "/rtmp", {"rtmp_url": "rtmp://push.example.org/live/key"}),
    ]
    for method, path, body in wishes:
        problem = await _refused(house, 409, method, f"/v1/recordings/{recording}{path}", json=body)
        assert problem["code"] == "conflict", path
    for body, pointer in (({"stop_at": rfc3339(time.time() - 1)}, "/stop_at"), ({}, ""), ({"state": "x"}, "/state")):
        problem = await _refused(house, 422, "PATCH", f"/v1/recordings/{recording}", json=body)
        assert pointer in [error["pointer"] for error in problem["errors"]]
    assert await house.snapshot("tokens") == before


async def test_a_conflict_says_in_which_state_the_recording_is(house: House) -> None:
    recording = await _finished(house)
    assert (await _refused(house, 409, "POST", f"/v1/recordings/{recording}/stop"))["state"] == "cancelled"


@pytest.mark.parametrize("path", ["/v1/recordings/none", "/v1", "/v2/recordings", "/agora/main/notifications"])
async def test_what_is_not_there_is_a_problem_document_too(house: House, path: str) -> None:
    assert (await _refused(house, 404, "GET", path, token=TOKEN))["code"] == "not_found"
