"""What the decoder says of single samples of an MP4 file: clean, made up, nothing."""

from random import Random

import numpy as np
import pytest
from corpus_mp4 import GOOD, good, walked

from service.decoder.mp4_samples import decode_group, decode_keys, decode_sound
from service.media.mp4 import PICTURE, SOUND
from service.media.mp4.keys import choose_keys, group_end, in_another_form, with_sounds_by_chance

SPOILS = {
    "zeros": lambda piece: bytes(len(piece)),
    "ones": lambda piece: b"\xff" * len(piece),
    "noise": lambda piece: Random(1).randbytes(len(piece)),
    "a second half of zeros": lambda piece: piece[: len(piece) // 2] + bytes(len(piece) - len(piece) // 2),
    "a second half of noise": lambda piece: (
        piece[: len(piece) // 2] + Random(1).randbytes(len(piece) - len(piece) // 2)
    ),
    "nothing": lambda piece: b"",
}


def pieces(form: str, handler: str, indexes: list[int]) -> tuple[bytes, list[bytes]]:
    content = good(form)
    track = walked(content)[0].track(handler)
    assert track is not None
    rows = zip(track.samples.offset[indexes].tolist(), track.samples.size[indexes].tolist(), strict=True)
    return track.config, [content[at : at + size] for at, size in rows]


@pytest.mark.parametrize("form", GOOD)
def test_keys_of_good_files_are_clean(form: str) -> None:
    track = walked(good(form))[0].track(PICTURE)
    assert track is not None
    config, samples = pieces(form, PICTURE, choose_keys(track.samples, 1, 5))
    for facts in decode_keys(config, samples, lambda frame: {"seen": frame.width}):
        assert facts["state"] == "clean"
        assert (facts["width"], facts["height"], facts["seen"]) == (192, 108, 192)


@pytest.mark.parametrize("name", SPOILS)
def test_a_spoilt_sample_is_never_clean(name: str) -> None:
    form = "B-frames and an edit list"
    track = walked(good(form))[0].track(PICTURE)
    assert track is not None
    end = group_end(track.samples, 0)
    config, samples = pieces(form, PICTURE, list(range(end)))
    assert decode_group(config, samples) == ["clean"] * end
    spoilt = [SPOILS[name](samples[0]), *samples[1:]]
    assert decode_keys(config, spoilt[:1], lambda frame: {})[0]["state"] != "clean"
    assert decode_group(config, spoilt)[0] != "clean"


@pytest.mark.parametrize("name", SPOILS)
def test_a_spoilt_sound_is_not_clean(name: str) -> None:
    config, samples = pieces("plain", SOUND, list(range(100)))
    whole = decode_sound(config, samples)
    assert whole["states"] == ["clean"] * 100
    assert (whole["rate"], whole["channels"], round(whole["seconds"], 2)) == (48000, 1, 2.13)
    spoilt = [*samples[:40], *(SPOILS[name](one) for one in samples[40:50]), *samples[50:]]
    states = decode_sound(config, spoilt)["states"]
    assert states[40:50].count("clean") <= 1
    assert states[:40] == ["clean"] * 40
    assert states[60:] == ["clean"] * 40


@pytest.mark.parametrize(("seed", "channels"), [(3673, 44), (4897, 2)])
def test_the_form_that_a_spoilt_sound_has_set_is_lost_sound_to_the_end(seed: int, channels: int) -> None:
    """Noise that says how many channels there are: FFmpeg's decoder believes it."""
    config, samples = pieces("plain", SOUND, list(range(30)))
    noise = [Random(seed * 10 + index).randbytes(len(samples[10 + index])) for index in range(4)]
    answer = decode_sound(config, [*samples[:4], *noise, *samples[20:]])
    assert answer["states"] == ["clean"] * 4 + ["none"] * 4 + ["clean"] * 10
    forms = [None if form is None else tuple(form) for form in answer["forms"]]
    assert forms == [(48000, 1)] * 4 + [None] * 4 + [(48000, channels)] * 10
    assert in_another_form(forms, {(48000, 1)}).tolist() == [False] * 8 + [True] * 10


def test_a_sound_that_says_its_form_again_ends_the_loss() -> None:
    forms = [(48000, 1), (48000, 2), None, (48000, 2), (48000, 1), None]
    assert in_another_form(forms, {(48000, 1)}).tolist() == [False, True, True, True, False, False]


def test_sounds_between_lost_ones_decode_by_chance_only_where_their_place_is_doubtful() -> None:
    lost = np.zeros(80, np.bool_)
    lost[[10, 12, 24, 40, 70, 79]] = True
    flagged = np.ones(80, np.bool_)
    flagged[20] = False
    found = np.flatnonzero(with_sounds_by_chance(lost, flagged)).tolist()
    assert found == [10, 11, 12, *range(13, 20), *range(21, 25), 40, *range(70, 80)]
    for few in (np.zeros(5, np.bool_), np.zeros(0, np.bool_), np.ones(1, np.bool_)):
        assert with_sounds_by_chance(few, few).tolist() == few.tolist()


def test_a_decoder_without_its_configuration_gives_nothing() -> None:
    config, samples = pieces("plain", PICTURE, [0, 1, 2])
    for broken in (b"", b"\0", config[:10], bytes(len(config))):
        assert "clean" not in decode_group(broken, samples)
        assert decode_keys(broken, samples[:1], lambda frame: {})[0]["state"] == "none"
