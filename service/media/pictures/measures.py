"""Interprets the measured values of pictures and audio: blank, black, white, an error page, silent, unchanged.

The decoder measures; this module decodes nothing.
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
# A shorter stretch without audio may be the gap between two beeps or two words.
SILENCE_PROVEN_SECONDS = 1.5


class Look(StrEnum):
    """The kind of a picture. `blank` is one colour that is neither black nor white. `error_page` is an error page of
    Chromium."""

    FINE = "fine"
    BLACK = "black"
    WHITE = "white"
    BLANK = "blank"
    ERROR_PAGE = "error_page"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Sample:
    """The decoded contents of a slice. `print_` is equal for equal pictures. `still` is true if the picture does not
    move. `silent` is None if no audio was decoded. `heard_seconds` is the duration of the decoded audio. `blank_share`
    is the blank share of the slice. `damaged` is the number of pictures and audio frames that do not decode cleanly."""

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
        """Return whether the slice is silent, or None if too little audio was decoded."""
        return None if self.silent and self.heard_seconds < SILENCE_PROVEN_SECONDS else self.silent

    @property
    def bad_picture(self) -> bool:
        return self.look in (Look.BLACK, Look.WHITE, Look.BLANK, Look.ERROR_PAGE)

    @property
    def doubtful(self) -> bool:
        """Return whether the beginning of the slice does not suffice, so that the whole slice must be decoded."""
        return self.look is Look.NONE or self.damaged > 0


def read_sample(facts: Mapping[str, Any]) -> Sample:
    """Return the sample for the decoder's measurements."""
    loudness = facts.get("loudness")
    silent = None if loudness is None else loudness < SILENT_BELOW_DB
    damaged = int(facts.get("damaged", 0))
    heard = float(facts.get("sound_seconds", 0.0))
    if "mean" not in facts:
        return Sample(Look.NONE, silent, channels=facts.get("channels"), damaged=damaged, heard_seconds=heard)
    look = look_of(facts)
    blank = [look_of(one) is not Look.FINE for one in facts["judged"]]
    # A slice counts as blank by its first picture, as in a sample, or by all evaluated pictures.
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
    """Return the kind of a picture with this brightness. `facts` may contain `error_page`, the measures of its
    layout."""
    if is_error_page(facts.get("error_page", {})):
        return Look.ERROR_PAGE
    if facts["high"] - facts["low"] >= ONE_COLOUR_RANGE or facts["entropy"] >= ONE_COLOUR_ENTROPY:
        return Look.FINE
    if facts["mean"] < BLACK_BELOW:
        return Look.BLACK
    return Look.WHITE if facts["mean"] > WHITE_ABOVE else Look.BLANK
