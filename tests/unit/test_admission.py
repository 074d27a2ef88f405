"""A start request that names what there is not gets the names that there are, and only those that it may use."""

from dataclasses import replace
from typing import Any

import pytest

from service.errors import ServiceError
from service.lifecycle.reconstruct import as_requested
from service.media.expectation import expectation
from service.operations import Caller, Scope
from service.operations.recordings.admission import Choices, admit, choices_of
from service.operations.types import Wish
from service.recording import RestartRule
from service.settings import Settings

APP = {"app_id": "a" * 32, "customer_id": "c", "customer_secret": "s", "ncs_secrets": ["n"]}
KEYS = {"access_key": "a", "secret_key": "s"}
BUCKET = {"vendor": 11, "bucket": "recordings", "endpoint": "https://s3.example.org", "read": KEYS}
HOOK = {"url": "https://crm.example.org/hook", "secrets": ["whsec_" + "AAAA" * 8]}
SETTINGS = Settings.model_validate(
    {
        "deployment": "test",
        "apps": {"main": APP, "spare": APP | {"app_id": "b" * 32}},
        "storage": {"archive": {**BUCKET, "write": KEYS}, "old": {**BUCKET, "read_only": True}},
        "presets": {"lesson": {}, "dashboard": {"sound": False}},
        "endpoints": {"crm": HOOK, "theirs": HOOK | {"owners": ["another"]}},
    }
)
CALLER = Caller("t", "school", frozenset(Scope))


def wrong(caller: Caller = CALLER, **named: Any) -> dict[str, str]:
    wish = Wish(url="https://class.example.org/", **{"parameters": {}, **named})
    with pytest.raises(ServiceError) as refused:
        admit(SETTINGS, caller, wish, ulid="0" * 26, now=0.0)
    return {each.pointer: each.message for each in refused.value.errors}


def test_an_unknown_name_gets_the_names_that_there_are() -> None:
    assert wrong(preset="nope") == {"/preset": "is unknown; available: dashboard, default, lesson"}
    assert wrong(app="nope", storage="nope", notify=("nope",)) == {
        "/app": "is unknown; available: main, spare",
        "/storage": "is unknown; available: archive",
        "/notify/0": "is unknown; available: crm",
    }


def test_all_unknown_names_are_told_at_once_with_whatever_else_is_wrong() -> None:
    """An unknown preset hides nothing, and what it may name itself is not asked for."""
    told = wrong(preset="nope", app="nope", storage="nope", notify=("crm", "nope"), start_at=-1.0, rtmp_url="http://x")
    assert told.keys() == {"/preset", "/app", "/storage", "/notify/1", "/start_at", "/rtmp_url"}
    assert told["/preset"] == "is unknown; available: dashboard, default, lesson"
    assert told["/notify/1"] == "is unknown; available: crm"
    assert wrong(preset="nope", storage="nope").keys() == {"/preset", "/storage"}


def test_a_name_that_is_needed_gets_them_too() -> None:
    assert wrong() == {"/app": "is required; available: main, spare"}


def test_what_a_token_may_not_use_is_not_named() -> None:
    caller = replace(CALLER, apps=frozenset({"spare"}), storages=frozenset())
    assert wrong(caller, app="main") == {
        "/app": "is unknown; available: spare",
        "/storage": "is required; none is available",
    }
    assert choices_of(SETTINGS, caller) == Choices(("spare",), (), (), ("default", "lesson", "dashboard"), ("crm",))


@pytest.mark.parametrize(
    ("base_urls", "emulated"),
    [(("https://api.agora.io", "https://api.sd-rtn.com"), False), (("http://127.0.0.1:9090",), True)],
    ids=["agora", "own machine"],
)
def test_a_recording_keeps_whether_an_emulator_made_it(base_urls: tuple[str, ...], emulated: bool) -> None:
    apps = {"main": SETTINGS.apps["main"].model_copy(update={"base_urls": base_urls})}
    settings = SETTINGS.model_copy(update={"apps": apps})
    wish = Wish(url="https://x.example/", parameters={}, app="main", storage=next(iter(settings.storage)))
    assert admit(settings, CALLER, wish, ulid="0" * 26, now=0.0).emulated is emulated
    assert choices_of(settings, CALLER).emulated == (("main",) if emulated else ())


def test_a_long_choice_is_cut() -> None:
    many = SETTINGS.model_copy(update={"presets": {f"p{number:02}": None for number in range(25)}})
    with pytest.raises(ServiceError) as refused:
        admit(many, CALLER, Wish(url="https://x.example/", parameters={}, preset="no"), ulid="0" * 26, now=0.0)
    assert refused.value.errors[0].message.endswith("p18, p19 and 5 more")


def test_a_stop_before_now_is_in_the_past_and_one_before_the_start_is_not_after_it() -> None:
    assert wrong(app="main", stop_at=-1.0) == {"/stop_at": "is in the past"}
    assert wrong(app="main", start_at=60.0, stop_at=60.0) == {"/stop_at": "is not after the start"}


def test_a_length_and_an_instant_of_the_stop_exclude_each_other() -> None:
    refused = wrong(app="main", stop_at=60.0, record_for_seconds=60.0)
    assert refused == {"/record_for_seconds": "cannot be combined with stop_at"}


@pytest.mark.parametrize("restart", [None, "never"])
def test_a_number_of_restarts_needs_the_rule_that_restarts(restart: RestartRule | None) -> None:
    """Whoever names one believes that a failed recording is made again."""
    said = 'has no effect while restart is "never"; set restart to "on_failure"'
    assert wrong(app="main", max_restarts=3, restart=restart) == {"/max_restarts": said}


@pytest.mark.parametrize(
    "named",
    [{"max_restarts": 0}, {"max_restarts": 3, "restart": "on_failure"}, {"max_restarts": 3, "preset": "again"}],
    ids=["none", "by the request", "by the preset"],
)
def test_a_number_of_restarts_that_has_an_effect_is_taken(named: dict[str, Any]) -> None:
    again = SETTINGS.presets["lesson"].model_copy(update={"restart": "on_failure"})
    settings = SETTINGS.model_copy(update={"presets": SETTINGS.presets | {"again": again}})
    wish = Wish(url="https://class.example.org/", app="main", parameters={}, **named)
    admitted = admit(settings, CALLER, wish, ulid="0" * 26, now=0.0)
    assert admitted.policy.max_restarts == named["max_restarts"]


def admitted_hours(**named: Any) -> int:
    given = named.pop("parameters", {})
    wish = Wish(url="https://class.example.org/", app="main", parameters=given, **named)
    return admit(SETTINGS, CALLER, wish, ulid="0" * 26, now=0.0).parameters.max_recording_hour


@pytest.mark.parametrize(
    ("wish", "hours"),
    [
        ({}, 3),
        ({"record_for_seconds": 3 * 3600.0 - 600}, 3),
        ({"record_for_seconds": 3 * 3600.0}, 4),  # the page takes a while to be recorded
        ({"record_for_seconds": 5 * 3600.0}, 6),
        ({"stop_at": 5 * 3600.0}, 6),
        ({"start_at": 3600.0, "stop_at": 3.5 * 3600.0}, 3),
        ({"record_for_seconds": 719 * 3600.0}, 719),
        ({"record_for_seconds": 3600.0, "parameters": {"max_recording_hour": 1}}, 1),
    ],
)
def test_the_hour_limit_suffices_for_the_length_that_is_asked_for(wish: dict[str, Any], hours: int) -> None:
    assert admitted_hours(**wish) == hours


@pytest.mark.parametrize(
    ("wish", "refused"),
    [
        (
            {"record_for_seconds": 7201.0, "parameters": {"max_recording_hour": 2}},
            {"/record_for_seconds": "asks for more than max_recording_hour, which is 2 h"},
        ),
        (
            {"stop_at": 7201.0, "parameters": {"max_recording_hour": 2}},
            {"/stop_at": "asks for more than max_recording_hour, which is 2 h"},
        ),
        ({"stop_at": 719 * 3600.0 + 1}, {"/stop_at": "asks for more than max_recording_hour, which is 719 h"}),
    ],
)
def test_a_length_beyond_the_hours_is_refused(wish: dict[str, Any], refused: dict[str, str]) -> None:
    assert wrong(app="main", **wish) == refused


@pytest.mark.parametrize(
    ("preset", "asked", "sound"),
    [
        ("lesson", None, None),
        ("lesson", False, False),
        ("dashboard", None, False),
        ("dashboard", True, True),
    ],
)
def test_the_request_decides_whether_sound_is_expected_and_otherwise_the_preset(
    preset: str, asked: bool | None, sound: bool | None
) -> None:
    wish = Wish(url="https://class.example.org/", app="main", preset=preset, sound=asked)
    admitted = admit(SETTINGS, CALLER, wish, ulid="0" * 26, now=0.0)
    assert admitted.sound is sound
    assert expectation(admitted).sound is sound
    assert as_requested(admitted).sound is sound
