"""Chromium's own error pages are known in every form, and pages of sites are never taken for one.

The truth is drawn by the real Chromium and encoded by libx264.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import av
import pytest
from browser_rig import Site
from error_rig import (
    KINDS,
    SIZES,
    TEXTS,
    View,
    crashed,
    encoded,
    failing_servers,
    innocent_pages,
    luma_of,
    open_error,
    open_page,
    set_dark,
    take,
    translate,
    variants,
)

from emulator.browser.chromium import Chromium, Look, launch
from service.media.pictures.error_page import is_error_page, measure
from service.media.pictures.measures import Look as Seen
from service.media.pictures.measures import read_sample
from service.verifier.decoding.process import Decoder

USUAL = ("refused", "unknown_host", "certificate", "http_502", "frame")
SCALE = float(os.environ.get("PROOF_SCALE", "1"))
EVERY = [View(*size, scale, dark) for size in SIZES for scale in (1, 2) for dark in (False, True)]


def unlike(name: str, frame: av.VideoFrame, *, error: bool) -> list[str]:
    """The forms of a picture that are judged wrongly, with what was measured."""
    found = []
    for form, luma in variants(frame):
        measures = measure(luma)
        if is_error_page(measures) is not error:
            found.append(f"{name} {form}: { ({key: round(value, 2) for key, value in measures.items()}) }")
    return found


async def wrong_of(
    chromium: Chromium, kind: str, url: str, views: Iterable[View], language: str | None = None
) -> list[str]:
    """What is judged wrongly of an error page of that kind."""
    tab = await chromium.open_tab()
    await open_error(tab, kind, url)
    if language is not None:
        await translate(tab, language)
    found = []
    for view in views:
        frame = await take(tab, view)
        found += await asyncio.to_thread(unlike, f"{kind} {view} {language}", frame, error=True)
    await tab.close()
    return found


async def test_the_usual_error_pages_are_recognised(home: Path, tmp_path: Path) -> None:
    async with failing_servers(tmp_path) as urls, launch(home, Look(1280, 720)) as chromium:
        wrong = []
        for number, kind in enumerate(USUAL):
            wrong += await wrong_of(chromium, kind, urls[kind], [View(*SIZES[number], dark=bool(number % 2))])
        wrong += await wrong_of(chromium, "refused", urls["refused"], [View(640, 360, 2)], "ar")
    assert wrong == []


async def test_a_crashed_page_is_recognised(home: Path) -> None:
    frame = await crashed(home, View(640, 360))
    assert unlike("crashed", frame, error=True) == []


async def test_pages_of_sites_are_not_taken_for_error_pages(home: Path, site: Site) -> None:
    """Each page once, in one of the sizes."""
    pages = innocent_pages(site)
    assert len(pages) >= 60
    wrong = []
    async with launch(home, Look(1280, 720)) as chromium:
        tab = await chromium.open_tab()
        for number, (name, url) in enumerate(pages.items()):
            await open_page(tab, url)
            frame = await take(tab, View(*SIZES[number % len(SIZES)]))
            measures = measure(luma_of(frame))
            if is_error_page(measures):
                wrong.append((name, measures))
    assert wrong == []


ASKED = {
    "sample": {"cut": False, "sets": ""},
    "whole": {"known": [], "sets": "", "begins": True, "ends": True, "context": False, "units": False},
}


@pytest.mark.parametrize("job", ASKED)
async def test_the_decoder_sees_an_error_page_in_a_slice(home: Path, tmp_path: Path, job: str) -> None:
    async with failing_servers(tmp_path) as urls, launch(home, Look(640, 360)) as chromium:
        tab = await chromium.open_tab()
        await open_error(tab, "refused", urls["refused"])
        frame = await take(tab, View(640, 360))
    content = BytesIO()
    with av.open(content, "w", format="mpegts") as slice_:
        stream = slice_.add_stream("libx264", rate=15, width=640, height=360, pix_fmt="yuv420p")
        for number in range(8):
            frame.pts = number
            slice_.mux(stream.encode(frame))
        slice_.mux(stream.encode(None))
    async with Decoder() as decoder:
        facts, _ = await decoder.run(job, content.getvalue(), **ASKED[job])
    assert read_sample(facts.get("own", facts)).look is Seen.ERROR_PAGE


@pytest.mark.proof
@pytest.mark.parametrize("kind", KINDS)
async def test_every_error_page_is_recognised_in_every_form(home: Path, tmp_path: Path, kind: str) -> None:
    """In all sizes, scales and colours, and in other languages."""
    step = max(1, round(1 / SCALE))
    async with failing_servers(tmp_path) as urls, launch(home, Look(1280, 720)) as chromium:
        wrong = await wrong_of(chromium, kind, urls[kind], EVERY[:: min(step, 7)])
        for language in TEXTS:
            wrong += await wrong_of(chromium, kind, urls[kind], [View(*size) for size in SIZES[::step]], language)
    assert wrong == []


@pytest.mark.proof
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_a_crashed_page_is_recognised_in_every_form(home: Path, scale: int, dark: bool) -> None:
    wrong = []
    for size in SIZES:
        view = View(*size, scale, dark)
        wrong += unlike(f"crashed {view}", await crashed(home, view), error=True)
    assert wrong == []


@pytest.mark.proof
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_pages_of_sites_are_never_taken_for_error_pages(home: Path, site: Site, dark: bool) -> None:
    """In all sizes, in their own colours and in those that Chromium makes of them for the dark."""
    wrong = []
    step = max(1, round(1 / SCALE))
    async with launch(home, Look(1280, 720)) as chromium:
        tab = await chromium.open_tab()
        await set_dark(tab, dark)
        for number, (name, url) in enumerate(innocent_pages(site).items()):
            await open_page(tab, url)
            for size in SIZES[number % step :: step]:
                frame = await take(tab, View(*size))
                wrong += await asyncio.to_thread(unlike, f"{name} {size}", frame, error=False)
    assert wrong == []


async def test_encoding_keeps_size_and_brightness_of_a_picture() -> None:
    """The rig's own encoder is what the other tests rely on."""
    frame = av.VideoFrame(640, 360, "gray").reformat(format="yuv420p")
    again = encoded(frame, crf="35")
    assert (again.width, again.height) == (640, 360)
    assert abs(float(luma_of(again).mean()) - float(luma_of(frame).mean())) < 2
