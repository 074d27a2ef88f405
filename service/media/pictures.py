"""What the numbers measured in pictures and sound mean: blank, black, white, silent, the same as before.

Thresholds of verification A.2. The decoder measures; nothing is decoded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ONE_COLOUR_RANGE = 8.0
ONE_COLOUR_ENTROPY = 0.5
BLACK_BELOW = 32.0
WHITE_ABOVE = 230.0
SILENT_BELOW_DB = -60.0


class Look(StrEnum):
    """What a picture looks like. `blank`: one colour that is neither black nor white."""

    FINE = "fine"
    BLACK = "black"
    WHITE = "white"
    BLANK = "blank"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen and heard in a slice. `failed`: the decoder gave up, which says nothing about the slice. `print_`
    is what two equal pictures have in common; `still`: nothing moved in it; `silent` None: there was no sound."""

    look: Look
    silent: bool | None
    still: bool = False
    print_: str = ""
    size: tuple[int, int] | None = None
    channels: int | None = None
    colours: float = 0.0
    failed: str | None = None

    @property
    def bad_picture(self) -> bool:
        return self.look in (Look.BLACK, Look.WHITE, Look.BLANK)


def read_sample(facts: Mapping[str, Any]) -> Sample:
    """Judge what the decoder measured."""
    if "failed" in facts:
        return Sample(Look.NONE, None, failed=str(facts["failed"]))
    loudness = facts.get("loudness")
    silent = None if loudness is None else loudness < SILENT_BELOW_DB
    if "mean" not in facts:
        return Sample(Look.NONE, silent, channels=facts.get("channels"))
    return Sample(
        look_of(facts),
        silent,
        bool(facts.get("still")),
        f"{facts['hash']}:{facts['mean']:.0f}:{facts['entropy']:.1f}",
        (facts["width"], facts["height"]),
        facts.get("channels"),
        facts["entropy"],
    )


def look_of(facts: Mapping[str, Any]) -> Look:
    """What a picture of this brightness looks like."""
    if facts["high"] - facts["low"] >= ONE_COLOUR_RANGE or facts["entropy"] >= ONE_COLOUR_ENTROPY:
        return Look.FINE
    if facts["mean"] < BLACK_BELOW:
        return Look.BLACK
    return Look.WHITE if facts["mean"] > WHITE_ABOVE else Look.BLANK
