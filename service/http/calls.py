"""The debug line of an outside call: its host and result, without secrets."""

import structlog
from yarl import URL

_log = structlog.get_logger(__name__)


def log_call(method: str, url: str, status: int | None, seconds: float, *, path: bool = True) -> None:
    """Log a call; `status` None: no answer. User, password and query are omitted, and with `path` False the path too,
    because it may be secret."""
    parts = URL(url, encoded=True)
    _log.debug(
        "call",
        method=method,
        host=parts.host_port_subcomponent,
        path=parts.raw_path if path else None,
        status=status,
        seconds=round(seconds, 3),
    )
