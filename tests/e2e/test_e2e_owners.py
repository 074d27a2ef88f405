"""Two owners, every scope, every route of the API and the console: nobody sees or touches what is not his.

What a route does with another's things is said in `RULES`; a route without a rule fails the first test.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from house import House, Living, eventually
from test_e2e_messages import endpoints

from handlers import Limits
from handlers.console.app import build_console
from handlers.routes import ROUTES
from service.database.engine.database import Database
from service.operations import Operations, Scope
from service.operations.accounts.access import create_token
from tests.ports import free_port

READ, START, OPERATE = Scope.READ, Scope.START, Scope.OPERATE


@dataclass(frozen=True)
class Rule:
    """`mark` None: another's thing is 404. Otherwise the answer has `mark` for its owner and for nobody else."""

    scope: Scope | None
    mark: str | None = None
    body: Any = None
    path: str | None = None


ONE = "/v1/recordings/{id}"
ADOPTED = {"app": "main", "storage": "archive", "uid": 7, "resource_id": "lost"}
RULES: dict[str, Rule] = {
    "POST /v1/recordings": Rule(START, "url", body={"surprise": 1}),  # makes something of one's own
    "GET /v1/recordings": Rule(READ, "{recording}"),
    "GET /v1/counts": Rule(READ, '"all":1'),
    f"GET {ONE}": Rule(READ),
    f"PATCH {ONE}": Rule(START, body={"labels": {"a": "b"}}),
    f"POST {ONE}/stop": Rule(START),
    f"POST {ONE}/pause": Rule(START),
    f"POST {ONE}/resume": Rule(START),
    f"PUT {ONE}/rtmp": Rule(START, body={"rtmp_url": "rtmp://live.example.org/a"}),
    f"POST {ONE}/verify": Rule(START),
    f"POST {ONE}/adopt": Rule(OPERATE, body=ADOPTED),
    f"GET {ONE}/timeline": Rule(READ),
    f"GET {ONE}/explanation": Rule(READ),
    f"GET {ONE}/files": Rule(READ),
    f"GET {ONE}/poster": Rule(READ),
    f"GET {ONE}/contact-sheet": Rule(READ),
    f"GET {ONE}/manifest": Rule(READ),
    f"GET {ONE}/report": Rule(READ),
    f"GET {ONE}/support-bundle": Rule(OPERATE),
    f"GET {ONE}/playlist.m3u8": Rule(READ),
    "GET /v1/notifications": Rule(OPERATE, "{recording}"),
    "POST /v1/notifications/{id}/replay": Rule(OPERATE, path="/v1/notifications/{notice}/replay"),
    "GET /v1/usage": Rule(READ, '"app":"main"'),
    "GET /v1/actions": Rule(READ, "{recording}"),
    "GET /v1/events": Rule(READ, "{recording}"),
    "GET /v1/messages": Rule(READ, "{recording}"),
    "POST /v1/messages/redrive": Rule(OPERATE, '"redriven":1', body={"messages": ["{message}"]}),
    "GET /v1/endpoints": Rule(READ, '"crm"'),
    "POST /v1/endpoints/{name}/enable": Rule(OPERATE),
    **{f"GET {path}": Rule(None) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")},
}
PAGE = "/console/recordings/{id}"
CONSOLE: dict[str, Rule] = {
    "GET /console/recordings": Rule(READ, "{recording}"),
    f"GET {PAGE}": Rule(READ),
    "GET /console/recordings/new": Rule(START, ""),
    "POST /console/recordings/new": Rule(START, "url"),
    "GET /console/usage": Rule(READ, "<td>main</td>"),
    "GET /console/actions": Rule(READ, "{recording}"),
    f"GET {PAGE}/poster": Rule(READ),
    f"GET {PAGE}/contact-sheet": Rule(READ),
    f"GET {PAGE}/file": Rule(READ, path=f"{PAGE}/file?key={{slice}}"),
    f"GET {PAGE}/playlist.m3u8": Rule(READ),
    f"GET {PAGE}/slice": Rule(READ, path=f"{PAGE}/slice?key={{slice}}"),
    f"GET {PAGE}/{{action}}": Rule(START, path=f"{PAGE}/verify"),
    f"POST {PAGE}/{{action}}": Rule(START, path=f"{PAGE}/verify"),
    "GET /console/messages": Rule(READ, "{recording}"),
    "POST /console/messages/{id}/redrive": Rule(OPERATE, "", path="/console/messages/{message}/redrive"),
    "POST /console/endpoints/{name}/enable": Rule(OPERATE),
    "GET /console/notifications": Rule(OPERATE, "{recording}"),
    "POST /console/notifications/{id}/replay": Rule(OPERATE, path="/console/notifications/{notice}/replay"),
}
# The door itself, and what everybody may have.
DOOR = {"GET /console", "GET /console/", "GET /console/login", "POST /console/login", "POST /console/logout"}


def _console_routes() -> Iterator[str]:
    """Every route of the console but its own files."""
    app = build_console(Operations.__new__(Operations), Limits(), time.time)
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if route.method != "HEAD" and not path.startswith("/static/"):
            yield f"{route.method} /console{path}"


def test_every_route_has_a_rule_and_its_scope_and_none_is_gone() -> None:
    assert {f"{route.method} {route.path}": route.scope for route in ROUTES} == {
        name: rule.scope for name, rule in RULES.items()
    }
    assert set(_console_routes()) == CONSOLE.keys() | DOOR


@dataclass
class Person:
    """Somebody with one token, at the API or at the console."""

    owner: str
    scope: Scope
    token: str
    cookie: str = ""
    form_key: str = ""


@dataclass
class Walk:
    """Asks for everything as everybody, and notes what was wrong."""

    house: House
    names: dict[str, str]
    wrong: list[str] = field(default_factory=list)

    def _filled(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    async def api(self, route: str, person: Person | None) -> tuple[int, str]:
        rule, (method, path) = RULES[route], route.split(" ")
        body = None if rule.body is None else _each(rule.body, self._filled)
        token = None if person is None else person.token
        where = self._filled(rule.path or path)
        answer = await self.house.call(method, where, token=token, json=body, allow_redirects=False)
        return answer.status, answer.content.decode(errors="replace")

    async def console(self, route: str, person: Person | None) -> tuple[int, str]:
        rule, (method, path) = CONSOLE[route], route.split(" ")
        headers = {} if person is None else {"Cookie": f"pagereel_console={person.cookie}"}
        form = {"form_key": "" if person is None else person.form_key} if method == "POST" else None
        where = self._filled(rule.path or path)
        answer = await self.house.call(method, where, token=None, data=form, headers=headers, allow_redirects=False)
        return answer.status, answer.content.decode(errors="replace")

    def judge(self, route: str, rule: Rule, person: Person, status: int, content: str) -> None:
        """What one who has a token gets."""
        who = f"{route} by {person.owner} with {person.scope}: {status}"
        if rule.scope is not None and person.scope is not rule.scope:
            self._want(status == 403, who)
        elif rule.mark is None:
            self._want((status == 404) is (rule.scope is not None and person.owner == "other"), who)
        elif rule.mark != "url":
            self._want(status < 400, who)
            self._want((self._filled(rule.mark) in content) is (person.owner == "school") or not rule.mark, who)

    def _want(self, so: bool, said: str) -> None:
        if not so:
            self.wrong.append(said)


def _each(body: Any, fill: Any) -> Any:
    if isinstance(body, dict):
        return {name: _each(value, fill) for name, value in body.items()}
    if isinstance(body, list):
        return [_each(value, fill) for value in body]
    return fill(body) if isinstance(body, str) else body


async def _people(house: House) -> list[Person]:
    """Two owners with a token for each scope, made beside the service that runs; each logged in."""
    async with await Database.open(house.database_url, beside=True) as database:
        people = [
            Person(owner, scope, await create_token(database, owner=owner, scopes=[scope], now=time.time()))
            for owner in ("other", "school")
            for scope in Scope
        ]
    for person in people:
        form = {"token": person.token}
        answer = await house.call("POST", "/console/login", token=None, data=form, expect=303, allow_redirects=False)
        person.cookie = SimpleCookie(answer.headers["Set-Cookie"])["pagereel_console"].value
        page = await house.call("GET", "/console/nowhere", headers={"Cookie": f"pagereel_console={person.cookie}"})
        person.form_key = re.findall(r'name="form_key" value="(\w+)"', page.content.decode())[0]
    return people


async def _recorded(house: House) -> dict[str, str]:
    """A recording of `school` with everything that hangs on one; the names that rules speak of."""
    recording = await house.start(notify=["crm"], level="content", av_file_type=["hls"])
    await house.slices(recording, 1)
    await house.do(recording, "stop")
    await house.until(recording, "verified", deadline=40)
    await eventually(lambda: _told_all(house), 40, "the last notices are applied")
    slices = [file["key"] for file in await house.files(recording) if file["kind"] == "slice"]
    message = (await house.rows("SELECT message_id FROM deliveries ORDER BY message_id LIMIT 1"))[0][0]
    (notice,) = (await house.rows("SELECT max(id) FROM notifications WHERE outcome = 'applied'"))[0]
    names = {"id": recording, "recording": recording, "name": "crm", "message": message, "notice": str(notice)}
    return {**names, "slice": slices[0]}


async def _told_all(house: House) -> bool:
    """Whether what Agora says last has come, and nothing is left to be applied: then the recording rests."""
    rows = await house.rows("SELECT event_type, outcome FROM notifications")
    return {11, 31, 71} <= {event for event, _ in rows} and all(outcome != "new" for _, outcome in rows)


async def _dead(house: House) -> None:
    await house.rows("UPDATE deliveries SET state = 'dead', tries = 0")


async def test_nobody_sees_or_touches_what_is_not_his(build: Living) -> None:
    hook = endpoints(crm=f"http://127.0.0.1:{free_port()}/hook")
    hook["endpoints"]["crm"]["owners"] = ["school"]
    async with build(settings=hook, owners={"school": frozenset(Scope)}) as house:
        house.token = house.tokens["school"]
        walk = Walk(house, await _recorded(house))
        people = await _people(house)
        await _dead(house)
        await house.call("GET", "/v1/events", expect=200)  # whoever reads the feed first numbers everybody's
        before = await _kept(house)
        for person in (each for each in people if each.owner == "other"):
            await _ask_everything(walk, person)
        assert await _kept(house) == before, "nothing of the owner's has changed"
        for route, rule in RULES.items():
            status, _ = await walk.api(route, None)
            walk._want((status == 401) is (rule.scope is not None), f"{route} by nobody: {status}")
        for route in CONSOLE:
            status, content = await walk.console(route, None)
            walk._want(status == 303 and not content, f"{route} by nobody: {status}")
        for person in (each for each in people if each.owner == "school"):
            await _dead(house)
            await _ask_everything(walk, person)
        assert walk.wrong == []


async def _ask_everything(walk: Walk, person: Person) -> None:
    for route, rule in RULES.items():
        walk.judge(route, rule, person, *await walk.api(route, person))
    for route, rule in CONSOLE.items():
        walk.judge(route, rule, person, *await walk.console(route, person))


async def _kept(house: House) -> dict[str, list[str]]:
    """What is the owner's; who used which token when, and what others asked for, is not."""
    found = await house.snapshot("tokens", "actions", "budgets", "endpoints")
    found["actions"] = [repr(row) for row in await house.rows("SELECT * FROM actions WHERE owner = 'school'")]
    return found
