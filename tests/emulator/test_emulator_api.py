"""Requests, credentials and errors as Agora's reference has them."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from emulator_rig import APP, BASE, CUSTOMER, Client, Session, client_request, emulating, until

from emulator.requests import parse as requests
from emulator.requests.fields import Refused
from emulator.requests.quirks import Quirks
from emulator.s3_server import S3Server

LONG_SID = "0" * 32


class Keys:
    """Stands for a server where only a body is needed."""

    access_key, secret_key, endpoint = "AK", "SK", "s3.example.org"


def good_start() -> dict[str, Any]:
    return {"cname": "lesson42", "uid": "1", "clientRequest": client_request(Keys())}  # type: ignore[arg-type]


def page_of(body: dict[str, Any]) -> dict[str, Any]:
    return body["clientRequest"]["extensionServiceConfig"]["extensionServices"][0]["serviceParam"]


BAD_PAGES = [
    ("url", None),
    ("url", ""),
    ("url", "ftp://x/"),
    ("audioProfile", 3),
    ("audioProfile", None),
    ("videoWidth", 239),
    ("videoWidth", "640"),
    ("videoWidth", 640.5),
    ("videoHeight", 1921),
    ("videoFps", 4),
    ("videoFps", 61),
    ("videoBitrate", 49),
    ("maxRecordingHour", None),
    ("maxRecordingHour", 0),
    ("maxRecordingHour", 721),
    ("maxRecordingHour", True),
    ("maxVideoDuration", 29),
    ("maxVideoDuration", 241),
    ("readyTimeout", 61),
    ("readyTimeout", -1),
    ("readyTimeout", 1.5),
    ("onhold", "yes"),
    ("mobile", 1),
]


@pytest.mark.parametrize(("field", "value"), BAD_PAGES)
def test_a_page_field_out_of_range_is_refused_by_its_name(field: str, value: Any) -> None:
    body = good_start()
    page_of(body)[field] = value
    with pytest.raises(Refused, match=field) as refused:
        requests.parse_start(body, Quirks())
    assert refused.value.code == 2


BAD_STORAGE = [
    ("vendor", 4),
    ("vendor", 99),
    ("vendor", None),
    ("region", 1),
    ("bucket", ""),
    ("accessKey", None),
    ("secretKey", 5),
    ("fileNamePrefix", ["a-b"]),
    ("fileNamePrefix", ["a" * 128]),
    ("fileNamePrefix", "rec"),
    ("extensionParams", None),
    ("extensionParams", {}),
    ("stsExpiration", "tomorrow"),
]


@pytest.mark.parametrize(("field", "value"), BAD_STORAGE)
def test_a_storage_field_that_breaks_a_rule_is_refused_by_its_name(field: str, value: Any) -> None:
    body = good_start()
    body["clientRequest"]["storageConfig"][field] = value
    with pytest.raises(Refused, match=f"storageConfig.*{field}|extensionParams"):
        requests.parse_start(body, Quirks())


@pytest.mark.parametrize("types", [["mp4"], ["hls", "mp3"], ["aac"], "hls"])
def test_file_types_other_than_hls_with_or_without_mp4_are_refused(types: Any) -> None:
    body = good_start()
    body["clientRequest"]["recordingFileConfig"] = {"avFileType": types}
    with pytest.raises(Refused, match="avFileType"):
        requests.parse_start(body, Quirks())


def test_a_picture_above_full_hd_is_refused() -> None:
    body = good_start()
    page_of(body).update(videoWidth=1920, videoHeight=1200)
    with pytest.raises(Refused, match="videoWidth"):
        requests.parse_start(body, Quirks())


@pytest.mark.parametrize("uid", ["0", "-1", "4294967296", "one", "", 5, None, "１"])
def test_a_uid_that_is_no_32_bit_number_in_quotes_is_refused(uid: Any) -> None:
    with pytest.raises(Refused, match="uid"):
        requests.parse_acquire({"cname": "c", "uid": uid, "clientRequest": {"scene": 1}}, Quirks())


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({}, "scene"),
        ({"scene": 0}, "scene"),
        ({"scene": 1, "resourceExpiredHour": 0}, "resourceExpiredHour"),
        ({"scene": 1, "resourceExpiredHour": 721}, "resourceExpiredHour"),
        ({"scene": 1, "region": "MOON"}, "region"),
        ({"scene": 1, "startParameter": {}}, "extensionServiceConfig"),
    ],
)
def test_an_acquire_field_out_of_range_is_refused_by_its_name(request_: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word):
        requests.parse_acquire({"cname": "c", "uid": "1", "clientRequest": request_}, Quirks())


def test_a_cname_with_a_slash_has_a_code_of_its_own() -> None:
    with pytest.raises(Refused, match="invalid_channel_name") as refused:
        requests.parse_acquire({"cname": "a/b", "uid": "1", "clientRequest": {"scene": 1}}, Quirks())
    assert refused.value.code == 401


def test_defaults_are_those_of_the_reference() -> None:
    start = requests.parse_start(good_start(), Quirks())
    assert (start.page.fps, start.page.bitrate_kbps, start.page.max_video_minutes) == (15, 1500, 120)
    assert not start.mp4


def test_a_typed_body_shows_no_secret_when_printed() -> None:
    shown = repr(requests.parse_start(good_start(), Quirks()))
    assert "SK" not in shown
    assert "page-secret" not in shown


async def test_a_body_that_breaks_a_rule_gets_code_2_with_a_reason(agora: Client) -> None:
    rid = await agora.acquire()
    status, answer = await agora.try_start(rid, videoFps=4)
    assert status == 400
    assert answer["code"] == 2
    assert "videoFps" in answer["reason"]


@pytest.mark.parametrize(
    ("user", "message"),
    [(None, "Unauthorized"), ((CUSTOMER, "wrong"), "Invalid authentication credentials")],
)
async def test_missing_and_wrong_credentials_get_401(agora: Client, user: Any, message: str) -> None:
    assert await agora.send("POST", f"{BASE}/acquire", {}, user=user) == (401, {"message": message})
    assert await agora.send("GET", "/v1/ncs/ip", user=user) == (401, {"message": message})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{BASE}/acquire"),
        ("POST", f"{BASE}/acquire2"),
        ("POST", f"{BASE}/resourceid/r/sid/s/mode/web/query"),
        ("POST", f"{BASE}/resourceid/r/sid/s/mode/web/updateLayout"),
        ("GET", "/"),
    ],
)
async def test_a_wrong_path_or_method_gets_404_of_the_gateway(agora: Client, method: str, path: str) -> None:
    assert await agora.send(method, path) == (404, {"message": "no Route matched with those values"})


async def test_an_unknown_app_is_named_invalid(agora: Client) -> None:
    path = BASE.replace(APP, "other") + "/acquire"
    assert await agora.send("POST", path, {}) == (400, {"message": "appid is invalid"})


async def test_the_eleventh_request_within_a_second_gets_429(s3: S3Server) -> None:
    async with emulating(s3, qps=10) as agora:
        answers = [await agora.send("POST", f"{BASE}/acquire", {}) for _ in range(11)]
        assert [status for status, _ in answers] == [400] * 10 + [429]
        assert answers[-1][1] == {"message": "API rate limit exceeded"}


async def test_a_task_above_the_limit_is_refused_at_acquire(s3: S3Server) -> None:
    async with emulating(s3, max_tasks=1) as agora:
        await agora.start()
        body = {"cname": "other", "uid": "1", "clientRequest": {"scene": 1}}
        assert await agora.send("POST", f"{BASE}/acquire", body) == (400, {"code": 406, "reason": "vendor_over_load"})


async def test_a_resource_id_is_long_and_url_safe_and_echoes_its_names(agora: Client) -> None:
    body = {"cname": "lesson42", "uid": "1", "clientRequest": {"scene": 1}}
    status, answer = await agora.send("POST", f"{BASE}/acquire", body)
    assert status == 200
    assert (answer["cname"], answer["uid"], len(answer["resourceId"])) == ("lesson42", "1", 300)
    assert set(answer["resourceId"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


async def test_a_second_start_on_a_resource_id_is_already_started(agora: Client) -> None:
    session = await agora.start()
    assert await agora.try_start(session.rid) == (201, {"code": 7, "reason": "already started"})


async def test_a_running_identity_conflicts_with_a_new_resource_id(agora: Client) -> None:
    session = await agora.start()
    rid = await agora.acquire()
    assert (await agora.try_start(rid))[1]["code"] == 53
    assert len(session.sid) == 32
    rid = await agora.acquire(uid="2")
    assert (await agora.try_start(rid, uid="2"))[0] == 200


async def test_a_resource_id_dies_after_its_life(s3: S3Server) -> None:
    async with emulating(s3, times={"resource": 6}) as agora:
        rid, acquired = await agora.acquire(), time.monotonic()
        await until(lambda: time.monotonic() > acquired + 0.15)
        assert await agora.try_start(rid) == (400, {"code": 433, "reason": "resourceId expired"})


async def test_a_start_must_equal_the_start_parameter_of_its_acquire(agora: Client, s3: S3Server) -> None:
    parameter = client_request(s3)
    rid = await agora.acquire(startParameter=parameter)
    status, answer = await agora.try_start(rid, videoFps=20)
    assert (status, answer["code"]) == (400, 2)
    assert "startParameter" in answer["reason"]
    assert (await agora.try_start(rid))[0] == 200


async def test_temporary_keys_that_expire_within_four_hours_are_refused(s3: S3Server) -> None:
    async with emulating(s3, compression=1, times={"start": 0, "slice": 1}) as agora:
        soon = {"stsToken": "token", "stsExpiration": int(time.time()) + 4 * 3600 - 60}
        later = {"stsToken": "token", "stsExpiration": int(time.time()) + 4 * 3600 + 60}
        parameter = client_request(s3, storage=soon)
        acquire = {"cname": "c", "uid": "1", "clientRequest": {"scene": 1, "startParameter": parameter}}
        refused = [await agora.send("POST", f"{BASE}/acquire", acquire)]
        rid = await agora.acquire()
        refused.append(await agora.try_start(rid, storage=soon))
        status, answer = await agora.try_start(rid, storage=later, onhold=True)
        assert status == 200
        session = Session(rid, answer["sid"], "lesson42", "1")
        hold = {"webRecordingConfig": {"onhold": False}}
        refused.append(await agora.call(session, "update", {**hold, "storageConfig": parameter["storageConfig"]}))
        assert [(status, answer["code"]) for status, answer in refused] == [(400, 2)] * 3
        assert all("stsExpiration" in answer["reason"] for _, answer in refused)
        _, answer = await agora.call(session, "query")
        (recorder,) = answer["serverResponse"]["extensionServiceState"]
        assert recorder["payload"]["onhold"], "a refused update changes nothing"


async def test_a_start_for_another_identity_or_an_unknown_resource_id_is_refused(agora: Client) -> None:
    rid = await agora.acquire()
    assert (await agora.try_start(rid, uid="77"))[1]["code"] == 432
    assert (await agora.try_start("x" * 300))[1]["code"] == 1001


async def test_calls_about_unknown_tasks_find_no_worker(agora: Client) -> None:
    path = f"{BASE}/resourceid/r/sid/{LONG_SID}/mode/web"
    body = {"cname": "c", "uid": "1", "clientRequest": {"webRecordingConfig": {"onhold": True}}}
    gone = (404, {"code": 404, "reason": "failed to find worker"})
    assert await agora.send("GET", f"{path}/query") == gone
    assert await agora.send("POST", f"{path}/stop", body) == gone
    assert await agora.send("POST", f"{path}/update", body) == gone


async def test_the_long_error_body_has_the_text_in_the_payload(s3: S3Server) -> None:
    async with emulating(s3, quirks={"error_body": "long"}) as agora:
        path = f"{BASE}/resourceid/r/sid/{LONG_SID}/mode/web/stop"
        status, answer = await agora.send("POST", path, {"cname": "c", "uid": "1", "clientRequest": {}})
        assert status == 404
        assert answer["serverResponse"]["payload"]["message"] == "failed to find worker"
        assert "reason" not in answer
        assert answer["code"] == 404


async def test_both_versions_list_the_addresses_notices_come_from(agora: Client) -> None:
    for version in ("v1", "v2"):
        status, answer = await agora.send("GET", f"/{version}/ncs/ip")
        assert status == 200
        assert answer["data"]["service"]["hosts"] == [{"primaryIP": "127.0.0.1"}]


def test_a_good_body_is_not_changed_by_parsing() -> None:
    body = good_start()
    before = copy.deepcopy(body)
    requests.parse_start(body, Quirks())
    assert body == before


async def test_the_demo_page_is_served(agora: Client) -> None:
    async with agora.http.get(f"{agora.base_url}/emulator/page") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert "<html" in await answer.text()
