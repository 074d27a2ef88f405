"""Fixtures of the emulator's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from emulator_rig import BUCKET, Client, Notices, emulating, receiving

from emulator.s3_server import S3Server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One real S3 server for all tests of the session."""
    with S3Server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    """A receiver of notices."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def agora(s3: S3Server, notices: Notices) -> AsyncIterator[Client]:
    """A fresh emulator, sixty times faster than Agora, that tells `notices`."""
    async with emulating(s3, notices) as client:
        yield client
