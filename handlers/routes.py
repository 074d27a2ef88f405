"""The registry of all routes of the API listener. The router and the documents are made from it."""

import time
from dataclasses import replace
from importlib.metadata import version
from typing import Final

import orjson
from aiohttp import web

from handlers import health
from handlers.answers import json_answer
from handlers.api import actions, messages, notifications, proofs, recordings, usage
from handlers.console import build_console
from handlers.docs import documents
from handlers.docs.openapi import describe
from handlers.docs.outline import outline
from handlers.docs.rendering import render_html
from handlers.keys import CLOCK, DOCUMENTS, LIMITS, OPERATIONS, Clock, Documents, Limits
from handlers.middleware import account, admit, explain
from handlers.requests.decoding import receive_body, refuse_fields, refuse_named_fields
from handlers.requests.payloads import (
    AdoptBody,
    ChangeBody,
    DeliveriesQuery,
    EventsQuery,
    FilesQuery,
    ListQuery,
    ManifestQuery,
    NoticesQuery,
    PageQuery,
    RedriveBody,
    ReportQuery,
    RtmpBody,
    SpanQuery,
    StartBody,
    UsageQuery,
    VerifyQuery,
)
from handlers.requests.waiting import refuse_the_gone
from handlers.resources.accounts import (
    ActionPage,
    DeliveryPage,
    EndpointList,
    EndpointView,
    EventPage,
    NoticePage,
    NoticeView,
    RedrivenView,
    StatusView,
    UsageView,
)
from handlers.resources.evidence import ExplanationView, FilePage, HistoryPage, WholeReportView
from handlers.resources.recordings import CountsView, RecordingPage, RecordingView
from handlers.route import Handler, Header, Route
from metrics.http import RouteMeter
from service.errors import invalid
from service.operations import Operations, Scope

_ONE: Final = "/v1/recordings/{id}"
_KEY: Final = Header(
    "Idempotency-Key",
    "Makes the repetition of the request harmless: 1 to 255 visible ASCII characters",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
)
_PREFER: Final = Header("Prefer", "`wait=N`: answer once it records or has ended, at most N ≤ 60 seconds later")
_STARTED: Final = (
    Header("Location", "The recording"),
    Header("Idempotency-Replayed", "`true`: the answer is that of an earlier request"),
    Header("Preference-Applied", "`wait=N`, if waited"),
)

_START: Final = Route(
    "POST",
    "/v1/recordings",
    recordings.start,
    "Recordings",
    "Start a recording",
    RecordingView,
    status=202,
    scope=Scope.START,
    body=StartBody,
    headers=(_KEY, _PREFER),
    answer_headers=_STARTED,
    errors=(409,),
)


def _look(path: str, handler: Handler, summary: str, answer: type | str, query: type | None = None) -> Route:
    return Route("GET", path, handler, "Recordings", summary, answer, scope=Scope.READ, query=query)


def _wish(
    method: str, path: str, handler: Handler, summary: str, *, body: type | None = None, query: type | None = None
) -> Route:
    status = 200 if method == "PATCH" else 202
    return Route(
        method, path, handler, "Recordings", summary, RecordingView, status, Scope.START, body, query, errors=(409,)
    )


def _open(path: str, handler: Handler, tag: str, summary: str, answer: type | str, *errors: int) -> Route:
    return Route("GET", path, handler, tag, summary, answer, errors=errors)


ROUTES: Final = (
    _START,
    _look("/v1/recordings", recordings.listing, "List recordings", RecordingPage, ListQuery),
    _look("/v1/counts", recordings.counts, "Count recordings", CountsView),
    _look(_ONE, recordings.read, "Show a recording", RecordingView),
    _wish("PATCH", _ONE, recordings.change, "Change a recording", body=ChangeBody),
    replace(_wish("POST", f"{_ONE}/stop", recordings.stop, "Stop"), however_late=True),
    _wish("POST", f"{_ONE}/pause", recordings.pause, "Pause"),
    _wish("POST", f"{_ONE}/resume", recordings.resume, "Resume"),
    _wish("PUT", f"{_ONE}/rtmp", recordings.set_rtmp, "Change the RTMP target", body=RtmpBody),
    _wish("POST", f"{_ONE}/verify", recordings.verify, "Verify again", query=VerifyQuery),
    Route(
        "POST",
        f"{_ONE}/adopt",
        recordings.adopt,
        "Recordings",
        "Adopt a lost task",
        RecordingView,
        status=202,
        scope=Scope.OPERATE,
        body=AdoptBody,
        errors=(409,),
    ),
    _look(f"{_ONE}/timeline", recordings.timeline, "Show the timeline", HistoryPage, PageQuery),
    _look(f"{_ONE}/explanation", recordings.explanation, "Explain", ExplanationView),
    _look(f"{_ONE}/files", recordings.files, "List the files", FilePage, FilesQuery),
    _look(f"{_ONE}/report", proofs.report, "Show a report", WholeReportView, ReportQuery),
    _look(f"{_ONE}/poster", proofs.poster, "Get the poster", proofs.PICTURE_TYPE),
    _look(f"{_ONE}/contact-sheet", proofs.contact_sheet, "Get the contact sheet", proofs.PICTURE_TYPE),
    Route(
        "GET",
        f"{_ONE}/manifest",
        proofs.manifest,
        "Recordings",
        "Get the signed manifest",
        proofs.ENVELOPE_TYPE,
        scope=Scope.READ,
        query=ManifestQuery,
        errors=(409,),
    ),
    Route(
        "GET",
        f"{_ONE}/support-bundle",
        proofs.support_bundle,
        "Recordings",
        "Get a support bundle",
        proofs.BUNDLE_TYPE,
        scope=Scope.OPERATE,
    ),
    Route(
        "GET",
        f"{_ONE}/playlist.m3u8",
        proofs.playlist,
        "Recordings",
        "Get one playlist over all parts",
        proofs.PLAYLIST_TYPE,
        scope=Scope.READ,
        query=SpanQuery,
    ),
    Route(
        "GET",
        "/v1/notifications",
        notifications.listing,
        "Notifications",
        "List stored notifications",
        NoticePage,
        scope=Scope.OPERATE,
        query=NoticesQuery,
    ),
    Route(
        "POST",
        "/v1/notifications/{id}/replay",
        notifications.replay,
        "Notifications",
        "Replay a notification",
        NoticeView,
        status=202,
        scope=Scope.OPERATE,
        errors=(409,),
    ),
    Route(
        "GET",
        "/v1/usage",
        usage.usage,
        "Usage",
        "Show a month's usage",
        UsageView,
        scope=Scope.READ,
        query=UsageQuery,
    ),
    Route(
        "GET",
        "/v1/actions",
        actions.actions,
        "Actions",
        "List what was asked for",
        ActionPage,
        scope=Scope.READ,
        query=PageQuery,
    ),
    Route(
        "GET",
        "/v1/events",
        messages.events,
        "Messages",
        "Follow what happens",
        EventPage,
        scope=Scope.READ,
        query=EventsQuery,
    ),
    Route(
        "GET",
        "/v1/messages",
        messages.deliveries,
        "Messages",
        "List deliveries",
        DeliveryPage,
        scope=Scope.READ,
        query=DeliveriesQuery,
    ),
    Route(
        "POST",
        "/v1/messages/redrive",
        messages.redrive,
        "Messages",
        "Try dead deliveries again",
        RedrivenView,
        status=202,
        scope=Scope.OPERATE,
        body=RedriveBody,
        body_optional=True,
    ),
    Route("GET", "/v1/endpoints", messages.endpoints, "Messages", "List endpoints", EndpointList, scope=Scope.READ),
    Route(
        "POST",
        "/v1/endpoints/{name}/enable",
        messages.enable,
        "Messages",
        "Enable an endpoint",
        EndpointView,
        status=202,
        scope=Scope.OPERATE,
    ),
    _open("/healthz", health.healthz, "Service", "Alive?", StatusView),
    _open("/readyz", health.readyz, "Service", "Ready?", StatusView, 503),
    _open("/metrics", health.exposition, "Service", "Metrics", "text/plain"),
    _open("/openapi.json", documents.openapi, "Documents", "OpenAPI", "application/json"),
    _open("/docs", documents.docs, "Documents", "This page", "text/html"),
)


SERVICE_ROUTES: Final = tuple(route for route in ROUTES if route.tag == "Service")
"""Health and metrics: the API listener's only routes in a process without the API."""


def build_api(
    operations: Operations,
    limits: Limits,
    *,
    routes: tuple[Route, ...] = ROUTES,
    clock: Clock = time.time,
    console: bool = False,
) -> web.Application:
    """Return the API listener's application: these routes with admission, and errors as problem documents.

    `clock` returns Unix seconds, against which callers' instants and the age of evidence are computed. `console` adds
    the pages for people.
    """
    meters = {(route.path, route.method): RouteMeter(route.path, route.method) for route in routes}
    app = web.Application(middlewares=[account(meters), explain], client_max_size=limits.max_body_bytes)
    app[OPERATIONS] = operations
    app[LIMITS] = limits
    app[CLOCK] = clock
    app[DOCUMENTS] = _documents()
    for route in routes:
        resource = app.router.add_resource(route.path)
        resource.add_route(route.method, _admitting(route))
        if route.method == "GET":
            resource.add_route("HEAD", _admitting(route))
    if console:
        app.add_subapp("/console", build_console(operations, limits, clock))
    if routes is ROUTES:
        app.router.add_get("/", _lead(console=console))
    return app


def _lead(*, console: bool) -> Handler:
    """Return a handler for `/` that redirects browsers to the console or docs, and gives programs an index of links."""
    links = {"docs": "/docs", "openapi": "/openapi.json"} | ({"console": "/console"} if console else {})
    index = orjson.dumps({"name": "Pagereel", "version": version("pagereel"), "links": links})

    async def lead(request: web.Request) -> web.StreamResponse:
        if "text/html" in request.headers.get("Accept", ""):
            place = links.get("console", links["docs"])
            return web.Response(status=303, headers={"Location": place, "Vary": "Accept"})
        return json_answer(index, headers={"Vary": "Accept"})

    return lead


def _admitting(route: Route) -> Handler:
    scope = route.scope
    if scope is None:
        return route.handler

    parameters = () if route.query is None else tuple(route.query.__annotations__)
    refuse = refuse_named_fields if route.however_late else refuse_fields

    async def admitted(request: web.Request) -> web.StreamResponse:
        await admit(request, scope)
        if route.query is None and request.query:
            raise invalid(f"?{next(iter(request.query))[:100]}", "is unknown: this call takes no parameters")
        if route.body is None:
            await refuse(request, parameters)
        else:
            await receive_body(request, optional=route.body_optional)
        if route.needs_caller:
            await refuse_the_gone(request)
        return await route.handler(request)

    return admitted


def _documents() -> Documents:
    document = describe(ROUTES)
    return Documents(openapi=orjson.dumps(document), html=render_html(outline(document)).encode())
