"""Each quirk at its default and at another value, on the wire: one row each, out of four stories."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from emulator_rig import APP, BASE, CUSTOMER, SECRET, Client, client_request, emulating
from quirk_story import CNAME, DYING, HELD, LOSSY, REFUSED, SLOW, Story, breaks_in_media, tell

from emulator.requests.quirks import Quirks
from emulator.s3_server import S3Server
from tests.flipped_quirks import FLIPPED


@pytest.fixture(scope="module")
def stories(s3: S3Server) -> dict[str, Story]:
    async def all_of_them() -> dict[str, Story]:
        plans = {"default": {}, **FLIPPED}
        # One after another: their seconds are sixtieths, and together they would take each other's.
        return {name: await tell(s3, f"quirk{name}", quirks) for name, quirks in plans.items()}

    return asyncio.run(all_of_them())


def _services(story: Story, answer: str) -> list[str]:
    body = story.answers[answer][1].get("serverResponse", {})
    return [state["serviceName"].partition("_")[0] for state in body.get("extensionServiceState", [])]


def _new_push(story: Story) -> tuple[int, list[str]]:
    """What an update with outputs of a task without a push is answered, and what query lists then."""
    return story.answers["new push"][0], _services(story, "new push seen")


def _listed(story: Story) -> dict[str, Any]:
    """The playlist in event 71."""
    first: dict[str, Any] = story.details(71)[0]["fileList"][0]
    return first


def _order(story: Story, *events: int) -> list[int]:
    told = [body["eventType"] for body in story.bodies if body["payload"]["sid"] == story.sid]
    return sorted(events, key=told.index)


def _interruption(story: Story) -> list[str]:
    lines = [line.partition(":")[0] for line in story.playlist().splitlines() if line.startswith("#EXT")]
    return lines[5 : lines.index("#EXTINF")]


def _copies_share_their_id(story: Story) -> bool:
    ids = {body["noticeId"] for body in story.bodies if body["eventType"] == 70 and body["payload"]["sid"] == story.sid}
    return len(ids) == 1


def _grows(story: Story) -> bool:
    shares = [one["progress"] for one in story.details(33, SLOW)[:-1]]
    return all(after >= before for before, after in pairwise(shares))


def _billed(story: Story) -> bool:
    from datetime import datetime

    truth = story.truths["1"]
    ran = datetime.fromisoformat(truth["ended_at"]) - datetime.fromisoformat(truth["recording_started_at"])
    return bool(abs(ran.total_seconds() - truth["billed_seconds"]) < 0.1)


def _upload_status(story: Story, uid: str) -> str:
    states = story.stops[uid][1]["serverResponse"]["extensionServiceState"]
    return str(next(one["payload"]["uploadingStatus"] for one in states if one["serviceName"] == "upload_service"))


class Row(NamedTuple):
    """A quirk, what shows it, what that is at the default and what in another story."""

    quirk: str
    fact: Callable[[Story], Any]
    default: Any
    other: Any
    story: str = "most"


ROWS = [
    Row("cname_max_bytes", lambda s: s.probes["long"][0], 400, 200),
    Row("min_side", lambda s: s.probes["small"][0], 400, 200),
    Row("bitrate_limits", lambda s: s.probes["thin"][0], 400, 200),
    Row("misspelt_keys", lambda s: [s.probes[n][0] for n in ("Thin", "Fit")], [200, 200], [400, 400]),
    Row("misspelt_keys", lambda s: [s.probes[n][0] for n in ("Thin", "Fit")], [200, 200], [400, 200], "some"),
    Row("region_fields", lambda s: [s.probes[n][0] for n in ("region", "regionAffinity")], [200, 200], [200, 400]),
    Row(
        "region_fields", lambda s: [s.probes[n][0] for n in ("region", "regionAffinity")], [200] * 2, [400, 200], "some"
    ),
    Row("hour_limits", lambda s: [s.probes[n][0] for n in ("equal", "above")], [200, 200], [400, 400]),
    Row("hour_limits", lambda s: [s.probes[n][0] for n in ("equal", "above")], [200, 200], [200, 400], "some"),
    Row("error_body", lambda s: "reason" in s.answers["stop again"][1], True, False),
    Row("echo_names", lambda s: "cname" in s.answers["acquire"][1], True, False),
    Row("echo_names", lambda s: "uid" in s.answers["update"][1], True, False),
    Row("already_started_ids", lambda s: s.answers["again"][1].get("sid") == s.sid, False, True),
    Row("used_up_code", lambda s: s.probes["spent"][1]["code"], 433, 1001),
    Row("query_file_list", lambda s: bool(s.service("query", "web_recorder_service")["fileList"]), True, False, "some"),
    Row("query_push_first", lambda s: _services(s, "query"), ["web", "rtmp"], ["rtmp", "web"]),
    Row("push_state", lambda s: "state" in s.service("query", "rtmp_publish_service"), True, False),
    Row("exiting_query", lambda s: s.answers["exiting"][1].get("code"), None, 501),
    Row("file_key", lambda s: "filename" in _listed(s), True, False),
    Row("file_prefix", lambda s: "/" in str(_listed(s)), False, True),
    Row("slice_start_unit", lambda s: len(str(_listed(s)["sliceStartTime"])), 13, 10),
    Row("recorder_first", lambda s: _services(s, "stop")[:2], ["upload", "web"], ["web", "upload"]),
    Row("stop_entries", lambda s: len(_services(s, "stop")), 3, 1, "some"),
    Row("stop_entries", lambda s: "serverResponse" in s.answers["stop"][1], True, False, "few"),
    Row("stop_says_backuped", lambda s: s.service("stop", "upload_service")["uploadingStatus"], "uploaded", "backuped"),
    Row("unknown_word", lambda s: _upload_status(s, LOSSY), "unknown", "unknow"),
    Row("sync_stop_status", lambda s: (s.stops[SLOW][0], s.stops[SLOW][1]["code"]), (206, 50), (504, 50)),
    Row("nothing_recorded", lambda s: s.stops[HELD][0], 206, 200),
    Row("ncs_ip", lambda s: [s.probes[version][0] for version in ("v1", "v2")], [200, 200], [200, 404]),
    Row("ncs_ip", lambda s: [s.probes[version][0] for version in ("v1", "v2")], [200, 200], [404, 200], "some"),
    Row(
        "update_refused",
        lambda s: (s.answers["update"][0], s.answers["update"][1].get("code")),
        (200, None),
        (400, 2),
        "few",
    ),
    Row("update_resets", lambda s: s.service("pushed", "web_recorder_service")["onhold"], True, False),
    Row("update_without_push", _new_push, (200, ["web", "rtmp"]), (400, ["web"])),
    Row("update_without_push", _new_push, (200, ["web", "rtmp"]), (200, ["web"]), "some"),
    Row("notice_sid", lambda s: "sid" in s.bodies[0], True, False),
    Row("service_scene", lambda s: "serviceScene" in s.bodies[0]["payload"], True, False),
    Row(
        "sequence_scope",
        lambda s: s.of(30)[0]["payload"]["sequence"] == s.of(70)[0]["payload"]["sequence"],
        False,
        True,
    ),
    Row("redundant_notice_id", _copies_share_their_id, True, False),
    Row("unsaid_events", lambda s: len(s.of(30)), 1, 0, "some"),
    Row("register_notice", lambda s: len(s.of(13)), 0, 1),
    Row("sts_notice", lambda s: [one["msgName"] for one in s.details(34)], [], ["STSExpired"]),
    Row("recorder_started_40", lambda s: len(s.of(40)), 0, 1),
    Row("file_infos", lambda s: len(s.of(4)) > 2, False, True),
    Row("progress", _grows, False, True),
    Row("exit_field", lambda s: [set(one) - {"msgName"} for one in s.details(11)], [{"exitStatus"}], [{"leaveStatus"}]),
    Row("exit_before_uploaded", lambda s: _order(s, 31, 11), [31, 11], [11, 31]),
    Row("rtmp_status_type", lambda s: s.details(100)[0]["status"], "connecting", 0),
    Row("disconnected_at_end", lambda s: s.details(100)[-1]["status"], "disconnected", 1),
    Row("recording_mode", lambda s: s.details(3)[0]["recordingMode"], 1, 0),
    Row("recorder_error_blank", lambda s: s.details(71, DYING)[0]["message"], "recorder_error", "recorder_error "),
    Row("failover_uid", lambda s: s.of(71)[0]["payload"]["uid"] == "1", False, True),
    Row("failover_twice", lambda s: [len(s.of(event)) for event in (31, 11)], [1, 1], [2, 2], "some"),
    Row("failover_limit", lambda s: s.details(71)[0]["code"], 0, 6, "few"),
    Row("break_times", lambda s: breaks_in_media(s) > 0.4, True, False),
    Row("hold_billed", _billed, True, False),
    Row("hold_push", lambda s: "onhold" in [one["status"] for one in s.details(100)], True, False),
    Row("storage_error_ends", lambda s: s.truths[REFUSED]["ran_on"], False, True),
    Row("mp4_during", lambda s: any(name.endswith(".mp4") for name in s.early_files), False, True),
    Row(
        "cname_space",
        lambda s: [f"{s.sid}_{CNAME}.m3u8" in s.files, f"{s.sid}_room-42.m3u8" in s.files],
        [True, False],
        [False, True],
    ),
    Row("playlist_time", lambda s: len(re.findall(r"TIME=(\d+)", s.playlist())[0]), 17, 13),
    Row("track_events", lambda s: "AGORA-TRACK-EVENT" in s.playlist(), True, False, "some"),
    Row("discontinuity_last", lambda s: _interruption(s)[-1].rpartition("-")[2], "EVENT", "DISCONTINUITY"),
    Row("endlist", lambda s: any(b"ENDLIST" in data for name, data in s.files.items() if "m3u8" in name), True, False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.quirk}-{row.story}")
def test_a_quirk_shows_at_both_values(stories: dict[str, Story], row: Row) -> None:
    assert row.fact(stories["default"]) == row.default
    assert row.fact(stories[row.story]) == row.other


def test_every_quirk_has_a_row_and_every_other_value_differs_from_the_default() -> None:
    assert set(Quirks.model_fields) - {row.quirk for row in ROWS} == {"qps_scope", "stream_limits"}
    assert {name for flips in FLIPPED.values() for name in flips} == {row.quirk for row in ROWS}
    for flips in FLIPPED.values():
        assert {name for name, value in flips.items() if getattr(Quirks(), name) == value} == set()


@pytest.mark.parametrize(("scope", "last"), [("app", 400), ("account", 429)])
async def test_the_request_limit_counts_apps_or_their_account(s3: S3Server, scope: str, last: int) -> None:
    apps = [{"app_id": name, "customer_id": CUSTOMER, "customer_secret": SECRET} for name in (APP, "app2")]
    async with emulating(s3, apps=apps, qps=3, quirks={"qps_scope": scope}) as agora:
        for _ in range(3):
            assert (await _ask(agora, APP))[0] == 400
        assert (await _ask(agora, APP))[0] == 429
        assert (await _ask(agora, "app2"))[0] == last


@pytest.mark.parametrize(("reading", "last"), [("none", 200), ("lower", 500), ("higher", 500)])
async def test_the_table_of_streams_by_size_and_area_can_be_made_to_count(
    s3: S3Server, reading: str, last: int
) -> None:
    size = {"videoWidth": 1920, "videoHeight": 1080}
    settings = {"engine": "live", "times": {"start": 3600}, "quirks": {"stream_limits": reading}}
    async with emulating(s3, **settings) as agora:
        for uid in range(1, 12):
            rid = await agora.acquire(uid=str(uid), region="EU")
            status, answer = await agora.try_start(rid, uid=str(uid), **size)
            assert status == (200 if uid <= 10 else last), answer
        if reading != "none":
            assert answer["code"] == 502
            with pytest.raises(AssertionError, match="vendor_over_load"):
                await agora.acquire(uid="12", regionAffinity=3, startParameter=client_request(s3, **size))
        rid = await agora.acquire(uid="13", region="CN")
        assert (await agora.try_start(rid, uid="13", **size))[0] == 200


async def _ask(agora: Client, app: str) -> tuple[int, Any]:
    return await agora.send("POST", BASE.replace(APP, app) + "/acquire", {})
