"""A receiver of notices that does everything right, but for the mistakes that are planted in it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from emulator.app import close

SECRET = "a secret between two"
KNOWN_EVENTS = {1, 2, 3, 4, 11, 12, 30, 31, 32, 33, 70, 71, 72, 73, 100}
KNOWN_FIELDS = {"noticeId", "productId", "eventType", "notifyMs", "sid", "payload"}
PATIENCE_SECONDS = 3.0
"""How long the checks wait for it: long enough that a busy machine alone makes no answer late."""
OK = {"content_type": "application/json", "text": "{}"}


class NaiveReceiver:
    """`mistake` is the name of one planted mistake, or "" for none."""

    def __init__(self, mistake: str) -> None:
        self.mistake = mistake
        self._seen: set[str] = set()
        self._story = 0
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(**OK) if self.mistake == "get" else web.Response(status=405)
        if self.mistake == "strict content type" and request.headers.get("Content-Type") != "application/json":
            return web.Response(status=415)
        if self.mistake == "wants json" and "json" not in request.headers.get("Content-Type", ""):
            return web.Response(status=500)
        body = await self._read(request)
        if len(body) > 65536 and self.mistake == "small bodies":
            return web.Response(status=413)
        status = self._admit(request, body)
        if status is None:
            status = await self._understand(body)
        return self._respond(status)

    async def _read(self, request: web.Request) -> bytes:
        return await request.content.readany() if self.mistake == "one read" else await request.read()

    # --- the signature ---

    def _admit(self, request: web.Request, body: bytes) -> int | None:
        """The status of a refusal, or None."""
        names = dict(request.raw_headers) if self.mistake == "case of headers" else None
        if names is not None and b"Agora-Signature-V2" not in names:
            return 401
        v1, v2 = request.headers.get("Agora-Signature", ""), request.headers.get("Agora-Signature-V2", "")
        signed = self._signed_bytes(body)
        if signed is None:
            return 400
        right1 = hmac.new(SECRET.encode(), signed, hashlib.sha1).hexdigest()
        right2 = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        match self.mistake:
            case "no signature":
                return None
            case "only where signed":
                good = not (v1 or v2) or v2 == right2
            case "only the old one":
                good = v1 == right1
            case "either":
                good = right1 == v1 or right2 == v2
            case "a part is enough":
                good = bool(v2) and right2.startswith(v2)
            case "any of them anywhere":
                good = v2 in (right1, right2)
            case "decodes it":
                try:
                    good = bytes.fromhex(v2) == bytes.fromhex(right2)
                except ValueError:
                    return 500
            case "refuses with 500":
                good = v2 == right2
                return None if good else 500
            case _:
                good = v2 == right2
        return None if good else 401

    def _signed_bytes(self, body: bytes) -> bytes | None:
        """What the signature is computed over: the raw bytes, if one knows what one does."""
        written: dict[str, dict[str, Any]] = {
            "writes it again": {"separators": (",", ":"), "ensure_ascii": False},
            "escapes it": {"separators": (",", ":")},
            "sorts it": {"separators": (",", ":"), "ensure_ascii": False, "sort_keys": True},
        }
        if self.mistake == "numbers are doubles":
            return body.replace(b"9007199254740993", b"9007199254740992").replace(b"873.0", b"873")
        if self.mistake == "strips it":
            return body.strip()
        if self.mistake not in written:
            return body
        try:
            return json.dumps(json.loads(body), **written[self.mistake]).encode()
        except (ValueError, RecursionError):
            return body

    # --- what it says ---

    async def _understand(self, body: bytes) -> int:
        try:
            notice = json.loads(body)
            payload = notice["payload"]
            event, cname = notice["eventType"], payload["cname"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return 500 if self.mistake == "crashes on nonsense" else 200
        identity = notice.get("noticeId") or notice.get("notificationId")
        if not isinstance(identity, str):
            return 200
        return await self._judge(notice, identity, event, cname)

    async def _judge(self, notice: dict[str, Any], identity: str, event: int, cname: str) -> int:
        match self.mistake:
            case "knows all events" if event not in KNOWN_EVENTS:
                return 400
            case "knows few events" if event in (12, 72, 73):
                return 400
            case "knows all recordings":
                return 404
            case "no test_webhook" if cname == "test_webhook":
                return 404
            case "strict fields" if not set(notice) <= KNOWN_FIELDS or "sid" not in notice:
                return 422
            case "wants noticeId" if "noticeId" not in notice:
                return 500
            case "says it has it" if identity in self._seen:
                return 409
            case "race":
                known = identity in self._seen
                await asyncio.sleep(0.02)
                if not known and identity in self._seen:
                    return 500
            case "slow now and then" if event == 12:
                await asyncio.sleep(1.5 * PATIENCE_SECONDS)
            case "one at a time" if event == 33:
                async with self._one_at_a_time:
                    await asyncio.sleep(0.03 * PATIENCE_SECONDS)
        if self.mistake == "in order" and not self._in_order(notice):
            return 500
        self._seen.add(identity)
        return 200

    def _in_order(self, notice: dict[str, Any]) -> bool:
        """After the end of a session (11) nothing that happened earlier may come."""
        sequence = notice["payload"].get("sequence")
        if not isinstance(sequence, int):
            return True
        if notice["eventType"] == 11:
            self._story = sequence
        return sequence >= self._story

    # --- the answer ---

    def _respond(self, status: int) -> web.StreamResponse:
        response = web.Response(status=status, **OK)
        if status != 200:
            return response
        match self.mistake:
            case "accepts with 202":
                response = web.Response(status=202, **OK)
            case "redirects":
                response = web.Response(status=308, headers={"Location": "/elsewhere"})
            case "plain text":
                response = web.Response(text="success")
            case "no body":
                response = web.Response()
            case "closes":
                response.force_close()
        return response


@asynccontextmanager
async def receiving_naively(mistake: str = "") -> AsyncIterator[str]:
    """The URL of a receiver with one planted mistake."""
    receiver = NaiveReceiver(mistake)
    application = web.Application(client_max_size=1 << 20)
    application.router.add_route("*", "/notifications", receiver.answer)
    idle = 0.1 if mistake == "short keep-alive" else 60
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=idle, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/notifications"
    finally:
        await close(runner)
