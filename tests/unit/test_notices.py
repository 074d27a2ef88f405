"""Signatures and contents of Agora's notifications, as agora-reference §7 and §8 have them."""

import hmac

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.notification import MAX_TEXT, body_id, parse_notice, parse_outline, verify_signature
from service.recording import Notice

SECRET = "demo-ncs-secret"
VECTORS = {
    "A": (
        b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f",'
        b'"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}',
        "secret",
        "033c62f40f687675f17f0f41f91a40c71c0f134c",
        "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99",
    ),
    "B": (
        b'{"noticeId":"5f1c7c36-4b7e-4a57-9d5b-0f6f0f2b6a11","productId":3,"eventType":70,"notifyMs":1735689612345,'
        b'"sid":"0123456789abcdef0123456789abcdef","payload":{"cname":"lesson-42","uid":"527841",'
        b'"sid":"0123456789abcdef0123456789abcdef","sequence":2,"sendts":1735689612001,"serviceType":6,'
        b'"details":{"msgName":"web_recorder_started","recorderStartTime":1735689611873}}}',
        SECRET,
        "ee8c4cd0e971846a09b8f9777155b982e8a6a19d",
        "705dab0a8a1e2376fb071c719fc15a313af96f4be11241966c6c7a1186df36ca",
    ),
    "C": (
        '{"noticeId":"n-1","productId":3,"eventType":71,"notifyMs":1735689999000,"payload":{"cname":"café",'
        '"details":{"msgName":"web_recorder_stopped","code":0}}}'.encode(),
        SECRET,
        "dbc818ad506b03f8c9c19878194b31222db4c244",
        "7faacad56676ed5bd94468cc9c00c0e367a9d3f82179805bab4a5e2759acb79b",
    ),
    "D": (
        b"{}",
        SECRET,
        "623275dc00e691a8a92ab4d84eb9144cce493626",
        "f6fc0e5b73afb54f83f95578226eb7a3b66fe7716dfc8c3abe01c6024691fecf",
    ),
}
BODY, _, V1, V2 = VECTORS["B"]
WRONG = "0" * 64


@pytest.mark.parametrize("vector", VECTORS)
def test_the_golden_vectors_are_accepted(vector: str) -> None:
    body, secret, v1, v2 = VECTORS[vector]
    assert verify_signature(body, v2, v1, [secret])
    assert verify_signature(body, None, v1, [secret], accept_sha1=True)


@pytest.mark.parametrize("vector", VECTORS)
def test_any_changed_byte_is_rejected(vector: str) -> None:
    body, secret, v1, v2 = VECTORS[vector]
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert not verify_signature(changed, v2, None, [secret])
        assert not verify_signature(changed, None, v1, [secret], accept_sha1=True)


@pytest.mark.parametrize("secrets", [[SECRET, "new"], ["new", SECRET], [SECRET, ""]])
def test_every_live_secret_is_tried(secrets: list[str]) -> None:
    assert verify_signature(BODY, V2, None, secrets)


@pytest.mark.parametrize("secrets", [[], ["other"], [""]])
def test_no_other_secret_will_do(secrets: list[str]) -> None:
    assert not verify_signature(BODY, V2, None, secrets)


def test_nobody_can_sign_with_an_empty_secret() -> None:
    assert not verify_signature(BODY, hmac.digest(b"", BODY, "sha256").hex(), None, [""])


@pytest.mark.parametrize("v2", [WRONG, "", "café", "\udce9", V2[:-1], V2 + "0", V1])
def test_a_wrong_v2_is_never_rescued_by_v1(v2: str) -> None:
    assert not verify_signature(BODY, v2, V1, [SECRET], accept_sha1=True)


def test_v1_counts_only_where_it_is_allowed() -> None:
    assert not verify_signature(BODY, None, V1, [SECRET])
    assert not verify_signature(BODY, None, None, [SECRET], accept_sha1=True)
    assert not verify_signature(BODY, None, V2, [SECRET], accept_sha1=True)


def test_case_and_blanks_of_a_signature_do_not_matter() -> None:
    assert verify_signature(BODY, f" {V2.upper()} ", None, [SECRET])


def test_a_notification_is_parsed_in_full() -> None:
    assert parse_notice(BODY) == Notice(
        notice_id="5f1c7c36-4b7e-4a57-9d5b-0f6f0f2b6a11",
        event_type=70,
        notify_at=1735689612.345,
        sent_at=1735689612.001,
        cname="lesson-42",
        uid="527841",
        sid="0123456789abcdef0123456789abcdef",
        sequence=2,
        service_type=6,
        details={"msgName": "web_recorder_started", "recorderStartTime": 1735689611873},
    )


def parsed(value: object) -> Notice:
    notice = parse_notice(orjson.dumps(value))
    assert notice is not None
    return notice


def test_the_format_before_api_1_3_is_understood() -> None:
    old = {"notificationId": "n", "eventType": "31", "payload": {"sequence": "4", "uid": 527841, "sendts": "1500"}}
    notice = parsed(old)
    assert (notice.notice_id, notice.event_type, notice.sequence, notice.uid) == ("n", 31, 4, "527841")
    assert notice.sent_at == 1.5


def test_the_sid_of_the_envelope_serves_where_the_payload_has_none() -> None:
    assert parsed({"sid": "s", "payload": {"cname": "c"}}).sid == "s"
    assert parsed({"sid": "s", "payload": {"sid": "t"}}).sid == "t"


@pytest.mark.parametrize("name", ["exitStatus", "leaveStatus"])
def test_details_stay_as_agora_wrote_them(name: str) -> None:
    details = {"msgName": "session_exit", name: 0, "fileList": [{"filename": "x.m3u8", "sliceStartTime": 1}]}
    assert parsed({"payload": {"details": details}}).details == details


def test_an_empty_object_is_a_notification_of_which_nothing_is_known() -> None:
    assert parse_notice(b"{}") == Notice(body_id(b"{}"), 0, None, None, "", "", "", None, None, {})


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"{", b'{"a":1}x', b"\xff", b'{"a":"\\ud800"}', b"{'a':1}"]
)
def test_what_is_no_json_object_is_none_and_has_an_id_all_the_same(body: bytes) -> None:
    assert parse_notice(body) is None
    assert parse_outline(body) is None
    assert body_id(body) == body_id(bytes(body)) != body_id(body + b" ")


@pytest.mark.parametrize(
    "payload",
    [
        {"sequence": True, "sendts": "soon", "uid": None, "cname": ["x"], "sid": {}, "details": "text"},
        {"sequence": 2**31, "sendts": 1e30, "serviceType": 1.5, "uid": False, "details": [1]},
        {"sequence": "1e3", "sendts": "٣", "serviceType": -(2**40), "details": None},
        None,
        [],
        7,
    ],
)
def test_what_is_unknown_is_empty_and_never_an_error(payload: object) -> None:
    notice = parsed({"noticeId": 7, "eventType": "x", "payload": payload})
    assert notice == Notice("7", 0, None, None, "", "", "", None, None, {})


def test_texts_are_storable_everywhere() -> None:
    notice = parsed({"noticeId": "a\0b", "payload": {"cname": "c" * 300, "sid": "\0"}})
    assert (notice.notice_id, notice.sid, len(notice.cname)) == ("a\ufffdb", "\ufffd", MAX_TEXT)


def test_overlong_ids_stay_apart() -> None:
    first, second = (parsed({"noticeId": "x" * 300 + end, "notifyMs": 1}).notice_id for end in "ab")
    assert first != second
    assert parsed({"noticeId": "x" * 300 + "a", "notifyMs": 2}).notice_id == first


def nested(levels: int) -> bytes:
    """JSON whose details are nested so that the whole has this many levels."""
    inner = levels - 3
    return b'{"noticeId":"n","payload":{"details":{"x":' + b"[" * inner + b"]" * inner + b"}}}"


def test_nesting_is_bounded() -> None:
    assert parse_notice(nested(32)) is not None
    assert parse_notice(nested(33)) is None
    assert parse_notice(nested(5000)) is None


def test_many_shallow_brackets_are_not_deep() -> None:
    files = [{"filename": f"{n}.mp4"} for n in range(1000)]
    assert len(parsed({"payload": {"details": {"fileList": files}}}).details["fileList"]) == 1000  # type: ignore[arg-type]


def _dumps(value: object) -> bytes | None:
    try:
        return orjson.dumps(value)
    except TypeError:  # lone surrogates and integers that no JSON text of orjson's can hold
        return None


NAMES = st.sampled_from(
    ["noticeId", "eventType", "payload", "details", "sid", "uid", "cname", "sendts", "sequence", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=30,
)


@given(st.dictionaries(NAMES, JSON, max_size=8).filter(lambda v: _dumps(v) is not None).map(_dumps))
def test_any_json_object_becomes_a_storable_notification(body: bytes) -> None:
    notice = parse_notice(body)
    assert notice is not None
    for text in (notice.notice_id, notice.cname, notice.uid, notice.sid):
        assert "\0" not in text
        assert len(text) <= MAX_TEXT
        text.encode()
    assert parse_outline(body) == (notice.notice_id, notice.event_type, notice.sid, notice.cname, notice.sent_at)
    assert notice.notice_id
    assert -(2**31) <= notice.event_type < 2**31


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_raise(body: bytes) -> None:
    parse_notice(body)
