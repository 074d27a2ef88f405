"""Secrets by file: rotation without a restart, and nothing shown."""

import json
import os

import pytest

from service.settings import Credentials, CredentialsFile, Secret


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def rotate(path, text):
    """As a mount or an editor does it: a new file in the old one's place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def test_a_rotated_file_is_taken_up_within_15_seconds(tmp_path, clock):
    path = tmp_path / "s"
    path.write_text("old\n")
    secret = Secret.of_file(path, clock)
    rotate(path, "new\r\n")
    assert secret.get() == "old"
    clock.now += 15
    assert secret.get() == "new"


def test_a_file_is_looked_at_no_more_often_than_every_5_seconds(tmp_path, clock):
    path = tmp_path / "s"
    path.write_text("old")
    secret = Secret.of_file(path, clock)
    rotate(path, "new")
    clock.now += 4.9
    assert secret.get() == "old"
    clock.now += 0.1
    assert secret.get() == "new"


BROKEN = [lambda path: path.unlink(), lambda path: rotate(path, " \n"), lambda path: path.write_bytes(b"\xff")]


@pytest.mark.parametrize("broken", BROKEN)
def test_half_a_rotation_keeps_the_last_good_value(tmp_path, clock, broken):
    path = tmp_path / "s"
    path.write_text("old")
    secret = Secret.of_file(path, clock)
    broken(path)
    clock.now += 5
    assert secret.get() == "old"
    rotate(path, "new")
    clock.now += 5
    assert secret.get() == "new"


def test_a_value_keeps_its_inner_and_outer_spaces_but_not_its_line_end(tmp_path):
    (tmp_path / "s").write_text(" a b \n")
    assert Secret.of_file(tmp_path / "s").get() == " a b "


@pytest.mark.parametrize("content", ["", "\n", "   \n"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "s").write_text(content)
    with pytest.raises(ValueError, match="empty"):
        Secret.of_file(tmp_path / "s")


def test_nothing_shows_a_secret(tmp_path):
    (tmp_path / "s").write_text("canary")
    (tmp_path / "c").write_text(json.dumps(CREDENTIALS))
    shown = [
        Secret("canary"),
        Secret.of_file(tmp_path / "s"),
        CredentialsFile(tmp_path / "c"),
        Credentials("canary", "canary"),
    ]
    assert "canary" not in f"{shown} {[str(each) for each in shown]}"


CREDENTIALS = {"access_key": "canary", "secret_key": "canary", "session_token": "canary", "expires_at": 1735689600}


@pytest.mark.parametrize("instant", [1735689600, 1735689600.0, "2025-01-01T00:00:00Z", "2025-01-01T01:00:00+01:00"])
def test_temporary_keys_are_read_again_when_their_file_changes(tmp_path, clock, instant):
    path = tmp_path / "c"
    path.write_text(json.dumps({**CREDENTIALS, "expires_at": instant}))
    file = CredentialsFile(path, clock)
    assert file.get() == Credentials("canary", "canary", "canary", 1735689600)
    rotate(path, json.dumps({**CREDENTIALS, "session_token": "newer", "expires_at": 9}))
    clock.now += 5
    assert file.get() == Credentials("canary", "canary", "newer", 9)


@pytest.mark.parametrize(
    "content",
    [
        "canary",
        "[]",
        json.dumps({**CREDENTIALS, "access_key": ""}),
        json.dumps({**CREDENTIALS, "session_token": None}),
        json.dumps({**CREDENTIALS, "expires_at": "2025-01-01T00:00:00"}),
        json.dumps({**CREDENTIALS, "expires_at": "canary"}),
        json.dumps({**CREDENTIALS, "expires_at": True}),
        json.dumps({"access_key": "canary", "secret_key": "canary", "session_token": "canary"}),
    ],
)
def test_broken_temporary_keys_are_refused_without_being_shown(tmp_path, content):
    (tmp_path / "c").write_text(content)
    with pytest.raises(ValueError, match="credentials file") as caught:
        CredentialsFile(tmp_path / "c")
    assert "canary" not in str(caught.value)
