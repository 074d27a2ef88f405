"""Levels "content" and "full": what the pictures show and whether there is sound, by samples or by every slice.

One bad sample proves little: a page may be white while it loads, a speaker may pause. So what is reported are
stretches, found by looking at the neighbours and by halving.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from service.media.findings import Evidence
from service.media.pictures import Look, Sample
from service.media.sampling import stretches
from service.media.verdict import Judgement
from service.report import Interval, Severity

SILENT_SECONDS = 60.0
STATIC_SECONDS = 60.0

_SHOWN = {
    Look.BLACK: ("picture_black", "The picture is black"),
    Look.WHITE: ("picture_white", "The picture is white"),
    Look.BLANK: ("picture_blank", "The picture has one colour"),
}


@dataclass(frozen=True, slots=True)
class _Stretch:
    first: int
    last: int
    interval: Interval
    seconds: float


def judge_samples(judgement: Judgement, samples: Mapping[int, Sample], *, audible: bool) -> None:
    """Judge what was seen and heard in the slices of these indexes. `audible`: the slices have a sound track."""
    _judge_decoding(judgement, samples, audible=audible)
    decoded = {index: one for index, one in samples.items() if one.failed is None and one.look is not Look.NONE}
    _judge_pictures(judgement, decoded)
    _judge_sound(judgement, {index: one for index, one in samples.items() if one.silent is not None})
    _judge_static(judgement, decoded)
    _judge_form(judgement, decoded)


def _judge_decoding(judgement: Judgement, samples: Mapping[int, Sample], *, audible: bool) -> None:
    for index in sorted(samples):
        one, piece = samples[index], judgement.pieces[index]
        final = judgement.final[piece.run]
        if one.failed is not None:
            text = f"The decoder gave up on {piece.key}: {one.failed}."
            judgement.findings.add("decoder_gave_up", text, key=piece.key)
        elif one.look is Look.NONE:
            text = f"No picture of {piece.key} can be decoded."
            judgement.findings.add("picture_undecodable", text, key=piece.key, final=final)
        elif audible and one.silent is None:
            text = f"No sound of {piece.key} can be decoded."
            judgement.findings.add("sound_undecodable", text, key=piece.key)


def _judge_pictures(judgement: Judgement, samples: Mapping[int, Sample]) -> None:
    found = _stretches(judgement, samples, lambda one: one.bad_picture)
    total = sum(one.seconds for one in found)
    severity = None if total > judgement.expected.policy.blank_seconds else Severity.WARNING
    for one in found:
        looks = {samples[index].look for index in samples if one.first <= index <= one.last}
        code, words = _SHOWN[looks.pop() if len(looks) == 1 else Look.BLANK]
        piece = judgement.pieces[one.first]
        judgement.findings.add(
            code,
            f"{words} for about {one.seconds:.0f} s from {piece.key} on.",
            key=piece.key,
            interval=one.interval,
            severity=severity,
            final=judgement.final[piece.run],
            evidence={"seconds": round(one.seconds, 3)},
        )


def _judge_sound(judgement: Judgement, samples: Mapping[int, Sample]) -> None:
    if samples and all(one.silent for one in samples.values()):
        text = f"There is no sound in any of the {len(samples)} slices listened to."
        judgement.findings.add("sound_silent", text, evidence={"samples": len(samples)})
        return
    for one in _stretches(judgement, samples, lambda sample: bool(sample.silent)):
        if one.seconds >= SILENT_SECONDS:
            _note(judgement, "sound_silent", f"There is no sound for about {one.seconds:.0f} s", one)


def _judge_static(judgement: Judgement, samples: Mapping[int, Sample]) -> None:
    """The same picture from sample to sample. A slide is legal, so this is a note."""
    order = sorted(samples)
    same = {index: samples[index].still for index in order}
    for one, other in pairwise(order):
        if samples[one].print_ == samples[other].print_ and samples[other].look is Look.FINE:
            same[one] = same[other] = True
    for begin, end in stretches(same):
        row = [index for index in order if begin <= index <= end]
        start = row[0]
        changes = [other for one, other in pairwise(row) if samples[one].print_ != samples[other].print_]
        for until in (*changes, None):
            last = row[-1] if until is None else row[row.index(until) - 1]
            stretch = _stretch(judgement, start, last)
            if stretch.seconds >= STATIC_SECONDS and samples[last].look is Look.FINE:
                _note(judgement, "picture_static", f"Nothing moves for about {stretch.seconds:.0f} s", stretch)
            start = start if until is None else until


def _judge_form(judgement: Judgement, samples: Mapping[int, Sample]) -> None:
    expected = judgement.expected
    for index in sorted(samples):
        one, key = samples[index], judgement.pieces[index].key
        if expected.size is not None and one.size is not None and one.size != expected.size:
            width, height = one.size
            text = f"The picture of {key} is {width} × {height}, not {expected.size[0]} × {expected.size[1]} as asked."
            evidence: Evidence = {"width": width, "height": height}
            judgement.findings.add("size_unexpected", text, key=key, evidence=evidence)
        if expected.channels is not None and one.channels is not None and one.channels != expected.channels:
            text = f"The sound of {key} has {one.channels} channels, not {expected.channels} as asked."
            judgement.findings.add("channels_unexpected", text, key=key, evidence={"channels": one.channels})


def _note(judgement: Judgement, code: str, words: str, stretch: _Stretch) -> None:
    key = judgement.pieces[stretch.first].key
    evidence: Evidence = {"seconds": round(stretch.seconds, 3)}
    text = f"{words} from {key} on."
    judgement.findings.add(code, text, key=key, interval=stretch.interval, evidence=evidence)


def _stretches(judgement: Judgement, samples: Mapping[int, Sample], bad: Callable[[Sample], bool]) -> list[_Stretch]:
    found = stretches({index: bad(one) for index, one in samples.items()})
    return [_stretch(judgement, first, last) for first, last in found]


def _stretch(judgement: Judgement, first: int, last: int) -> _Stretch:
    pieces = judgement.pieces[first : last + 1]
    until = pieces[-1].starts_at + pieces[-1].seconds
    return _Stretch(first, last, Interval(pieces[0].starts_at, until), sum(piece.seconds for piece in pieces))
