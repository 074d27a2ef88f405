"""The documents and the router come from one registry, and say the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from handlers_stand_in import ID
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.__main__ import markdown
from handlers.openapi import describe
from handlers.problems import MEANINGS
from handlers.recordings import start
from handlers.routes import ROUTES

Client = TestClient[Any, Any]

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
    assert described(document) == routed(api.app)


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(describe(ROUTES)))).validate()


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
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#)', page)
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
