"""The documents and the router come from one registry, and say the same."""

import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from handlers_stand_in import ID, StandIn
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers import Limits, build_api
from handlers.__main__ import markdown
from handlers.api.recordings import start
from handlers.docs.examples import BODIES, EXAMPLES_OF_FIELDS, example
from handlers.docs.meanings import MEANINGS_OF_FIELDS
from handlers.docs.openapi import describe
from handlers.docs.webhooks import FACTS
from handlers.problems import MEANINGS
from handlers.routes import ROUTES
from service.messages import MESSAGE_TYPES

Client = TestClient[Any, Any]

JSON = "application/json"

DOCUMENT: dict[str, Any] = describe(ROUTES)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
ROOT = Path(__file__).parents[3]


def routed(app: web.Application) -> set[tuple[str, str]]:
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def described(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


async def test_every_route_is_in_the_document_and_the_reverse(api: Client) -> None:
    document = await (await api.get("/openapi.json", headers={"Authorization": ""})).json()
    leading = {("GET", "/")}  # leads people on, and is no part of the API
    assert described(document) == routed(api.app) - leading


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(describe(ROUTES)))).validate()


def test_no_schema_lists_values_that_are_no_plain_values() -> None:
    """Generators of clients leave out a call whose body has such an `enum`."""
    listed = re.findall(r'"enum": (\[.*?\])', json.dumps(DOCUMENT))
    assert listed
    assert not [values for values in listed if "[" in values[1:] or "{" in values]


def test_a_start_can_be_sent_as_its_example_shows_it() -> None:
    """A name of the settings that is not there, or an instant of long ago, would refuse it."""
    assert set(BODIES["StartBody"]) == {"url", "record_for_seconds", "labels"}


def test_no_body_shows_an_instant_that_is_past() -> None:
    """An instant of a fixed year is past one day, or beyond the hours of the recording that it is sent for."""
    assert [name for body in BODIES.values() for name in body if name.endswith("_at")] == []
    shown = [(name, SCHEMAS[kind]["properties"][name]["examples"]) for kind, name in fields() if kind in BODIES
             and SCHEMAS[kind]["properties"][name].get("format") == "date-time"]  # fmt: skip
    assert len(shown) == 3
    assert {name: samples[0][:16] for name, samples in shown} == {
        "start_at": "2031-01-31T09:30", "stop_at": "2031-01-31T10:30",
    }  # fmt: skip


def test_the_instants_of_an_example_are_in_their_order() -> None:
    shown = example({"$ref": "#/components/schemas/RecordingView"}, SCHEMAS)
    instants, schedule, attempt, report = (
        shown["instants"], shown["schedule"], shown["attempts"][0], shown["latest_report"]
    )  # fmt: skip
    assert instants["recording_at"] < instants["stop_wished_at"] <= instants["ended_at"] < report["judged_at"]
    assert schedule["planned_start_at"] < schedule["planned_stop_at"] < schedule["hour_limit_at"]
    assert attempt["recording_at"] < attempt["stop_sent_at"] <= attempt["ended_at"] < attempt["uploaded_at"]
    assert shown["coverage"]["window"]["from_at"] < shown["coverage"]["window"]["to_at"]
    usage = example({"$ref": "#/components/schemas/UsageView"}, SCHEMAS)
    assert usage["from_at"] < usage["to_at"]


def test_no_operation_has_the_name_of_another() -> None:
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_says_what_it_does_and_every_error_of_it_is_explained(route: Any) -> None:
    assert route.summary
    assert len(route.description) > 20
    assert set(route.error_statuses) <= MEANINGS.keys()


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope], ids=lambda route: route.name)
async def test_every_route_with_a_scope_refuses_strangers(api: Client, route: Any) -> None:
    path = route.path.replace("{id}", ID).replace("{name}", "crm")
    assert (await api.request(route.method, path, headers={"Authorization": ""})).status == 401


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body], ids=lambda route: route.name)
async def test_every_route_decodes_the_body_that_its_document_promises(api: Client, route: Any) -> None:
    path = route.path.replace("{id}", ID).replace("{name}", "crm")
    problem = await (await api.request(route.method, path, json={"surprise": 1})).json()
    required = describe(ROUTES)["components"]["schemas"][route.body.__name__].get("required", [])
    assert {error["pointer"] for error in problem["errors"]} == {"/surprise", *(f"/{name}" for name in required)}


async def test_answers_fit_the_schemas_that_are_promised(api: Client) -> None:
    from jsonschema import Draft202012Validator, FormatChecker

    document = describe(ROUTES)
    for path, kind in [
        (f"/v1/recordings/{ID}", "RecordingView"),
        ("/v1/recordings", "RecordingPage"),
        (f"/v1/recordings/{ID}/timeline", "HistoryPage"),
        (f"/v1/recordings/{ID}/files", "FilePage"),
        ("/v1/notifications", "NoticePage"),
        ("/v1/nothing", "Problem"),
    ]:
        schema = {"$ref": f"#/components/schemas/{kind}", "components": document["components"]}
        shown = await (await api.get(path)).json()
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(shown)


async def test_the_page_needs_nothing_from_elsewhere(api: Client) -> None:
    response = await api.get("/docs", headers={"Authorization": ""})
    page = await response.text()
    assert response.content_type == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in policy
    assert not re.search(r'(src|href)="(?!#)', page)
    assert not re.search(r' on[a-z]+="', page)
    assert "url(" not in page


async def test_every_link_of_the_page_leads_somewhere_and_every_route_is_on_it(api: Client) -> None:
    page = await (await api.get("/docs")).text()
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(anchors)
    for route in ROUTES:
        assert f"{route.method} {route.path}" in page


async def test_the_type_of_every_problem_leads_to_its_explanation(api: Client) -> None:
    problem = await (await api.get("/v1/nothing")).json()
    page, anchor = problem["type"].split("#")
    assert f'id="{anchor}"' in await (await api.get(page)).text()


def test_the_handlers_docstring_is_what_callers_read() -> None:
    operation = describe(ROUTES)["paths"]["/v1/recordings"]["post"]
    assert operation["description"].startswith((start.__doc__ or "").split("\n")[0])


def test_the_committed_api_documentation_is_fresh() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == markdown(), "run: python -m handlers > docs/api.md"


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation and webhook, with its name."""
    for methods in (*DOCUMENT["paths"].values(), *DOCUMENT["webhooks"].values()):
        for operation in methods.values():
            yield operation["operationId"], operation


def fields() -> Iterator[tuple[str, str]]:
    return ((model, name) for model, schema in SCHEMAS.items() for name in schema.get("properties", {}))


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body and answer of JSON, problems too."""
    for name, operation in operations():
        parts = [operation["requestBody"]] if "requestBody" in operation else []
        for part in (*parts, *operation["responses"].values()):
            yield from ((name, content) for kind, content in part.get("content", {}).items() if kind == JSON)
    for name, answer in DOCUMENT["components"]["responses"].items():
        yield from ((name, content) for content in answer["content"].values())


def test_every_field_is_described() -> None:
    """Where a model says nothing of a field, `handlers.docs.meanings` does."""
    assert [pair for pair in fields() if not SCHEMAS[pair[0]]["properties"][pair[1]].get("description")] == []


def test_every_parameter_header_and_tag_is_described() -> None:
    for name, operation in operations():
        for given in operation["parameters"]:
            assert given.get("description"), (name, given["name"])
        assert operation["summary"]
        assert operation["description"]
    assert all(tag["description"] for tag in DOCUMENT["tags"])


def test_every_meaning_and_example_is_of_a_field_that_there_is() -> None:
    queries = {(route.query.__name__, name) for route in ROUTES if route.query for name in route.query.__annotations__}
    known = {f"{model}.{name}" for model, name in {*fields(), *queries}} | {name for _, name in fields()}
    assert (MEANINGS_OF_FIELDS.keys() | EXAMPLES_OF_FIELDS.keys()) - known == set()
    assert set(BODIES) == {route.body.__name__ for route in ROUTES if route.body}


def test_every_body_and_answer_has_an_example_that_fits_its_schema() -> None:
    from jsonschema import Draft202012Validator, FormatChecker

    assert len(list(contents())) > 40
    for name, content in contents():
        if content["schema"]:
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            validator = Draft202012Validator(schema, format_checker=FormatChecker())
            assert [error.message for error in validator.iter_errors(content["example"])] == [], name


def test_every_text_of_an_example_is_a_text_of_life() -> None:
    """A field of text that no table has an example for shows an ellipsis."""
    shown = {name: json.dumps(example({"$ref": f"#/{name}"}, SCHEMAS), ensure_ascii=False) for name in SCHEMAS}
    bodies = {name: json.dumps(body, ensure_ascii=False) for name, body in BODIES.items()}
    assert [name for name, text in (shown | bodies).items() if '"…"' in text] == []


def test_the_example_of_a_webhook_is_a_message_of_its_type() -> None:
    """A recording that has just started has no verdict, and one that is defective is not `verified`."""
    said = {"recording.verified": "verified", "recording.unproven": "unreachable", "recording.changed": "defective"}
    for kind in ("recording.incomplete", "recording.defective"):
        said[kind] = kind.removeprefix("recording.")
    for kind, hook in DOCUMENT["webhooks"].items():
        message = hook["post"]["requestBody"]["content"][JSON]["example"]
        assert message["type"] == kind
        assert message["data"]["verdict"] == said.get(kind)
        state = message["data"]["detail"].get("state")
        assert state in (None, message["data"]["state"])


def test_every_type_of_message_is_a_webhook() -> None:
    assert tuple(DOCUMENT["webhooks"]) == tuple(FACTS) == MESSAGE_TYPES


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_call_can_be_tried_on_the_page(api: Client, route: Any) -> None:
    page = await (await api.get("/docs")).text()
    begin = f'<form data-method="{route.method}" data-path="{re.escape(route.path)}">'
    (form,) = re.findall(f"{begin}(.*?)</form>", page, re.DOTALL)
    assert len(re.findall(r'data-in="path"', form)) == len(route.variables)
    assert ("<textarea" in form) is (route.body is not None)


@pytest.mark.parametrize("console", [True, False])
async def test_the_bare_address_leads_people_on_and_tells_programs_what_is_where(
    aiohttp_client: Callable[..., Awaitable[Client]], operations: StandIn, console: bool
) -> None:
    client = await aiohttp_client(build_api(operations, Limits(), console=console))  # type: ignore[arg-type]
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = await client.get("/", headers=browser, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/console" if console else "/docs")
    for accept in ("application/json", "*/*"):
        answer = await client.get("/", headers={"Accept": accept}, allow_redirects=False)
        shown = await answer.json()
        assert (answer.status, shown["name"], shown["version"]) == (200, "Pagereel", version("pagereel"))
        assert ("console" in shown["links"]) is console
        assert answer.headers["Vary"] == "Accept"
        for place in shown["links"].values():
            assert (await client.get(place, allow_redirects=False)).status != 404
