"""Level "full": what every packet and every picture of the slices say, and what is lost between them.

A recorder's own habits are the measure: how long its sound lasts against its picture, and how its slices join. What
one slice does otherwise than all the rest, something happened to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from service.media.findings import Evidence
from service.media.mpegts import TICKS
from service.media.pieces import Piece, joined
from service.media.structure import judge_length
from service.media.verdict import Judgement

# Half a frame of sound at 48 kHz; nothing shorter can be lost.
_LOST_SECONDS = 0.0107
_WRAP_SECONDS = (1 << 33) / TICKS


@dataclass(frozen=True, slots=True)
class Whole:
    """What was measured in a whole slice. Instants are seconds of its own clock; None where there is no such stream."""

    broken: int = 0
    lost: int = 0
    damaged: int = 0
    step_seconds: float = 0.0
    picture: tuple[float, float] | None = None
    sound: tuple[float, float] | None = None

    @property
    def seconds(self) -> float | None:
        """How long the longer of its streams is."""
        spans = [end - begin for begin, end in filter(None, (self.picture, self.sound))]
        return max(spans, default=None)


def read_whole(facts: Mapping[str, Any]) -> Whole:
    """What the decoder measured."""
    return Whole(
        broken=sum(facts.get(name, 0) for name in ("unsynced", "marked", "scrambled")),
        lost=facts.get("lost", 0) + facts.get("unfinished", 0),
        damaged=facts.get("damaged", 0) + facts.get("sound_damaged", 0),
        step_seconds=facts.get("step_seconds", 0.0),
        picture=_span(facts, "picture"),
        sound=_span(facts, "sound"),
    )


def _span(facts: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    return (facts[f"{name}_from"], facts[f"{name}_to"]) if f"{name}_from" in facts else None


def judge_slices(judgement: Judgement, slices: Mapping[int, Whole]) -> None:
    """Judge every slice by itself, and how each joins the next."""
    for index in sorted(slices):
        _judge_slice(judgement, judgement.pieces[index], slices[index])
    for name in ("sound", "picture"):
        steps = dict(_steps(judgement, slices, name))
        usual = median(steps.values()) if steps else 0.0
        for index, step in steps.items():
            beyond = step - usual
            if beyond > max(_LOST_SECONDS, slices[index].step_seconds * 0.6 if name == "picture" else 0.0):
                key = judgement.pieces[index].key
                text = f"{beyond * 1000:.0f} ms of {name} are missing between {key} and the next slice."
                evidence: Evidence = {"seconds": round(beyond, 4), "stream": name}
                judgement.findings.add("media_lost", text, key=key, evidence=evidence)


def _judge_slice(judgement: Judgement, piece: Piece, whole: Whole) -> None:
    findings, final = judgement.findings, judgement.final[piece.run]
    if whole.broken:
        text = f"{whole.broken} packets of the slice {piece.key} are no sound packets."
        findings.add("slice_broken", text, key=piece.key, final=final, evidence={"packets": whole.broken})
    if whole.lost:
        text = f"Packets of the slice {piece.key} are missing in {whole.lost} places."
        findings.add("packets_lost", text, key=piece.key, final=final, evidence={"places": whole.lost})
    if whole.damaged:
        text = f"{whole.damaged} pictures or sounds of the slice {piece.key} are damaged."
        findings.add("picture_damaged", text, key=piece.key, evidence={"frames": whole.damaged})
    if whole.seconds is not None:
        judge_length(judgement, piece, whole.seconds, whole.step_seconds)


def _steps(judgement: Judgement, slices: Mapping[int, Whole], name: str) -> Iterator[tuple[int, float]]:
    """Seconds between the end of a stream in a slice and its beginning in the next, where nothing interrupted it."""
    pieces = judgement.pieces
    for index in sorted(slices):
        one, other = slices[index], slices.get(index + 1)
        if other is None or not joined(pieces[index], pieces[index + 1]):
            continue
        span, following = getattr(one, name), getattr(other, name)
        if span is not None and following is not None:
            step = (following[0] - span[1] + _WRAP_SECONDS / 2) % _WRAP_SECONDS - _WRAP_SECONDS / 2
            if abs(step) < 1:
                yield index, step
