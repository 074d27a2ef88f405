"""Recognises the error pages that Chromium draws, by drawing and layout and never by text or language.

Such a page has one plain colour. Its topmost object is a drawing. The heading and the text are below the drawing and
aligned with its edge. The drawing determines the scale of the picture, so sizes are compared in pixels of the page.
Some drawings are unique to Chromium. Others are signs that many pages show, so the whole layout must match. The module
is pure and uses only numpy.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from service.media.pictures.error_glyphs import CELLS, GLYPHS, Glyph

Luma = NDArray[np.uint8]
# Top, bottom, left, right; bottom and right are exclusive.
_Box = tuple[int, int, int, int]
_Place = tuple[float, float, float, float]

# Steps of brightness. A smaller difference from the background counts as background.
_PLAIN_STEPS = 10
_INK_STEPS = 28
# The share of the picture's width that is left out at each side, for scroll bars.
_MARGIN = 0.025
_LOWEST_PLAIN = 0.6
_LOWEST_OWN = 0.85
_LOWEST_SIGN = 0.94
_LOWEST_GLYPH = 12
# Rows. Encoders leave lower artefacts around edges.
_LOWEST_BAND = 4
# Pixels of the page. Lower objects are dots over letters, or noise.
_LOWEST_TEXT = 8
_INDENT = 8
# The height of the place of a drawing.
_PLACE = 72
# The largest deviation of a drawing's proportions.
_STRETCH = 0.12
_LAYOUT = ("width", "height", "left", "right", "top", "indent", "gap", "button")


def measure(luma: Luma) -> dict[str, float]:
    """Measure the brightness plane of one picture, in its own resolution.

    `plain` is the share of the background. `own` and `sign` are the correlation (at most 1) of the topmost object with
    a drawing that only Chromium has, and with a sign that other pages show too. The other measures are in pixels of the
    page: `width` and `height` of the page; the `left`, `right` and `top` margins of its content; `indent` of the
    heading from the drawing; `gap` between the two; and `button`, the height of a filled button at an edge of the
    content.

    A value that cannot be measured is absent.
    """
    if luma.ndim != 2 or min(luma.shape) < 4 * CELLS:
        return {}
    counts = np.bincount(luma[::4, ::4].ravel(), minlength=256)
    background = int(counts.argmax())
    plain = counts[max(0, background - _PLAIN_STEPS) : background + _PLAIN_STEPS + 1].sum() / counts.sum()
    measures = {"plain": float(plain)}
    if plain < _LOWEST_PLAIN:
        return measures
    margin = round(luma.shape[1] * _MARGIN)
    page = luma[:, margin : luma.shape[1] - margin]
    ink = (page < max(0, background - _INK_STEPS)) | (page > min(255, background + _INK_STEPS))
    bands = list(_bands(ink))
    if bands and _may_be_glyph(bands[0], len(page)):
        measures |= _measure_page(page, ink, bands, background)
    return measures


def is_error_page(measures: Mapping[str, float]) -> bool:
    """Return whether these measures are those of an error page of Chromium."""
    if measures.get("plain", 0.0) < _LOWEST_PLAIN:
        return False
    if measures.get("own", 0.0) >= _LOWEST_OWN:
        return measures.get("indent", 0.0) <= _INDENT
    return (
        measures.get("sign", 0.0) >= _LOWEST_SIGN
        and all(name in measures for name in _LAYOUT)
        and measures["indent"] <= _INDENT
        and 24 <= measures["button"] <= 60
        and _stands_as_in_chromium(measures)
    )


def _stands_as_in_chromium(measures: Mapping[str, float]) -> bool:
    """Return whether margins and gap match those of Chromium for a page of this size."""
    width, height = measures["width"], measures["height"]
    if abs(measures["left"] - measures["right"]) > 8:
        return False
    # Low and narrow pages have their own layout. Near the limits both layouts are accepted, because the limits are not
    # exactly known.
    if (height < 590 or width < 440 < height) and (
        abs(measures["left"] - 24 - max(0.0, (width - 736) / 2)) <= 6
        and any(abs(measures["top"] - height * share) <= 4 for share in (0.07, 0.1))
        and -4 <= measures["gap"] - height * 0.0569 <= 10
    ):
        return True
    return (
        height > 530
        and width > 400
        and abs(measures["left"] - ((width - 600) / 2 if width > 700 else width * 0.1)) <= 10
        and abs(measures["top"] - height * 0.14) <= 4
        and -4 <= measures["gap"] - 40 <= 10
    )


def _bands(ink: NDArray[np.bool_]) -> Iterator[_Box]:
    """Yield the boxes of the objects between empty rows, from top to bottom, without specks."""
    rows = np.concatenate(([False], ink.any(axis=1), [False]))
    edges = np.flatnonzero(rows[1:] != rows[:-1])
    for top, bottom in edges.reshape(-1, 2):
        if bottom - top >= _LOWEST_BAND:
            columns = np.flatnonzero(ink[top:bottom].any(axis=0))
            yield int(top), int(bottom), int(columns[0]), int(columns[-1]) + 1


def _may_be_glyph(box: _Box, height: int) -> bool:
    """Return whether a box has about the size of a drawing at the top of a page of that height."""
    high, wide = box[1] - box[0], box[3] - box[2]
    return _LOWEST_GLYPH <= high <= height * 0.4 and wide <= 2 * high


def _measure_page(page: Luma, ink: NDArray[np.bool_], bands: list[_Box], background: int) -> dict[str, float]:
    box, drawn = _sharpen(page, bands[0], background)
    cells = _shrink(drawn)
    fits = {glyph: _fit(glyph, cells, drawn.shape) for glyph in GLYPHS}
    glyph = max(fits, key=lambda one: fits[one])
    if fits[glyph] < _LOWEST_OWN:
        return {}
    measures = {"own" if glyph.own else "sign": fits[glyph]}
    unit = (box[1] - box[0] + box[3] - box[2]) / (glyph.height + glyph.width)
    text = [band for band in bands[1:] if band[1] - band[0] >= _LOWEST_TEXT * unit]
    if text:
        heading, _ = _sharpen(page, text[0], background)
        measures |= _measure_layout(unit, _place(glyph, box, unit), heading, ink, bands)
    return measures


def _place(glyph: Glyph, box: _Box, unit: float) -> _Place:
    """Return the place of a drawing that fills this box."""
    left = box[2] - glyph.left * unit
    return box[0], box[1] + glyph.below * unit, left, left + glyph.place * unit


def _measure_layout(
    unit: float, place: _Place, heading: _Box, ink: NDArray[np.bool_], bands: list[_Box]
) -> dict[str, float]:
    """Return the layout measures, given the size of a pixel of the page and the drawing's place."""
    margin = ink.shape[1] * _MARGIN / (1 - 2 * _MARGIN)
    begin, end = (min(one[2] for one in bands), max(one[3] for one in bands))
    # In right-to-left text, the right edge of the drawing's place is aligned with the heading.
    indent = min(abs(heading[2] - place[2]), abs(heading[3] - place[3]))
    inner = [min(max(0, round(column)), ink.shape[1] - 1) for column in (begin + 10 * unit, end - 10 * unit)]
    return {
        "width": (ink.shape[1] + 2 * margin) / unit,
        "height": ink.shape[0] / unit,
        "left": (begin + margin) / unit,
        "right": (ink.shape[1] - end + margin) / unit,
        "top": place[1] / unit - _PLACE,
        "indent": indent / unit,
        "gap": (heading[0] - place[1]) / unit,
        "button": max(_lowest(ink[heading[0] :, column], 20 * unit) for column in inner)[1] / unit,
    }


def _lowest(line: NDArray[np.bool_], least: float) -> tuple[int, int]:
    """Return the end and the length of the lowest unbroken run of at least `least`, or zeros if none exists."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], line, [False])).astype(np.int8)))
    ends, lengths = edges[1::2], edges[1::2] - edges[::2]
    long = np.flatnonzero(lengths >= least)
    return (int(ends[long[-1]]), int(lengths[long[-1]])) if long.size else (0, 0)


def _sharpen(page: Luma, box: _Box, background: int) -> tuple[_Box, NDArray[np.float64]]:
    """Return the box of a drawing at half of its contrast, and its contrast. Blur moves these edges the least."""
    top, bottom, left, right = box
    contrast = np.abs(page[top:bottom, left:right].astype(np.float64) - background)
    usual = float(np.percentile(contrast[contrast > _INK_STEPS], 75))
    strong = contrast > usual / 2
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    begin, end, first, last = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    sharp = top + begin, top + end, left + first, left + last
    return sharp, np.minimum(contrast[begin:end, first:last] / usual, 1.5)


def _shrink(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each of CELLS x CELLS cells."""
    high, wide = drawn.shape
    return _weights(high) @ drawn @ _weights(wide).T


def _weights(length: int) -> NDArray[np.float64]:
    """Return the share of each pixel of a line in each of its cells."""
    edges = np.linspace(0, length, CELLS + 1)
    pixels = np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(shared, 0, None) * CELLS / length)


def _fit(glyph: Glyph, cells: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the correlation of a drawing, or of its mirror image, with one of Chromium's; 0 if its proportions
    differ."""
    high, wide = shape
    if abs(math.log(wide / high * glyph.height / glyph.width)) > _STRETCH:
        return 0.0
    seen = _unit_vector(cells)
    return max(float(np.vdot(_KNOWN[glyph], one)) for one in (seen, seen[:, ::-1]))


def _unit_vector(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cells centred on zero and scaled to unit length; zeros if all cells are equal."""
    around = cells - cells.mean()
    length = float(np.linalg.norm(around))
    return np.asarray(around / length if length else around)


_KNOWN = {
    glyph: _unit_vector(np.array([int(cell, 16) for cell in glyph.cells], np.float64).reshape(CELLS, CELLS))
    for glyph in GLYPHS
}
