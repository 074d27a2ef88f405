"""Evaluates pictures and audio, by samples or by every slice.

One bad sample proves little, because a page may be white while it loads, and a speaker may pause. Findings therefore
cover stretches, whose bounds are found by sampling neighbours and by bisection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.media.findings import Evidence, Findings
from service.media.listing.rules import Listed
from service.media.pictures.measures import SILENCE_PROVEN_SECONDS, Look, Sample
from service.media.sampling import stretches
from service.media.ts.slices import SliceFacts
from service.report import Interval, Severity

SILENT_SECONDS = 60.0
STATIC_SECONDS = 60.0

_SHOWN = {
    Look.BLACK: ("picture_black", "The picture is black"),
    Look.WHITE: ("picture_white", "The picture is white"),
    Look.BLANK: ("picture_blank", "The picture is blank"),
    Look.ERROR_PAGE: ("picture_error_page", "The picture shows a browser error page"),
}


@dataclass(frozen=True, slots=True)
class _Stretch:
    first: int
    last: int
    interval: Interval
    seconds: float


def judge_samples(
    findings: Findings, listed: Listed, samples: Mapping[int, Sample], slices: Mapping[int, SliceFacts]
) -> None:
    """Evaluate the decoded samples of the slices with these indexes."""
    rules = _Rules(findings, listed, samples)
    rules.judge_decoding(audible=any(one.has_audio for one in slices.values()))
    rules.judge_pictures()
    rules.judge_sound()
    rules.judge_static()
    rules.judge_form()


def blank_seconds(listed: Listed, samples: Mapping[int, Sample]) -> float:
    """Return the seconds of blank picture in the samples. Time between two samples does not count, because it was not
    decoded."""
    return sum(one.blank_share * listed.pieces[index].seconds for index, one in samples.items())


def blank_stretches(samples: Mapping[int, Sample]) -> list[tuple[int, int]]:
    """Return (first, last) of each run of blank samples with no other picture between them."""
    return stretches({index: one.bad_picture for index, one in samples.items() if one.look is not Look.NONE})


def judge_looks(
    findings: Findings, listed: Listed, looks: Mapping[str, Sequence[tuple[float, Look]]], *, final: bool
) -> None:
    """Evaluate the decoded key pictures of MP4 files (by key), each with the seconds it represents."""
    for key, seen in looks.items():
        bad = [(seconds, look) for seconds, look in seen if look in _SHOWN]
        total = sum(seconds for seconds, _ in bad)
        if not bad:
            continue
        kinds = {look for _, look in bad}
        code, words = _SHOWN[kinds.pop() if len(kinds) == 1 else Look.BLANK]
        findings.add(
            code,
            f"{words} in {len(bad)} key pictures of the MP4 file {key}.",
            key=key,
            severity=None if total > listed.expected.policy.blank_seconds else Severity.WARNING,
            final=final,
            evidence={"seconds": round(total, 3)},
        )


class _Rules:
    def __init__(self, findings: Findings, listed: Listed, samples: Mapping[int, Sample]) -> None:
        self._findings = findings
        self._listed = listed
        self._all = samples
        self._seen = {index: one for index, one in samples.items() if one.look is not Look.NONE}

    def judge_decoding(self, *, audible: bool) -> None:
        for index in sorted(self._all):
            one, key = self._all[index], self._listed.pieces[index].key
            if one.look is Look.NONE:
                self._findings.add("picture_undecodable", f"No picture of {key} can be decoded.", key=key)
            elif audible and one.silent is None:
                self._findings.add("sound_undecodable", f"No sound of {key} can be decoded.", key=key)
            if one.damaged:
                text = f"{one.damaged} video or audio frames of the slice {key} are damaged."
                self._findings.add("picture_damaged", text, key=key, evidence={"frames": one.damaged})

    def judge_pictures(self) -> None:
        samples, listed = self._seen, self._listed
        beyond = blank_seconds(listed, samples) > listed.expected.policy.blank_seconds
        for first, last in blank_stretches(samples):
            one = _stretch(listed, first, last)
            looks = {samples[index].look for index in samples if first <= index <= last}
            code, words = _SHOWN[looks.pop() if len(looks) == 1 else Look.BLANK]
            piece = listed.pieces[first]
            self._findings.add(
                code,
                f"{words} for about {one.seconds:.0f} s from {piece.key} on.",
                key=piece.key,
                interval=one.interval,
                severity=None if beyond else Severity.WARNING,
                final=listed.final[piece.run],
                evidence={"seconds": round(one.seconds, 3)},
            )

    def judge_sound(self) -> None:
        if self._listed.expected.sound is False:
            return
        samples = {index: one for index, one in self._all.items() if one.silent is not None}
        if samples and all(one.silent for one in samples.values()):
            if sum(one.heard_seconds for one in samples.values()) < SILENCE_PROVEN_SECONDS:
                return
            text = f"None of the {len(samples)} sampled slices contains sound."
            self._findings.add("sound_silent", text, evidence={"samples": len(samples)})
            return
        for first, last in stretches({index: bool(one.silent) for index, one in samples.items()}):
            one = _stretch(self._listed, first, last)
            if one.seconds >= SILENT_SECONDS:
                self._note("sound_silent", f"There is no sound for about {one.seconds:.0f} s", one)

    def judge_static(self) -> None:
        """Note stretches of an unchanging picture. This is only a note, because a slide is legitimate."""
        samples = self._seen
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
                stretch = _stretch(self._listed, start, last)
                if stretch.seconds >= STATIC_SECONDS and samples[last].look is Look.FINE:
                    self._note(
                        "picture_static", f"The picture does not change for about {stretch.seconds:.0f} s", stretch
                    )
                start = start if until is None else until

    def judge_form(self) -> None:
        expected = self._listed.expected
        for index in sorted(self._seen):
            one, key = self._seen[index], self._listed.pieces[index].key
            for size in one.sizes:
                if expected.size is not None and size != expected.size:
                    wanted = f"{expected.size[0]} × {expected.size[1]}"
                    text = f"The picture of {key} is {size[0]} × {size[1]}, instead of the requested {wanted}."
                    evidence: Evidence = {"width": size[0], "height": size[1]}
                    self._findings.add("size_unexpected", text, key=key, evidence=evidence)
            if expected.channels is not None and one.channels is not None and one.channels != expected.channels:
                text = f"The sound of {key} has {one.channels} channels instead of the requested {expected.channels}."
                self._findings.add("channels_unexpected", text, key=key, evidence={"channels": one.channels})

    def _note(self, code: str, words: str, stretch: "_Stretch") -> None:
        key = self._listed.pieces[stretch.first].key
        evidence: Evidence = {"seconds": round(stretch.seconds, 3)}
        self._findings.add(code, f"{words} from {key} on.", key=key, interval=stretch.interval, evidence=evidence)


def _stretch(listed: Listed, first: int, last: int) -> _Stretch:
    pieces = listed.pieces[first : last + 1]
    until = pieces[-1].starts_at + pieces[-1].seconds
    return _Stretch(first, last, Interval(pieces[0].starts_at, until), sum(piece.seconds for piece in pieces))
