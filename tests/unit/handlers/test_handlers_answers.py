"""What callers get when all is well."""

import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from handlers_stand_in import ID, NOW, RECORDING, StandIn
from structlog.testing import capture_logs

from handlers.requests.instants import format_instant, parse_instant
from handlers.resources.recordings import view_recording
from metrics import REGISTRY
from service.operations import Idempotency, RecordingFilter, Wish
from service.operations.recordings.adoption import Lost
from service.recording import State
from service.report import Level

Client = TestClient[Any, Any]

URL = "https://user:hunter2@example.org/lesson?token=hunter2"
ONE = f"/v1/recordings/{ID}"


async def test_a_start_hands_over_what_was_named_and_nothing_else(api: Client, operations: StandIn) -> None:
    body = {
        "url": URL,
        "app": "main",
        "video_width": 1920,
        "video_height": 1080,
        "av_file_type": ["hls", "mp4"],
        "rtmp_url": "rtmp://live.example.org/key",
        "labels": {"room": "7"},
        "max_missing_seconds": 2,
        "restart": "on_failure",
        "max_restarts": 3,
        "level": "full",
        "sound": False,
        "start_at": "2027-01-15T09:00:01+01:00",
        "stop_at": "2027-01-15T08:00:02.5Z",
    }
    response = await api.post("/v1/recordings", json=body)
    assert response.status == 202
    assert response.headers["Location"] == ONE
    assert "Idempotency-Replayed" not in response.headers
    wish = Wish(
        url=URL,
        app="main",
        parameters={"video_width": 1920, "video_height": 1080, "av_file_type": ("hls", "mp4")},
        rtmp_url="rtmp://live.example.org/key",
        labels={"room": "7"},
        max_missing_seconds=2,
        restart="on_failure",
        max_restarts=3,
        level=Level.FULL,
        sound=False,
        start_at=NOW + 1,
        stop_at=NOW + 2.5,
    )
    assert operations.calls == [("start", (wish, None))]


async def test_a_key_goes_on_with_one_form_of_the_body_and_a_replay_says_so(api: Client, operations: StandIn) -> None:
    """The raw body goes on too: answers that an earlier version kept have a hash of that."""
    operations.replayed = True
    content = b'{ "url":"https://example.org/", "labels": {"b": "1", "a": "2"} }'
    headers = {"Idempotency-Key": "lesson-7", "Content-Type": "application/json; charset=utf-8"}
    response = await api.post("/v1/recordings", data=content, headers=headers)
    assert response.status == 202
    assert response.headers["Idempotency-Replayed"] == "true"
    form = b'{"labels":{"a":"2","b":"1"},"url":"https://example.org/"}'
    assert operations.calls[0][1][1] == Idempotency("lesson-7", form, content)
    assert operations.calls[0][1][1].forms == (form, content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"url":"u","max_missing_seconds":5}',
        b'{"max_missing_seconds":5.0,"url":"u"}',
        b'{"url":"\\u0075","max_missing_seconds":0.5e1}',
    ],
)
async def test_the_same_values_are_the_same_request_however_they_are_written(
    api: Client, operations: StandIn, content: bytes
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert (await api.post("/v1/recordings", data=content, headers=headers)).status == 202
    assert operations.calls[0][1][1].body == b'{"max_missing_seconds":5,"url":"u"}'


async def test_another_value_is_another_request(api: Client, operations: StandIn) -> None:
    content = b'{"url":"u","max_missing_seconds":5.5,"mobile":true,"labels":{"n":"5.0"}}'
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert (await api.post("/v1/recordings", data=content, headers=headers)).status == 202
    form = b'{"labels":{"n":"5.0"},"max_missing_seconds":5.5,"mobile":true,"url":"u"}'
    assert operations.calls[0][1][1].body == form


async def test_whether_an_instant_is_past_is_left_to_the_operation_that_knows_replays(
    api: Client, operations: StandIn
) -> None:
    body = {"url": URL, "start_at": format_instant(NOW - 60), "stop_at": format_instant(NOW - 30)}
    assert (await api.post("/v1/recordings", json=body, headers={"Idempotency-Key": "k"})).status == 202
    assert operations.calls[0][1][0].start_at == NOW - 60


@pytest.mark.parametrize(
    ("prefer", "seconds"), [("wait=10", 10), ("respond-async, Wait = 60", 60), ('wait="5"', 5), ("handling=strict", 0)]
)
async def test_prefer_wait_waits_so_long(api: Client, operations: StandIn, prefer: str, seconds: int) -> None:
    response = await api.post("/v1/recordings", json={"url": URL}, headers={"Prefer": prefer})
    assert response.status == 202
    assert response.headers.get("Preference-Applied") == (f"wait={seconds}" if seconds else None)
    assert operations.calls[1:] == ([("wait_recording", (ID, seconds))] if seconds else [])


async def test_the_resource_shows_the_recording_with_the_age_of_evidence(api: Client) -> None:
    response = await api.get(ONE)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    shown = await response.json()
    assert shown["id"] == ID
    assert shown["state"] == "recording"
    assert shown["page"] == "https://example.org/lesson?…"
    assert shown["location"] == {"vendor": 1, "region": 2, "bucket": "lessons", "prefix": "recs/abc/"}
    assert shown["attempts"][0]["uid"] == "527841"
    assert shown["attempts"][0]["resource_id"] == "resource-1"
    assert shown["paused"] == {"wished": True, "confirmed": True}
    assert shown["pauses"] == [{"from_at": format_instant(NOW - 20), "to_at": None}]
    assert shown["instants"]["requested_at"] == "2027-01-15T07:58:20.000Z"
    assert shown["instants"]["state_since_at"] == "2027-01-15T07:58:39.500Z"
    assert shown["instants"]["recording_at"] == format_instant(NOW - 90)
    assert shown["files"] == {
        "slices": 4,
        "bytes": 4096,
        "last_slice_at": format_instant(NOW - 15),
        "listed_at": format_instant(NOW - 12),
        "age_seconds": 12.0,
    }
    assert (shown["verdict"], shown["level"], shown["coverage"]["share"]) == ("verified", "structure", 1.0)
    assert shown["latest_report"]["age_seconds"] == 7.25
    assert shown["latest_report"]["findings"][0]["evidence"] == {"seconds": 10}
    assert shown["links"]["timeline"] == f"{ONE}/timeline"


async def test_owner_policy_and_private_parameters_are_not_shown(api: Client) -> None:
    text = await (await api.get(ONE)).text()
    assert "school" not in text
    assert "hidden-tuning" not in text
    assert "policy" not in json.loads(text)


async def test_every_filter_of_the_list_arrives(api: Client, operations: StandIn) -> None:
    query = (
        "state=failed,cancelled&state=recording&app=main&label=room:7&label=a=b:c&limit=200&cursor=abc_-"
        "&from=2027-01-15T08:00:00Z&to=2027-01-15T09:00:01%2B01:00&planned=false&warned=true"
    )
    response = await api.get(f"/v1/recordings?{query}")
    shown = await response.json()
    assert response.status == 200, shown
    assert [item["id"] for item in shown["items"]] == [ID]
    assert shown["next"] == "next-1"
    where = RecordingFilter(
        states=frozenset({State.FAILED, State.CANCELLED, State.RECORDING}),
        app="main",
        labels={"room": "7", "a": "b:c"},
        from_at=NOW,
        to_at=NOW + 1,
        planned=False,
        warned=True,
    )
    assert operations.calls == [("list", (where, "abc_-", 200))]


async def test_recordings_are_counted_by_what_they_need(api: Client, operations: StandIn) -> None:
    response = await api.get("/v1/counts")
    assert await response.json() == {"all": 1000, "planned": 14, "under_way": 3, "needs_review": 2, "warned": 1}
    assert operations.calls == [("counts", ())]


async def test_a_recording_shows_when_it_starts_ends_and_is_verified_next(api: Client) -> None:
    shown = await (await api.get(ONE)).json()
    assert shown["warned"] == []
    assert shown["schedule"] == {
        "planned_start_at": format_instant(NOW - 100),
        "planned_stop_at": format_instant(NOW - 95 + 3 * 3600),
        "planned_seconds": 3 * 3600 + 5.0,
        "hour_limit_at": format_instant(NOW - 95 + 3 * 3600),
        "elapsed_seconds": 90.0,
        "next_verification_at": None,
        "give_up_at": None,
    }
    waits = replace(RECORDING, state=State.INCOMPLETE, ended_at=NOW - 20, next_look_at=NOW + 5, give_up_at=NOW + 60)
    schedule = view_recording(waits, NOW).schedule
    assert (schedule.elapsed_seconds, schedule.next_verification_at, schedule.give_up_at) == (70, NOW + 5, NOW + 60)


@pytest.mark.parametrize("action", ["stop", "pause", "resume", "verify"])
async def test_a_wish_is_noted_and_the_resource_answered(api: Client, operations: StandIn, action: str) -> None:
    response = await api.post(f"{ONE}/{action}")
    assert response.status == 202
    assert (await response.json())["id"] == ID
    assert operations.calls == [(action, (ID,))]


async def test_a_change_hands_over_what_was_named(api: Client, operations: StandIn) -> None:
    assert (await api.patch(ONE, json={"stop_at": format_instant(NOW + 9)})).status == 200
    assert (await api.patch(ONE, json={"labels": {}})).status == 200
    assert operations.calls == [("change", (ID, {"stop_at": NOW + 9})), ("change", (ID, {"labels": {}}))]


async def test_an_rtmp_target_is_handed_over(api: Client, operations: StandIn) -> None:
    response = await api.put(f"{ONE}/rtmp", json={"rtmp_url": "rtmps://live.example.org/key"})
    assert response.status == 202
    assert operations.calls == [("set_rtmp", (ID, "rtmps://live.example.org/key"))]


async def test_lists_below_a_recording_are_paged(api: Client, operations: StandIn) -> None:
    timeline = await (await api.get(f"{ONE}/timeline?limit=3")).json()
    assert timeline["items"][0]["at"] == format_instant(NOW - 100)
    files = await (await api.get(f"{ONE}/files?links=true")).json()
    assert files["items"][0]["size_bytes"] == 1024
    assert files["next"] is None
    assert operations.calls == [("timeline", (ID, None, 3)), ("files", (ID, None, 50, True))]


async def test_stored_notifications_are_listed_and_replayed(api: Client, operations: StandIn) -> None:
    listed = await (await api.get("/v1/notifications?sid=sid-1&type=71&outcome=parked")).json()
    assert listed["items"][0]["received_at"] == format_instant(NOW)
    replayed = await api.post("/v1/notifications/5/replay")
    assert (replayed.status, (await replayed.json())["id"]) == (202, 5)
    where = {"sid": "sid-1", "event_type": 71, "outcome": "parked", "cursor": None, "limit": 50}
    assert operations.calls == [("notices", (where,)), ("replay", (5,))]


async def test_health_asks_nobody_and_readiness_asks(api: Client, operations: StandIn) -> None:
    headers = {"Authorization": ""}
    assert await (await api.get("/healthz", headers=headers)).json() == {"status": "ok"}
    assert operations.calls == []
    assert (await api.get("/readyz", headers=headers)).status == 200
    assert operations.calls == [("ready", ())]


async def test_head_is_get_without_a_body(api: Client) -> None:
    response = await api.head(ONE)
    assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(("given", "taken"), [("lesson-7.a_b", True), ("", False), ("a b", False), ("x" * 65, False)])
async def test_a_plain_request_id_is_taken_over(api: Client, given: str, taken: bool) -> None:
    answered = (await api.get("/healthz", headers={"X-Request-Id": given})).headers["X-Request-Id"]
    assert (answered == given) is taken
    assert answered


async def test_the_log_line_has_no_query(api: Client) -> None:
    with capture_logs() as lines:
        await api.get("/v1/recordings?app=main")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["route"], line["path"], line["status"]) == ("/v1/recordings", "/v1/recordings", 200)
    assert line["owner"] == "school"
    assert "app=main" not in str(line)


def count(route: str, method: str, status: str) -> float | None:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("pagereel_http_requests_total", labels)


async def test_requests_are_counted_by_template_from_zero_on(api: Client) -> None:
    template = "/v1/recordings/{id}"
    assert count(template, "PATCH", "5xx") == 0
    before = count(template, "GET", "2xx") or 0
    strangers = count("other", "any", "4xx") or 0
    await api.get(ONE)
    await api.get("/wp-login.php")
    assert count(template, "GET", "2xx") == before + 1
    assert count("other", "any", "4xx") == strangers + 1


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_metrics_are_exposed_and_compressed_on_demand(api: Client, accept: str) -> None:
    response = await api.get("/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert response.status == 200
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.content_type == accept.partition(";")[0]
    assert "pagereel_http_requests_total" in await response.text()
    plain = await api.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15t08:00:00z", NOW),
        ("2027-01-15T08:00:00.25Z", NOW + 0.25),
        ("2027-01-15T08:00:00.123456789Z", NOW + 0.123456),
        ("2027-01-15T13:30:00+05:30", NOW),
        ("2027-01-15T08:00:00-00:00", NOW),
    ],
)
def test_an_instant_means_the_same_wherever_it_was_written(text: str, at: float) -> None:
    assert parse_instant(text) == pytest.approx(at, abs=1e-6)


async def test_a_manifest_and_a_playlist_come_in_their_own_types_and_no_cache_keeps_them(
    api: Client, operations: StandIn
) -> None:
    manifest = await api.get(f"{ONE}/manifest")
    playlist = await api.get(f"{ONE}/playlist.m3u8?from=2027-01-15T08:00:00Z")
    assert (manifest.status, manifest.content_type) == (200, "application/vnd.dsse.envelope+json")
    assert (playlist.status, playlist.content_type) == (200, "application/vnd.apple.mpegurl")
    assert {manifest.headers["Cache-Control"], playlist.headers["Cache-Control"]} == {"no-store"}
    assert operations.calls == [("manifest", (ID, False)), ("playlist", (ID, NOW, None))]


@pytest.mark.parametrize(("path", "body"), [("poster", b"a poster"), ("contact-sheet", b"a sheet")])
async def test_pictures_are_jpegs_that_nobody_keeps(api: Client, operations: StandIn, path: str, body: bytes) -> None:
    response = await api.get(f"{ONE}/{path}")
    assert (response.status, response.content_type, await response.read()) == (200, "image/jpeg", body)
    assert response.headers["Cache-Control"] == "no-store"
    assert operations.calls == [("pictures", (ID,))]


async def test_a_report_shows_its_timeline_and_what_it_cost(api: Client, operations: StandIn) -> None:
    response = await api.get(f"{ONE}/report?number=2")
    shown = await response.json()
    (missing,) = shown["missing"]
    assert (shown["number"], shown["verdict"], shown["requests"], shown["seed"]) == (2, "verified", 97, 11)
    assert (missing["kind"], missing["seconds"], missing["explained"]) == ("gap", 2.5, False)
    assert parse_instant(missing["from_at"]) == NOW + 5
    assert operations.calls == [("report", (ID, 2))]
    assert (await api.get(f"{ONE}/report?number=0")).status == 422


@pytest.mark.parametrize("uid", [904237875, "904237875", 2**32 - 1, str(2**32 - 1)])
async def test_a_uid_is_taken_as_a_number_and_as_the_api_shows_it(
    api: Client, operations: StandIn, uid: int | str
) -> None:
    body = {"app": "main", "storage": "archive", "uid": uid, "resource_id": "r"}
    assert (await api.post(f"{ONE}/adopt", json=body)).status == 202
    ((_, (lost,)),) = operations.calls
    assert lost == Lost(recording=ID, app="main", storage="archive", uid=int(uid), resource_id="r")
