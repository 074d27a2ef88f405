"""Checks the MP4 files of one recorder by the time that a viewer loses.

All parts, all tracks and all facts about their samples enter one account. Its items are media that the tables lack
compared with the slices, samples that cannot be read, and samples that cannot be decoded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.media.findings import Evidence, Findings
from service.media.mp4.facts import PICTURE, SOUND, Flags, Mp4, Track
from service.media.mp4.times import (
    IN_STEP_SECONDS,
    Range,
    covered,
    delay_seconds,
    displaced,
    end_seconds,
    ends_at,
    holes,
    out_of_time,
    ranges_of,
    spoilt,
    stalls,
    unplaced,
)
from service.report import Severity

SLACK_SECONDS = 1.0
SLACK_SHARE = 0.001
_H264_BOXES = ("avc1", "avc3")
_WORDS = {PICTURE: "picture", SOUND: "sound"}


@dataclass(frozen=True, slots=True)
class SlicesHeld:
    """The contents of the slices of the same recorder. `spanned_seconds` includes the pauses between them. The other
    values are None if unknown: the seconds of picture and audio, the delay of the audio after the picture, and the
    durations of one picture and of one coded audio frame."""

    seconds_by_playlist: float
    spanned_seconds: float
    picture_seconds: float | None = None
    sound_seconds: float | None = None
    sound_delay_seconds: float | None = None
    picture_step_seconds: float | None = None
    sound_step_seconds: float | None = None

    def nearest(self, seconds: float) -> float:
        """Return the valid length closest to `seconds`. It is not known whether pauses are cut out of MP4 files."""
        return min((self.seconds_by_playlist, self.spanned_seconds), key=lambda one: abs(one - seconds))

    def of(self, handler: str) -> float | None:
        return self.picture_seconds if handler == PICTURE else self.sound_seconds

    def step(self, handler: str) -> float | None:
        return self.picture_step_seconds if handler == PICTURE else self.sound_step_seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """The reference values for the files. `audible` is true if slices of the recording contain audio, `mute` if no
    audio was requested, `whole` if no part of the recorder is missing, and `final` if the objects no longer change."""

    allowed_seconds: float
    size: tuple[int, int] | None = None
    audible: bool = True
    mute: bool = False
    whole: bool = True
    final: bool = True


# For each file (by key) and kind of track: the samples that were read but cannot be decoded.
Undecodable = Mapping[str, Mapping[str, Flags]]


@dataclass(frozen=True, slots=True)
class _Part:
    """One readable file. `ends` is the end of the track by kind, and `lost` are the lost stretches by kind. Both are in
    seconds of the file."""

    key: str
    facts: Mp4
    ends: Mapping[str, float]
    lost: Mapping[str, list[Range]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return max(self.ends.values(), default=0.0)


def judge_mp4s(
    findings: Findings, files: Mapping[str, Mp4], held: SlicesHeld, asked: Asked, undecodable: Undecodable | None = None
) -> float:
    """Check the files of one recorder, by key and in the order of their parts. Return the lost seconds."""
    parts = []
    for key, facts in files.items():
        if facts.could_not_read is not None:
            findings.add("mp4_unread", f"The MP4 file {key} was not read: {facts.could_not_read}.", key=key)
        elif facts.fault is not None:
            text = f"The MP4 file {key} cannot be played: {facts.fault}."
            findings.add("mp4_broken", text, key=key, final=asked.final)
        else:
            _judge_form(findings, key, facts, asked)
            alone = held if len(files) == 1 and asked.whole else None
            parts.append(_measure(key, facts, (undecodable or {}).get(key, {}), alone, asked))
    complete = asked.whole and len(parts) == len(files)
    return _judge_time(findings, parts, held, asked, complete=complete)


def judge_other(findings: Findings, key: str, facts: Mp4, other: Mapping[str, Flags], asked: Asked) -> None:
    """Check the samples of a file that differ from the slices although both are one coded stream. At least one of two
    contradicting versions was not recorded."""
    for handler, flags in other.items():
        track = facts.track(handler)
        seconds = 0.0 if track is None else covered(ranges_of(track, flags))
        if seconds > 0:
            text = f"{seconds:.1f} s of {_WORDS[handler]} in the MP4 file {key} differ from the slices."
            severity = None if seconds > asked.allowed_seconds else Severity.WARNING
            evidence: Evidence = {"seconds": round(seconds, 3), "stream": _WORDS[handler]}
            findings.add("mp4_contradicts", text, key=key, severity=severity, final=asked.final, evidence=evidence)


# --- form ------------------------------------------------------------------------------------------------------------


def _judge_form(findings: Findings, key: str, facts: Mp4, asked: Asked) -> None:
    if facts.fragmented:
        findings.add("mp4_fragmented", f"The MP4 file {key} is fragmented.", key=key)
    for note in facts.notes:
        findings.add("mp4_differs", f"The MP4 file {key} is unusual: {note}.", key=key, severity=Severity.NOTE)
    for damage in (*facts.damage, *(one for track in facts.tracks for one in track.damage)):
        text = f"The MP4 file {key} contradicts itself: {damage}."
        findings.add("mp4_damaged", text, key=key, severity=Severity.WARNING)
    for handler, what in _WORDS.items():
        _judge_presence(findings, key, facts, handler, what, asked)
    for track in facts.tracks:
        if track.handler in _WORDS:
            _judge_codec(findings, key, track, asked)


def _judge_presence(findings: Findings, key: str, facts: Mp4, handler: str, what: str, asked: Asked) -> None:
    tracks = [track for track in facts.tracks if track.handler == handler]
    usable = [track for track in tracks if track.fault is None and len(track.samples)]
    if usable:
        return
    lighter = Severity.WARNING if handler == SOUND and not asked.audible else None
    for track in tracks:
        if track.fault is not None:
            text = f"The track of {what} in the MP4 file {key} cannot be played: {track.fault}."
            findings.add("mp4_broken", text, key=key, severity=lighter, final=asked.final)
            return
    if lighter is not None and asked.mute:
        lighter = Severity.NOTE
    text = f"The MP4 file {key} has no track of {what}."
    if tracks:
        text = f"The track of {what} in the MP4 file {key} is empty."
    findings.add("mp4_track_absent", text, key=key, severity=lighter, final=asked.final)


def _judge_codec(findings: Findings, key: str, track: Track, asked: Asked) -> None:
    if track.codec not in (_H264_BOXES if track.handler == PICTURE else ("mp4a",)):
        text = f"The MP4 file {key} is not H.264 with AAC: it contains {track.codec!r}."
        findings.add("codec_unexpected", text, key=key)
    if track.handler == PICTURE and asked.size is not None and (track.width, track.height) != asked.size:
        width, height = asked.size
        text = f"The picture of {key} is {track.width} × {track.height} instead of the requested {width} × {height}."
        findings.add("size_unexpected", text, key=key, evidence={"width": track.width, "height": track.height})


# --- time ------------------------------------------------------------------------------------------------------------


def _measure(key: str, facts: Mp4, undecodable: Mapping[str, Flags], held: SlicesHeld | None, asked: Asked) -> _Part:
    """Measure the losses in one file. `held` is None if other files belong to the same slices."""
    tracks = {
        handler: track
        for handler in _WORDS
        if (track := facts.track(handler)) is not None and track.fault is None and len(track.samples)
    }
    ends = {handler: end_seconds(track, fragmented=facts.fragmented) for handler, track in tracks.items()}
    stop = min((at for track in tracks.values() if (at := ends_at(track, facts)) is not None), default=None)
    lost = {}
    for handler, track in tracks.items():
        bad = unplaced(track, facts) | undecodable.get(handler, np.zeros(len(track.samples), np.bool_))
        bad = spoilt(track, bad) | displaced(track)
        if stop is not None:
            bad |= track.samples.decode >= stop * track.timescale
        if held is not None:
            bad |= _late(track, tracks, held)
        lost[handler] = [*ranges_of(track, bad), *stalls(track), *holes(track)]
        if held is not None:
            lost[handler] += _begun_late(tracks, ends, held)
        if not _upright(track, asked):
            lost[handler].append((0.0, ends[handler]))
    return _Part(key, facts, ends, lost)


def _late(track: Track, tracks: Mapping[str, Track], held: SlicesHeld) -> Flags:
    """Flag the samples that are out of time compared with the slices and the other track."""
    wanted = held.nearest(track.seconds)
    others = [one.seconds for one in tracks.values() if one is not track]
    longest = max([wanted, *others]) if track.seconds > wanted else wanted
    return out_of_time(track, longest, held.step(track.handler))


def _begun_late(tracks: Mapping[str, Track], ends: Mapping[str, float], held: SlicesHeld) -> list[Range]:
    """Return the stretch missing before the first picture and audio. If a file ends correspondingly later, nothing is
    missing."""
    lead, end = min(delay_seconds(track) for track in tracks.values()), max(ends.values())
    lack = min(lead, held.nearest(end) - (end - lead))
    return [(0.0, lack)] if lack > SLACK_SECONDS else []


def _upright(track: Track, asked: Asked) -> bool:
    """Return whether a player shows the picture in the requested orientation. A quarter turn is correct if it produces
    the requested size."""
    quarters = round(track.turned / 90)
    if abs(track.turned - 90 * quarters) > 1 or quarters % 4 == 2:
        return False
    return quarters % 2 == 0 or (track.height, track.width) == (asked.size or (track.height, track.width))


def _judge_time(findings: Findings, parts: Sequence[_Part], held: SlicesHeld, asked: Asked, *, complete: bool) -> float:
    """Add up the losses of all parts and report each cause. The sum determines the severity of all causes."""
    if not parts:
        return 0.0
    total = sum(part.seconds for part in parts)
    slack = max(SLACK_SECONDS * len(parts), SLACK_SHARE * held.seconds_by_playlist)
    wanted = held.nearest(total)
    lack = max(0.0, wanted - total) if complete else 0.0
    lost: list[Range] = [(total, wanted)] if lack > slack else []
    begins, begin = [], 0.0
    for part in parts:
        begins.append(begin)
        lost += [(begin + one, begin + other) for ranges in part.lost.values() for one, other in ranges]
        lost += [(begin + one, begin + other) for _, one, other in _short_tracks(part, parts, held)]
        lost += [(begin, begin + part.seconds) for _ in _out_of_step(part, held)]
        begin += part.seconds
    seconds = covered(lost)
    severity = None if seconds > asked.allowed_seconds else Severity.WARNING
    for part in parts:
        _name_losses(findings, part, parts, held, severity, asked)
        _judge_headers(findings, part, asked)
    if complete and abs(wanted - total) > slack:
        _name_length(findings, parts, total, wanted, severity if lack else Severity.WARNING, asked)
    return seconds


def _short_tracks(part: _Part, parts: Sequence[_Part], held: SlicesHeld) -> Iterator[tuple[str, float, float]]:
    """Yield (handler, from, to) of tracks that end before the longest track of their file. Omit a track if the slices
    do not contain more of it either."""
    for handler, end in part.ends.items():
        known, slack = held.of(handler), SLACK_SECONDS * len(parts)
        if known is not None and sum(one.ends.get(handler, 0.0) for one in parts) >= known - slack:
            continue
        if part.seconds - end > SLACK_SECONDS:
            yield handler, end, part.seconds


def _out_of_step(part: _Part, held: SlicesHeld) -> Iterator[float]:
    """Yield the seconds by which the audio is later than the picture compared with the slices. If the slices' delay is
    unknown, count only the part that an edit list cuts off."""
    picture, sound = part.facts.track(PICTURE), part.facts.track(SOUND)
    if len(part.ends) < 2 or picture is None or sound is None:
        return
    delays = delay_seconds(sound), delay_seconds(picture)
    off = delays[0] - delays[1] - (held.sound_delay_seconds or 0.0)
    known = held.sound_delay_seconds is not None or min(delays) < -IN_STEP_SECONDS
    if known and abs(off) > IN_STEP_SECONDS:
        yield off


def _name_losses(
    findings: Findings, part: _Part, parts: Sequence[_Part], held: SlicesHeld, severity: Severity | None, asked: Asked
) -> None:
    for handler, ranges in part.lost.items():
        seconds, begin = covered(ranges), min(ranges, default=(0.0, 0.0))[0]
        if seconds > 0:
            text = f"{seconds:.1f} s of {_WORDS[handler]} in the MP4 file {part.key} are lost, from {begin:.1f} s on."
            evidence: Evidence = {"seconds": round(seconds, 3), "stream": _WORDS[handler], "from": round(begin, 3)}
            findings.add("mp4_damaged", text, key=part.key, severity=severity, final=asked.final, evidence=evidence)
    for handler, end, whole in _short_tracks(part, parts, held):
        text = f"The track of {_WORDS[handler]} in the MP4 file {part.key} ends after {end:.1f} s of {whole:.1f} s."
        evidence = {"track_seconds": round(end, 3), "mp4_seconds": round(whole, 3)}
        findings.add("mp4_duration", text, key=part.key, severity=severity, final=asked.final, evidence=evidence)
    for off in _out_of_step(part, held):
        text = f"Sound and picture of the MP4 file {part.key} are {off:.1f} s further apart than in the slices."
        evidence = {"seconds": round(off, 3)}
        findings.add("mp4_damaged", text, key=part.key, severity=severity, final=asked.final, evidence=evidence)


def _judge_headers(findings: Findings, part: _Part, asked: Asked) -> None:
    """Compare the durations in the headers with those of the tables, because players show the former and play the
    latter."""
    for what, said, held, weighs in _promises(part.facts):
        off = abs(said - held)
        if off > max(SLACK_SECONDS, SLACK_SHARE * held):
            text = (
                f"The header of {what} in the MP4 file {part.key} says {said:.1f} s, but its tables give {held:.1f} s."
            )
            evidence: Evidence = {"header_seconds": round(said, 3), "tables_seconds": round(held, 3)}
            severity = None if weighs and off > asked.allowed_seconds else Severity.WARNING
            findings.add("mp4_duration", text, key=part.key, severity=severity, final=asked.final, evidence=evidence)


def _promises(facts: Mp4) -> Iterator[tuple[str, float, float, bool]]:
    """Yield (subject, seconds by its header, seconds by its tables, whether players use this header). For the film,
    players show the length in the film's own header; if that is 0, Chromium shows the length of the tracks. For a
    track, players use its tables: neither FFmpeg nor Chromium shows another length if a track's headers differ."""
    ends = []
    for track in facts.tracks:
        if track.fault is not None or not len(track.samples):
            continue
        end = end_seconds(track, fragmented=facts.fragmented)
        ends.append(end)
        what = f"the track of {_WORDS.get(track.handler, track.handler)}"
        if facts.fragmented or track.handler not in _WORDS:
            # The headers of a fragmented file are written before its fragments.
            continue
        if track.media_header_seconds is not None:
            yield what, track.media_header_seconds, track.seconds, False
        if track.track_header_seconds is not None:
            yield what, track.track_header_seconds, end, False
    if facts.header_seconds is not None and ends and (not facts.fragmented or facts.header_seconds > max(ends)):
        yield "the film", facts.header_seconds, max(ends), facts.header_seconds > 0


def _name_length(
    findings: Findings, parts: Sequence[_Part], total: float, wanted: float, severity: Severity | None, asked: Asked
) -> None:
    first = parts[0].key
    text = f"The MP4 files, such as {first}, last {total:.1f} s, but the slices of that recorder {wanted:.1f} s."
    evidence: Evidence = {"mp4_seconds": round(total, 3), "slices_seconds": round(wanted, 3)}
    findings.add("mp4_duration", text, key=first, severity=severity, final=asked.final, evidence=evidence)
