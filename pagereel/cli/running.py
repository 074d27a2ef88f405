"""Helpers for commands that use the settings and the database, with one clear line for each error."""

import asyncio
import errno
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import structlog

from pagereel.app import database_url
from pagereel.cli.terminal.output import fail, reader_gone, say
from pagereel.listeners import ListenerRefused
from pagereel.logs import configure_logs
from pagereel.probes import reason_of, undecodable, unreachable
from service.database.engine.database import Database
from service.database.engine.errors import StartRefused
from service.database.engine.refusal import refusing
from service.database.engine.startup import prepare
from service.errors import OutsideError, ServiceError
from service.settings import Log, Settings, SettingsError, StorageProfile
from service.settings.load import ignored_variables
from service.settings.variables import CALLERS_VARIABLES, PREFIX

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_NO_SETTINGS: Final = (
    "no settings: use `{command} --config FILE`, or set PAGEREEL_SETTINGS. Start from a copy of pagereel.example.toml"
)


def settings_of(config: Path | None, *, callbacks_only: bool = False, quiet: bool = True) -> Settings:
    """Set up logging and return the settings. `quiet` is for commands whose output is for a person."""
    try:
        settings = Settings.load(config, callbacks_only=callbacks_only)
    except SettingsError as error:
        fail(_NO_SETTINGS.format(command=_command()) if none_given(config) else str(error))
    configure_logs(Log(level="warning", format="console") if quiet else settings.log)
    if not quiet:
        for variable in ignored_variables(os.environ):
            _log.warning("variable_ignored", variable=variable)
    return settings


def none_given(config: Path | None) -> bool:
    """Return True if neither a settings file nor a variable with a setting was given."""
    if config is not None:
        return False
    return not any(
        name.startswith(PREFIX) and name not in CALLERS_VARIABLES and text for name, text in os.environ.items()
    )


def _command() -> str:
    context = click.get_current_context(silent=True)
    return "pagereel COMMAND" if context is None else context.command_path


def reachable(settings: Settings, *, works: bool = True) -> Settings:
    """Return the settings. Exit before anything is recorded if a storage profile has no reachable address, or if this
    process `works` and cannot verify at the profile's level."""
    if faults := storage_faults(settings, works=works):
        fail("; ".join(faults))
    return settings


def storage_faults(settings: Settings, *, works: bool = True) -> list[str]:
    """Return why storage profiles cannot be used, each with the setting's name."""
    lost = [*unreachable(settings).items(), *(undecodable(settings).items() if works else ())]
    return [f"storage.{name}: {problem}" for name, problem in lost]


def profile_of(settings: Settings, storage: str) -> StorageProfile:
    """Return the storage profile of that name. Exit if it does not exist."""
    if storage not in settings.storage:
        fail(f"the settings have no storage {storage!r}; the known ones are: {', '.join(settings.storage) or 'none'}")
    return settings.storage[storage]


async def with_database(settings: Settings, use: Callable[[Database], Awaitable[T]], *, make: bool = False) -> T:
    """Open the database of the settings, even while a service uses it, and return the result of `use`. Refuse a foreign
    database. If the SQLite file is missing and `make` is true, create the file and report that. Otherwise raise
    `StartRefused`, because a relative path may refer to another file in this working directory."""
    url, lacking = database_url(settings), _no_file(settings.database.url)
    if lacking is not None and not make:
        raise StartRefused(f"there is no database at {lacking}")
    with refusing(url, settings.database.password_place):
        async with await Database.open(url, beside=True) as database:
            await prepare(database, settings.deployment, time.time())
            if lacking is not None:
                say(f"pagereel: made a new database: {lacking}", err=True)
            return await use(database)


def _no_file(url: str) -> Path | None:
    """Return the path of the SQLite file if it does not exist, otherwise None."""
    path = Path(url.removeprefix("sqlite:///")).absolute()
    return None if not url.startswith("sqlite:///") or path.exists() else path


def run(working: Coroutine[Any, Any, T]) -> T:
    """Return the result of `working`. On external errors, exit with one line that contains each of them. If the reader
    of the output has exited, exit quietly."""
    try:
        return asyncio.run(working)
    except* (StartRefused, ListenerRefused, ServiceError, OutsideError, OSError) as errors:
        reasons = _leaves(errors)
    if any(isinstance(reason, BrokenPipeError) and reader_gone() for reason in reasons):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))  # the command group exits quietly
    fail("; ".join(map(reason_of, reasons)))  # not above, because 3.11.2 raises an exit within `except*` as a group


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
