"""The client says what the OpenAPI document says: every operation, every field with its type, every problem."""

import dataclasses
import typing
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any

import pytest
from described_service import INSTANT, SCHEMAS, Described, example, listening, operations, resolved
from pagereel_client import Client, client, errors, models, webhooks, words
from pagereel_client.decoding import decode

from handlers.problems import MEANINGS
from service.errors import Code
from service.messages import MESSAGE_TYPES
from service.recording import TERMINAL

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ID = "rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE"
WISHES: dict[str, Any] = {
    **dict.fromkeys(("app", "storage", "preset"), "word"),
    **{"video_width": 1280, "video_height": 720, "video_fps": 15, "video_bitrate": 500, "audio_profile": 1},
    **{"mobile": True, "max_recording_hour": 2, "max_video_duration": 60, "ready_timeout": 5, "onhold": False},
    **{"av_file_type": ["hls", "mp4"], "rtmp_url": "rtmp://live.example.org/key", "labels": {"lesson": "42"}},
    **{
        "max_missing_seconds": 5.0,
        "level": "full",
        "restart": "never",
        "max_restarts": 0,
        "start_at": AT,
        "stop_at": AT,
        "record_for_seconds": 60.0,
        "sound": False,
        "start_within_seconds": 60.0,
    },
    "notify": ["crm"],
}

Call = Callable[[Client], Any]
CALLS: dict[str, Call] = {
    "recordings_start": lambda c: c.start("https://x.example.org/", wait_seconds=5, **WISHES),
    "recordings_listing": lambda c: all_of(
        c.recordings(
            states=["verified"],
            app="main",
            labels={"a": "b"},
            from_at=AT,
            to_at=AT,
            planned=False,
            warned=True,
            limit=9,
        )
    ),
    "recordings_counts": lambda c: c.counts(),
    "recordings_read": lambda c: c.read(ID),
    "recordings_change": lambda c: c.change(ID, stop_at=AT, labels={"a": "b"}),
    "recordings_stop": lambda c: c.stop(ID),
    "recordings_pause": lambda c: c.pause(ID),
    "recordings_resume": lambda c: c.resume(ID),
    "recordings_set_rtmp": lambda c: c.set_rtmp(ID, "rtmp://live.example.org/key"),
    "recordings_verify": lambda c: c.verify(ID, level="full"),
    "recordings_adopt": lambda c: c.adopt(
        ID,
        app="main",
        storage="archive",
        uid=7,
        resource_id="r",
        sid="a",
        attempt=1,
        hours=3,
        stop=True,
        unchecked=True,
    ),
    "recordings_timeline": lambda c: all_of(c.timeline(ID)),
    "recordings_explanation": lambda c: c.explain(ID),
    "recordings_files": lambda c: all_of(c.files(ID, links=True)),
    "proofs_report": lambda c: c.report(ID, 2),
    "proofs_support_bundle": lambda c: c.support_bundle(ID),
    "proofs_poster": lambda c: c.poster(ID),
    "proofs_contact_sheet": lambda c: c.contact_sheet(ID),
    "proofs_manifest": lambda c: c.manifest(ID, timestamp=True),
    "proofs_playlist": lambda c: c.playlist(ID, from_at=AT, to_at=AT),
    "notifications_listing": lambda c: all_of(c.notifications(sid="a", event_type=31, outcome="applied")),
    "notifications_replay": lambda c: c.replay_notification(7),
    "actions_actions": lambda c: all_of(c.actions()),
    "usage_usage": lambda c: c.usage("2026-11"),
    "messages_events": lambda c: c.events_page("cursor", limit=5, wait_seconds=1),
    "messages_deliveries": lambda c: all_of(c.deliveries(state="dead", endpoint="crm")),
    "messages_redrive": lambda c: c.redrive(endpoint="crm", messages=["msg_1"]),
    "messages_endpoints": lambda c: c.endpoints(),
    "messages_enable": lambda c: c.enable_endpoint("crm"),
    "health_healthz": lambda c: c.alive(),
    "health_readyz": lambda c: c.ready(),
    "health_exposition": lambda c: c.metrics(),
    "documents_openapi": lambda c: c.openapi(),
    "documents_docs": lambda c: c.documentation(),
}
OPERATIONS = {operation["operationId"]: operation for _, _, operation in operations()}
# Lists are iterators here: their pages are no class, and their cursors nobody's business.
PAGES = {"RecordingPage", "HistoryPage", "FilePage", "NoticePage", "DeliveryPage", "ActionPage"}
CLASSES = {
    "HistoryView": models.HistoryEntry,
    "NoticeView": models.Notification,
    "FileView": models.RecordedFile,
    "FilesView": models.FilesSeen,
    "EventPage": models.EventPage,
    "Problem": errors.ProblemDocument,
    "FieldProblem": errors.FieldProblem,
    "MessageView": webhooks.Message,
    "NewsView": webhooks.News,
}
# What is one word or nothing is what a method gives, or takes as its parameters.
WITHOUT_CLASS = {"StatusView", "StartBody", "ChangeBody", "RtmpBody", "RedriveBody", "AdoptBody"}


def class_of(schema: str) -> Any:
    return CLASSES.get(schema) or getattr(models, schema.removesuffix("View"))


def shape(hint: Any) -> Any:
    """A type as plain words, the same as `meant` has for its schema."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union):
        return {shape(each) for each in arguments}
    if origin is typing.Literal:
        return arguments
    if origin in (tuple, list):
        return origin.__name__, shape(arguments[0])
    if origin is dict:
        return "dict", shape(arguments[1])
    return "None" if hint is NoneType else getattr(hint, "__name__", str(hint))


def meant(schema: dict[str, Any], sequence: str) -> Any:
    """What a schema means for a type; `sequence`: what its arrays are."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return tuple(SCHEMAS[name]["enum"]) if "enum" in SCHEMAS[name] else class_of(name).__name__
    if "anyOf" in schema:
        return {meant(each, sequence) for each in schema["anyOf"]}
    if schema.get("type") == "array":
        return sequence, meant(schema["items"], sequence)
    if "enum" in schema:
        return tuple(schema["enum"])
    if schema.get("type") == "object":
        inner = schema["additionalProperties"]
        return "dict", "Any" if inner is True else meant(inner, sequence)
    if schema.get("format") == "date-time":
        return "datetime"
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}[schema["type"]]


def plain(value: Any) -> Any:
    """What a class holds, as JSON says it."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return INSTANT if value == AT else value


async def all_of(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@pytest.fixture
async def described() -> AsyncIterator[Described]:
    service = Described()
    async with listening(service.answer) as service.url:
        yield service


def test_every_operation_has_a_method_and_none_is_gone() -> None:
    assert set(CALLS) == set(OPERATIONS)


@pytest.mark.parametrize("nothing", [False, True], ids=["full", "null"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_method_asks_as_the_document_says_and_reads_what_it_promises(
    described: Described, name: str, nothing: bool
) -> None:
    described.nothing = nothing
    async with Client(described.url, "prl_token") as api:
        await CALLS[name](api)
    (asked,) = described.asked
    assert asked.operation == name
    assert described.wrong == []
    assert asked.headers["Authorization"] == "Bearer prl_token"


@pytest.mark.parametrize(
    "name", [name for name, each in OPERATIONS.items() if each["parameters"] or "requestBody" in each]
)
async def test_a_method_can_give_every_parameter_and_every_field(described: Described, name: str) -> None:
    async with Client(described.url, "prl_token") as api:
        await CALLS[name](api)
    (asked,) = described.asked
    parameters = OPERATIONS[name]["parameters"]
    assert {each["name"] for each in parameters if each["in"] == "query"} - {"cursor"} == set(asked.query)
    assert {each["name"] for each in parameters if each["in"] == "header"} <= set(asked.headers)
    if "requestBody" in OPERATIONS[name]:
        schema = resolved(OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"])
        assert set(schema["properties"]) == set(asked.body)


def test_the_wishes_of_a_start_have_the_types_of_its_body() -> None:
    hints = typing.get_type_hints(client.Wishes)
    properties = {name: part for name, part in SCHEMAS["StartBody"]["properties"].items() if name != "url"}
    properties["labels"] = {"type": "object", "additionalProperties": {"type": "string"}}  # its keys have a pattern
    assert {name: shape(hint) for name, hint in hints.items()} == {
        name: meant(part, "list") for name, part in properties.items()
    }


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name not in PAGES | WITHOUT_CLASS])
def test_every_schema_has_its_class_with_every_field_and_its_type(name: str) -> None:
    schema = SCHEMAS[name]
    if "enum" in schema:
        assert typing.get_args(getattr(words, name)) == tuple(schema["enum"])
        return
    hints = typing.get_type_hints(class_of(name))
    assert {field: shape(hint) for field, hint in hints.items()} == {
        field: meant(part, "tuple") for field, part in schema["properties"].items()
    }


@pytest.mark.parametrize("name", ["RecordingView", "UsageView", "EventPage", "ExplanationView", "DeliveryView"])
def test_nothing_is_lost_on_the_way_into_a_class(name: str) -> None:
    given = example(SCHEMAS[name])
    assert plain(dataclasses.asdict(decode(class_of(name), given))) == given


def test_fields_and_words_of_a_newer_service_are_no_mistake() -> None:
    given = example(SCHEMAS["RecordingView"])
    found = decode(models.Recording, {**given, "state": "evaporated", "mood": "good"})
    assert found.state == "evaporated"  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("field", "value"), [("id", 7), ("billed_seconds", True), ("labels", []), ("instants", None), ("attempts", {})]
)
def test_what_is_no_recording_is_said_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Recording.{field}"):
        decode(models.Recording, {**example(SCHEMAS["RecordingView"]), field: value})


def test_every_problem_is_an_exception_and_none_is_gone() -> None:
    assert set(errors.PROBLEMS) == {meaning.code for meaning in MEANINGS.values()} | set(Code)


@pytest.mark.parametrize("status", MEANINGS)
def test_a_problem_becomes_its_exception_with_all_it_says(status: int) -> None:
    document = {**example(SCHEMAS["Problem"]), "status": status, "code": MEANINGS[status].code}
    raised = errors.problem_of(status, document, 3, "http://127.0.0.1")
    assert isinstance(raised, errors.PROBLEMS[MEANINGS[status].code])
    assert (raised.status, raised.request_id, raised.retry_after_seconds) == (status, "word", 3)
    assert dataclasses.asdict(raised.document) == {**document, "errors": tuple(document["errors"])}
    assert raised.errors[0].pointer in str(raised)


def test_the_words_are_the_services() -> None:
    assert set(TERMINAL) == words.TERMINAL
    assert typing.get_args(words.MessageType) == MESSAGE_TYPES
