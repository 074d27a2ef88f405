"""The budget of calls to Agora, in one process and in several on one database."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import sqlalchemy as sa

from pagereel.clock import SteadyClock
from service.agora.pace import Priority, Rate
from service.database.engine.database import Database
from service.database.tables import budgets as table
from service.errors import Unavailable
from service.worker.rate_budget import SharedBudget
from tests.postgres import Postgres

RATE = Rate(per_second=20, burst=2)
PATIENT = 30.0


@pytest.fixture
async def asked(database: Database) -> AsyncIterator[Callable[[], int]]:
    """How many statements took from the budget so far."""
    count = 0

    def note(_c: object, _cursor: object, sql: str, *_: object) -> None:
        nonlocal count
        count += sql.startswith("SELECT budgets.tat")

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield lambda: count
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def _take(budget: SharedBudget, priority: Priority, seconds: float = PATIENT) -> float:
    clock = asyncio.get_running_loop().time
    await budget.take("g", priority, clock() + seconds)
    return clock()


def rate_kept(taken: list[float], began: float) -> bool:
    """At no time had more been granted than the burst and what the rate adds; what is noted comes after its grant."""
    granted = enumerate(sorted(taken), start=1)
    return all(at - began > (count - RATE.burst) / RATE.per_second - 0.02 for count, at in granted)


async def test_of_those_who_wait_only_one_asks_the_database_and_the_rate_is_kept(
    database: Database, asked: Callable[[], int]
) -> None:
    budget = SharedBudget(database, RATE, SteadyClock())
    began = asyncio.get_running_loop().time()
    taken = await asyncio.gather(*(_take(budget, Priority.QUERY) for _ in range(40)))
    assert rate_kept(taken, began)
    assert asked() <= (0 if database.exclusive else 42)


async def test_the_most_urgent_goes_first_whenever_it_came(database: Database) -> None:
    budget = SharedBudget(database, RATE, SteadyClock())
    order: list[Priority] = []

    async def take(priority: Priority) -> None:
        await _take(budget, priority)
        order.append(priority)
        if len(order) == 4:
            for urgent in (Priority.START, Priority.STOP):
                group.create_task(take(urgent))

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(take(Priority.QUERY))
    assert order.index(Priority.STOP) < order.index(Priority.START) <= 6


async def test_processes_on_one_database_keep_the_rate_together(postgres: Postgres) -> None:
    url = postgres.create_database()
    async with await Database.open(url) as database:
        await database.run(table.create)
        budgets = [SharedBudget(database, RATE, SteadyClock()) for _ in range(3)]
        began = asyncio.get_running_loop().time()
        taken = await asyncio.gather(*(_take(budgets[n % 3], Priority.QUERY) for n in range(30)))
        assert rate_kept(taken, began)
    postgres.drop_database(url)


async def test_who_cannot_have_a_place_in_time_is_told_so_at_once_and_keeps_none(database: Database) -> None:
    budget = SharedBudget(database, Rate(per_second=0.5, burst=1), SteadyClock())
    await _take(budget, Priority.QUERY)
    began = asyncio.get_running_loop().time()
    waiting = asyncio.ensure_future(_take(budget, Priority.QUERY))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as raised:
        await _take(budget, Priority.QUERY, 3)
    assert raised.value.code == "budget"
    assert raised.value.retry_after_seconds
    assert asyncio.get_running_loop().time() - began < 1.5
    assert await waiting - began < 4, "the one that gave up is not waited for"


async def test_who_gives_up_lets_the_next_one_go(database: Database) -> None:
    budget = SharedBudget(database, Rate(per_second=2, burst=1), SteadyClock())
    await _take(budget, Priority.QUERY)
    first, second = (asyncio.ensure_future(_take(budget, Priority.QUERY)) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait([first])
    assert await asyncio.wait_for(second, 10)
