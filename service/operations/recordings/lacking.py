"""Settings that unfinished recordings need and that are missing. Reads only."""

from typing import NamedTuple

import sqlalchemy as sa

from service.database.recordings import count_open_by
from service.database.sealing import Seals
from service.operations.recordings.unreadable import count_unreadable
from service.recording import TERMINAL, State
from service.settings import Settings


class Lacking(NamedTuple):
    """A setting, such as `apps.main`, and the number of recordings that need it."""

    setting: str
    recordings: int


def find_lacking(connection: sa.Connection, settings: Settings) -> list[Lacking]:
    """Return the apps and storage profiles that recordings name and the settings lack. Their recordings cannot be
    stopped until the settings have them again."""
    states = set(State) - TERMINAL
    apps = count_open_by(connection, "app", states)
    storage = count_open_by(connection, "storage", states)
    found = [Lacking(f"apps.{name}", count) for name, count in sorted(apps.items()) if name not in settings.apps]
    found += [
        Lacking(f"storage.{name}", count) for name, count in sorted(storage.items()) if name not in settings.storage
    ]
    return found


def describe_lacking(connection: sa.Connection, settings: Settings, seals: Seals) -> list[str]:
    """Return everything that recordings lack, including sealing keys, each in words."""
    found = [
        f"{setting} is not in the settings, and {count} recording(s) that have not ended need it: put it back"
        for setting, count in find_lacking(connection, settings)
    ]
    if unreadable := count_unreadable(connection, seals):
        found.append(
            f"no sealing key opens the URL of the page of {unreadable} recording(s) that have not started, so they"
            " cannot start: put the key that sealed them back"
        )
    return found
