"""The table of all changes, written before any of them was tried: what kind, and the level that must find it.

Where more is lost than the allowance bears:

- `structure`: what is touched lies in the listing, a playlist, MP4 boxes or tables, the head or the tail of a slice, or
  is a whole slice. No level from `structure` on says `verified`.
  Foreign slices (another recording's, another encoder's) always have own ones before and after them.
- `bytes`: bytes inside an object are zeroed, cut, dropped, repeated, moved or swapped. `bytes` and `full` do not.
- `full`: the form of every packet and box is sound and what they carry is not: only decoding shows it.
- `apart`: it could be the page itself (the encoder leaves counters and parameter sets as they were), or players
  disagree about it. Counted, not judged.
- `harmless`: a viewer loses nothing. No level says `defective`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.oracle import encoded_damages as encoded
from tests.oracle import harmless as same
from tests.oracle import mp4_damages as mp4
from tests.oracle import playlist_damages as playlist
from tests.oracle import ts_damages as ts
from tests.oracle.bases import Recipe
from tests.oracle.draft import Draft


class Reach(StrEnum):
    """The lowest level that must find a change, or why none must."""

    STRUCTURE = "structure"
    BYTES = "bytes"
    FULL = "full"
    APART = "apart"
    HARMLESS = "harmless"


class Family(StrEnum):
    """Where a change is made."""

    SLICE = "slice"
    ENCODED = "encoded"
    MP4 = "mp4"
    PLAYLIST = "playlist"
    HARMLESS = "harmless"


# How often each family is drawn, of 100.
WEIGHTS = {Family.SLICE: 45, Family.ENCODED: 9, Family.MP4: 22, Family.PLAYLIST: 12, Family.HARMLESS: 12}


@dataclass(frozen=True)
class Kind:
    """One kind of change. `fits`: which recordings it can be made of."""

    name: str
    family: Family
    reach: Reach
    change: Callable[[Draft], None]
    fits: Callable[[Recipe], bool]


def _any(_: Recipe) -> bool:
    return True


def _has_keys(recipe: Recipe) -> bool:
    # FFmpeg muxes no pictures whose parameter sets lie in the slice before.
    return recipe.name != "nokeys"


def _has_mp4(recipe: Recipe) -> bool:
    return bool(recipe.mp4)


def _has_fragments(recipe: Recipe) -> bool:
    return recipe.mp4 == "fragmented"


def _has_other_take(recipe: Recipe) -> bool:
    return recipe.name in ("plain", "plain2")


_S, _B, _F, _A, _H = Reach.STRUCTURE, Reach.BYTES, Reach.FULL, Reach.APART, Reach.HARMLESS

_SLICES: list[tuple[str, Reach, Callable[[Draft], None]]] = [
    ("zeros at the head", _S, ts.fill("zero", "head")),
    ("zeros inside", _B, ts.fill("zero", "middle")),
    ("zeros at the tail", _S, ts.fill("zero", "tail")),
    ("zeros throughout", _S, ts.fill("zero", "whole")),
    ("0xff at the head", _S, ts.fill("ones", "head")),
    ("0xff inside", _B, ts.fill("ones", "middle")),
    ("0xff at the tail", _S, ts.fill("ones", "tail")),
    ("noise at the head", _S, ts.fill("noise", "head")),
    ("noise inside", _F, ts.fill("noise", "middle")),
    ("noise at the tail", _S, ts.fill("noise", "tail")),
    ("noise throughout", _S, ts.fill("noise", "whole")),
    ("head cut off", _S, ts.fill("cut", "head")),
    ("cut inside", _B, ts.fill("cut", "middle")),
    ("tail cut off", _S, ts.fill("cut", "tail")),
    ("truncated", _S, ts.truncate),
    ("bytes repeated", _B, ts.fill("repeat", "middle")),
    ("payloads zeroed", _B, ts.payloads("zero")),
    ("payloads 0xff", _F, ts.payloads("ones")),
    ("payloads noise", _F, ts.payloads("noise")),
    ("packets lost here and there", _B, ts.scattered("lost")),
    ("packets zeroed here and there", _B, ts.scattered("zero")),
    ("bytes flipped here and there", _F, ts.scattered("flip")),
    ("picture packets lost inside", _B, ts.one_stream_lost("picture", "middle")),
    ("picture packets lost", _S, ts.one_stream_lost("picture", "whole")),
    ("sound packets lost inside", _B, ts.one_stream_lost("sound", "middle")),
    ("sound packets lost", _S, ts.one_stream_lost("sound", "whole")),
    ("stretches swapped", _B, ts.swap_stretches),
    ("stretch moved", _B, ts.move_stretch),
    ("slices swapped", _S, ts.swap_slices),
    ("slices rotated", _S, ts.rotate_slices),
    ("slice of another moment", _S, ts.other_moment),
    ("slice of another recording", _S, ts.other_recording),
    ("slice empty", _S, ts.empty),
    ("slice gone", _S, ts.gone),
]
_ENCODED: list[tuple[str, Reach, Callable[[Draft], None]]] = [
    ("encoded as noise", _S, encoded.encoded("noise", foreign=True)),
    ("encoded as black", _S, encoded.encoded("black", foreign=True)),
    ("encoded in another size", _S, encoded.encoded("size", foreign=True)),
    ("encoded with fewer pictures", _S, encoded.encoded("fewer", foreign=True)),
    ("page black", _A, encoded.encoded("black", foreign=False)),
    ("page still", _A, encoded.encoded("still", foreign=False)),
    ("page sounds otherwise", _A, encoded.encoded("sound", foreign=False)),
]
_MP4: list[tuple[str, Reach, Callable[[Draft], None]]] = [
    ("media zeroed", _B, mp4.media("zero")),
    ("all media zeroed", _B, mp4.media("zero", scope="all")),
    ("media 0xff", _F, mp4.media("ones")),
    ("media noise", _F, mp4.media("noise")),
    ("all media noise", _F, mp4.media("noise", scope="all")),
    ("media cut", _B, mp4.media("cut")),
    ("media repeated", _B, mp4.media("repeat")),
    ("media swapped", _B, mp4.swap_media),
    ("MP4 cut", _S, mp4.cut_file),
    ("table zeroed", _S, mp4.table("zero")),
    ("table noise", _S, mp4.table("noise")),
    ("table shifted", _S, mp4.table("shift")),
    ("table shorter", _S, mp4.table("fewer")),
    ("header changed", _S, mp4.header),
    ("box lost", _S, mp4.box_lost),
    ("MP4 of another recording", _B, mp4.other_file),
    ("MP4 empty", _S, mp4.empty_file),
    ("MP4 gone", _S, mp4.file_gone),
]
_FRAGMENTS: list[tuple[str, Reach, Callable[[Draft], None]]] = [
    ("fragments lost", _S, mp4.fragments("lost")),
    ("fragments reversed", _S, mp4.fragments("reverse")),
    ("fragments repeated", _S, mp4.fragments("repeat")),
]
_PLAYLISTS: list[tuple[str, Reach, Callable[[Draft], None]]] = [
    ("lines dropped", _S, playlist.lines_dropped),
    ("lines doubled", _S, playlist.lines_doubled),
    ("lines shuffled", _S, playlist.lines_shuffled),
    ("EXTINF changed", _S, playlist.durations_changed),
    ("entries removed", _S, playlist.entries_removed),
    ("entries doubled", _S, playlist.entries_doubled),
    ("entries reordered", _S, playlist.entries_reordered),
    ("foreign URIs", _S, playlist.foreign_uris),
    ("playlist zeroed", _S, playlist.bytes_changed("zero")),
    ("playlist noise", _S, playlist.bytes_changed("noise")),
    ("playlist cut", _S, playlist.cut_text),
    ("playlist gone", _S, playlist.text_gone),
    # RFC 8216 lets ENDLIST stand anywhere, and FFmpeg plays what follows; other players may not.
    ("ENDLIST moved", _A, playlist.end_moved),
]
_HARMLESS: list[tuple[str, Callable[[Draft], None], Callable[[Recipe], bool]]] = [
    ("another sid", same.renamed(sid="f" * 32), _any),
    ("another cname", same.renamed(cname="room-20-and-a-longer-name"), _any),
    ("another prefix", same.renamed(prefix="team/rec9/a3/"), _any),
    ("all names other", same.renamed(sid="0" * 31 + "1", cname="x", prefix="y/z/"), _any),
    ("unknown tags", same.text("tags", lambda text: text.replace("#EXTINF", "#EXT-X-FUTURE:A=1\n#EXTINF")), _any),
    ("comments", same.text("comments", lambda text: text.replace("#EXTINF", "# a comment\n\n#EXTINF")), _any),
    ("CRLF", same.text("CRLF", lambda text: text.replace("\n", "\r\n")), _any),
    ("trailing commas", same.text("commas", lambda text: text.replace("00\n", "00,\n")), _any),
    ("titles", same.text("titles", lambda text: text.replace("00,\n", "00\n").replace("00\n", "00,a b\n")), _any),
    ("no line end at the end", same.text("no last line end", lambda text: text.rstrip("\n")), _any),
    ("strangers beside", same.strangers, _any),
    ("other PIDs", same.remuxed("-mpegts_start_pid", "0x200", "-mpegts_pmt_start_pid", "0x1100"), _has_keys),
    ("tables often", same.remuxed("-pat_period", "0.05"), _has_keys),
    ("small PES", same.remuxed("-pes_payload_size", "200"), _has_keys),
    ("named service", same.remuxed("-metadata", "service_name=x", "-mpegts_service_id", "7"), _has_keys),
    ("null packets", same.null_packets, _any),
    ("PAT and PMT repeated", same.repeated_tables, _any),
    ("MP4 with free space", same.mp4_box(b"free", first=True), _has_mp4),
    ("MP4 with user data", same.mp4_box(b"udta", first=False), _has_mp4),
    ("MP4 with an unknown box", same.mp4_box(b"zzzz", first=False), _has_mp4),
    ("MP4 faststart", same.mp4_remuxed("-movflags", "+faststart"), _has_mp4),
    ("MP4 fragmented", same.mp4_remuxed("-movflags", "+frag_keyframe+delay_moov"), _has_mp4),
    ("MP4 in another scale", same.mp4_remuxed("-video_track_timescale", "90000"), _has_mp4),
    ("MP4 with a title", same.mp4_remuxed("-metadata", "title=x", "-brand", "mp42"), _has_mp4),
    ("untouched, 1 s may be missing", same.smaller_allowance(1.0), _any),
]  # fmt: skip

KINDS: tuple[Kind, ...] = (
    *(Kind(name, Family.SLICE, reach, change, _any) for name, reach, change in _SLICES),
    # The counters of these takes run on from slice to slice; otherwise nothing but the MP4 could tell.
    Kind("slice of another take", Family.SLICE, _S, ts.other_take, _has_other_take),
    *(Kind(name, Family.ENCODED, reach, change, _has_keys) for name, reach, change in _ENCODED),
    *(Kind(name, Family.MP4, reach, change, _has_mp4) for name, reach, change in _MP4),
    *(Kind(name, Family.MP4, reach, change, _has_fragments) for name, reach, change in _FRAGMENTS),
    *(Kind(name, Family.PLAYLIST, reach, change, _any) for name, reach, change in _PLAYLISTS),
    *(Kind(name, Family.HARMLESS, _H, change, fits) for name, change, fits in _HARMLESS),
)
