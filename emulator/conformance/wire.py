"""Sends requests and records the answers with time, status, body and connections. It does not evaluate them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from emulator.conformance.bodies import Shot

NO_CONNECTION, BAD_CERTIFICATE = "no connection", "certificate error"
UNREACHABLE = frozenset({NO_CONNECTION, BAD_CERTIFICATE})
_MOST_OF_AN_ANSWER = 64 * 1024
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. If no answer arrived in time, `status` is None and `problem` states the reason."""

    label: str
    status: int | None
    seconds: float
    is_json: bool = False
    problem: str = ""

    @property
    def said(self) -> str:
        """Return the status, or the reason why it is missing."""
        return self.problem if self.status is None else str(self.status)


@dataclass
class Gun:
    """Sends to one receiver over persistent connections, and counts the connections that it opened."""

    url: str
    session: aiohttp.ClientSession
    opened: int = 0

    async def fire(self, shot: Shot) -> Answer:
        """Send one request as Agora does, without following redirects."""
        began = time.monotonic()

        def answer(status: int | None, is_json: bool = False, problem: str = "") -> Answer:
            return Answer(shot.label, status, time.monotonic() - began, is_json, problem)

        headers = dict(shot.headers)
        data: bytes | AsyncIterator[bytes] = shot.body
        if shot.pieces > 1:
            headers["Content-Length"] = str(len(shot.body))
            data = _drip(shot)
        try:
            async with self.session.request(
                shot.method, self.url, data=data, headers=headers, allow_redirects=False
            ) as response:
                body = await response.content.read(_MOST_OF_AN_ANSWER)
                return answer(response.status, _is_json(body))
        except TimeoutError:
            return answer(None, problem="no answer in time")
        except aiohttp.ClientConnectorCertificateError:
            return answer(None, problem=BAD_CERTIFICATE)
        except (aiohttp.ClientConnectorError, OSError):
            return answer(None, problem=NO_CONNECTION)
        except aiohttp.ClientError as error:
            return answer(None, problem=f"broken off ({type(error).__name__})")


@asynccontextmanager
async def aimed(url: str, *, deadline: float, connections: int) -> AsyncIterator[Gun]:
    """Open a gun with at most `connections` connections. Each answer must arrive within `deadline` seconds."""
    trace = aiohttp.TraceConfig()
    gun: Gun

    async def note(*_: object) -> None:
        gun.opened += 1

    trace.on_connection_create_end.append(note)
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=60)
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=deadline),
        connector=connector,
        trace_configs=[trace],
        headers={"User-Agent": "pagereel-emulator"},
        skip_auto_headers=["Content-Type"],
    ) as session:
        gun = Gun(url, session)
        yield gun


async def _drip(shot: Shot) -> AsyncIterator[bytes]:
    size = -(-len(shot.body) // shot.pieces)
    for at in range(0, len(shot.body), size):
        if at:
            await asyncio.sleep(_PAUSE_SECONDS)
        yield shot.body[at : at + size]


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
