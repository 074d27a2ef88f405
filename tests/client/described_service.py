"""A service that is nothing but its OpenAPI document: it judges requests by it and answers with examples made of it."""

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from emulator.app import close
from handlers.docs.openapi import describe
from handlers.routes import ROUTES

DOCUMENT = describe(ROUTES)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
INSTANT = "2026-01-31T09:30:00.000Z"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of each."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def example(schema: dict[str, Any], *, nothing: bool = False) -> Any:
    """A value of the schema, with every field; `nothing`: null wherever it may be."""
    schema = resolved(schema)
    if "anyOf" in schema:
        nullable = {"type": "null"} in schema["anyOf"]
        return None if nothing and nullable else example(schema["anyOf"][0], nothing=nothing)
    if "enum" in schema:
        return schema["enum"][-1]
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        fields = {name: example(part, nothing=nothing) for name, part in schema.get("properties", {}).items()}
        return fields or {"word": example(inner) if isinstance(inner, dict) else 1}
    if schema.get("type") == "array":
        return [example(schema["items"], nothing=nothing)]
    text = INSTANT if schema.get("format") == "date-time" else "word"
    return {"string": text, "integer": 3, "number": 1.5, "boolean": True}[schema["type"]]


@dataclass
class Asked:
    """A request as it was judged: its operation, and the names it gave."""

    operation: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class Described:
    """`nothing`: answer null wherever that is allowed. `wrong`: what the document does not allow."""

    url: str = ""
    nothing: bool = False
    asked: list[Asked] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        method, operation = request.method, _operation_of(request)
        declared = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
        query = {name: request.query.getall(name) for name in request.query}
        self.wrong += [f"{name} is no parameter of {method}" for name in query.keys() - declared.keys()]
        body = await request.json() if request.can_read_body else None
        if "requestBody" in operation:
            schema = {**operation["requestBody"]["content"]["application/json"]["schema"], **_COMPONENTS}
            self.wrong += [each.message for each in Draft202012Validator(schema).iter_errors(body)]
        self.asked.append(Asked(operation["operationId"], query, dict(request.headers), body))
        status, success = next((s, each) for s, each in operation["responses"].items() if s < "400")
        ((media_type, content),) = success["content"].items()
        if not content["schema"]:
            return web.Response(status=int(status), body=b"{}", content_type=media_type)
        shown = example(content["schema"], nothing=self.nothing)
        if "next" in shown and operation["operationId"] != "messages_events":
            shown["next"] = None
        return web.json_response(shown, status=int(status))


_COMPONENTS = {"components": DOCUMENT["components"]}


def _operation_of(request: web.Request) -> dict[str, Any]:
    for method, path, operation in operations():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
        if method == request.method and re.fullmatch(pattern, request.path):
            return operation
    raise web.HTTPNotFound


@asynccontextmanager
async def listening(handler: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a server that answers everything with `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await close(runner)
