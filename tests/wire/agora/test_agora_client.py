"""The client against a scripted server on the wire: what it says, what it makes of answers, faults and silences."""

import asyncio
import base64
import socket
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from scripted_agora import SID

from metrics import REGISTRY
from service.agora import (
    AgoraClient,
    LocalBudget,
    NotSentError,
    Priority,
    Rate,
    Request,
    Started,
    StartOrder,
    Stopped,
    Storage,
    Task,
    TaskMissing,
    TaskState,
    Updated,
)
from service.errors import OutsideError, Refused, Unavailable, UnknownOutcome
from service.recording import Location, Parameters
from service.settings import App, Credentials, Secret

PAGE = "https://page.example/room?token=canary-page"
RTMP = "rtmp://live.example/app/canary-key"
STORAGE = Storage(
    Location(1, 0, "bucket", None, False, ("r",)), "r/a1/", Credentials("canary-access", "canary-storage")
)
ORDER = StartOrder(PAGE, Parameters(), STORAGE, RTMP)
TASK = Task("r-x", 42, "RID", SID)
IDS = {"cname": "r-x", "uid": "42", "resourceId": "RID", "sid": SID}

CALLS = {
    "acquire": lambda client: client.acquire("r-x", 42, 3),
    "start": lambda client: client.start("r-x", 42, "RID", ORDER),
    "query": lambda client: client.query(TASK),
    "update": lambda client: client.update_onhold(TASK, True),
    "stop": lambda client: client.stop(TASK),
}
COMMANDS = ["acquire", "start", "update", "stop"]


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def counted(operation: str, outcome: str) -> float:
    labels = {"operation": operation, "outcome": outcome}
    return REGISTRY.get_sample_value("pagereel_agora_requests_total", labels) or 0


def chain(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text += f"{error!r} {error} {vars(error)} "
        error = error.__cause__ or error.__context__
    return text


async def test_a_recording_is_acquired_started_asked_about_changed_and_stopped(agora, make_client):
    client = make_client(agora.url)
    agora.says(body={"resourceId": "RID"})
    agora.says(body=IDS)
    agora.says(body={**IDS, "serverResponse": {"status": 5, "extensionServiceState": []}})
    agora.says(body=IDS)
    agora.says(body=IDS)
    agora.says(body=IDS)
    agora.says(body={**IDS, "serverResponse": {"extensionServiceState": []}})
    assert (await client.acquire("r-x", 42, 3)).resource_id == "RID"
    assert await client.start("r-x", 42, "RID", ORDER) == Started(SID)
    assert await client.query(TASK) == TaskState(5, cname="r-x", uid="42")
    assert await client.update_onhold(TASK, True) == Updated()
    assert await client.update_rtmp(TASK, RTMP) == Updated()
    assert await client.update_storage(TASK, STORAGE) == Updated()
    assert await client.stop(TASK) == Stopped()
    task = f"/v1/apps/app1/cloud_recording/resourceid/RID/sid/{SID}/mode/web"
    assert [(seen.method, seen.path) for seen in agora.seen] == [
        ("POST", "/v1/apps/app1/cloud_recording/acquire"),
        ("POST", "/v1/apps/app1/cloud_recording/resourceid/RID/mode/web/start"),
        ("GET", f"{task}/query"),
        *[("POST", f"{task}/update")] * 3,
        ("POST", f"{task}/stop"),
    ]


async def test_every_request_carries_the_credentials_and_is_json(agora, make_client):
    agora.says(body={"resourceId": "RID"})
    await make_client(agora.url).acquire("r-x", 42, 3)
    headers = agora.seen[0].headers
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"cust:canary-secret"
    assert headers["Content-Type"] == "application/json"
    assert agora.seen[0].body["clientRequest"] == {"scene": 1, "resourceExpiredHour": 27}


async def test_a_region_pin_goes_into_acquire(agora, make_client):
    agora.says(body={"resourceId": "RID"})
    await make_client(agora.url, region="EU").acquire("r-x", 42, 3)
    assert agora.seen[0].body["clientRequest"]["region"] == "EU"


@pytest.mark.parametrize(
    ("body", "sid"),
    [({"code": 7, "reason": "already started"}, None), ({"code": 7, "sid": ""}, None), ({"sid": SID}, SID), ({}, None)],
)
async def test_a_start_that_had_won_before_is_started_with_or_without_its_sid(agora, make_client, body, sid):
    agora.says(201, body)
    assert await make_client(agora.url).start("r-x", 42, "RID", ORDER) == Started(sid)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (206, {"code": 435, "reason": "no recorded data"}, Stopped(nothing_recorded=True)),
        (400, {"code": 49, "reason": "invalid operation"}, Stopped(already=True)),
        (500, {"code": 50}, Stopped()),
        (200, {"serverResponse": {"uploadingStatus": "uploaded"}}, Stopped("uploaded")),
        (200, {}, Stopped()),
    ],
)
async def test_stop_tells_the_ways_a_task_can_end(agora, make_client, status, body, expected):
    agora.says(status, body)
    assert await make_client(agora.url).stop(TASK) == expected


@pytest.mark.parametrize("name", ["query", "update", "stop"])
async def test_a_missing_task_is_not_a_missing_route(agora, make_client, name):
    long_form = {"code": 404, "serverResponse": {"payload": {"message": "failed to find worker"}}}
    agora.says(404, long_form)
    agora.says(404, {"message": "no Route matched with those values"})
    before = counted(name, "missing")
    with pytest.raises(TaskMissing):
        await CALLS[name](make_client(agora.url))
    with pytest.raises(Refused) as refused:
        await CALLS[name](make_client(agora.url))
    assert refused.value.code == "no_route"
    assert counted(name, "missing") == before + 1


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b""), (200, b"[1]"), (200, b"\xff\xfe"), (200, b"[" * 5000), (502, b"bad gateway")],
)
@pytest.mark.parametrize("name", list(CALLS))
async def test_a_garbled_answer_leaves_a_command_unknown_and_a_question_unanswered(
    agora, make_client, name, status, body
):
    agora.says(status, body)
    with pytest.raises(UnknownOutcome if name in COMMANDS else Unavailable) as caught:
        await CALLS[name](make_client(agora.url))
    assert caught.value.code in ("garbled", "server_error")


@pytest.mark.parametrize("name", ["acquire", "start"])
async def test_a_success_without_its_identifier_is_an_unknown_outcome(agora, make_client, name):
    agora.says(200, {"cname": "r-x", "sid": "", "resourceId": ""})
    with pytest.raises(UnknownOutcome):
        await CALLS[name](make_client(agora.url))


@pytest.mark.parametrize("fault", ["reset", "half"])
@pytest.mark.parametrize("name", list(CALLS))
async def test_a_connection_lost_after_sending_is_never_a_refusal(agora, make_client, name, fault):
    for _ in range(3):  # aiohttp itself may ask a question again on a kept connection
        agora.says(200, IDS, fault=fault)
    with pytest.raises(UnknownOutcome if name in COMMANDS else Unavailable) as caught:
        await CALLS[name](make_client(agora.url))
    assert caught.value.code == "transport"


@pytest.mark.parametrize("name", list(CALLS))
async def test_a_silence_after_sending_ends_at_the_deadline(agora, make_client, name):
    agora.says(fault="hang")
    began = time.monotonic()
    with pytest.raises(UnknownOutcome if name in COMMANDS else Unavailable) as caught:
        await CALLS[name](make_client(agora.url, limits={"deadline_seconds": 0.2}))
    assert caught.value.code == "transport"
    assert time.monotonic() - began < 2
    assert len(agora.seen) == 1


@pytest.mark.parametrize("name", list(CALLS))
async def test_an_oversize_answer_is_not_read_to_its_end(agora, make_client, name):
    agora.says(200, b'{"x": "' + b"a" * (1024 * 1024) + b'"}')
    with pytest.raises(UnknownOutcome if name in COMMANDS else Unavailable):
        await CALLS[name](make_client(agora.url))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("name", list(CALLS))
async def test_a_redirect_is_not_followed(agora, second, make_client, name, status):
    agora.says(status, b"", Location=second.url)
    with pytest.raises(OutsideError) as caught:
        await CALLS[name](make_client(agora.url))
    assert not isinstance(caught.value, Refused)
    assert second.seen == []


@pytest.mark.parametrize("name", list(CALLS))
async def test_a_refused_connection_surely_had_no_effect(make_client, name):
    with pytest.raises(Unavailable) as caught:
        await CALLS[name](make_client(f"http://127.0.0.1:{unused_port()}"))
    assert caught.value.code == "transport"
    assert isinstance(caught.value.__cause__, NotSentError)


async def test_a_failed_tls_handshake_surely_had_no_effect(agora, make_client):
    with pytest.raises(Unavailable):
        await CALLS["start"](make_client(agora.url.replace("http:", "https:")))
    assert agora.seen == []


@pytest.mark.parametrize("name", list(CALLS))
async def test_an_unreachable_host_is_left_for_the_other_within_the_call(agora, make_client, name):
    client = make_client(f"http://127.0.0.1:{unused_port()}", agora.url)
    switches = REGISTRY.get_sample_value("pagereel_agora_host_switches_total")
    for _ in range(2):
        agora.says(200, {**IDS, "serverResponse": {}})
        await CALLS[name](client)
    assert len(agora.seen) == 2
    assert REGISTRY.get_sample_value("pagereel_agora_host_switches_total") == switches + 1  # then it goes first


async def test_a_host_that_failed_is_not_tried_first_again(agora, second, make_client):
    client = make_client(agora.url, second.url)
    agora.says(fault="reset")
    second.says(200, {"resourceId": "R2"})
    with pytest.raises(UnknownOutcome):
        await client.acquire("r-x", 42, 3)
    assert (await client.acquire("r-x", 42, 3)).resource_id == "R2"
    assert len(agora.seen) == 1


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_that_may_have_arrived_goes_to_no_second_host(agora, second, make_client, name):
    agora.says(fault="reset")
    with pytest.raises(UnknownOutcome):
        await CALLS[name](make_client(agora.url, second.url))
    assert second.seen == []


async def test_a_question_without_an_answer_is_put_to_the_other_host(agora, second, make_client):
    agora.says(fault="hang")
    second.says(200, {"serverResponse": {"status": 4}})
    assert await make_client(agora.url, second.url, limits={"deadline_seconds": 1.0}).query(TASK) == TaskState(4)


async def test_an_answered_refusal_is_not_taken_to_the_other_host(agora, second, make_client):
    agora.says(400, {"code": 2, "reason": "x"})
    with pytest.raises(Refused):
        await CALLS["start"](make_client(agora.url, second.url))
    assert second.seen == []


@pytest.mark.parametrize("left", [-1, 0, 4 * 3600 - 1])
async def test_temporary_keys_that_end_too_soon_are_not_sent(agora, make_client, left):
    keys = Credentials("A", "S", "T", 1000 + left)
    order = StartOrder(PAGE, Parameters(), Storage(STORAGE.location, "r/a1/", keys))
    with pytest.raises(Refused) as caught:
        await make_client(agora.url, now=lambda: 1000.0).start("r-x", 42, "RID", order)
    assert caught.value.code == "credentials_expiring"
    assert agora.seen == []


async def test_temporary_keys_that_last_are_sent_with_their_end(agora, make_client):
    agora.says(200, IDS)
    keys = Credentials("A", "S", "T", 1000 + 4 * 3600)
    order = StartOrder(PAGE, Parameters(), Storage(STORAGE.location, "r/a1/", keys))
    await make_client(agora.url, now=lambda: 1000.0).start("r-x", 42, "RID", order)
    assert agora.seen[0].body["clientRequest"]["storageConfig"]["stsExpiration"] == 1000 + 4 * 3600


async def test_agoras_clock_is_compared_with_ours(agora, make_client):
    agora.says(200, {"resourceId": "R"}, Date=format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True))
    client = make_client(agora.url, now=lambda: datetime(2025, 1, 1, 0, 1, tzinfo=UTC).timestamp())
    await client.acquire("r-x", 42, 3)
    assert client.skew_seconds == 60
    assert REGISTRY.get_sample_value("pagereel_agora_clock_skew_seconds") == 60


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 99 Foo 2025 99:99:99 GMT"])
async def test_a_date_that_is_none_is_ignored(agora, make_client, date):
    agora.says(200, {"resourceId": "R"}, Date=date)
    client = make_client(agora.url)
    await client.acquire("r-x", 42, 3)
    assert client.skew_seconds is None


@pytest.mark.parametrize(
    ("given", "expected"), [("7", 7.0), ("soon", None), ("-1", None), ("99999", 300.0), ("9" * 400, 300.0)]
)
async def test_the_wait_agora_asks_for_is_handed_on(agora, make_client, given, expected):
    agora.says(429, {"message": "API rate limit exceeded"}, **{"Retry-After": given})
    with pytest.raises(Unavailable) as caught:
        await CALLS["query"](make_client(agora.url))
    assert (caught.value.code, caught.value.retry_after_seconds) == ("rate_limited", expected)


async def test_every_call_takes_its_place_in_the_budget_with_its_urgency(agora, make_client):
    asked = []

    async def take(rate_group, priority, deadline):
        asked.append((rate_group, priority))
        assert deadline > asyncio.get_running_loop().time()

    client = make_client(agora.url, take=take)
    for call in CALLS.values():
        agora.says(200, {**IDS, "serverResponse": {}})
        await call(client)
    agora.says(200, {"serverResponse": {}})
    await client.query(TASK, overdue=True)
    wanted = ["START", "START", "QUERY", "UPDATE", "STOP", "OVERDUE_QUERY"]
    assert asked == [("cust", Priority[name]) for name in wanted]


async def test_a_stop_keeps_its_place_in_the_budget_and_is_soon_given_up_to_be_sent_again(agora, make_client, send):
    asked, patience = [], []

    async def take(rate_group, priority, deadline):
        asked.append((priority, round(deadline - asyncio.get_running_loop().time())))

    async def watched(request):
        patience.append(request.timeout_seconds)
        return await send(request)

    client = make_client(agora.url, take=take)
    client._send = watched
    for again in (False, True):
        agora.says(200, {"serverResponse": {}})
        await client.stop(TASK, again=again)
    agora.says(200, {"serverResponse": {}})
    await client.query(TASK)
    assert asked == [(Priority.STOP, 600), (Priority.UPDATE, 600), (Priority.QUERY, 10)]
    assert max(patience[:2]) <= 2.5 < patience[2]


async def test_a_call_without_a_place_in_the_budget_is_not_made(agora, make_client):
    client = make_client(agora.url, take=LocalBudget(Rate(0.01, 1)).take, limits={"budget_seconds": 0.0})
    agora.says(200, {"serverResponse": {}})
    await client.query(TASK)
    with pytest.raises(Unavailable) as caught:
        await client.query(TASK)
    assert caught.value.code == "budget"
    assert len(agora.seen) == 1


async def test_the_local_budget_keeps_its_rate(agora):
    budget, loop = LocalBudget(Rate(50, 2)), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(budget.take("g", Priority.STOP, began + 5) for _ in range(12)))
    assert loop.time() - began >= 10 / 50 - 0.01
    await budget.take("another group", Priority.QUERY, loop.time())


async def test_the_address_list_is_merged_from_both_versions(agora, make_client):
    agora.says(200, {"data": {"service": {"hosts": [{"primaryIP": "203.0.113.10"}]}}})
    agora.says(200, {"data": {"service": {"hosts": [{"primaryIP": "203.0.113.11"}]}}})
    assert await make_client(agora.url).ncs_ips() == {"203.0.113.10", "203.0.113.11"}
    assert [seen.path for seen in agora.seen] == ["/v2/ncs/ip", "/v1/ncs/ip"]


async def test_one_version_of_the_address_list_is_enough_and_none_is_an_error(agora, make_client):
    agora.says(404, {"message": "no Route matched with those values"})
    agora.says(200, {"data": {"service": {"hosts": [{"primaryIP": "203.0.113.11"}]}}})
    assert await make_client(agora.url).ncs_ips() == {"203.0.113.11"}
    agora.says(200, {"data": {}})
    agora.says(200, {"data": {}})
    with pytest.raises(Unavailable):
        await make_client(agora.url).ncs_ips()
    agora.says(401, {"message": "Unauthorized"})
    agora.says(401, {"message": "Unauthorized"})
    with pytest.raises(Refused):
        await make_client(agora.url).ncs_ips()


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, {"message": "Unauthorized"}, "unauthorized"),
        (429, {"message": "API rate limit exceeded"}, "rate_limited"),
        (400, {"code": 406, "reason": "vendor_over_load"}, "capacity"),
        (400, {"code": 2}, "refused"),
        (500, {"code": 500}, "unavailable"),
        (500, b"", "unknown"),
        (200, {"resourceId": "R"}, "ok"),
    ],
)
async def test_every_call_is_counted_by_its_outcome(agora, make_client, status, body, outcome):
    before = counted("acquire", outcome)
    agora.says(status, body)
    client = make_client(agora.url)
    if outcome == "ok":
        await client.acquire("r-x", 42, 3)
    else:
        with pytest.raises(OutsideError):
            await client.acquire("r-x", 42, 3)
    assert counted("acquire", outcome) == before + 1


async def test_a_key_that_looks_like_a_word_is_not_shown_either(agora, make_client):
    agora.says(400, {"code": 2, "reason": "bad secretKey letmein"})
    storage = Storage(STORAGE.location, "r/a1/", Credentials("AK", "letmein"))
    for_start, for_update = StartOrder(PAGE, Parameters(), storage), storage
    with pytest.raises(Refused) as caught:
        await make_client(agora.url).start("r-x", 42, "RID", for_start)
    assert "letmein" not in chain(caught.value)
    agora.says(400, {"code": 2, "reason": "bad secretKey letmein"})
    with pytest.raises(Refused) as caught:
        await make_client(agora.url).update_storage(TASK, for_update)
    assert "letmein" not in chain(caught.value)


@pytest.mark.parametrize("fault", [None, "reset", "half", "garbage", "refused", "echo"])
async def test_no_error_shows_a_url_or_a_key(agora, make_client, fault):
    url = agora.url if fault != "refused" else f"http://127.0.0.1:{unused_port()}"
    if fault == "echo":
        agora.says(400, {"code": 2, "reason": f"invalid {PAGE} canary-storage canary-access {RTMP} canary-key"})
    elif fault == "garbage":
        agora.says(400, b"canary-page canary-key")
    else:
        agora.says(400, {"code": 2}, fault=fault)
    with pytest.raises(OutsideError) as caught:
        await CALLS["start"](make_client(url))
    assert "canary" not in chain(caught.value)


def test_no_request_shows_its_secrets():
    request = Request("POST", "https://x/canary", {"Authorization": "canary"}, b"canary")
    assert "canary" not in repr(request)


async def test_a_rotated_secret_is_used_by_the_next_call(agora, send, tmp_path):
    ticks = iter(range(0, 1000, 10))
    file = tmp_path / "secret"
    file.write_text("old\n")
    app = App(
        app_id="app1",
        customer_id="cust",
        customer_secret=Secret.of_file(file, lambda: next(ticks)),
        base_urls=(agora.url,),
    )
    client = AgoraClient(app, send, LocalBudget(Rate(1000, 100)).take)
    for text in ("old", "newer"):
        file.write_text(f"{text}\n")
        agora.says(200, {"resourceId": "R"})
        await client.acquire("r-x", 42, 3)
    sent = [base64.b64decode(seen.headers["Authorization"][6:]) for seen in agora.seen]
    assert sent == [b"cust:old", b"cust:newer"]


async def test_a_name_that_does_not_resolve_surely_had_no_effect(make_client, agora):
    client = make_client("https://no-such-host.invalid", agora.url)
    agora.says(200, IDS)
    assert await CALLS["start"](client) == Started(SID)
