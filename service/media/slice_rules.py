"""Checks each slice by its own contents: its program, its streams, its packets."""

from collections.abc import Iterator, Mapping, Sequence

from service.media.continuity import Fault
from service.media.pieces import Piece, joined
from service.media.ts.slices import SliceFacts
from service.media.ts.tables import AAC, H264
from service.report import Severity


def judge_slices(pieces: Sequence[Piece], facts: Mapping[int, SliceFacts], *, sound: bool | None = None) -> list[Fault]:
    """Return the faults of slices (by index) as far as the slices were read, in order. `sound` states whether audio was
    requested."""
    mute = not any(one.has_audio for one in facts.values()) if sound is None else not sound
    faults: list[Fault] = []
    for index in sorted(facts):
        faults += _judge(index, pieces[index], facts[index], mute=mute)
        if index - 1 in facts and joined(pieces[index - 1], pieces[index]):
            last = index + 1 == len(pieces) or pieces[index + 1].run != pieces[index].run
            faults += _compare(index, pieces[index], facts[index - 1], facts[index], last=last)
    return faults


def _judge(index: int, piece: Piece, facts: SliceFacts, *, mute: bool) -> Iterator[Fault]:
    name = f"The slice {piece.key}"
    if facts.bad_packets:
        text = f"{facts.bad_packets} packets of {name[:1].lower()}{name[1:]} are damaged, encrypted or missing."
        yield Fault(index, "slice_broken", text, evidence={"packets": facts.bad_packets})
    if facts.torn:
        text = f"{name} lacks bytes of {facts.torn} video or audio frames."
        yield Fault(index, "packets_lost", text, evidence={"places": facts.torn})
    if not facts.programs:
        text = f"{name} lacks the tables that describe its streams."
        yield Fault(index, "slice_tables_absent", text)
    elif facts.programs > 1:
        text = f"{name} contains {facts.programs} programs instead of one."
        yield Fault(index, "slice_programs", text, evidence={"programs": facts.programs})
    if facts.maps > 1:
        text = f"{name} has two different tables of its streams."
        yield Fault(index, "streams_changed", text)
    if facts.streams is not None:
        yield from _judge_streams(index, name, facts, mute=mute)


def _judge_streams(index: int, name: str, facts: SliceFacts, *, mute: bool) -> Iterator[Fault]:
    video = [stream.type for stream in facts.streams or () if stream.video]
    audio = [stream.type for stream in facts.streams or () if stream.audio]
    if not video or (facts.whole and facts.video is None):
        yield Fault(index, "video_absent", f"{name} contains no picture.")
    if not audio or (facts.whole and facts.audio is None):
        # Agora does not document whether a page without audio gets an audio track. Therefore, if no slice declares one,
        # nothing counts as lost.
        yield Fault(index, "audio_absent", f"{name} contains no sound.", Severity.NOTE if mute else None)
    if set(video) - {H264} or set(audio) - {AAC}:
        types = ", ".join(f"0x{kind:02x}" for kind in (*video, *audio))
        yield Fault(index, "codec_unexpected", f"{name} is not H.264 with AAC: its stream types are {types}.")
    if facts.video is not None and facts.video.first_at is not None and not facts.key:
        yield Fault(index, "slice_without_key", f"{name} does not begin with a key frame.")


def _compare(index: int, piece: Piece, before: SliceFacts, after: SliceFacts, *, last: bool) -> Iterator[Fault]:
    if before.streams is None or after.streams is None or set(before.streams) == set(after.streams):
        return
    # A recorder may end in the middle of a picture, so that its last slice contains audio alone. The absent stream
    # counts as lost time, and no player has to continue from there.
    if last and set(after.streams) < set(before.streams):
        return
    text = f"The streams of {piece.key} differ from those of the slice before it, and nothing marks the change."
    yield Fault(index, "streams_changed", text)
