"""A receiver, a store, an Agora and a page that answer every request with something nasty: the service stays up, counts
no error of its own, and every other recording ends as it should."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from house import BUCKET, House, Living, eventually
from receiver import endpoints, receiving

from tests.nasty_server import NastyServer

RECEIVERS = 6
ANSWERS = 200
VISITS = 40


def settings(agora: NastyServer, store: NastyServer, receiver: NastyServer, crm: str) -> dict[str, Any]:
    keys = {"access_key": "a", "secret_key": "b"}
    odd = {"vendor": 11, "bucket": BUCKET, "endpoint": store.url, "path_style": True, "level": "structure"}
    hooks = {f"odd{number}": f"{receiver.url}/{number}" for number in range(RECEIVERS)}
    return {
        **endpoints(crm=crm, **hooks),
        "apps": {"odd": {"base_urls": [agora.url]}},
        "storage": {"odd": {**odd, "write": keys, "read": keys}},
        "presets": {"tried": {"preflight": True, "app": "main", "storage": "archive"}},
    }


async def visit(house: House, page: NastyServer) -> None:
    """A page is tried before it is recorded: it is let through or refused, and never an error of ours."""
    for number in range(VISITS):
        body = {"url": f"{page.url}/{number}", "preset": "tried"}
        answer = await house.call("POST", "/v1/recordings", json=body)
        assert answer.status in (202, 422), answer.body
        if answer.status == 202:
            await house.do(answer.body["id"], "stop", expect=None)


async def test_whatever_the_outside_answers_the_service_stays_up_and_the_rest_ends_well(build: Living) -> None:
    async with AsyncExitStack() as stack:
        agora, store, receiver, page = [await stack.enter_async_context(NastyServer()) for _ in range(4)]
        crm = await stack.enter_async_context(receiving())
        given = settings(agora, store, receiver, crm.url)
        house = await stack.enter_async_context(build(settings=given, apps=("main", "odd")))
        before = await house.metrics()
        hooks = [f"odd{number}" for number in range(RECEIVERS)]
        good = [await house.start(notify=["crm", *hooks]) for _ in range(2)]
        odd = [await house.ask(storage="odd", notify=hooks) for _ in range(2)]
        await visit(house, page)
        while agora.answered < ANSWERS:  # some of its answers end a recording at once
            assert len(odd) < 10 * ANSWERS
            asked = agora.answered
            odd.append(await house.ask(app="odd", notify=hooks))
            await eventually(lambda asked=asked: agora.answered > asked, 20, "Agora is asked")
        for one in odd:
            await house.do(one, "stop", expect=None)
        await eventually(lambda: store.answered >= 10, 40, lambda: f"the store answered {store.answered} times")
        await eventually(lambda: receiver.answered >= 12, 40, lambda: f"receivers answered {receiver.answered} times")
        for one in good:
            await house.do(one, "stop")
        await asyncio.gather(*(house.until(one, "verified", deadline=40) for one in good))
        await eventually(lambda: all("recording.verified" in crm.types(one) for one in good), 20)
        assert page.answered >= VISITS
        after = await house.metrics()
        errors = ("pagereel_worker_step_errors_total", "pagereel_worker_loop_errors_total")
        grown = {name: after[name] for name in after if name.startswith(errors) and after[name] > before[name]}
        assert grown == {}
        assert after["pagereel_worker_parked_recordings"] == 0
        assert (await house.call("GET", "/healthz", token=None)).status == 200
