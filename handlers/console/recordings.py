"""Recordings for people: the list, one recording with its timeline and files, and its actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from yarl import URL

from handlers.answers import recording_id
from handlers.console.auth import need
from handlers.console.films import explain_window, film_of, gaps
from handlers.console.pages import redirect, render
from handlers.console.searching import MOST_SEARCHED, conditions, decoded, find_one, find_words, is_label
from handlers.console.timeline import draw
from handlers.console.words import folded
from handlers.keys import CALLER, CLOCK, OPERATIONS
from handlers.requests.decoding import decode_query
from handlers.requests.payloads import ListQuery, filter_of, page_of
from handlers.resources.recordings import view_recording
from service.errors import Code, ServiceError
from service.operations import MOST_COUNTED, NEEDS_REVIEW, UNDER_WAY, Counts, HistoryEntry, Page, Scope
from service.recording import Recording, State
from service.report import FileKind

_MOST_HISTORY: Final = 300
# Maximum number of pages to read when equal lines are folded.
_MOST_PAGES: Final = 5
_MOST_FILES: Final = 200
# Maximum number of slices to draw: a day of slices of 15 s.
_MOST_DRAWN: Final = 6000
# The count, name and query of each tab.
_TABS: Final = {
    "all": ("All", {}),
    "under_way": ("In progress", {"state": ",".join(sorted(UNDER_WAY)), "planned": "false"}),
    "planned": ("Planned", {"planned": "true"}),
    "needs_review": ("Needs review", {"state": ",".join(sorted(NEEDS_REVIEW))}),
    "warned": ("Verified with warnings", {"state": State.VERIFIED.value, "warned": "true"}),
}
_TAB_QUERY: Final = ("state", "planned", "warned")


@dataclass(frozen=True, slots=True)
class Tab:
    """A kind of recordings and their number."""

    name: str
    href: str
    count: str
    current: bool


@dataclass(frozen=True, slots=True)
class Action:
    """An action that can be requested. `effect` describes its result to a person."""

    name: str
    title: str
    effect: str
    dangerous: bool = False


_ACTIONS: Final = {
    action.name: action
    for action in (
        Action("stop", "Stop", "The recording ends. You cannot resume it afterwards.", dangerous=True),
        Action("pause", "Pause", "Agora records nothing until you resume it, and bills paused time."),
        Action("resume", "Resume", "The recording continues."),
        Action("verify", "Verify again", "Pagereel checks the bucket again. A final state does not change."),
    )
}


_DONE: Final = {
    "start": "The recording",
    "stop": "The stop",
    "pause": "The pause",
    "resume": "The resumption",
    "verify": "A new verification",
}
_BEFORE_STOP: Final = (State.REQUESTED, State.STARTING, State.RECORDING)


async def listing(request: web.Request) -> web.Response:
    """List the owner's recordings, newest first. Redirect to the recording if the search is an id or a sid."""
    operations, caller = request.app[OPERATIONS], request[CALLER]
    need(request, Scope.READ)
    search = request.query.get("search", "").strip()
    if (one := await find_one(request, search)) is not None:
        return redirect(f"/console/recordings/{one}")
    query = decode_query(conditions(request, search), ListQuery, filled=True)
    cursor, limit = page_of(query)
    words = bool(search) and not is_label(search)
    if words:
        found, following = await find_words(request, filter_of(query), search), None
    else:
        page = await operations.list(caller, filter_of(query), cursor, limit)
        found = await decoded(page)
        following = request.rel_url.update_query(cursor=page.next) if page.next else None
    now = request.app[CLOCK]()
    known = {
        "tabs": _tabs(request.query, await operations.counts(caller)),
        "pictured": await operations.evidence.pictured_among(caller, [one.id for one in found.recordings]),
        "apps": operations.choices(caller).apps,
        "planned": query.get("planned", False),
        "newest": request.rel_url.with_query(_without(request.query, "cursor")) if cursor else None,
        "following": following,
        "search": search,
        "words": words,
        "filtered": any(request.query.values()),
        "left_out": None if found.all_searched else MOST_SEARCHED,
        "every": 30 if words else 3,
        "states": list(State),
        "query": request.query,
    }
    return await render(
        request, "recordings.html", lambda: {**known, "items": [view_recording(one, now) for one in found.recordings]}
    )


def _tabs(query: Mapping[str, str], counts: Counts) -> list[Tab]:
    asked = {name: query[name] for name in _TAB_QUERY if query.get(name)}
    return [
        Tab(
            name,
            str(URL("/console/recordings").with_query(wanted)),
            str(count) if (count := getattr(counts, kind)) < MOST_COUNTED else f"{MOST_COUNTED}+",
            asked == wanted,
        )
        for kind, (name, wanted) in _TABS.items()
    ]


def _without(query: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in query.items() if key != name}


async def show(request: web.Request) -> web.Response:
    """Show one recording: its state, history, files and possible actions."""
    need(request, Scope.READ)
    identity, caller, operations = recording_id(request), request[CALLER], request.app[OPERATIONS]
    recording, evidence = await operations.read(caller, identity), operations.evidence
    history = await _history(request, identity)
    files = await evidence.files(caller, identity, None, _MOST_DRAWN, links=False)
    why, pictured = await evidence.explanation(caller, identity), await evidence.pictured(caller, identity)
    films = [entry.file for entry in files.items if entry.file.kind is FileKind.MP4 and entry.file.listed]
    # This is needed before media exists too, because media that appears later is inserted into this page, whose policy
    # does not change.
    origin = await evidence.origin(caller, identity)
    judged = [entry.file for entry in files.items]
    film = film_of(judged)
    now, asked = request.app[CLOCK](), request.query.get("done", "")
    done = _DONE.get(asked) if _pending(recording, asked) else None
    return await render(
        request,
        "recording.html",
        lambda: {
            "one": view_recording(recording, now),
            "why": why,
            "pictured": pictured,
            "history": history,
            "film": film,
            "gaps": gaps(recording, judged, film),
            "window": explain_window(recording),
            "files": judged[:_MOST_FILES],
            "more_files": len(judged) > _MOST_FILES,
            "films": films,
            "slices": any(entry.file.listed and entry.file.duration_seconds for entry in files.items),
            "drawing": draw(recording, history.items, judged, now, more_files=files.next is not None),
            "actions": _possible(recording, caller.scopes),
            "done": done,
            "every": 30 if recording.state.terminal and not recording.look_wished else 3,
        },
        media_from=origin,
    )


async def _history(request: web.Request, identity: str) -> Page[HistoryEntry]:
    """Return the first events. Repeated lines count as one event, so that they do not hide later events."""
    evidence, caller = request.app[OPERATIONS].evidence, request[CALLER]
    read: tuple[HistoryEntry, ...] = ()
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await evidence.timeline(caller, identity, cursor, _MOST_HISTORY)
        read, cursor = read + page.items, page.next
        if cursor is None or sum(1 for _ in folded(read)) >= _MOST_HISTORY:
            break
    return Page(read, cursor)


async def confirm(request: web.Request) -> web.Response:
    """Request confirmation of an action."""
    need(request, Scope.START)
    action = _action(request)
    recording = await request.app[OPERATIONS].read(request[CALLER], recording_id(request))
    known = {"action": action, "one": view_recording(recording, request.app[CLOCK]())}
    return await render(request, "confirm.html", lambda: known)


async def act(request: web.Request) -> web.Response:
    """Perform an action. It is recorded in the timeline and in the trail with the token's id."""
    need(request, Scope.START)
    action, identity, caller = _action(request), recording_id(request), request[CALLER]
    operations = request.app[OPERATIONS]
    use_cases: dict[str, Any] = {
        "stop": operations.stop,
        "pause": operations.pause,
        "resume": operations.resume,
        "verify": operations.verify,
    }
    await use_cases[action.name](caller, identity)
    return redirect(f"/console/recordings/{identity}?done={action.name}")


def _action(request: web.Request) -> Action:
    action = _ACTIONS.get(request.match_info["action"])
    if action is None:
        raise ServiceError(Code.NOT_FOUND, "there is no such action")
    return action


def _pending(recording: Recording, asked: str) -> bool:
    """Return True while a request has not taken effect. Afterwards the page itself shows the effect."""
    onhold = recording.attempt is not None and recording.attempt.onhold
    pending = {
        "start": recording.state in (State.REQUESTED, State.STARTING),
        "stop": recording.state in (*_BEFORE_STOP, State.STOPPING),
        "pause": recording.state in _BEFORE_STOP and recording.pause_wished and not onhold,
        "resume": recording.state in _BEFORE_STOP and not recording.pause_wished and onhold,
        "verify": recording.look_wished,
    }
    return pending.get(asked, False)


def _possible(recording: Recording, scopes: frozenset[Scope]) -> list[Action]:
    """Return the actions that make sense now. The operations decide whether they are possible."""
    if Scope.START not in scopes:
        return []
    state = recording.state
    before_stop = state in _BEFORE_STOP
    names = {
        "resume": before_stop and recording.pause_wished,
        "pause": before_stop and not recording.pause_wished,
        "stop": before_stop and recording.stop_wished_at is None,
        "verify": state
        in (State.UPLOADING, State.VERIFYING, State.INCOMPLETE, State.VERIFIED, State.DEFECTIVE, State.UNPROVEN),
    }
    return [_ACTIONS[name] for name, possible in names.items() if possible]
