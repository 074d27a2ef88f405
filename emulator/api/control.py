"""The control API under `/emulator/`, for tests and demos. It is not part of Agora's API.

It lists tasks, and adds and clears faults. It shows no secrets and needs no credentials, because it serves loopback
only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from emulator.api.app_keys import AGORA
from emulator.api.ground_truth import render_truth
from emulator.faults.model import Fault, explain

_FAULTS = TypeAdapter(list[Fault])


def add_routes(app: web.Application) -> None:
    """Add the control routes."""
    app.router.add_get("/emulator/tasks", _tasks)
    app.router.add_get("/emulator/faults", _faults)
    app.router.add_post("/emulator/faults", _add_faults)
    app.router.add_delete("/emulator/faults", _clear_faults)
    app.router.add_get("/emulator/page", _page)


async def _tasks(request: web.Request) -> web.Response:
    """List the tasks in the order of their start, filtered by `?cname=` and `?sid=`."""
    agora = request.app[AGORA]
    cname, sid = request.query.get("cname"), request.query.get("sid")
    now, quirks = agora.world.clock.now(), agora.world.settings.quirks
    wanted = [task for task in agora.tasks.values() if cname in (None, task.cname) and sid in (None, task.sid)]
    tasks = [render_truth(task, now, quirks) for task in wanted]
    return web.json_response({"tasks": tasks})


async def _page(_: web.Request) -> web.FileResponse:
    """Return a page to record. The page moves, shows its clock, and flashes and beeps each second."""
    return web.FileResponse(Path(__file__).parents[1] / "browser" / "demo.html")


async def _faults(request: web.Request) -> web.Response:
    """List the active faults and, in order, the subjects that they affected."""
    faults = request.app[AGORA].world.faults
    return web.json_response({"faults": faults.standing(), "strikes": list(faults.strikes)})


async def _add_faults(request: web.Request) -> web.Response:
    """Add one fault or a list of them."""
    agora = request.app[AGORA]
    try:
        body: Any = await request.json()
        faults = _FAULTS.validate_python(body if isinstance(body, list) else [body])
    except ValidationError as error:
        return web.json_response({"message": explain(error)}, status=400)
    except ValueError:
        return web.json_response({"message": "the body is no JSON"}, status=400)
    agora.world.faults.add(faults, agora.world.clock.now())
    agora.wake_all()
    return web.json_response({"faults": agora.world.faults.standing()}, status=201)


async def _clear_faults(request: web.Request) -> web.Response:
    agora = request.app[AGORA]
    cleared = agora.world.faults.clear()
    agora.wake_all()
    return web.json_response({"cleared": cleared})
