"""A webhook is read only where it is Pagereel's. The public library of Standard Webhooks is the judge."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pagereel_client import BadSignature, read_webhook
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.nasty import NASTY_VALUES

SECRET = "whsec_" + "QUJD" * 8
OTHER = "whsec_" + "WFla" * 8
DATA: dict[str, Any] = {
    **{"recording": "rec_1", "number": 17, "state": "verified", "end_reason": "stopped", "blame": "caller"},
    **{"verdict": "verified", "level": "listing", "coverage": 1.0, "labels": {"ä": "b"}, "detail": {}},
}
BODY = json.dumps(
    {"type": "recording.verified", "timestamp": "2026-01-31T09:41:02.113Z", "data": DATA}, ensure_ascii=False
).encode()


def signed(body: bytes = BODY, secret: str = SECRET, later: int = 0) -> dict[str, str]:
    """The headers, as the public library makes them now, or ``later`` seconds from now.

    They are made when they are read: both sides refuse what is older than five minutes, and tests wait for each other.
    """
    at = datetime.now(UTC) + timedelta(seconds=later)
    return {
        "webhook-id": "msg_1_17",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1_17", at, body.decode()),
    }


def test_what_the_public_library_signs_is_read() -> None:
    identity, message = read_webhook(BODY, signed(), SECRET)
    assert identity == "msg_1_17"
    assert (message.type, message.data.recording, message.data.labels) == ("recording.verified", "rec_1", {"ä": "b"})
    assert message.data.warned is None, "an earlier service did not say it"
    newer = json.dumps(json.loads(BODY) | {"data": DATA | {"warned": ["picture_blank"]}}).encode()
    assert read_webhook(newer, signed(newer), SECRET)[1].data.warned == ("picture_blank",)


def test_the_names_of_headers_have_no_case_and_two_secrets_overlap() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    both = f"{signed(secret=OTHER)['webhook-signature']} {headers['Webhook-Signature']}"
    assert read_webhook(BODY, headers | {"Webhook-Signature": both}, SECRET)[0] == "msg_1_17"
    assert read_webhook(BODY, headers, [OTHER, SECRET])[0] == "msg_1_17"


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (BODY + b" ", dict),
        (BODY.replace(b"17", b"18"), dict),
        (BODY, lambda: {"webhook-id": "msg_1_18"}),
        (BODY, lambda: {"webhook-timestamp": signed(later=10)["webhook-timestamp"]}),
        (BODY, lambda: {"webhook-timestamp": "soon"}),
        (BODY, lambda: {"webhook-signature": "v1,"}),
        (BODY, lambda: {"webhook-signature": "v2," + "A" * 43 + "="}),
        (BODY, lambda: {"webhook-signature": "ä"}),
        (BODY, lambda: signed(secret=OTHER)),
    ],
)
def test_what_the_public_library_refuses_is_refused(body: bytes, change: Callable[[], dict[str, str]]) -> None:
    headers = signed() | change()
    with pytest.raises((WebhookVerificationError, ValueError)):
        Webhook(SECRET).verify(body.decode(), headers)
    with pytest.raises(BadSignature):
        read_webhook(body, headers, SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = {key: value for key, value in signed().items() if key != name}
    with pytest.raises(BadSignature, match=name):
        read_webhook(BODY, headers, SECRET)


@pytest.mark.parametrize("away", [-301, 301])
def test_an_old_or_future_one_is_refused(away: int) -> None:
    headers = signed()
    at = int(headers["webhook-timestamp"])
    assert read_webhook(BODY, headers, SECRET, now=at)
    with pytest.raises(BadSignature, match="old"):
        read_webhook(BODY, headers, SECRET, now=at + away)


def test_well_signed_nonsense_is_no_message() -> None:
    with pytest.raises(BadSignature, match="no message"):
        read_webhook(b"[]", signed(b"[]"), SECRET)


def test_a_secret_that_is_none_is_the_receivers_mistake() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        read_webhook(BODY, signed(), "not base64!")


@pytest.mark.parametrize("empty", ["", "whsec_"])
def test_an_empty_secret_among_others_signs_nothing(empty: str) -> None:
    """A variable that is not set makes one. What it signs, anybody can sign."""
    signature = hmac.digest(b"", b"msg_1_17." + signed()["webhook-timestamp"].encode() + b"." + BODY, "sha256")
    forged = {**signed(), "webhook-signature": f"v1,{base64.b64encode(signature).decode()}"}
    for headers in (forged, signed()):
        with pytest.raises(ValueError, match="a secret is whsec_ and base64"):
            read_webhook(BODY, headers, [SECRET, empty])


def test_nasty_headers_and_bodies_are_refused_and_break_nothing() -> None:
    """They come from anybody who knows the address."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    for value in NASTY_VALUES:
        for name in names:
            for text in (value, f"v1,{value}"):
                with pytest.raises(BadSignature):
                    read_webhook(BODY, {**signed(), name: text}, SECRET)
        body = value.encode("utf-8", "replace")
        with pytest.raises(BadSignature):
            read_webhook(body, signed(body), SECRET)


def test_a_body_that_is_text_and_a_missing_secret_are_mistakes_of_the_receiver_and_no_forgery() -> None:
    with pytest.raises(TypeError, match="body must be the bytes as they came, not str"):
        read_webhook(BODY.decode(), signed(), SECRET)  # type: ignore[arg-type]
    for none in ("", [], ()):
        with pytest.raises(ValueError, match="no secret is given"):
            read_webhook(BODY, signed(), none)


@pytest.mark.parametrize(
    "secrets",
    [[SECRET, None], [None], b"whsec_", [b"whsec_"], 5, {SECRET: SECRET}],
    ids=lambda each: type(each).__name__,
)
def test_secrets_that_are_no_text_are_named(secrets: Any) -> None:
    with pytest.raises(TypeError, match=r"^secrets must be a list of strings"):
        read_webhook(BODY, signed(), secrets)
    with pytest.raises(TypeError, match=r"^secrets must be a list of strings"):
        read_webhook(BODY, {}, secrets)
