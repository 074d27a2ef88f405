"""A receiver of our messages that checks them with the public library, and the settings that lead to it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from emulator.app import close

SECRET = "whsec_" + "QUJD" * 8


@dataclass
class Receiver:
    """Verifies what comes with the public library and writes it down. `answers` are its next ones: a status, or `hang`
    or `reset`; after them `usual`. `says` is the body of each."""

    url: str = ""
    secrets: tuple[str, ...] = (SECRET,)
    heard_with: str = ""
    usual: int | str = 200
    says: str = ""
    answers: list[int | str] = field(default_factory=list)
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    heard_at: dict[str, float] = field(default_factory=dict)
    tries: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, request: web.Request) -> web.Response:
        self.tries += 1
        body = await request.read()
        self.heard_with = next(each for each in self.secrets if _verifies(each, body, request))
        answer = self.answers.pop(0) if self.answers else self.usual
        if answer == "hang":
            await self.closing.wait()
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
        if isinstance(answer, int) and answer < 300:
            self.heard_at.setdefault(request.headers["webhook-id"], time.time())
            self.heard.append((request.headers["webhook-id"], body))
            self.raw.append((dict(request.headers), body))
        return web.Response(status=answer if isinstance(answer, int) else 500, text=self.says)

    @property
    def told(self) -> dict[str, dict[str, Any]]:
        """Every message once, by its id. The same id has always come with the same bytes."""
        messages: dict[str, bytes] = {}
        for identity, body in self.heard:
            assert messages.setdefault(identity, body) == body
        return {identity: json.loads(body) for identity, body in messages.items()}

    def delay(self, identity: str, message: dict[str, Any]) -> float:
        """Seconds from the fact to its first receipt."""
        return self.heard_at[identity] - datetime.fromisoformat(message["timestamp"]).timestamp()

    def types(self, recording: str) -> list[str]:
        own = [each for each in self.told.values() if each["data"]["recording"] == recording]
        return [each["type"] for each in sorted(own, key=lambda each: each["data"]["number"])]


@asynccontextmanager
async def receiving(port: int = 0, **usual: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**usual)
    app = web.Application()
    app.router.add_post("/hook", receiver.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.closing.set()
        await close(runner)


def _verifies(secret: str, body: bytes, request: web.Request) -> bool:
    try:
        Webhook(secret).verify(body, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


def endpoints(**urls: str) -> dict[str, Any]:
    """Settings for endpoints on this machine."""
    listed = {"allow_http_hosts": ["127.0.0.1", "pages.example.org"], "allow_private_hosts": ["127.0.0.1"]}
    named = {name: {"url": url, "secrets": [SECRET], "timeout_seconds": 1} for name, url in urls.items()}
    return {"urls": listed, "endpoints": named}
