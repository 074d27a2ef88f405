"""What the numbers measured in pictures and sound mean: blank, black, white, an error page, silent, the same as before.

The decoder measures; nothing is decoded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.media.pictures.error_page import is_error_page

ONE_COLOUR_RANGE = 8.0
ONE_COLOUR_ENTROPY = 0.5
BLACK_BELOW = 32.0
WHITE_ABOVE = 230.0
SILENT_BELOW_DB = -60.0
# Less than this between two beeps or two words is a breath, not silence.
SILENCE_PROVEN_SECONDS = 1.5


class Look(StrEnum):
    """What a picture looks like. `blank`: one colour, neither black nor white; `error_page`: one of Chromium's."""

    FINE = "fine"
    BLACK = "black"
    WHITE = "white"
    BLANK = "blank"
    ERROR_PAGE = "error_page"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen and heard in a slice. `print_` is what two equal pictures have in common; `still`: nothing moved in
    it; `silent` None: no sound came out; `heard_seconds` of sound were listened to. `blank_share` is how much of the
    slice shows nothing, `damaged` how many pictures and sounds do not come out clean."""

    look: Look
    silent: bool | None
    still: bool = False
    print_: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    channels: int | None = None
    colours: float = 0.0
    blank_share: float = 0.0
    damaged: int = 0
    heard_seconds: float = 0.0

    @property
    def proven_silent(self) -> bool | None:
        """Whether it is silent; None where too little was heard to say so."""
        return None if self.silent and self.heard_seconds < SILENCE_PROVEN_SECONDS else self.silent

    @property
    def bad_picture(self) -> bool:
        return self.look in (Look.BLACK, Look.WHITE, Look.BLANK, Look.ERROR_PAGE)

    @property
    def doubtful(self) -> bool:
        """Whether the beginning of the slice does not suffice, and the whole slice must be decoded."""
        return self.look is Look.NONE or self.damaged > 0


def read_sample(facts: Mapping[str, Any]) -> Sample:
    """Judge what the decoder measured."""
    loudness = facts.get("loudness")
    silent = None if loudness is None else loudness < SILENT_BELOW_DB
    damaged = int(facts.get("damaged", 0))
    heard = float(facts.get("sound_seconds", 0.0))
    if "mean" not in facts:
        return Sample(Look.NONE, silent, channels=facts.get("channels"), damaged=damaged, heard_seconds=heard)
    look = look_of(facts)
    blank = [look_of(one) is not Look.FINE for one in facts["judged"]]
    # A slice counts as blank by its first picture, as a sample of it does, or by all that were judged.
    share = 1.0 if look is not Look.FINE else sum(blank) / len(blank)
    return Sample(
        look,
        silent,
        bool(facts.get("still")),
        f"{facts['hash']}:{facts['mean']:.0f}:{facts['entropy']:.1f}",
        tuple((int(width), int(height)) for width, height in facts["sizes"]),
        facts.get("channels"),
        facts["entropy"],
        share,
        damaged,
        heard,
    )


def look_of(facts: Mapping[str, Any]) -> Look:
    """What a picture of this brightness looks like. `facts` may hold `error_page`, the measures of its layout."""
    if is_error_page(facts.get("error_page", {})):
        return Look.ERROR_PAGE
    if facts["high"] - facts["low"] >= ONE_COLOUR_RANGE or facts["entropy"] >= ONE_COLOUR_ENTROPY:
        return Look.FINE
    if facts["mean"] < BLACK_BELOW:
        return Look.BLACK
    return Look.WHITE if facts["mean"] > WHITE_ABOVE else Look.BLANK
