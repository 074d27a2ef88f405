"""The OpenAPI 3.1 document of the routes. Pure; equal routes produce an equal document."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from handlers.docs.examples import BODIES, example
from handlers.docs.meanings import MEANINGS_OF_FIELDS, field_of
from handlers.docs.webhooks import describe_webhooks
from handlers.problems import MEANINGS, MEDIA_TYPE, Problem
from handlers.requests.decoding import adapter
from handlers.resources.accounts import MessageView
from handlers.route import Header, Route

Json = dict[str, Any]

_INTRODUCTION = """\
Pagereel records web pages and proves that the recordings exist.

Every call under `/v1` needs a token: `Authorization: Bearer …`. Each operation names the scope that the token needs. \
Another owner's recording is 404.

Instants are RFC 3339 with an offset; lengths end in `_seconds`, sizes in `_bytes`. Unknown fields, wrong types and \
values out of range are refused, naming the field, and change nothing. So is a body of a call that takes none, also \
of a GET; an empty one and `{}` say nothing. A number without a fraction is a whole number, also written `2.0`; null \
is no value of any field: leave the field out.

`GET /` leads a browser to the console, and tells programs name, version and what is where.

Every answer has `X-Request-Id`: the caller's own where it sent one (at most 64 letters, digits, `.`, `_`, `-`), else \
a new one. Every error is `application/problem+json`; a method that a path does not have is 405. What is no HTTP, such \
as a path of 9 kB or a header twice, is 400 in plain text, without both."""

_VARIABLE_TEXTS = {
    "recordings": "The recording's id",
    "notifications": "The notification's number",
    "endpoints": "The endpoint's name in the settings",
}
_VARIABLES: dict[str, Json] = {
    "recordings": {"type": "string", "pattern": "^[A-Za-z0-9_]{1,64}$", "examples": ["rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE"]},
    "notifications": {"type": "string", "pattern": "^[0-9]{1,18}$", "examples": ["4711"]},
    "endpoints": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,30}$", "examples": ["crm"]},
}
_TAGS = {
    "Recordings": "Start recordings, follow and steer them, and look at what came of them",
    "Notifications": "Agora's notifications as they were stored",
    "Usage": "What a month took and cost",
    "Actions": "What was asked for with the owner's tokens",
    "Messages": "What happened, as a feed, and what became of each message at each endpoint",
    "Service": "Health and metrics",
    "Documents": "This description",
}
_ERROR_HEADERS = {
    401: (Header("WWW-Authenticate", "Always `Bearer`"),),
    429: (Header("Retry-After", "Seconds to wait", {"type": "integer", "minimum": 1}),),
    503: (Header("Retry-After", "Seconds to wait", {"type": "integer", "minimum": 1}),),
}
_REQUEST_ID = (Header("X-Request-Id", "The id of this request, also in the service's log"),)


def describe(routes: Sequence[Route]) -> Json:
    """Return the OpenAPI document of `routes`."""
    schemas = _schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pagereel", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": "/", "description": "The service that gave this document"}],
        "tags": [{"name": tag, "description": _TAGS[tag]} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "webhooks": describe_webhooks(schemas),
        "components": {
            "schemas": {name: schema for name, schema in sorted(schemas.items()) if not name.endswith("Query")},
            "responses": {f"Problem{status}": _problem(status, schemas) for status in _statuses(routes)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(routes: Iterable[Route]) -> dict[str, Json]:
    taken = {kind for route in routes for kind in (route.body, route.query) if kind is not None}
    shown = {route.answer for route in routes if isinstance(route.answer, type)} | {Problem, MessageView}
    modes: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((kind.__name__, "validation", adapter(kind)) for kind in taken),
        *((kind.__name__, "serialization", adapter(kind)) for kind in shown),
    ]
    _, definitions = TypeAdapter.json_schemas(modes, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Json] = definitions["$defs"]
    return {name: _explained(name, _untitled(schema)) for name, schema in schemas.items()}


def _explained(model: str, schema: Json) -> Json:
    """Add a description to each field whose model has none. Return the schema."""
    for field, part in schema.get("properties", {}).items():
        if not part.get("description") and (known := field_of(MEANINGS_OF_FIELDS, model, field)):
            part["description"] = MEANINGS_OF_FIELDS[known]
    return schema


def _untitled(schema: Any) -> Any:
    """Remove pydantic's titles, which only repeat the names."""
    if isinstance(schema, list):
        return [_untitled(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(part) for name, part in schema.items() if not (name == "title" and isinstance(part, str))}


def _operation(route: Route, schemas: dict[str, Json]) -> Json:
    operation: Json = {
        "operationId": route.name.replace(".", "_"),
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description,
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas), *_header_parameters(route)],
        "security": [{"token": [str(route.scope)]}] if route.scope else [],
        "responses": {
            str(route.status): _success(route, schemas),
            **{str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in route.error_statuses},
        },
    }
    if route.body is not None:
        content = {"schema": _ref(route.body), "example": BODIES[route.body.__name__]}
        operation["requestBody"] = {"required": not route.body_optional, "content": {"application/json": content}}
    return operation


def _path_parameters(route: Route) -> list[Json]:
    parts = route.path.split("/")
    kinds = {name: parts[parts.index(f"{{{name}}}") - 1] for name in route.variables}
    return [
        {"name": name, "in": "path", "required": True}
        | {"description": _VARIABLE_TEXTS[kind], "schema": _VARIABLES[kind]}
        for name, kind in kinds.items()
    ]


def _query_parameters(route: Route, schemas: dict[str, Json]) -> list[Json]:
    if route.query is None:
        return []
    properties: dict[str, Json] = schemas[route.query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "description": schema.get("description", ""), "schema": _without_text(schema)}
        for name, schema in properties.items()
    ]


def _header_parameters(route: Route) -> list[Json]:
    return [
        {"name": header.name, "in": "header", "description": header.text, "schema": header.schema}
        for header in route.headers
    ]


def _success(route: Route, schemas: dict[str, Json]) -> Json:
    model = route.answer if isinstance(route.answer, type) else None
    media_type = "application/json" if model else str(route.answer)
    return {
        "description": (model.__doc__ or "").split("\n")[0] if model else route.summary,
        "headers": _headers(_REQUEST_ID + route.answer_headers),
        "content": {
            media_type: {"schema": _ref(model), "example": example(_ref(model), schemas)} if model else {"schema": {}}
        },
    }


def _problem(status: int, schemas: dict[str, Json]) -> Json:
    meaning = MEANINGS[status]
    sample = example(_ref(Problem), schemas) | {"type": f"/docs#problem-{status}", "status": status}
    sample |= {"title": meaning.title, "code": meaning.code}
    if status != 422:
        sample |= {"detail": meaning.remedy, "errors": None}
    sample = {name: part for name, part in sample.items() if part is not None}
    return {
        "description": f"{meaning.title}. {meaning.remedy}",
        "headers": _headers(_REQUEST_ID + _ERROR_HEADERS.get(status, ())),
        "content": {MEDIA_TYPE: {"schema": _ref(Problem), "example": sample}},
    }


def _headers(headers: Iterable[Header]) -> Json:
    return {header.name: {"description": header.text, "schema": header.schema} for header in headers}


def _statuses(routes: Iterable[Route]) -> list[int]:
    return sorted({status for route in routes for status in route.error_statuses})


def _ref(model: type[Any]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _without_text(schema: Json) -> Json:
    return {name: part for name, part in schema.items() if name != "description"}
