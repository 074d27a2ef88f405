"""What outlasts one simulation, because making it anew would take longer than the simulation: the loop, the database's
engine with its compiled statements, and the S3 clients. All of it is emptied before each."""

import gc
import sqlite3
import traceback
from collections.abc import Callable
from random import Random
from typing import Any

import sqlalchemy as sa
import structlog

from pagereel.app import House, wire
from service.buckets.open import Buckets
from service.database.engine import startup
from service.database.engine.database import Database
from service.database.notifications.inbox import Inbox
from service.database.sealing import Seals, make_key
from service.settings import Settings
from tests.simulation.bucket import Http
from tests.simulation.loop import VirtualLoop
from tests.simulation.notices import SECRET
from tests.simulation.process import track_tasks

DEPLOYMENT = "sim"
PLAN: dict[str, Any] = {
    "deployment": DEPLOYMENT,
    "apps": {"main": {"app_id": "app1", "customer_id": "c", "customer_secret": "s", "ncs_secrets": [SECRET]}},
    "storage": {
        "archive": {
            "vendor": 11,
            "endpoint": "https://s3.example.org",
            "bucket": "lessons",
            "path_style": True,
            "level": "listing",  # there are no bytes in this world, only names, sizes and times
            "write": {"access_key": "wa", "secret_key": "ws"},
            "read": {"access_key": "ra", "secret_key": "rs"},
        }
    },
    "presets": {
        "default": {"max_recording_hour": 1, "av_file_type": ["hls"]},
        "mp4": {"max_recording_hour": 1},
        "restarting": {"max_recording_hour": 1, "av_file_type": ["hls"], "restart": "on_failure", "max_restarts": 2},
    },
    "worker": {"poll_seconds": 60},  # the world polls instead, see `World`
}


class Ground:
    """One for a process. `clear` before each simulation, `close` at the end."""

    def __init__(self) -> None:
        self.settings = Settings.model_validate(PLAN)
        self.loop = VirtualLoop()
        self.loop.set_task_factory(track_tasks)
        self.http = Http()
        self.seals = Seals(make_key())
        self.errors: list[str] = []
        self.database, self.buckets, self._empty = self.loop.run_until_complete(self._open())
        assert self.database.writer is not None
        self.raw: sqlite3.Connection = self.database.writer.raw
        self.engine: sa.Engine = self.database.writer.connection.engine
        # What was imported is not looked through again and again: it stays.
        gc.collect()
        gc.freeze()

    async def _open(self) -> tuple[Database, Buckets, bytes]:
        database = await Database.open("sqlite:///:memory:", inline=True)
        await startup.prepare(database, DEPLOYMENT, 0)
        assert database.writer is not None
        buckets = Buckets(self.settings, self.http)  # type: ignore[arg-type] # the seam of the S3 client
        await buckets.warm_up()
        return database, buckets, database.writer.raw.serialize()

    def clear(self, random: Random) -> None:
        """Nothing has happened yet."""
        self.loop.reset(random)
        self.raw.deserialize(self._empty)
        self.errors.clear()

    def wire(self, settings: Settings, *, inbox: Callable[[Inbox], Any], **seams: Any) -> House:
        """A process's production wiring over the seams given; `inbox` may put something before the inbox."""
        taking_in = inbox(Inbox(seams["database"], self.seals))
        return wire(settings, seals=self.seals, inbox=taking_in, buckets=self.buckets, **seams)

    def close(self) -> None:
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self.buckets.close()
        await self.database.close()

    # --- what the service logs -----------------------------------------------------------------------------------

    def __enter__(self) -> "Ground":
        self._logging = structlog.get_config()
        structlog.configure(
            processors=[self._note],
            wrapper_class=structlog.make_filtering_bound_logger(40),
            cache_logger_on_first_use=False,
        )
        return self

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._logging)
        self.close()

    def _note(self, _: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        told = f": {traceback.format_exc(limit=-4)}" if event.get("exc_info") else ""
        self.errors.append(f"{event.get('event')}{told}")
        raise structlog.DropEvent
