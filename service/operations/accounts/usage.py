"""The recorded time of a month and its cost, from the ledger and the prices in the settings."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from service.database.engine.database import Database
from service.database.ledger import Used, sum_projected, sum_used
from service.operations.accounts.months import month_of, name_month, parse_month
from service.operations.types import Caller
from service.settings import Prices, Settings


@dataclass(frozen=True, slots=True)
class UsageItem:
    """The usage of one owner, app and price class. Its cost is a share of the class and is not rounded, because only
    the total of a class is rounded."""

    owner: str
    app: str
    resolution: str
    tasks: int
    seconds: float
    cost: float


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """The usage of one month. `cost` rounds the minutes up once per class, as Agora does (agora-reference §10.8).
    `minutes_per_month` is the limit of the requested owner, or None if the usage covers all owners."""

    month: str
    from_at: float
    to_at: float
    currency: str
    seconds: float
    cost: float
    minutes_per_month: float | None
    items: tuple[UsageItem, ...]


class Usage:
    """Reads the ledger. The time of a running task counts up to now."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def read(self, caller: Caller, month: str | None) -> MonthUsage:
        """Return the caller's own usage in a month such as `2026-11`. If `month` is None, return that of the current
        month."""
        return await self.of_owner(caller.owner, month)

    async def of_owner(self, owner: str | None, month: str | None) -> MonthUsage:
        """Return the usage of one owner, or of all if `owner` is None."""
        now = self._clock()
        from_at, to_at = month_of(now) if month is None else parse_month(month)
        used = await self._database.run(lambda connection: sum_used(connection, from_at, to_at, now, owner=owner))
        prices = self._settings.prices
        limit = None if owner is None else self._settings.owner_limits(owner).minutes_per_month
        items = tuple(
            UsageItem(
                row.owner,
                row.app,
                row.resolution,
                row.tasks,
                row.seconds,
                row.seconds / 60 * price_of(prices, row.resolution) / 1000,
            )
            for row in used
        )
        seconds = sum(row.seconds for row in used)
        cost = sum(costs_of(prices, used).values())
        return MonthUsage(name_month(from_at), from_at, to_at, prices.currency, seconds, cost, limit, items)


def spending(connection: sa.Connection, settings: Settings, now: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return this month's cost so far by class, and its cost if every running task continues to its limit."""
    from_at, to_at = month_of(now)
    spent = costs_of(settings.prices, sum_used(connection, from_at, to_at, now))
    return spent, costs_of(settings.prices, sum_projected(connection, from_at, to_at, now))


def costs_of(prices: Prices, used: Iterable[Used]) -> dict[str, float]:
    """Return the cost of each price class. The minutes are rounded up once per class."""
    seconds = {"hd": 0.0, "full_hd": 0.0}
    for row in used:
        seconds[row.resolution] += row.seconds
    return {name: math.ceil(total / 60) * price_of(prices, name) / 1000 for name, total in seconds.items()}


def price_of(prices: Prices, resolution: str) -> float:
    return prices.hd if resolution == "hd" else prices.full_hd
