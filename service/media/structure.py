"""Level "structure": the heads of slices, the tail of the last one, and the boxes of MP4 files.

Times are compared over stretches, so that the heads of a few slices judge all slices between them. At interruptions
(pause, resume, reload, failover) time stamps may continue, jump or begin anew, marked or not, and none of it is wrong
(verification A.1.2).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.media.findings import Evidence
from service.media.mp4 import Mp4
from service.media.mpegts import AAC, H264, Head, since
from service.media.pieces import Piece, hole, joined
from service.media.runs import Run
from service.media.timeline import JOINED_SECONDS, NOTABLE_SECONDS
from service.media.verdict import Judgement
from service.report import Severity

MP4_SLACK_SECONDS = 1.0
MP4_SLACK_SHARE = 0.001
MP4_LACK_SECONDS = 5.0
MP4_LACK_SHARE = 0.01

_H264_BOXES = ("avc1", "avc3")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the slice of this index. `severity` None: as the rule says."""

    index: int
    code: str
    text: str
    severity: Severity | None = None
    evidence: Evidence | None = None


def judge_heads(pieces: Sequence[Piece], heads: Mapping[int, Head]) -> list[Fault]:
    """What the heads (by index) of some slices say is wrong, in order."""
    mute = not any(stream.audio for head in heads.values() for stream in head.streams or ())
    faults: list[Fault] = []
    before: int | None = None
    for index in sorted(heads):
        faults += _judge_head(index, pieces[index], heads[index], mute=mute)
        if heads[index].fault is None:
            if before is not None and pieces[before].run == pieces[index].run:
                faults += _compare(pieces, heads, before, index)
            before = index
    return faults


def _judge_head(index: int, piece: Piece, head: Head, *, mute: bool) -> Iterator[Fault]:
    name = f"The slice {piece.key}"
    if head.fault is not None:
        yield Fault(index, "slice_broken", f"{name} cannot be read: {head.fault}.")
        return
    if head.programs is None or head.streams is None:
        yield Fault(index, "slice_tables_absent", f"{name} does not begin with the tables that say what is in it.")
        return
    if head.programs != 1:
        text = f"{name} holds {head.programs} programs instead of one."
        yield Fault(index, "slice_programs", text, evidence={"programs": head.programs})
    video = [stream.type for stream in head.streams if stream.video]
    audio = [stream.type for stream in head.streams if stream.audio]
    if not video:
        yield Fault(index, "video_absent", f"{name} holds no picture.")
    if not audio:
        # That a page without sound is recorded with a sound track is nowhere written.
        yield Fault(index, "audio_absent", f"{name} holds no sound.", Severity.WARNING if mute else None)
    if set(video) - {H264} or set(audio) - {AAC}:
        types = ", ".join(f"0x{kind:02x}" for kind in (*video, *audio))
        yield Fault(index, "codec_unexpected", f"{name} is not H.264 with AAC: its stream types are {types}.")
    if video and head.video_at is not None and not head.key:
        yield Fault(index, "slice_without_key", f"{name} does not begin with a key frame.")


def _compare(pieces: Sequence[Piece], heads: Mapping[int, Head], before: int, after: int) -> Iterator[Fault]:
    """Judge what lies between two slices by their heads (rules P6, T2 and T4)."""
    between = range(before, after)
    if any(pieces[index + 1].marked for index in between):
        return
    one, other, piece = heads[before], heads[after], pieces[after]
    whole = all(joined(pieces[index], pieces[index + 1]) for index in between)
    if whole and one.streams is not None and other.streams is not None and set(one.streams) != set(other.streams):
        text = f"The streams of {piece.key} are not those of the slices before it, and nothing marks the change."
        yield Fault(after, "streams_changed", text)
    at, later = (one.video_at, other.video_at) if None not in (one.video_at, other.video_at) else (None, None)
    if at is None or later is None:
        at, later = one.audio_at, other.audio_at
    if at is None or later is None:
        return
    stamped = since(at, later)
    told = sum(pieces[index].seconds for index in between)
    named = piece.starts_at - pieces[before].starts_at
    if abs(stamped - told) <= JOINED_SECONDS:
        return
    evidence: Evidence = {"stamped_seconds": round(stamped, 3), "playlist_seconds": round(told, 3)}
    interrupted = max(hole(pieces[index], pieces[index + 1]) for index in between) > NOTABLE_SECONDS + JOINED_SECONDS
    if abs(stamped - named) <= JOINED_SECONDS:
        # Where they begin closer than they last, the listing has said so already.
        if named > told and not interrupted:
            text = f"The playlist says {told:.3f} s for what lasts {stamped:.3f} s, up to {piece.key}."
            yield Fault(after, "duration_wrong", text, evidence=evidence)
    elif whole:
        text = f"The time stamps up to {piece.key} move by {stamped:.3f} s instead of {told:.3f} s, unmarked."
        yield Fault(after, "timestamps_jump", text, evidence=evidence)


def judge_length(judgement: Judgement, piece: Piece, seconds: float, frame_seconds: float) -> None:
    """Compare what a slice was found to hold with what its playlist says (rule T5)."""
    lack = piece.seconds - seconds
    evidence: Evidence = {"held_seconds": round(seconds, 3), "playlist_seconds": round(piece.seconds, 3)}
    if lack > NOTABLE_SECONDS + JOINED_SECONDS:
        judgement.held_seconds[piece.key] = max(0.0, seconds)
        text = f"The slice {piece.key} holds {seconds:.3f} s of the {piece.seconds:.3f} s that its playlist says."
        final = judgement.final[piece.run]
        judgement.findings.add("slice_cut", text, key=piece.key, final=final, evidence=evidence)
    elif abs(lack) > JOINED_SECONDS + frame_seconds:
        text = f"The playlist says {piece.seconds:.3f} s for {piece.key}, which lasts {seconds:.3f} s."
        judgement.findings.add("duration_wrong", text, key=piece.key, evidence=evidence)


def add_faults(judgement: Judgement, faults: Sequence[Fault]) -> None:
    """Take faults of slices into the judgement."""
    for fault in faults:
        piece = judgement.pieces[fault.index]
        judgement.findings.add(
            fault.code,
            fault.text,
            key=piece.key,
            severity=fault.severity,
            final=judgement.final[piece.run],
            evidence=fault.evidence,
        )


# --- MP4 -------------------------------------------------------------------------------------------------------------


def judge_mp4s(judgement: Judgement, files: Mapping[str, Mp4], *, audible: bool) -> None:
    """Judge what the boxes of MP4 files (by key) say. `audible`: slices of the recording hold sound."""
    for index, run in enumerate(judgement.listing.runs):
        final = judgement.final.get(index, False)
        parts = {part: files[one.key] for part, one in run.mp4s.items() if one.key in files}
        for part, facts in parts.items():
            _judge_mp4(judgement, run.mp4s[part].key, facts, audible=audible, final=final)
        whole = len(parts) == len(run.mp4s) and sorted(parts) == list(range(len(parts)))
        if parts and whole and not any(facts.fault or facts.fragmented for facts in parts.values()):
            _judge_lengths(judgement, index, run, list(parts.values()), final=final)


def _judge_mp4(judgement: Judgement, key: str, facts: Mp4, *, audible: bool, final: bool) -> None:
    findings, size = judgement.findings, judgement.expected.size
    if facts.fault is not None:
        findings.add("mp4_broken", f"The MP4 file {key} cannot be played: {facts.fault}.", key=key, final=final)
        return
    if facts.fragmented:
        findings.add("mp4_fragmented", f"The MP4 file {key} is made of fragments, which were not opened.", key=key)
        return
    for handler, what in (("vide", "picture"), ("soun", "sound")):
        if not any(track.handler == handler for track in facts.tracks):
            lighter = Severity.WARNING if handler == "soun" and not audible else None
            text = f"The MP4 file {key} has no track of {what}."
            findings.add("mp4_track_absent", text, key=key, severity=lighter, final=final)
    for track in facts.tracks:
        if (track.handler == "vide" and track.codec not in _H264_BOXES) or (
            track.handler == "soun" and track.codec != "mp4a"
        ):
            text = f"The MP4 file {key} is not H.264 with AAC: it holds {track.codec!r}."
            findings.add("codec_unexpected", text, key=key)
        if track.handler == "vide" and size is not None and (track.width, track.height) != size:
            text = f"The picture of {key} is {track.width} × {track.height}, not {size[0]} × {size[1]} as asked."
            findings.add("size_unexpected", text, key=key, evidence={"width": track.width, "height": track.height})


def _judge_lengths(judgement: Judgement, index: int, run: Run, parts: Sequence[Mp4], *, final: bool) -> None:
    """Rule M5, over all parts of a recorder: where they are cut is not known to the second. Nobody has said whether a
    pause is cut out of an MP4 file, so either length is right."""
    pieces = [piece for piece in judgement.pieces if piece.run == index]
    if not pieces:
        return
    seconds = sum(facts.seconds for facts in parts)
    told = sum(piece.seconds for piece in pieces)
    last = pieces[-1]
    spanned = last.starts_at + last.seconds - pieces[0].starts_at
    slack = max(MP4_SLACK_SECONDS * len(parts), MP4_SLACK_SHARE * told)
    if min(abs(seconds - told), abs(seconds - spanned)) <= slack:
        return
    lacks = told - seconds > max(MP4_LACK_SECONDS, MP4_LACK_SHARE * told)
    first = min(one.key for one in run.mp4s.values())
    text = f"The MP4 files such as {first} last {seconds:.1f} s, the slices of the same recorder {told:.1f} s."
    judgement.findings.add(
        "mp4_duration",
        text,
        key=first,
        severity=None if lacks else Severity.WARNING,
        final=final,
        evidence={"mp4_seconds": round(seconds, 3), "slices_seconds": round(told, 3)},
    )
