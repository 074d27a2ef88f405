"""The sandbox promises a newcomer what Agora does: what a caller names in hours, minutes and seconds lasts as long."""

from pathlib import Path

import pytest

from emulator.clock import Clock
from emulator.settings import Settings, load
from service.demo.sandbox import emulator_settings


@pytest.fixture(params=[False, True], ids=["drawn", "browser"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The sandbox's emulator, as that reads its own file."""
    file = tmp_path / "emulator.toml"
    file.write_text(emulator_settings(8081, "secret", browser=request.param))
    return load(file)


def test_hours_and_minutes_of_a_recording_in_the_sandbox_are_real(settings: Settings) -> None:
    clock = Clock(settings.compression)
    assert clock.shrink(settings.times.hour) == 3600
    assert clock.shrink(settings.times.minute) == 60


def test_a_page_in_the_sandbox_has_as_many_seconds_to_be_ready_as_the_caller_names(settings: Settings) -> None:
    assert Clock(settings.compression).shrink(20) == 20


def test_agoras_own_waits_are_short_in_the_sandbox(settings: Settings) -> None:
    clock, times, usual = Clock(settings.compression), settings.times, type(settings.times)()
    assert clock.shrink(times.start) <= usual.start / 10
    assert clock.shrink(times.slice) <= usual.slice / 10
    assert clock.shrink(times.exit) <= usual.exit / 10
