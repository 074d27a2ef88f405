"""How much later sound comes through than pictures is told from the beeps after the first."""

import pytest

from emulator.browser.calibration import skew_of

FLASHES = [0.3, 0.6, 0.9, 1.2, 1.5]
BEEPS = [0.41, 0.62, 0.92, 1.22, 1.52]


def test_the_first_beep_which_comes_late_takes_no_part() -> None:
    assert skew_of(FLASHES, BEEPS) == pytest.approx(0.02)
    assert skew_of(FLASHES, [0.41, 0.7, 0.92, 1.22, 1.52]) == pytest.approx(0.02), "nor does another that is off"


def test_a_beep_without_a_flash_is_left_out() -> None:
    assert skew_of(FLASHES, [0.0, 0.15, *BEEPS[1:]]) == pytest.approx(0.02)


def test_too_few_pairs_tell_nothing() -> None:
    assert skew_of(FLASHES[:-1], BEEPS[:-1]) is None
    assert skew_of([], []) is None
