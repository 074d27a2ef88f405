"""The logging of the process: one JSON object a line on stderr, or readable lines for a person at a terminal.

No secret may reach a logger. This module does not filter secrets, so that callers do not rely on it.
"""

import logging
import sys

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from service.settings import Log


class _PlainBadRequests(logging.Filter):
    """Logs one plain line for bytes that are not HTTP. aiohttp would log an error with a traceback whose bytes may
    contain a secret, although the sender has received a 400 and this process works correctly."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        remote = record.args[0] if isinstance(record.args, tuple) and record.args else "somebody"
        record.msg, record.args, record.exc_info = "not_http from %s", (remote,), None
        record.levelno, record.levelname = logging.INFO, "INFO"
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)


_PLAIN = _PlainBadRequests()


def configure_logs(log: Log) -> None:
    """Set up structlog and the standard library's loggers alike."""
    level = getattr(logging, log.level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    # The default traceback, if `rich` is installed, shows the values of variables and therefore secrets.
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log.format == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    trace = [structlog.processors.format_exc_info] if log.format == "json" else []
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *trace, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # At debug level these libraries log whole requests, including keys and page URLs.
    for name in ("botocore", "aiobotocore", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    logging.getLogger("aiohttp.server").addFilter(_PLAIN)
    logging.getLogger("alembic").setLevel(logging.WARNING)
