"""The receivers under measurement, each a process of its own: `python -m benchmarks.receivers VARIANT PORT DATABASE`.

`noop` answers 200 and does nothing: the ceiling. `parse` checks the signature and parses. `intake` is the real callback
listener with metrics and logging, its worker off; `intake-worker` the same with its worker. `work` is a worker alone.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from aiohttp import web

from handlers.callbacks import build_callbacks
from handlers.keys import Limits
from handlers.slow_requests import DripRunner
from pagereel.app import open_house
from pagereel.logs import configure_logs
from pagereel.serving import calm_interpreter
from service.notification import parse_notice, verify_signature
from service.settings import Settings

SECRET = "bench-ncs-secret"
SEALING_KEY = "YmVuY2gtc2VhbGluZy1rZXktb2YtMzItYnl0ZXMtISE="
PATH = "/agora/bench/notifications"
ANSWER = {"Content-Type": "application/json"}


def settings_for(database: str, folder: Path) -> Settings:
    """Settings of a service that has one app and nothing to record."""
    path = folder / "bench.toml"
    path.write_text(f"""
deployment = "bench"
[database]
url = "{database}"
sealing_keys = ["{SEALING_KEY}"]
[apps.bench]
app_id = "bench"
customer_id = "bench"
customer_secret = "bench"
ncs_secrets = ["{SECRET}"]
base_urls = ["http://127.0.0.1:9"]
""")
    return Settings.load(path, {})


async def _noop(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=b"{}", headers=ANSWER)


async def _parse(request: web.Request) -> web.Response:
    body = await request.read()
    if not verify_signature(body, request.headers.get("Agora-Signature-V2"), None, [SECRET], accept_sha1=False):
        return web.Response(status=401)
    parse_notice(body)
    return web.Response(body=b"{}", headers=ANSWER)


async def _serve(
    app: web.Application, port: int, stop: asyncio.Event, kind: type[web.AppRunner] = web.AppRunner
) -> None:
    runner = kind(app, access_log=None, keepalive_timeout=15)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await stop.wait()
    await runner.cleanup()


async def run(variant: str, port: int, database: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if variant in ("noop", "parse"):
        app = web.Application()
        app.router.add_post(PATH, _noop if variant == "noop" else _parse)
        await _serve(app, port, stop)
        return
    settings = settings_for(database, Path(sys.argv[4]))
    configure_logs(settings.log)
    async with open_house(settings) as house:
        calm_interpreter()
        working = asyncio.create_task(house.worker.run()) if variant != "intake" else None
        app = build_callbacks(house.operations, Limits(65536, 5))
        await _serve(app, port, stop, DripRunner)
        if working is not None:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working


def main() -> None:
    variant, port, database = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if variant == "handwritten":
        import uvicorn

        from benchmarks.handwritten import make_app

        uvicorn.run(make_app(database, SECRET.encode()), port=port, log_level="warning", access_log=False)
    else:
        asyncio.run(run(variant, port, database))


if __name__ == "__main__":
    main()
