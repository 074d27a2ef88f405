"""What every command needs: its settings, the database, and one clear line for a user's mistake."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from service.app import database_url
from service.database.outage import StartRefused
from service.database.run import Database
from service.database.startup import prepare
from service.errors import OutsideError, ServiceError
from service.logs import configure_logs
from service.probes import unreachable
from service.settings import Log, Settings, SettingsError

T = TypeVar("T")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def show_json(value: Any) -> None:
    """Machine-readable output: one JSON document, or one line of a stream."""
    click.echo(json.dumps(value, ensure_ascii=False))


def settings_of(config: Path | None, *, callbacks_only: bool = False, quiet: bool = True) -> Settings:
    """The settings, with logging set up; `quiet` for commands whose output is for a person."""
    try:
        settings = Settings.load(config, callbacks_only=callbacks_only)
    except SettingsError as error:
        fail(str(error))
    configure_logs(Log(level="warning", format="console") if quiet else settings.log)
    return settings


def reachable(settings: Settings) -> Settings:
    """The settings; ends the process where a storage profile leads nowhere, before anything is recorded into it."""
    if lost := unreachable(settings):
        fail("; ".join(f"storage.{name}: {problem}" for name, problem in lost.items()))
    return settings


async def with_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database of the settings, also beside a service that runs, refuse one that is not ours, and let `use`
    work with it."""
    async with await Database.open(database_url(settings), beside=True) as database:
        await prepare(database, settings.deployment, time.time())
        return await use(database)


def run(working: Coroutine[Any, Any, T]) -> T:
    """What `working` returns; ends the process with one line for each thing that went wrong outside."""
    try:
        return asyncio.run(working)
    except* (StartRefused, ServiceError, OutsideError, OSError) as errors:
        fail("; ".join(str(error) for error in _leaves(errors)))


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def fail(text: str) -> NoReturn:
    """End with status 2 and this text on stderr."""
    click.echo(f"pagereel: {text}", err=True)
    sys.exit(2)
