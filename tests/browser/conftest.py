"""Fixtures of the browser's tests: a real Chromium on a real display, and a site whose pages are made for the tests."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import rtmp_server
from browser_rig import Site, serving

from emulator.browser.desktop import missing_packages
from emulator.process.workdir import make_home

MISSING = sorted({*missing_packages(), *rtmp_server.MISSING, *([] if shutil.which("ffprobe") else ["ffmpeg"])})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """At home the tests of this folder are skipped where a program is missing."""
    if MISSING:
        here = Path(__file__).parent
        skip = pytest.mark.skip(reason=f"Debian packages are missing: {' '.join(MISSING)}")
        for item in items:
            if here in item.path.parents:
                item.add_marker(skip)


@pytest.fixture
def home() -> Iterator[Path]:
    with make_home() as folder:
        yield folder


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running
