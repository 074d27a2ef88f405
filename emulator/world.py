"""What every task shares. For: handing it round; nothing may be decided here."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from emulator.clock import Clock
from emulator.fault_book import FaultBook
from emulator.group import Group
from emulator.sender import Sender
from emulator.settings import Settings
from emulator.upload import Uploader
from emulator.view import Engine


@dataclass(frozen=True, slots=True)
class World:
    """What every task shares. `folder` is for files in the making, `backup` is the backup store."""

    settings: Settings
    clock: Clock
    faults: FaultBook
    group: Group
    sender: Sender
    uploader: Uploader
    engine: Engine
    executor: Executor
    folder: Path
    backup: Path
