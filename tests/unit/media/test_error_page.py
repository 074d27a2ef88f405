"""The rule for Chromium's error pages, on pictures that numpy draws. Real pages: tests/browser/test_error_pages.py."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.media.pictures.error_glyphs import CELLS, CIRCLE, CLOCK_LIGHT, DOCUMENT, GLYPHS, TRIANGLE_LIGHT, Glyph
from service.media.pictures.error_page import is_error_page, measure
from service.media.pictures.measures import Look, look_of, read_sample

Luma = NDArray[np.uint8]
LIGHT, DARK = (235, 90), (44, 170)
# Where the drawing of a page of 1280 x 720 is.
PLACE = np.s_[131:173, 340:373]


def draw(
    glyph: Glyph | None = DOCUMENT,
    *,
    size: tuple[int, int] = (1280, 720),
    colours: tuple[int, int] = LIGHT,
    scale: int = 1,
    shift: int = 0,
    column: int = 600,
    button: int = 32,
    gap: int = 45,
    top: float = 0.14,
) -> Luma:
    """A page with a drawing, a heading `shift` pixels out of line, two lines of text and a button at the right edge."""
    width, height = size
    background, ink = colours
    page = np.full((height, width), background, np.uint8)
    left, bottom = (width - column) // 2, round(height * top) + 72
    if glyph is not None:
        cells = np.array([int(cell, 16) for cell in glyph.cells]).reshape(CELLS, CELLS) / 10
        rows, columns = (np.arange(side) * CELLS / side for side in (glyph.height, glyph.width))
        # Of each cell the left part is ink, as much as the cell holds.
        inked = (columns % 1)[None, :] < cells[np.ix_(rows.astype(int), columns.astype(int))]
        drawn = np.where(inked, ink, background)
        y, x = bottom - glyph.below - glyph.height, left + glyph.left
        page[y : y + glyph.height, x : x + glyph.width] = drawn
    for y, high, wide in ((bottom + gap, 20, 300), (bottom + gap + 40, 12, 420), (bottom + gap + 64, 12, 180)):
        # Letters: strokes with gaps.
        page[y : y + high, left + shift : left + shift + wide : 3] = ink
    if button:
        y = bottom + gap + 140
        page[y : y + button, left + column - 80 : left + column] = ink
    return page.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("glyph", GLYPHS)
@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("scale", [1, 2])
def test_every_drawing_of_chromium_is_recognised(glyph: Glyph, colours: tuple[int, int], scale: int) -> None:
    assert is_error_page(measure(draw(glyph, colours=colours, scale=scale)))


@pytest.mark.parametrize("glyph", GLYPHS)
def test_every_drawing_on_a_page_of_any_width_is_recognised(glyph: Glyph) -> None:
    for width, column, top in ((1920, 600, 0.14), (720, 600, 0.14), (640, 512, 0.14), (360, 312, 0.1)):
        page = draw(glyph, size=(width, 720), column=column, top=top)
        page[:, column + (width - column) // 2 :] = 235  # the drawn lines of text are longer than a narrow column
        assert is_error_page(measure(page)), width


def test_a_drawing_alone_is_recognised_as_a_failed_frame() -> None:
    page = np.full((360, 640), 220, np.uint8)
    page[150:192, 300:333] = draw()[PLACE]
    assert is_error_page(measure(page))


@pytest.mark.parametrize("glyph", GLYPHS)
def test_right_to_left_text_ends_where_the_place_of_the_drawing_ends(glyph: Glyph) -> None:
    page = draw(glyph)
    mirrored = page[:, ::-1].copy()
    place = np.s_[100:173, 340 : 340 + glyph.place]
    mirrored[100:173] = 235
    mirrored[100:173, 940 - glyph.place : 940] = page[place]
    assert is_error_page(measure(mirrored))


@pytest.mark.parametrize("column", [0, 1, 639])
def test_a_scroll_bar_hides_nothing(column: int) -> None:
    page = draw(size=(640, 720), column=592)
    page[:, column : column + 8] = 190
    assert is_error_page(measure(page))


def test_noise_of_an_encoder_hides_nothing() -> None:
    noise = np.random.default_rng(1).normal(0, 6, (720, 1280))
    for page in (draw(), draw(TRIANGLE_LIGHT)):
        page[124, 400:420] -= 40  # a line left over above the drawing
        assert is_error_page(measure(np.clip(page + noise, 0, 255).astype(np.uint8)))


@pytest.mark.parametrize(
    "changed",
    [
        {"shift": 40},
        {"column": 720},
        {"button": 0},
        {"button": 90},
        {"gap": 60},
        {"top": 0.2},
        {"size": (1000, 720), "column": 400},
    ],
    ids=str,
)
def test_a_sign_on_a_page_of_another_layout_is_none(changed: dict[str, int | float]) -> None:
    assert is_error_page(measure(draw(TRIANGLE_LIGHT)))
    assert not is_error_page(measure(draw(TRIANGLE_LIGHT, **changed)))  # type: ignore[arg-type]


def test_a_ring_without_its_mark_is_no_sign() -> None:
    page = draw(CIRCLE)
    assert is_error_page(measure(page))
    page[121:155, 360:392] = 235
    measures = measure(page)
    assert 0.85 < measures["sign"] < 0.94
    assert not is_error_page(measures)


def test_a_page_out_of_the_middle_with_a_sign_is_none() -> None:
    assert not is_error_page(measure(np.roll(draw(CLOCK_LIGHT), 100, axis=1)))


def test_chromium_s_drawing_inside_another_page_is_none() -> None:
    """An article that shows the drawing has its own heading above it, or text that does not stand at its edge."""
    page = draw()
    page[40:60, 340:700:3] = 90
    assert not is_error_page(measure(page))
    assert not is_error_page(measure(draw(shift=60)))


@pytest.mark.parametrize("rows", [slice(0, 14), slice(14, 28), slice(28, 42)])
def test_a_drawing_without_one_of_its_parts_is_none(rows: slice) -> None:
    page = draw()
    page[PLACE][rows] = 235
    assert not is_error_page(measure(page))


@pytest.mark.parametrize(
    "page",
    [
        draw(None),
        np.full((720, 1280), 235, np.uint8),
        np.zeros((720, 1280), np.uint8),
        np.random.default_rng(2).integers(0, 256, (360, 640), np.uint8),
        np.tile(np.arange(1280, dtype=np.uint16) % 256, (720, 1)).astype(np.uint8),
        np.zeros((0, 0), np.uint8),
        np.full((8, 4096), 235, np.uint8),
        np.full((64, 64), 235, np.uint8),
    ],
    ids=["no drawing", "white", "black", "noise", "gradient", "nothing", "flat", "small"],
)
def test_other_pictures_are_none_and_raise_nothing(page: Luma) -> None:
    assert not is_error_page(measure(page))


def test_what_was_not_measured_is_no_error_page() -> None:
    assert not is_error_page({})
    assert not is_error_page({"plain": 1.0, "sign": 1.0})
    whole = measure(draw(TRIANGLE_LIGHT))
    for name in set(whole) - {"plain", "sign"}:
        assert not is_error_page({key: value for key, value in whole.items() if key != name}), name


def test_a_sample_of_an_error_page_is_a_bad_picture() -> None:
    facts = {
        "low": 90,
        "high": 235,
        "mean": 230.0,
        "entropy": 0.6,
        "hash": "00",
        "sizes": [[1280, 720]],
        "judged": [{}],
    }
    facts["judged"] = [dict(facts)]
    assert look_of(facts) is Look.FINE
    sample = read_sample({**facts, "error_page": measure(draw())})
    assert (sample.look, sample.bad_picture) == (Look.ERROR_PAGE, True)
