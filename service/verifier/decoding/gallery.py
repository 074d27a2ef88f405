"""Creates the pictures of a report: a poster and a contact sheet, small enough for the database."""

from dataclasses import dataclass

from service.media.pictures.measures import Look, Sample
from service.report import Pictures
from service.verifier.decoding.process import Decoder, DecoderFailed

SHEET_PICTURES = 24
POSTER_WIDTH = 640
POSTER_BYTES = 60_000
SHEET_BYTES = 85_000


@dataclass(frozen=True, slots=True)
class Shown:
    """The number of decoded slices, and the pictures kept of them."""

    samples: int = 0
    pictures: Pictures | None = None


class Gallery:
    """Keeps the pictures of a verification for the report, at most one sheet for any length of recording."""

    def __init__(self) -> None:
        self._wanted: set[int] = set()
        self._small: dict[int, bytes] = {}
        self._best: tuple[float, bytes, str] = (-1.0, b"", "")

    def expect(self, indexes: list[int]) -> None:
        """Set the slices to show, evenly spread over `indexes`."""
        order = sorted(indexes)
        step = max(1.0, len(order) / SHEET_PICTURES)
        self._wanted = {order[int(place * step)] for place in range(min(SHEET_PICTURES, len(order)))}

    def show(self, index: int, sample: Sample, small: bytes, content: bytes, sets: str) -> None:
        """Offer a sample. Its first picture is decoded from `content` with these parameter sets."""
        if not small:
            return
        if index in self._wanted:
            self._small[index] = small
        if sample.look is not Look.NONE and sample.colours > self._best[0]:
            self._best = (sample.colours, content, sets)

    async def hang(self, decoder: Decoder) -> Pictures | None:
        """Return poster and sheet, or None if there is no picture or the decoder fails."""
        if not self._small or not self._best[1]:
            return None
        small = b"".join(self._small[index] for index in sorted(self._small))
        try:
            _, poster = await decoder.run(
                "poster", self._best[1], width=POSTER_WIDTH, most_bytes=POSTER_BYTES, sets=self._best[2]
            )
            _, sheet = await decoder.run("sheet", small, most_bytes=SHEET_BYTES)
        except DecoderFailed:
            return None
        return Pictures(poster, sheet) if poster and sheet else None
