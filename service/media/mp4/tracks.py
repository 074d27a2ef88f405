"""Parses the parts of `moov` other than the sample tables: those of the whole file and those of each track."""

import math
from dataclasses import replace

from service.media.mp4.boxes import children, inside, number
from service.media.mp4.facts import PICTURE, SOUND, Edit, Track
from service.media.mp4.tables import TableFault, count_descriptions, read_tables

# Codecs that players of MP4 files decode. Codecs other than H.264 and AAC are checked elsewhere.
_PICTURE_CODECS = ("avc1", "avc3", "hvc1", "hev1", "av01", "vp08", "vp09", "mp4v", "jpeg", "s263")
_SOUND_CODECS = ("mp4a", "ac-3", "ec-3", "Opus", "fLaC", "alac", ".mp3", "samr", "sawb", "sowt", "twos", "lpcm")
_MOST_EDITS = 4096
_CONFIGURED = frozenset(("avc1", "avc3", "mp4a"))


def read_track(trak: memoryview, movie_scale: int, file_bytes: int) -> Track:
    """Return the track in the body of a `trak` box. Raise `TooMuch` if it exceeds the limit of samples."""
    media = inside(trak, b"mdia")
    header = inside(media, b"mdhd")
    scale, length = read_length(header)
    track = Track(
        number=_track_number(inside(trak, b"tkhd")),
        handler=bytes(inside(media, b"hdlr")[8:12]).decode("latin-1"),
        timescale=scale,
        media_header_seconds=seconds_of(length, scale),
        track_header_seconds=seconds_of(_track_length(inside(trak, b"tkhd")), movie_scale),
        edits=_read_edits(inside(trak, b"edts", b"elst"), movie_scale),
        turned=_turned(inside(trak, b"tkhd")),
    )
    table = inside(media, b"minf", b"stbl")
    track = _describe(track, inside(table, b"stsd"))
    track = replace(track, descriptions=count_descriptions(inside(table, b"stsd")))
    fault = _unusable(track, inside(media, b"minf", b"dinf", b"dref"))
    if fault is not None:
        return replace(track, fault=fault)
    try:
        samples, damage = read_tables(table, file_bytes)
    except TableFault as fault:
        return replace(track, fault=str(fault))
    return replace(track, samples=samples, damage=damage)


def read_length(header: memoryview) -> tuple[int, int | None]:
    """Return the time scale and the length in ticks of an `mvhd` or `mdhd` box. The length is None if not stated."""
    wide = bool(len(header)) and header[0] == 1
    scale = number(header, 20 if wide else 12)
    if len(header) < 20:
        return 0, None
    return scale, _said(number(header, 24, 8) if wide else number(header, 16), 8 if wide else 4)


def seconds_of(ticks: int | None, scale: int) -> float | None:
    """Convert ticks to seconds. Return None if either value is not stated."""
    return ticks / scale if ticks is not None and scale else None


def _said(ticks: int, width: int) -> int | None:
    """Return the ticks, or None if all bits are set, which means an unknown length."""
    return None if ticks == (1 << 8 * width) - 1 else ticks


def _track_number(header: memoryview) -> int:
    return number(header, 20 if len(header) and header[0] == 1 else 12)


def _track_length(header: memoryview) -> int | None:
    if len(header) < 24:
        return None
    wide = bool(len(header)) and header[0] == 1
    return _said(number(header, 28, 8) if wide else number(header, 20), 8 if wide else 4)


def _turned(header: memoryview) -> float:
    """Return the rotation of the picture by the matrix of a `tkhd` box, from -180 to 180 degrees."""
    at = 52 if len(header) and header[0] == 1 else 40
    if len(header) < at + 36:
        return 0.0
    across, down = (int.from_bytes(header[at + step : at + step + 4], "big", signed=True) for step in (0, 4))
    return math.degrees(math.atan2(down, across)) if across or down else 0.0


def _read_edits(content: memoryview, movie_scale: int) -> tuple[Edit, ...]:
    wide = bool(len(content)) and content[0] == 1
    width, step = (8, 20) if wide else (4, 12)
    # Players use the size of the box and ignore the count in it.
    count = min(max(0, len(content) - 8) // step, _MOST_EDITS)
    found = []
    for at in range(8, 8 + count * step, step):
        begin = int.from_bytes(content[at + width : at + 2 * width], "big", signed=True)
        seconds = seconds_of(number(content, at, width), movie_scale) or 0.0
        found.append(Edit(seconds, None if begin < 0 else begin))
    return tuple(found)


def _describe(track: Track, described: memoryview) -> Track:
    """Add the values of the first sample entry of an `stsd` box."""
    kind, entry = next(children(described[8:]), (b"", memoryview(b"")))
    codec = kind.decode("latin-1")
    if track.handler == PICTURE:
        config = bytes(inside(entry[78:], b"avcC"))
        return replace(track, codec=codec, width=number(entry, 24, 2), height=number(entry, 26, 2), config=config)
    if track.handler == SOUND:
        version = number(entry, 8, 2)
        # QuickTime versions of this entry are longer and may store the configuration in a `wave` box.
        begin = {1: 44, 2: 64}.get(version, 28)
        extra = entry[begin:]
        config = _audio_config(inside(extra, b"esds") or inside(extra, b"wave", b"esds"))
        channels = number(entry, 40) if version == 2 else number(entry, 16, 2)
        return replace(track, codec=codec, channels=channels, config=config)
    return replace(track, codec=codec)


def _unusable(track: Track, references: memoryview) -> str | None:
    """Return the reason why no player can decode a picture or audio track, or None."""
    if track.handler not in (PICTURE, SOUND):
        return None
    if track.timescale == 0:
        return "it has no time scale"
    if track.codec not in (*_PICTURE_CODECS, *_SOUND_CODECS):
        return f"its codec {track.codec!r} is unknown"
    if track.codec in _CONFIGURED and not track.config:
        return "it lacks the configuration of its decoder"
    return None if _refers(references) else "its data reference cannot be read"


def _refers(references: memoryview) -> bool:
    """Return whether players can read a `dref` box. They accept a missing one."""
    count, at = number(references, 4), 8
    if not 0 < count <= len(references) // 12:
        return not len(references)
    for _ in range(count):
        size = number(references, at)
        if size < 12:
            return False
        at += size
    return True


def _audio_config(content: memoryview) -> bytes:
    """Return the AudioSpecificConfig in an `esds` box. Descriptor 3 contains descriptor 4, which contains descriptor
    5."""
    at = 4
    for tag, fixed in ((3, 3), (4, 13), (5, 0)):
        if number(content, at, 1) != tag:
            return b""
        at, size = at + 1, 0
        for _ in range(4):
            byte = number(content, at, 1)
            at, size = at + 1, size << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if tag == 5:
            return bytes(content[at : at + size])
        at += fixed if tag == 4 else _stream_head(content, at)
    return b""


def _stream_head(content: memoryview, at: int) -> int:
    """Return the length of the data before the decoder's descriptor in descriptor 3."""
    flags = number(content, at + 2, 1)
    size = 3 + (2 if flags & 0x80 else 0)
    size += 1 + number(content, at + size, 1) if flags & 0x40 else 0
    return size + (2 if flags & 0x20 else 0)
