"""Calendar months in UTC, as Agora bills them. Pure."""

from datetime import UTC, datetime


def month_of(at: float) -> tuple[float, float]:
    """Return the start of the month that contains this timestamp, and the start of the next month."""
    now = datetime.fromtimestamp(at, UTC)
    return _month(now.year, now.month)


def parse_month(text: str) -> tuple[float, float]:
    """Return the start of a month such as `2026-11`, and the start of the next month. Raise ValueError for any other
    text."""
    named = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    return _month(named.year, named.month)


def name_month(from_at: float) -> str:
    return datetime.fromtimestamp(from_at, UTC).strftime("%Y-%m")


def _month(year: int, month: int) -> tuple[float, float]:
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp(), datetime(*following, 1, tzinfo=UTC).timestamp()
