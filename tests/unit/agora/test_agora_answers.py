"""Typed results from Agora's answers: both variants of every conflict of agora-reference §14."""

import pytest

from service.agora import answers
from service.agora.answers import NamedFile, Push, Stopped, TaskState

SID = "0123456789abcdef0123456789abcdef"


def recorder(**payload):
    return {"serviceName": "web_recorder_service", "payload": payload}


@pytest.mark.parametrize("key", ["filename", "fileName"])
@pytest.mark.parametrize(("slice_start", "expected"), [(1735689611873, 1735689611.873), (1735689611, 1735689611.0)])
def test_query_reads_both_spellings_and_both_units(key, slice_start, expected):
    listed = [{key: f"rec/a1/{SID}_c.m3u8", "sliceStartTime": slice_start}]
    body = {"serverResponse": {"status": 5, "extensionServiceState": [recorder(fileList=listed, onhold=False)]}}
    assert answers.parse_task_state(body).files == (NamedFile(f"{SID}_c.m3u8", expected),)


def test_query_reads_the_push_without_its_stream_key():
    push = {
        "serviceName": "rtmp_publish_service",
        "payload": {"outputs": [{"rtmpUrl": "rtmp://live.example.org/app/key1", "status": "publishing"}]},
    }
    body = {"serverResponse": {"status": 5, "extensionServiceState": [push, recorder(state="inProgress", onhold=True)]}}
    assert answers.parse_task_state(body) == TaskState(
        5, True, "inProgress", (), (Push("rtmp://live.example.org/…", "publishing"),)
    )


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"status": "5"},
        {"status": True, "extensionServiceState": None},
        {"extensionServiceState": [None, 3, {}, {"payload": []}]},
        {"extensionServiceState": [recorder(fileList="x", onhold="yes", state={})]},
        {"extensionServiceState": [recorder(fileList=[1, {}, {"filename": 4}])]},
    ],
)
def test_query_tolerates_whatever_is_left_out_or_mistyped(said):
    assert answers.parse_task_state({"serverResponse": said}) == TaskState(None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, None),
        ({"extensionServiceState": []}, None),
        ({"uploadingStatus": "uploaded"}, "uploaded"),
        (
            {"extensionServiceState": [{"serviceName": "upload_service", "payload": {"uploadingStatus": "backuped"}}]},
            "backuped",
        ),
        (
            {
                "extensionServiceState": [
                    recorder(state="exit"),
                    {"serviceName": "upload_service", "payload": {"uploadingStatus": "unknow"}},
                ]
            },
            "unknown",
        ),
        ({"uploadingStatus": "<script>"}, None),
    ],
)
def test_stop_reads_the_upload_status_in_either_place_and_spelling(said, expected):
    assert answers.parse_stopped({"serverResponse": said}) == Stopped(expected)
    assert answers.parse_stopped({"serverResponse": None}) == Stopped(None)


@pytest.mark.parametrize("value", ["", None, 5, "ü", "a\nb", "x" * 2049, [], {}])
def test_an_unusable_identifier_counts_as_none(value):
    assert answers.parse_sid({"sid": value}) is None
    assert answers.parse_acquired({"resourceId": value}) is None


@pytest.mark.parametrize("value", [None, "x", -1, 0, True, float("nan"), float("inf"), "inf", [], 10**400])
def test_an_instant_that_is_none_is_none(value):
    assert answers.parse_instant(value) is None


def test_the_address_list_keeps_addresses_only():
    hosts = [{"primaryIP": "203.0.113.10"}, {"primaryIP": "x"}, {}, 3, {"primaryIP": None}, {"primaryIP": 7}]
    assert answers.parse_ncs_ips({"data": {"service": {"hosts": hosts}}}) == {"203.0.113.10"}
    assert answers.parse_ncs_ips({"data": []}) == frozenset()
