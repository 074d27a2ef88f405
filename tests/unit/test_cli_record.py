"""`pagereel record`: what it asks for, and what it says before it leaves a recorder running."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from cli_rig import ID, problem, recording, serving
from pydantic import TypeAdapter

from handlers.requests.payloads import StartBody


def started(body: dict[str, object]) -> tuple[int, object]:
    instants = {"start_at": body.get("start_at"), "stop_at": body.get("stop_at")}
    return 202, recording(state="requested", instants=instants, record_for_seconds=body.get("record_for_seconds"))


def test_a_length_is_counted_by_the_service_and_the_instant_of_the_stop_is_printed() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        before = datetime.now(UTC)
        done = service.typed("record", "https://class.example.org", "--for", "2h30")
        (_, _, _, body), *_ = service.asked
    assert done.exit_code == 0, done.output
    assert (body["record_for_seconds"], body.get("stop_at")) == (9000, None)
    assert done.stdout == f"{ID}\n", "a script reads the id and nothing else"
    assert f"{ID} stops 2 h 30 min after it begins to record, at about 20" in done.stderr
    said = datetime.strptime(done.stderr.strip()[-23:], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert before + timedelta(seconds=8999) <= said <= datetime.now(UTC) + timedelta(seconds=9000)


def test_that_an_emulator_draws_the_page_is_printed() -> None:
    told = "the app demo uses an emulator on the service's machine, which draws a synthetic picture"
    for emulated in (True, False):
        started = {"POST /v1/recordings": (202, recording(state="requested", emulated=emulated))}
        shown = {f"GET /v1/recordings/{ID}": (200, recording(emulated=emulated))}
        with serving(started | shown) as service:
            done, seen = service.typed("record", "https://class.example.org"), service.typed("show", ID)
        assert (done.exit_code, done.stdout) == (0, f"{ID}\n")
        assert (told in done.stderr, told in seen.stdout) == (emulated, emulated)


def test_an_instant_of_the_stop_is_printed() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--stop-at", "2099-01-01T10:00:00Z")
        (_, _, _, body), *_ = service.asked
    assert "record_for_seconds" not in body
    assert f"{ID} stops at 2099-01-01 10:00:00 UTC" in done.stderr


@pytest.mark.parametrize(
    ("words", "then"),
    [
        (("--for", "45m"), "and stops 45 min after it begins to record, at about 2099-01-01 10:45:00 UTC"),
        (("--stop-at", "2099-01-01T11:00:00Z"), "and stops at 2099-01-01 11:00:00 UTC, in "),
        ((), f"and records, and is billed, until `pagereel stop {ID}`, for at most 3 h"),
    ],
    ids=["length", "stop", "neither"],
)
def test_a_start_that_is_to_come_is_told_before_the_end(words: tuple[str, ...], then: str) -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--start-at", "2099-01-01T10:00:00Z", *words)
        past = service.typed("record", "https://class.example.org", "--start-at", "2020-01-01T10:00:00Z", *words)
    assert re.match(rf"{ID} starts at 2099-01-01 10:00:00 UTC, in \d+ d[^,]*, {re.escape(then)}", done.stderr), (
        done.stderr
    )
    assert "starts at" not in past.stderr


def test_without_a_length_it_says_what_ends_it_and_that_it_is_billed() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org")
    assert done.stdout == f"{ID}\n"
    assert f"{ID} records, and is billed, until `pagereel stop {ID}`, for at most 3 h" in done.stderr


def test_json_is_one_document_and_nothing_beside_it() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--json")
    assert json.loads(done.output)["id"] == ID


def test_a_number_without_a_unit_starts_nothing() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--for", "10")
        assert service.asked == []
    assert done.exit_code == 2
    assert "10 has no unit" in done.output


FULL = {
    "--app": "demo", "--storage": "archive", "--preset": "lesson", "--size": "1280x720", "--video-fps": "25",
    "--video-bitrate": "2000", "--audio-profile": "2", "--mobile": None, "--max-recording-hour": "4",
    "--max-video-duration": "60", "--ready-timeout": "20", "--no-sound": None, "--onhold": None, "--no-mp4": None,
    "--rtmp-url": "rtmps://live.example.org/secret", "--label": "lesson=42", "--max-missing-seconds": "2.5",
    "--level": "bytes", "--restart": "on_failure", "--max-restarts": "3", "--start-at": "2030-01-01T10:00:00+01:00",
    "--for": "45m", "--start-within-seconds": "60", "--notify": "crm", "--idempotency-key": "lesson-42",
}  # fmt: skip


def test_record_says_everything_that_the_api_can_be_told() -> None:
    words = [word for option, value in FULL.items() for word in (option, value) if word is not None]
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", *words)
        (_, _, _, body), *_ = service.asked
    assert done.exit_code == 0, done.output
    assert set(body) == (StartBody.__required_keys__ | StartBody.__optional_keys__) - {"stop_at"}, "--for excludes it"
    assert service.headers[0]["Idempotency-Key"] == "lesson-42"
    wish = TypeAdapter(StartBody).validate_python(body)
    assert (wish["start_at"], wish["record_for_seconds"]) == (1893488400.0, 2700.0)
    assert (wish["video_width"], wish["video_height"], wish["av_file_type"]) == (1280, 720, ["hls"])
    assert (wish["mobile"], wish["onhold"], wish["labels"], wish["notify"]) == (True, True, {"lesson": "42"}, ["crm"])
    assert wish["sound"] is False


def test_what_is_not_typed_is_not_said() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        service.typed("record", "https://class.example.org")
        (_, _, _, body), *_ = service.asked
    assert body == {"url": "https://class.example.org"}


@pytest.mark.parametrize(
    ("wrong", "words", "said"),
    [
        ({"app": "is unknown; available: demo"}, ("--app", "nope"), "--app nope: is unknown; available: demo"),
        ({"preset": "is unknown; available: default"}, ("--preset", "x"), "--preset x: is unknown"),
        ({"notify/1": "is unknown; none is available"}, ("--notify", "a", "--notify", "b"), "--notify b: is unknown"),
        (
            {"stop_at": "is in the past"},
            ("--stop-at", "2020-01-01T10:00:00Z"),
            "--stop-at: is in the past",
        ),
        ({"record_for_seconds": "is too long"}, ("--for", "2d"), "--for: is too long"),
        ({"video_height": "must be less"}, ("--size", "1920x1920"), "--size (height): must be less"),
        ({"video_width": "must be less"}, ("--size", "1921x1080"), "--size (width): must be less"),
        ({"url": "should begin with https://"}, (), "PAGE: should begin with https://"),
        ({"rtmp_url": "is not allowed"}, ("--rtmp-url", "rtmp://secret"), "pagereel: --rtmp-url: is not allowed"),
    ],
)
def test_a_refusal_names_the_option_that_was_typed(wrong: dict[str, str], words: tuple[str, ...], said: str) -> None:
    with serving({"POST /v1/recordings": problem(422, **wrong)}) as service:
        done = service.typed("record", "https://class.example.org", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_each_wrong_option_is_named() -> None:
    refused = problem(422, app="is unknown; available: demo", storage="is unknown; available: demo")
    with serving({"POST /v1/recordings": refused}) as service:
        done = service.typed("record", "https://class.example.org", "--app", "a", "--storage", "s")
    assert "--app a: is unknown" in done.stderr
    assert "--storage s: is unknown" in done.stderr


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("lessonId=1", "a key has 1 to 32 characters of a to z, 0 to 9, _ . and -; 'lessonId' has I"),
        ("Größe=1", "'Größe' has G ß ö"),
        ("=1", "'' is empty or too long"),
        ("lesson", "write KEY=VALUE or KEY:VALUE"),
    ],
)
def test_a_wrong_label_says_what_is_wrong_with_it(label: str, said: str) -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://class.example.org", "--label", label)
        assert service.asked == []
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("label", "pair"),
    [("lesson:42", ("lesson", "42")), ("at=9:30", ("at", "9:30")), ("sum:1=1", ("sum", "1=1"))],
    ids=["colon", "colon in the value", "equals sign in the value"],
)
def test_a_label_has_an_equals_sign_or_a_colon(label: str, pair: tuple[str, str]) -> None:
    known = {"POST /v1/recordings": started, "GET /v1/recordings": (200, {"items": [], "next": None})}
    with serving(known) as service:
        assert service.typed("record", "https://class.example.org", "--label", label).exit_code == 0
        assert service.typed("list", "--label", label).exit_code == 0
        (_, _, _, body), (_, _, query, _) = service.asked
    assert body["labels"] == dict([pair])
    assert query["label"] == ["=".join(pair)]


def test_a_length_and_an_instant_of_the_stop_exclude_each_other() -> None:
    with serving({"POST /v1/recordings": started}) as service:
        done = service.typed("record", "https://x.example", "--for", "1m", "--stop-at", "2030-01-01T10:00:00Z")
    assert done.exit_code == 2
    assert "--for and --stop-at exclude each other" in done.output
