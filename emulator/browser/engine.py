"""The engine that opens real pages, limited to the number that this machine can record without dropping frames.

Admits and creates views. It does not open pages itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from emulator.browser.settings import Browser
from emulator.browser.view import PageView
from emulator.engines.interface import View, Wanted
from emulator.process.clock import Clock


class BrowserEngine:
    """An engine whose views run in their own browsers."""

    def __init__(self, settings: Browser, clock: Clock, home: Path) -> None:
        self._settings, self._clock, self._home = settings, clock, home

    @property
    def room(self) -> float:
        """Return the number of pages that can be recorded at once, by default one for each core
        (docs/performance.md)."""
        return self._settings.recordings or len(os.sched_getaffinity(0))

    async def open(self, wanted: Wanted) -> View:
        """Return a view of a page that is not loaded yet."""
        return PageView(wanted, self._settings, self._clock, self._home)

    async def close(self) -> None:
        """Do nothing, because views share no resources."""
