"""The oracle itself: what FFmpeg sees of damages whose size is known, and that its bounds tell noise from loss."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.oracle.bases import RECIPES, base, encode
from tests.oracle.draft import Draft
from tests.oracle.loss import (
    CODED_FRAME,
    PICTURE_BOUND,
    SOUND_BOUND,
    Line,
    Loss,
    difference,
    lost_pictures,
    lost_sound,
    sound_difference,
    unstretched,
)
from tests.oracle.player import play_bytes
from tests.oracle.watching import lost, places, watched

PLAIN, SCROLL = 0, 1
SECONDS = 8
SHIFTS = (1, 2, 3, 5, 7, 11, 13, 35, 55, 77, 91, 143)


def loss_of(change: Callable[[dict[str, bytes], list[str]], object]) -> Loss:
    """The loss of the plain recording after a change."""
    made = base(PLAIN)
    objects = dict(made.objects)
    change(objects, made.slices)
    return lost(PLAIN, objects, places(made))


def test_a_slice_that_is_gone_costs_its_length() -> None:
    loss = loss_of(lambda objects, slices: objects.pop(slices[3]))
    assert loss.slice_picture == pytest.approx(8, abs=0.01)
    assert loss.slice_sound == pytest.approx(8, abs=0.1)


def test_two_slices_that_changed_places_cost_both() -> None:
    def swap(objects: dict[str, bytes], slices: list[str]) -> None:
        objects[slices[2]], objects[slices[5]] = objects[slices[5]], objects[slices[2]]

    loss = loss_of(swap)
    assert (loss.slice_picture, loss.slice_sound) == pytest.approx((16, 16), abs=0.1)


def test_the_head_of_a_slice_that_is_cut_off_does_not_move_the_rest() -> None:
    def cut(objects: dict[str, bytes], slices: list[str]) -> None:
        objects[slices[4]] = objects[slices[4]][188 * 1000 :]

    assert 2 < loss_of(cut).slice_picture < 6


def test_an_entry_left_out_of_the_playlist_costs_its_slice_and_the_clock() -> None:
    def drop(objects: dict[str, bytes], slices: list[str]) -> None:
        key = base(PLAIN).playlist
        lines = objects[key].decode().splitlines()
        at = lines.index(slices[3].rpartition("/")[2])
        objects[key] = "\n".join(lines[: at - 1] + lines[at + 1 :]).encode()

    loss = loss_of(drop)
    assert (loss.slice_picture, loss.slice_sound, loss.slice_clock) == pytest.approx((8, 8, 8), abs=0.1)


def test_no_playlist_costs_everything() -> None:
    assert loss_of(lambda objects, _: objects.pop(base(PLAIN).playlist)).slice_picture == pytest.approx(64)


def test_a_wrong_duration_costs_the_clock_and_no_picture() -> None:
    def change(objects: dict[str, bytes], _: list[str]) -> None:
        key = base(PLAIN).playlist
        objects[key] = objects[key].replace(b"#EXTINF:8.000000", b"#EXTINF:15.000000", 1)

    loss = loss_of(change)
    assert (loss.slice_picture, loss.slice_sound, loss.slice_clock) == pytest.approx((0, 0, 7), abs=0.01)


def test_wrong_durations_whose_sum_is_right_cost_the_clock_too() -> None:
    """A player that seeks by EXTINF shows the slice of another instant."""

    def change(objects: dict[str, bytes], _: list[str]) -> None:
        key = base(PLAIN).playlist
        head, first = objects[key].split(b"#EXTINF:8.000000")[:2]
        rest = objects[key][len(head) + len(first) + 2 * len(b"#EXTINF:8.000000") :]
        objects[key] = head + b"#EXTINF:16.000000" + first + b"#EXTINF:0.000000" + rest

    loss = loss_of(change)
    assert (loss.slice_picture, loss.slice_sound, loss.slice_clock) == pytest.approx((0, 0, 8), abs=0.01)


@pytest.mark.parametrize("lost_box", [b"moov", b"mdat"])
def test_an_mp4_without_one_of_its_parts_costs_everything(lost_box: bytes) -> None:
    def change(objects: dict[str, bytes], _: list[str]) -> None:
        key = base(PLAIN).mp4 or ""
        at = objects[key].index(lost_box)
        end = len(objects[key]) if lost_box == b"moov" else at + 4 + 3_000_000
        objects[key] = objects[key][: at + 4] + bytes(end - at - 4) + objects[key][end:]

    loss = loss_of(change)
    assert min(loss.mp4_picture, loss.mp4_sound) > 50
    assert loss.slice_picture == loss.slice_sound == 0


@pytest.mark.parametrize("number", [0, 1], ids=["tiles", "scroll"])
def test_encoder_noise_never_exceeds_the_bound(number: int, tmp_path: Path) -> None:
    recipe = RECIPES[number]
    lines = []
    for name, x264 in (("fine", recipe.x264), ("coarse", "keyint=100:bframes=3:crf=33")):
        encode(recipe, tmp_path / f"{name}.mp4", 1, SECONDS, x264=x264)
        lines.append(unstretched(play_bytes((tmp_path / f"{name}.mp4").read_bytes(), "mov"), SECONDS))
    fine, coarse = lines
    assert len(fine.at) == len(coarse.at) == recipe.fps * SECONDS
    assert difference(fine.pictures, coarse.pictures).max() < PICTURE_BOUND
    assert (lost_pictures(fine, coarse), lost_sound(fine, coarse)) == (0, 0)


@pytest.mark.parametrize(
    "number",
    [pytest.param(number, id=one.name, marks=[] if number in (0, 6) else pytest.mark.proof)
     for number, one in enumerate(RECIPES)],
)  # fmt: skip
def test_another_instant_always_exceeds_the_bound(number: int) -> None:
    line: Line = watched(number).line
    assert len(line.at) == RECIPES[number].fps * 64
    for shift in SHIFTS:
        assert difference(line.pictures[shift:], line.pictures[:-shift]).min() > 2 * PICTURE_BOUND, shift
    heard = slice(60, 3100)
    for shift in (1, 2, 5, 50, 400, 800):
        assert np.min(sound_difference(line, line, shift=shift)[heard]) > SOUND_BOUND, shift


@pytest.mark.parametrize(("moved", "lost_seconds"), [(0, 0), (CODED_FRAME, 0), (-CODED_FRAME, 0), (2048, 64)])
def test_sound_that_is_one_coded_frame_early_or_late_as_a_whole_loses_nothing(moved: int, lost_seconds: float) -> None:
    line = watched(PLAIN).line
    assert lost_sound(line, replace(line, sound=np.roll(line.sound, moved))) == pytest.approx(lost_seconds, abs=1)


def test_sound_that_is_one_coded_frame_late_for_a_while_is_lost_for_that_while() -> None:
    line = watched(PLAIN).line
    sound = line.sound.copy()
    while_late = slice(10 * line.rate, 20 * line.rate)
    sound[while_late] = np.roll(line.sound, CODED_FRAME)[while_late]
    assert lost_sound(line, replace(line, sound=sound)) == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize(("moved_seconds", "lost_seconds"), [(0.08, 0), (-0.08, 0), (0.12, 64)])
def test_pictures_that_a_viewer_accepts_early_or_late_as_a_whole_are_kept(
    moved_seconds: float, lost_seconds: float
) -> None:
    line = watched(SCROLL).line
    moved = replace(line, at=line.at + moved_seconds)
    assert lost_pictures(line, moved) == pytest.approx(lost_seconds, abs=1)


def test_pictures_that_are_late_for_a_while_are_lost_for_that_while() -> None:
    line = watched(SCROLL).line
    at = line.at + np.where((line.at > 10) & (line.at < 20), 0.08, 0)
    assert lost_pictures(line, replace(line, at=at)) == pytest.approx(10, abs=0.5)


def test_a_draft_leaves_the_untouched_recording_as_it_is() -> None:
    from random import Random

    draft = Draft.of(PLAIN, Random(1))
    draft.write(draft.made.slices[0], b"", "empty")
    assert base(PLAIN).objects[draft.made.slices[0]]
