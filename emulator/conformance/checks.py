"""The list of checks: requests to a receiver, the right answers, and advice for each wrong answer. Pure.

A check evaluates answers alone, because duplicate storage or counting cannot be seen from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.conformance.bodies import (
    JSON_TYPE,
    V2,
    Mint,
    Shot,
    before_2019,
    forged,
    longest,
    resent,
    spellings,
)
from emulator.conformance.wire import Answer
from emulator.notifications.health_check import CNAME, EVENTS, UID
from emulator.notifications.wire import sign

Judge = Callable[[Answer], bool]


def taken(answer: Answer) -> bool:
    """Return True for 200, the only status that Agora counts as delivered (agora-reference §7.2)."""
    return answer.status == 200


def refused(answer: Answer) -> bool:
    """Return True for a status 4xx, which means that the receiver refused and did not fail."""
    return answer.status is not None and 400 <= answer.status < 500


def survived(answer: Answer) -> bool:
    """Return True if the receiver answered without a server error."""
    return answer.status is not None and answer.status < 500


def _not_taken_as_notice(answer: Answer) -> bool:
    return answer.status in (400, 401, 403, 404, 405, 501)


@dataclass(frozen=True, slots=True)
class Check:
    """Requests that must all be answered in the same way. If `at_once` is true, they are sent concurrently."""

    name: str
    title: str
    advice: str
    right: Judge
    make: Callable[[Mint], Sequence[Shot]]
    at_once: bool = False


def _each(bodies: dict[str, dict[str, Any]]) -> Callable[[Mint], Sequence[Shot]]:
    return lambda mint: [mint.sent(label, body) for label, body in bodies.items()]


def _spelt(name: str) -> Callable[[Mint], Sequence[Shot]]:
    return lambda mint: [mint.sent(label, raw) for label, raw in spellings(mint)[name].items()]


def _forged(name: str) -> Callable[[Mint], Sequence[Shot]]:
    return lambda mint: forged(mint)[name]


def _unknown_events(mint: Mint) -> Sequence[Shot]:
    return [mint.sent(f"event {event}", mint.notice(event)) for event in (13, 34, 47, 112, 4711)]


def _unknown_fields(mint: Mint) -> Sequence[Shot]:
    more = mint.notice(71, brandNew={"deep": [1, {"a": None}]}) | {"eventMs": 1, "brandNew": [True, None, 1.5]}
    less = mint.notice(70)
    del less["sid"], less["payload"]["serviceScene"]
    return [mint.sent("fields more", more), mint.sent("undocumented fields less", less)]


def _duplicates(mint: Mint) -> Sequence[Shot]:
    first = mint.notice(31)
    copies = [mint.sent("the very same bytes", first)] * 2
    return [mint.sent("first", first), *copies, mint.sent("resent", resent(first, 2000))]


def _duplicates_at_once(mint: Mint) -> Sequence[Shot]:
    first = mint.notice(31)
    return [mint.sent(f"copy {number}", resent(first, number % 2)) for number in range(12)]


def _backwards(mint: Mint) -> Sequence[Shot]:
    story = [mint.notice(event) for event in (70, 33, 71, 31, 11)]
    return [mint.sent(f"event {body['eventType']}", body) for body in reversed(story)]


def _console_check(mint: Mint) -> Sequence[Shot]:
    shots = []
    for event in EVENTS:
        body = mint.notice(event, cname=CNAME)
        body["payload"]["uid"] = UID
        shots.append(mint.sent(f"event {event}", body))
    return shots


def _v2_alone(mint: Mint) -> Sequence[Shot]:
    shot = mint.sent("V2 alone", mint.notice())
    return [Shot(shot.label, shot.body, {**JSON_TYPE, V2: shot.headers[V2]})]


def _small_letters(mint: Mint) -> Sequence[Shot]:
    shot = mint.sent("small letters", mint.notice())
    return [Shot(shot.label, shot.body, {name.lower(): value for name, value in shot.headers.items()})]


def _content_types(mint: Mint) -> Sequence[Shot]:
    kinds = {"Content-Type": "application/json; charset=utf-8"}, {"Content-Type": "application/json;charset=UTF-8"}
    return [mint.sent(kind["Content-Type"], mint.notice(), **kind) for kind in kinds]


def _odd_content_types(mint: Mint) -> Sequence[Shot]:
    form = mint.sent("a form", mint.notice(), **{"Content-Type": "application/x-www-form-urlencoded"})
    bare = mint.sent("none", mint.notice())
    return [form, Shot(bare.label, bare.body, {name: bare.headers[name] for name in bare.headers if "Agora" in name})]


def _in_pieces(mint: Mint) -> Sequence[Shot]:
    shot = mint.sent("three pieces in 0.2 s", mint.notice(71))
    return [Shot(shot.label, shot.body, shot.headers, pieces=3)]


def _odd_bodies(mint: Mint) -> Sequence[Shot]:
    texts = {
        "empty object": b"{}",
        "empty body": b"",
        "a list": b"[1,2]",
        "cut off": b'{"noticeId":"a","payload":{"cna',
        "not UTF-8": b'{"noticeId":"\xff\xfe"}',
        "payload null": b'{"noticeId":"b","productId":3,"eventType":71,"notifyMs":1,"payload":null}',
        "types mixed up": b'{"noticeId":7,"productId":"3","eventType":"71","notifyMs":"x","payload":{"uid":1,'
        b'"sid":null,"sequence":[],"details":"none"}}',
        "NUL in a text": b'{"noticeId":"c","eventType":70,"payload":{"cname":"a\\u0000b","details":{}}}',
        "1,000 levels deep": b'{"payload":' * 1000 + b"1" + b"}" * 1000,
    }
    return [mint.sent(label, raw) for label, raw in texts.items()]


def _get(mint: Mint) -> Sequence[Shot]:
    return [Shot("GET", b"", sign(b"", mint.secret), method="GET")]


_RAW = "Compute the HMAC over the raw bytes of the body, before any JSON parser has touched them"
CHECKS = (
    Check(
        "plain",
        "an ordinary notification of an unknown recording is accepted",
        "Answer 200 to every notification with a valid signature, whatever its recording; fix this check first.",
        taken,
        lambda mint: [mint.sent("event 70", mint.notice())],
    ),
    Check(
        "events",
        "every documented event of web page recording is accepted",
        "Answer 200 to every event type that the console can switch on.",
        taken,
        lambda mint: [mint.sent(f"event {event}", mint.notice(event)) for event in EVENTS],
    ),
    Check(
        "console_check",
        "the Check of Agora's console (cname test_webhook) is accepted",
        "Answer 200 also to test_webhook, and start nothing for it: otherwise the console does not save the URL.",
        taken,
        _console_check,
    ),
    Check("unicode", "characters beyond ASCII, as raw UTF-8", f"{_RAW}; do not escape them.", taken, _spelt("unicode")),
    Check("escapes", "escaped characters", f"{_RAW}; escapes are lost there.", taken, _spelt("escapes")),
    Check("key_order", "keys in another order", f"{_RAW}; their order is lost there.", taken, _spelt("key_order")),
    Check("blanks", "blanks and line ends", f"{_RAW}; blanks are lost there.", taken, _spelt("blanks")),
    Check("numbers", "big and odd numbers", f"{_RAW}; such numbers change there.", taken, _spelt("numbers")),
    Check(
        "big_body",
        "the end of the longest recording, with 1,438 files",
        "Accept bodies of at least 256 KiB: event 71 lists every MP4 of a recording.",
        taken,
        lambda mint: [mint.sent(f"{len(longest(mint)['payload']['details']['fileList'])} files", longest(mint))],
    ),
    Check(
        "unknown_events",
        "event types that no document lists",
        "Answer 200 to event types you do not know; the console lists more than the documents, and Agora adds some.",
        taken,
        _unknown_events,
    ),
    Check(
        "unknown_fields",
        "additional and missing fields",
        "Ignore unknown fields, and require no undocumented field.",
        taken,
        _unknown_fields,
    ),
    Check(
        "old_format",
        "the format before API 1.3",
        "Accept `notificationId` in place of `noticeId`, and do not require `productId`.",
        taken,
        lambda mint: [mint.sent("event 11", before_2019(mint))],
    ),
    Check(
        "duplicates",
        "the same notification again (only the answers are judged)",
        "Answer 200 to a notification that you already have: any other answer makes Agora repeat it.",
        taken,
        _duplicates,
    ),
    Check(
        "duplicates_at_once",
        "twelve copies at the same moment (only the answers are judged)",
        "Use a unique key on `noticeId`, and answer 200 if another copy was faster.",
        taken,
        _duplicates_at_once,
        at_once=True,
    ),
    Check(
        "backwards",
        "the notifications of a recording in reverse order",
        "Keep each notification separately and require no earlier one: the order is not guaranteed.",
        taken,
        _backwards,
    ),
    Check(
        "v2_alone",
        "Agora-Signature-V2 without the older header",
        "Verify Agora-Signature-V2 (HMAC-SHA256); the SHA-1 header is not needed.",
        taken,
        _v2_alone,
    ),
    Check(
        "small_letters",
        "header names in lower case, as behind an HTTP/2 proxy",
        "Compare header names without regard to case.",
        taken,
        _small_letters,
    ),
    Check(
        "content_type",
        "a content type with a charset",
        "Accept application/json with parameters.",
        taken,
        _content_types,
    ),
    Check(
        "in_pieces",
        "a body that arrives in pieces",
        "Read until Content-Length bytes have arrived: one read may return only the first packet.",
        taken,
        _in_pieces,
    ),
    Check(
        "unsigned",
        "a notification without a signature is refused",
        "Answer 401 if the signature is missing or empty.",
        refused,
        _forged("unsigned"),
    ),
    Check(
        "wrong_secret",
        "a notification signed with another secret is refused",
        "Verify Agora-Signature-V2 with the secret from the console, and answer 401 if it differs.",
        refused,
        _forged("wrong_secret"),
    ),
    Check(
        "changed_body",
        "a body changed after signing is refused",
        f"{_RAW}; a signature of anything else accepts changed bodies.",
        refused,
        _forged("changed_body"),
    ),
    Check(
        "wrong_v2",
        "a wrong V2 signature with a valid V1 signature is refused",
        "If Agora-Signature-V2 is present, only check it: do not fall back to SHA-1.",
        refused,
        _forged("wrong_v2"),
    ),
    Check(
        "cut_signature",
        "a part of a signature, or a signature of the other kind, is refused",
        "Compare whole signatures, in constant time (hmac.compare_digest, crypto.timingSafeEqual).",
        refused,
        _forged("cut_signature"),
    ),
    Check(
        "odd_signature",
        "a malformed signature is refused without an error",
        "Compare signatures as bytes, before you decode anything.",
        refused,
        _forged("odd_signature"),
    ),
    Check(
        "odd_bodies",
        "nonsense with a valid signature does no harm",
        "Store what you cannot parse and answer 200 (4xx is tolerated): 5xx makes Agora repeat it.",
        survived,
        _odd_bodies,
    ),
    Check(
        "odd_content_type",
        "a valid notification with another content type, or none, does no harm",
        "Check the signature, not the content type; 415 is tolerated.",
        survived,
        _odd_content_types,
    ),
    Check(
        "get",
        "GET is not accepted as a notification",
        "Answer 405 to GET, and use another path for health checks.",
        _not_taken_as_notice,
        _get,
    ),
)
