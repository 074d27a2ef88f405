"""Readable reasons for failed connections, with the host and without secrets."""

import asyncio
import os

import aiohttp


def connection_reason(error: BaseException | None) -> str | None:
    """Return the reason if `error` or one of its causes is a failed connection, otherwise None."""
    while error is not None:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return "no connection in time"
        if isinstance(error, aiohttp.ClientConnectorError):
            return _reason(error)
        error = error.__cause__
    return None


def exchange_reason(error: BaseException | None) -> str | None:
    """Return the reason if `error` or one of its causes is a failed connection or exchange, otherwise None."""
    if (reason := connection_reason(error)) is not None:
        return reason
    while error is not None:
        match error:
            case aiohttp.ServerDisconnectedError():
                return "the connection was closed without an answer"
            case aiohttp.ClientPayloadError() | asyncio.IncompleteReadError():
                return "the answer broke off"
            case aiohttp.ClientResponseError():
                return "the answer is no valid HTTP"
            case TimeoutError():
                return "no whole answer in time"
            case aiohttp.ClientConnectionError() | ConnectionError():
                return f"the connection broke: {_system_words(error)}"
        error = error.__cause__
    return None


def _system_words(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else "no reason is known"


def _reason(error: aiohttp.ClientConnectorError) -> str:
    host, port = error.host, error.port
    shown = f"[{host}]" if ":" in (host or "") else host
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"cannot resolve {host}"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {shown}:{port} is not trusted"
        case aiohttp.ClientConnectorSSLError():
            return f"{shown}:{port} does not speak valid TLS"
    return f"cannot connect to {shown}:{port}: {os.strerror(error.errno) if error.errno else 'no connection'}"
