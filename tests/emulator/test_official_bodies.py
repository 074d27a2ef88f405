"""The bodies of Agora's Go, Java and Node.js clients, field by field, are understood (agora-reference §1.3, §2 to §6).

Go sends `null` for a list and `""` for a text that its user left out; Go and Java write the key `VideoBitrate`.
"""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any

import pytest
from emulator_rig import BASE, BUCKET, Session, emulating

from emulator.requests.fields import Fields, Refused
from emulator.requests.parse import Start, parse_acquire, parse_start, parse_stop, parse_update
from emulator.requests.quirks import Quirks
from emulator.requests.spelling import check_spelling
from emulator.s3_server import S3Server

NAMES = {"cname": "lesson42", "uid": "527841"}
STORAGE = {"vendor": 11, "region": 0, "bucket": BUCKET, "accessKey": "AK", "secretKey": "SK"}
PAGE = {"url": "https://class.example.org/room/42", "audioProfile": 0, "videoWidth": 1280, "videoHeight": 720}
PUSH = {"outputs": [{"rtmpUrl": "rtmp://live.example.org/app/key1"}]}
ENDPOINT = {"endpoint": "s3.example.org"}

GO: dict[str, Any] = {
    "recordingFileConfig": {"avFileType": None},
    "storageConfig": {**STORAGE, "extensionParams": {"sse": "", "tag": "", **ENDPOINT}},
    "extensionServiceConfig": {
        "extensionServices": [
            {
                "serviceName": "web_recorder_service",
                "errorHandlePolicy": "",
                "serviceParam": {
                    **{**PAGE, "VideoBitrate": 1000, "maxRecordingHour": 3, "onhold": False, "readyTimeout": 0}
                },
            },
            {"serviceName": "rtmp_publish_service", "errorHandlePolicy": "", "serviceParam": PUSH},
        ]
    },
}
JAVA: dict[str, Any] = {
    "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
    "storageConfig": {**STORAGE, "fileNamePrefix": ["rec"], "extensionParams": ENDPOINT},
    "extensionServiceConfig": {
        "errorHandlePolicy": "error_abort",
        "extensionServices": [
            {
                "serviceName": "web_recorder_service",
                "errorHandlePolicy": "error_abort",
                "serviceParam": {
                    **{**PAGE, "VideoBitrate": 1000, "videoFps": 15, "mobile": False, "maxRecordingHour": 3},
                    **{"maxVideoDuration": 120, "onhold": False, "readyTimeout": 0},
                },
            },
            {"serviceName": "rtmp_publish_service", "errorHandlePolicy": "error_ignore", "serviceParam": PUSH},
        ],
    },
}
NODE: dict[str, Any] = deepcopy(JAVA)
_param = NODE["extensionServiceConfig"]["extensionServices"][0]["serviceParam"]
_param["videoBitrate"] = _param.pop("VideoBitrate")
STARTS = {"go": GO, "java": JAVA, "node": NODE}


def _start(request: Any, quirks: Quirks | None = None) -> Start:
    return parse_start({**NAMES, "clientRequest": request}, quirks or Quirks())


@pytest.mark.parametrize("client", STARTS)
def test_the_start_of_each_client_is_understood(client: str) -> None:
    start = _start(STARTS[client])
    assert (start.page.width, start.page.max_hours, start.page.ready_timeout) == (1280, 3, 0)
    assert start.push is not None
    assert not start.push.aborts
    assert start.mp4 == (client != "go")


@pytest.mark.parametrize("client", STARTS)
async def test_each_client_records_from_acquire_to_stop(s3: S3Server, client: str) -> None:
    """As each client does it: with the start's parameters in acquire, and each call with the fields that it sends."""
    request = deepcopy(STARTS[client])
    request["storageConfig"] |= {"accessKey": s3.access_key, "secretKey": s3.secret_key}
    request["storageConfig"]["extensionParams"]["endpoint"] = s3.endpoint
    acquire = {"scene": 1, "resourceExpiredHour": 4, "startParameter": request}
    if client == "java":
        acquire |= {"excludeResourceIds": [], "regionAffinity": 0}
    async with emulating(s3) as agora:
        status, answer = await agora.send("POST", f"{BASE}/acquire", {**NAMES, "clientRequest": acquire})
        assert status == 200, answer
        rid = answer["resourceId"]
        path = f"{BASE}/resourceid/{rid}/mode/web/start"
        status, answer = await agora.send("POST", path, {**NAMES, "clientRequest": request})
        assert status == 200, answer
        session = Session(rid, answer["sid"], **NAMES)
        await agora.slices(session, 1)
        status, answer = await agora.call(session, "query")
        recorder, push = answer["serverResponse"]["extensionServiceState"]
        assert recorder["payload"]["state"] == push["payload"]["state"] == "inProgress"
        for update in ({"webRecordingConfig": {"onhold": True}}, {"rtmpPublishConfig": PUSH}):
            body = update if client != "go" else {**update, "storageConfig": None}
            assert (await agora.call(session, "update", body))[0] == 200
        assert (await agora.call(session, "stop", {"async_stop": False}))[0] == 200


async def test_a_start_may_leave_out_what_its_acquire_sent_as_null(s3: S3Server) -> None:
    async with emulating(s3) as agora:
        names = {"cname": "lesson42", "uid": "1"}
        request = {"scene": 1, "startParameter": {**GO, "recordingFileConfig": {"avFileType": None}}}
        _, answer = await agora.send("POST", f"{BASE}/acquire", {**names, "clientRequest": request})
        path = f"{BASE}/resourceid/{answer['resourceId']}/mode/web/start"
        status, answer = await agora.send(
            "POST", path, {**names, "clientRequest": {**GO, "recordingFileConfig": {}, "token": None}}
        )
        assert status == 200, answer


OPTIONAL = [
    *(f"page {key}" for key in ("videoBitrate", "videoFps", "mobile", "maxVideoDuration", "onhold", "readyTimeout")),
    *("storage fileNamePrefix", "storage stsToken", "storage stsExpiration"),
    *("request recordingFileConfig", "request recordingConfig", "request token"),
    *("services errorHandlePolicy", "services apiVersion", "service errorHandlePolicy"),
]


@pytest.mark.parametrize("place", OPTIONAL)
def test_null_for_an_optional_field_means_left_out(place: str) -> None:
    where, key = place.split()
    request = deepcopy(NODE)
    services = request["extensionServiceConfig"]
    service = services["extensionServices"][0]
    objects = {"request": request, "services": services, "service": service, "page": service["serviceParam"]}
    found = {**objects, "storage": request["storageConfig"]}[where]
    found.pop(key, None)
    without = _start(request)
    found[key] = None
    assert _start(request) == without


def test_null_is_left_out_of_acquire_update_and_stop_too() -> None:
    quirks = Quirks()
    acquire = dict.fromkeys(("resourceExpiredHour", "region", "regionAffinity", "excludeResourceIds", "startParameter"))
    assert parse_acquire({**NAMES, "clientRequest": {"scene": 1, **acquire}}, quirks) == parse_acquire(
        {**NAMES, "clientRequest": {"scene": 1}}, quirks
    )
    update = {"webRecordingConfig": {"onhold": None}, "rtmpPublishConfig": None, "storageConfig": None}
    assert parse_update({**NAMES, "clientRequest": update}, quirks).onhold is False
    assert not parse_stop({**NAMES, "clientRequest": {"async_stop": None}}, quirks).asynchronous


@pytest.mark.parametrize("call", [parse_acquire, parse_start, parse_stop, parse_update])
@pytest.mark.parametrize("key", ["cname", "uid", "clientRequest"])
def test_null_for_a_mandatory_field_is_refused(call: Any, key: str) -> None:
    with pytest.raises(Refused):
        call({**NAMES, "clientRequest": {"scene": 1, "webRecordingConfig": {}, **GO}, key: None}, Quirks())


@pytest.mark.parametrize("place", ["services", "recorder", "push"])
@pytest.mark.parametrize(
    ("policy", "good"), [("", True), ("error_abort", True), ("abort", False), (" ", False), (1, False), (["x"], False)]
)
def test_an_empty_policy_is_left_out_and_nonsense_is_refused_for_every_service(
    place: str, policy: Any, good: bool
) -> None:
    request = deepcopy(GO)
    services = request["extensionServiceConfig"]
    recorder, push = services["extensionServices"]
    {"services": services, "recorder": recorder, "push": push}[place]["errorHandlePolicy"] = policy
    if good:
        assert _start(request).push is not None
    else:
        with pytest.raises(Refused, match="errorHandlePolicy"):
            _start(request)


@pytest.mark.parametrize(("key", "meant"), [("VideoBitrate", "videoBitrate"), ("video_bitrate", "videoBitrate")])
@pytest.mark.parametrize(("treatment", "kbps"), [("ignored", 2000), ("accepted", 1000), ("refused", None)])
async def test_a_misspelt_key_is_logged_and_ignored_accepted_or_refused(
    s3: S3Server, caplog: pytest.LogCaptureFixture, key: str, meant: str, treatment: str, kbps: int | None
) -> None:
    size = {"videoWidth": 1280, "videoHeight": 720}
    async with emulating(s3, quirks={"misspelt_keys": treatment}) as agora:
        rid = await agora.acquire()
        with caplog.at_level(logging.WARNING):
            status, answer = await agora.try_start(rid, **size, **{key: 1000})
    assert status == (400 if kbps is None else 200), answer
    assert f"did you mean {meant}?" in caplog.text


def test_only_the_accepted_spelling_changes_what_is_recorded() -> None:
    unknown, corrected = check_spelling("start", {**NAMES, "clientRequest": GO})
    (key,) = unknown
    assert key.path == "clientRequest.extensionServiceConfig.extensionServices[0].serviceParam.VideoBitrate"
    assert (_start(GO).page.bitrate_kbps, parse_start(corrected, Quirks()).page.bitrate_kbps) == (2000, 1000)


def test_a_key_beside_the_right_one_changes_nothing() -> None:
    body = {"cname": "right", "CNAME": "wrong", "uid": "1", "clientRequest": {"scen": 1, "junk": 2, "scene": 1}}
    unknown, corrected = check_spelling("acquire", body)
    assert [(key.path, key.meant) for key in unknown] == [
        ("CNAME", "cname"),
        ("clientRequest.scen", "scene"),
        ("clientRequest.junk", None),
    ]
    assert corrected == body


@pytest.mark.parametrize("body", [None, "malformed", [], [[1]], {"clientRequest": []}, {"": {"": None}}, 1.5])
def test_a_body_of_any_form_is_read_to_a_refusal(body: Any) -> None:
    _, corrected = check_spelling("start", body)
    with pytest.raises(Refused):
        parse_start(corrected, Quirks())


def test_a_key_of_null_is_not_there() -> None:
    fields = Fields({"a": None, "b": {"c": None, "d": [{"e": None}]}}, "body")
    assert not fields.has("a")
    assert fields.raw("b") == {"d": [{}]}
