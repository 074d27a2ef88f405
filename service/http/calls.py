"""The line of one call outside, at the level `debug`: where it went and what came back, and nothing that is secret."""

import structlog
from yarl import URL

_log = structlog.get_logger(__name__)


def log_call(method: str, url: str, status: int | None, seconds: float, *, path: bool = True) -> None:
    """Log a call; `status` None: it has no answer. User, password and query are left out; and the path too where it may
    be secret (`path` False)."""
    parts = URL(url, encoded=True)
    _log.debug(
        "call",
        method=method,
        host=parts.host_port_subcomponent,
        path=parts.raw_path if path else None,
        status=status,
        seconds=round(seconds, 3),
    )
