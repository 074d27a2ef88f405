"""Starting, reading, changing and stopping recordings. Each handler decodes, calls one operation and renders."""

import asyncio
from typing import Final

from aiohttp import web

from handlers.answers import json_answer, recording_answer, recording_id, view_answer
from handlers.keys import CALLER, CLOCK, OPERATIONS
from handlers.requests.decoding import read_body, read_idempotency, read_query, read_wait
from handlers.requests.payloads import (
    AdoptBody,
    ChangeBody,
    FilesQuery,
    ListQuery,
    PageQuery,
    RtmpBody,
    StartBody,
    VerifyQuery,
    filter_of,
    page_of,
    wish_of,
)
from handlers.resources.evidence import ExplanationView, FilePage, HistoryPage, HistoryView, view_file
from handlers.resources.recordings import CountsView, render_recording, render_recordings
from service.errors import invalid
from service.operations import Lost

_FIXED: Final = StartBody.__annotations__.keys() - ChangeBody.__annotations__.keys()


async def start(request: web.Request) -> web.Response:
    """Accepts a recording; it begins at `start_at` or at once.

    With an `Idempotency-Key` the repetition of the same request gets the same recording and the same answer; a
    different request under that key is refused with 422. With `Prefer: wait=N` the answer comes when the recording
    records or has ended, at the latest after N seconds; `state` tells which.
    """
    operations, caller, now = request.app[OPERATIONS], request[CALLER], request.app[CLOCK]()
    body = await read_body(request, StartBody)
    idempotency, wait = await read_idempotency(request), read_wait(request)
    answer = await operations.start(
        caller, wish_of(body), idempotency, lambda recording: render_recording(recording, now)
    )
    headers = {"Location": f"/v1/recordings/{answer.recording_id}"}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    if not wait:
        return json_answer(answer.body, status=202, headers=headers)
    recording = await operations.wait_recording(caller, answer.recording_id, wait)
    return recording_answer(request, recording, headers=headers | {"Preference-Applied": f"wait={wait}"})


async def listing(request: web.Request) -> web.Response:
    """Lists the owner's recordings, newest first, page by page."""
    query = read_query(request, ListQuery)
    page = await request.app[OPERATIONS].list(request[CALLER], filter_of(query), *page_of(query))
    # Rendering a full page takes about 20 ms, which would delay answers to Agora on the event loop.
    return json_answer(await asyncio.to_thread(render_recordings, page, request.app[CLOCK]()))


async def counts(request: web.Request) -> web.Response:
    """Counts the owner's recordings by what they need."""
    return view_answer(CountsView.model_validate(await request.app[OPERATIONS].counts(request[CALLER])))


async def read(request: web.Request) -> web.Response:
    """Shows a recording: what was asked for, and all that is known about it."""
    recording = await request.app[OPERATIONS].read(request[CALLER], recording_id(request))
    return recording_answer(request, recording, status=200)


async def change(request: web.Request) -> web.Response:
    """Changes when the recording stops, or its labels. What is not named stays; `labels` are replaced as a whole."""
    identity = recording_id(request)
    body = await read_body(request, ChangeBody, fixed=_FIXED)
    if not body:
        raise invalid("", "must name stop_at or labels")
    recording = await request.app[OPERATIONS].change(request[CALLER], identity, **body)
    return recording_answer(request, recording, status=200)


async def stop(request: web.Request) -> web.Response:
    """Requests the end. Pagereel repeats the stop until Agora shows that nothing records any more.

    409 with the reason `nothing_runs`: it has ended already; `state` says whether it is still being verified. Where
    nothing but Agora's 404 says so, it is 202 with the attention `ending_unconfirmed`: Agora is asked again at once.
    """
    recording = await request.app[OPERATIONS].stop(request[CALLER], recording_id(request))
    return recording_answer(request, recording)


async def pause(request: web.Request) -> web.Response:
    """Asks for a pause and waits a while for Agora; `paused.confirmed` says whether it has paused.

    A pause is not counted as missing. 409 with the reason `unsupported_by_agora`: this task cannot be paused.
    """
    recording = await request.app[OPERATIONS].pause(request[CALLER], recording_id(request))
    return recording_answer(request, recording)


async def resume(request: web.Request) -> web.Response:
    """Asks for the end of a pause, or for the beginning of a recording that was started on hold."""
    recording = await request.app[OPERATIONS].resume(request[CALLER], recording_id(request))
    return recording_answer(request, recording)


async def set_rtmp(request: web.Request) -> web.Response:
    """Pushes to another RTMP target from now on.

    409 with the reason `no_push`: it was started without `rtmp_url`.
    """
    identity = recording_id(request)
    body = await read_body(request, RtmpBody)
    recording = await request.app[OPERATIONS].set_rtmp(request[CALLER], identity, body["rtmp_url"])
    return recording_answer(request, recording)


async def verify(request: web.Request) -> web.Response:
    """Asks for a new look at the bucket. The result is `latest_report`; a terminal `state` stays what it is."""
    query = read_query(request, VerifyQuery)
    recording = await request.app[OPERATIONS].verify(request[CALLER], recording_id(request), query.get("level"))
    return recording_answer(request, recording)


async def adopt(request: web.Request) -> web.Response:
    """Takes over one of Agora's tasks that the database has lost; it becomes the caller's recording, under its old id.

    Everything that is needed stands in the log line `acquired`. From then on it is watched, stopped and verified like
    any other; its page and parameters are not known any more. Agora is asked for the task first: 422 names the value
    that is wrong, and 503 with the reason `agora_unavailable` says that Agora cannot be asked; `unchecked` adopts the
    task in both cases. A second request corrects the first, as long as Agora has not shown another task. 409: nothing
    is lost.
    """
    identity = recording_id(request)
    body = await read_body(request, AdoptBody)
    recording = await request.app[OPERATIONS].adoption.adopt(request[CALLER], Lost(recording=identity, **body))
    return recording_answer(request, recording)


async def timeline(request: web.Request) -> web.Response:
    """Lists what happened to a recording, page by page, and who reported it."""
    query = read_query(request, PageQuery)
    page = await request.app[OPERATIONS].evidence.timeline(request[CALLER], recording_id(request), *page_of(query))
    return view_answer(HistoryPage(items=tuple(map(HistoryView.model_validate, page.items)), next=page.next))


async def explanation(request: web.Request) -> web.Response:
    """Explains the state of the recording: the cause, who is responsible, the evidence, the next step."""
    found = await request.app[OPERATIONS].evidence.explanation(request[CALLER], recording_id(request))
    return view_answer(ExplanationView.model_validate(found))


async def files(request: web.Request) -> web.Response:
    """Lists the files of a recording with every witness of each, page by page.

    With `links=true` each file that is there has a presigned link. Links are secrets and soon expire.
    """
    query = read_query(request, FilesQuery)
    links = query.get("links") == "true"
    page = await request.app[OPERATIONS].evidence.files(
        request[CALLER], recording_id(request), *page_of(query), links=links
    )
    return view_answer(FilePage(items=tuple(map(view_file, page.items)), next=page.next))
