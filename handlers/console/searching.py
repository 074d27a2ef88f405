"""The console's search. Ids, sids and labels are looked up in an index; other words are searched for only among the
newest recordings."""

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import MultiDict

from handlers.keys import CALLER, OPERATIONS
from service.operations import Listed, Page, RecordingFilter
from service.recording import Recording
from service.ulids import read_part, span_of

MOST_SEARCHED: Final = 1000
_PAGE: Final = 200
_MOST_FOUND: Final = 50
_ID: Final = re.compile(r"(rec_)?[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE)
_ID_INSIDE: Final = re.compile(r"rec_[0-9A-HJKMNP-TV-Z]{26}\b", re.IGNORECASE)
_SID: Final = re.compile(r"[0-9a-f]{32}")
# The lookahead excludes the scheme of a URL.
_LABEL: Final = re.compile(r"([a-z0-9_.-]{1,32})[:=](?!//)(.*)")
_SHORTEST_PART: Final = 4
_MOST_PARTS: Final = 50


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search. `all_searched` is true if no older recordings were omitted."""

    recordings: tuple[Recording, ...]
    all_searched: bool


async def find_one(request: web.Request, search: str) -> str | None:
    """Return the recording's id if the search contains one, is the unique beginning of one, or is a sid. Otherwise
    return None."""
    if _ID.fullmatch(search):
        return "rec_" + search.upper().removeprefix("REC_")
    if inside := _ID_INSIDE.search(search):
        return "rec_" + inside[0].upper().removeprefix("REC_")
    if _SID.fullmatch(search):
        return await request.app[OPERATIONS].find_task(request[CALLER], search)
    part = read_part(search)
    if part is None or len(part) < _SHORTEST_PART:
        return None
    from_at, to_at = span_of(part)
    within = RecordingFilter(from_at=from_at - 1, to_at=to_at + 1)
    page = await request.app[OPERATIONS].list(request[CALLER], within, None, _MOST_PARTS)
    found = [one.id for one in page.items if one.id.startswith(f"rec_{part}")]
    return found[0] if len(found) == 1 and page.next is None else None


def is_label(search: str) -> bool:
    """Return True if the search is a label's name and value."""
    return _LABEL.fullmatch(search) is not None


def conditions(request: web.Request, search: str) -> MultiDict[str]:
    """Return the query in the form of the API's list, with a label in the search field as a condition."""
    query = MultiDict(request.query)
    query.popall("search", None)
    if label := _LABEL.fullmatch(search):
        query.add("label", f"{label[1]}:{label[2].strip()}")
    return query


async def find_words(request: web.Request, where: RecordingFilter, search: str) -> Found:
    """Return the newest recordings whose page or labels contain the words, ignoring case."""
    wanted, found, cursor = _wanted(search), list[Recording](), None
    for _ in range(MOST_SEARCHED // _PAGE):
        page = await request.app[OPERATIONS].list(request[CALLER], where, cursor, _PAGE)
        found += await asyncio.to_thread(_matching, page, wanted)
        cursor = page.next
        if cursor is None or len(found) >= _MOST_FOUND:
            break
    return Found(tuple(found[:_MOST_FOUND]), cursor is None and len(found) <= _MOST_FOUND)


async def decoded(page: Page[Listed]) -> Found:
    """Decode one page of the list in a thread."""
    return Found(tuple(await asyncio.to_thread(lambda: [one.decode() for one in page.items])), True)


def _wanted(search: str) -> str:
    """Return the text to search for. The query of a URL is removed, because it is not stored in clear."""
    return (re.split(r"[?#]", search)[0] if "://" in search else search).casefold()


def _matching(page: Page[Listed], wanted: str) -> list[Recording]:
    recordings = [one.decode() for one in page.items]
    return [one for one in recordings if any(wanted in text.casefold() for text in _texts(one))]


def _texts(recording: Recording) -> list[str]:
    return [recording.page, *(f"{name}={value}" for name, value in recording.labels.items())]
