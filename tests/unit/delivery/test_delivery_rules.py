"""What is news, how it is signed, when it is sent again and what an answer means."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.database.outbox import EndpointRow
from service.delivery.queue import _endpoint_after
from service.delivery.retry import ENDPOINT_MAX_SECONDS, STEPS_SECONDS, endpoint_wait, message_wait
from service.delivery.sender import Outcome, Response, judge, signed_headers
from service.messages import MESSAGE_TYPES, check_signing_secret, message_of
from service.recording import State
from service.settings import Settings, SettingsError
from tests.database.samples import recording

SECRETS = ["whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_state_but_the_silent_ones_is_news() -> None:
    silent = {State.REQUESTED, State.STARTING, State.STOPPING, State.VERIFYING}
    told = {
        state
        for state in State
        if message_of(replace(recording(), state=state), 3, 5.0, "state", {"state": state}) is not None
    }
    assert told == set(State) - silent


def test_a_message_is_a_function_of_its_fact() -> None:
    made = message_of(recording(labels={"a": "b"}), 7, 1.5, "paused", {"since": 3})
    assert made is not None
    assert made == message_of(recording(labels={"a": "b"}), 7, 1.5, "paused", {"since": 3})
    assert (made.id, made.number, made.type) == (f"msg_{recording().id[4:]}_7", 7, "recording.paused")
    assert made.document["type"] in MESSAGE_TYPES
    assert made.document["timestamp"] == "1970-01-01T00:00:01.500Z"
    assert made.document["data"]["labels"] == {"a": "b"}
    assert made.document["data"]["detail"] == {"since": 3}
    assert message_of(recording(), 8, 1.5, "call_failed", {}) is None


def test_public_libraries_verify_with_either_live_secret() -> None:
    body = json.dumps({"type": "recording.verified", "data": {"ü": 1}}, ensure_ascii=False)
    headers = signed_headers("msg_1", body, SECRETS, datetime.now(UTC).timestamp())
    for secret in SECRETS:
        assert Webhook(secret).verify(body, headers)["data"] == {"ü": 1}
    for wrong in (body + " ", body.replace("1", "2")):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRETS[0]).verify(wrong, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "R0hJ" * 8).verify(body, headers)


def test_the_schedule_lasts_three_days_and_ends() -> None:
    waits = [message_wait(tries, "msg_1/crm") for tries in range(1, len(STEPS_SECONDS) + 1)]
    assert all(wait is not None for wait in waits)
    assert sum(wait for wait in waits if wait) >= 72 * 3600
    assert message_wait(len(STEPS_SECONDS) + 1, "msg_1/crm") is None
    assert message_wait(1, "a") != message_wait(1, "b"), "messages do not come back all at once"
    assert message_wait(3, "a") == message_wait(3, "a")


def test_a_failing_endpoint_is_asked_less_and_less_but_at_least_every_six_minutes() -> None:
    waits = [endpoint_wait(failures, "crm") for failures in range(1, 40)]
    assert waits[0] < 3
    assert max(waits) <= 360


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (301, Outcome.REFUSED),
        (307, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.FAILING),
        (410, Outcome.GONE),
        (429, Outcome.FAILING),
        (500, Outcome.FAILING),
        (503, Outcome.FAILING),
    ],
)
def test_what_an_answer_means(status: int, outcome: Outcome) -> None:
    assert judge(status, None, NOW).outcome is outcome


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, 999999999.0),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert judge(503, text, NOW).retry_after_seconds == seconds


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_abc", "whsec_QUJD", "QUJD" * 8, "whsec_" + "*" * 40])
def test_what_is_no_signing_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        check_signing_secret(secret)


SETTINGS = """
deployment = "test"
[urls]
allow_private_hosts = ["crm.internal"]
[presets.default]
notify = ["crm", "nobody"]
[endpoints.crm]
url = "{url}"
secrets = ["{secret}"]
types = [{types}]
"""


def test_settings_name_what_is_wrong_with_an_endpoint_and_show_no_url(tmp_path: Path) -> None:
    path = tmp_path / "pagereel.toml"
    path.write_text(SETTINGS.format(url="https://10.0.0.1/MARK", secret="whsec_MARK", types='"recording.none"'))
    with pytest.raises(SettingsError) as caught:
        Settings.load(path, env={})
    text = str(caught.value)
    assert "MARK" not in text
    assert "presets.default.notify: names an endpoint that is not defined in these settings" in text
    assert "endpoints.crm.secrets" in text
    assert "endpoints.crm.types" in text
    path.write_text(SETTINGS.format(url="https://10.0.0.1/MARK", secret=SECRETS[0], types='"recording.verified"'))
    said = r"endpoints\.crm\.url: should name a public address, or a host in urls\.allow_private_hosts"
    with pytest.raises(SettingsError, match=said) as caught:
        Settings.load(path, env={})
    assert "MARK" not in str(caught.value)


def test_settings_name_every_endpoint_that_cannot_be_called_and_the_setting_that_allows_it(tmp_path: Path) -> None:
    path = tmp_path / "pagereel.toml"
    one = '[endpoints.{name}]\nurl = "{url}"\nsecrets = ["{secret}"]\n'
    urls = {"crm": "http://crm.example.org/MARK", "lms": "https://10.0.0.1/MARK", "erp": "https://erp.internal/MARK"}
    tables = [one.format(name=name, url=url, secret=SECRETS[0]) for name, url in urls.items()]
    path.write_text("\n".join(['deployment = "test"', *tables]))
    with pytest.raises(SettingsError) as caught:
        Settings.load(path, env={})
    text = str(caught.value)
    assert "MARK" not in text
    assert "endpoints.crm.url: should begin with https:// (http is allowed only for hosts in the setting" in text
    assert "endpoints.lms.url: should name a public address, or a host in urls.allow_private_hosts" in text
    assert "endpoints.erp.url: should name a public host, or one in urls.allow_private_hosts" in text


def test_one_retry_after_does_not_keep_the_other_messages_for_longer_than_is_promised() -> None:
    told = Response(Outcome.FAILING, 503, "server_error", 86_400.0)
    row = EndpointRow("crm")
    assert ENDPOINT_MAX_SECONDS <= _endpoint_after(row, told, 1000.0).next_try_at - 1000.0 <= 360
