"""The objects that all tasks share."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from emulator.engines.interface import Engine
from emulator.faults.registry import FaultBook
from emulator.notifications.sender import Sender
from emulator.process.background import Group
from emulator.process.clock import Clock
from emulator.settings import Settings
from emulator.uploads.s3 import Uploader


@dataclass(frozen=True, slots=True)
class World:
    """The objects that all tasks share. `folder` is for temporary files, and `backup` is the backup store."""

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
