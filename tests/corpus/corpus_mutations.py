"""Ways to damage a recording. The place comes from a dice with a seed, never from the sampler.

`SEEN` says at which level a mutation is seen for certain, wherever it lies; below that level it may be seen by luck.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from corpus_media import Shape, mp4_of, slice_of
from corpus_recordings import BEGIN, CNAME, SID, Made, failed_over, straight, utc17

from service.report import Level, Severity

Damage = Callable[[Made, Random], None]


@dataclass(frozen=True)
class Mutation:
    """`codes`: any of these findings names it. `seen`: the level that finds it wherever it lies. `made`: what it is
    done to; `severity` of its finding."""

    codes: tuple[str, ...]
    seen: Level
    damage: Damage
    severity: Severity = Severity.ERROR
    made: Callable[[int], Made] = straight


def some(made: Made, dice: Random, *, inner: bool = False) -> int:
    """The index of some slice; `inner`: neither the first nor the last."""
    count = len(made.parts[0].slices)
    return dice.randrange(1, count - 1) if inner else dice.randrange(count)


def remove(which: int | None) -> Damage:
    def damage(made: Made, dice: Random) -> None:
        index = some(made, dice) if which is None else which
        made.parts[0].slices[index].written = False

    return damage


def shorten(cut: Callable[[bytes], int], which: int | None = None) -> Damage:
    def damage(made: Made, dice: Random) -> None:
        one = made.parts[0].slices[some(made, dice) if which is None else which]
        one.content = one.content[: cut(one.content)]

    return damage


def half(content: bytes) -> int:
    return len(content) // 2 // 188 * 188


def rewrite(change: Callable[[bytearray, Random], None]) -> Damage:
    """Change the bytes of some slice in place."""

    def damage(made: Made, dice: Random) -> None:
        one = made.parts[0].slices[some(made, dice)]
        content = bytearray(one.content)
        change(content, dice)
        one.content = bytes(content)

    return damage


def packets(content: bytearray, *pids: int) -> list[int]:
    return [at for at in range(0, len(content), 188) if ((content[at + 1] & 0x1F) << 8 | content[at + 2]) in pids]


def swap(made: Made, dice: Random) -> None:
    rows = made.parts[0].slices
    index = dice.randrange(len(rows) - 1)
    rows[index], rows[index + 1] = rows[index + 1], rows[index]


def swap_bytes(made: Made, dice: Random) -> None:
    rows = made.parts[0].slices
    index = some(made, dice, inner=True)
    rows[index].content, rows[index - 1].content = rows[index - 1].content, rows[index].content


def stale(made: Made, _: Random) -> None:
    for one in made.parts[0].slices[-3:]:
        one.named = False
    made.parts[0].ended = False


def off_by(seconds: float) -> Damage:
    def damage(made: Made, dice: Random) -> None:
        made.parts[0].slices[some(made, dice)].seconds += seconds

    return damage


def off_and_back(made: Made, dice: Random) -> None:
    """Two wrong lengths that add up to nothing: a player that seeks between them is off all the same."""
    first = some(made, dice, inner=True)
    made.parts[0].slices[first].seconds += 6
    made.parts[0].slices[first + 1].seconds -= 6


def jump(made: Made, dice: Random) -> None:
    begin = some(made, dice, inner=True)
    for number in range(begin, len(made.parts[0].slices)):
        made.parts[0].slices[number].content = slice_of(made.shape, "page", number, 300)


def move_pid(content: bytearray, _: Random) -> None:
    """The picture gets another PID; map and sum go with it."""
    for at in packets(content, 0x100):
        content[at + 1 : at + 3] = bytes([content[at + 1] & 0xE0 | 0x02, 0x22])
    for at in packets(content, 0x1000):
        section = _section(content, at)
        section[12 + 1 : 12 + 3] = b"\xe2\x22"
        _put(content, at, section)


def second_program(content: bytearray, _: Random) -> None:
    for at in packets(content, 0):
        section = _section(content, at)
        grown = section[:8] + b"\x00\x01\xf0\x00\x00\x02\xf1\x00" + b"\0\0\0\0"
        grown[2] = len(grown) - 3
        _put(content, at, grown)


def without(kind: int) -> Callable[[bytearray, Random], None]:
    """The map names one stream less."""

    def change(content: bytearray, _: Random) -> None:
        for at in packets(content, 0x1000):
            section = _section(content, at)
            kept = section[:12]
            place = 12
            while place + 5 <= len(section) - 4:
                size = 5 + ((section[place + 3] & 0x0F) << 8 | section[place + 4])
                if section[place] != kind:
                    kept += section[place : place + size]
                place += size
            kept += b"\0\0\0\0"
            kept[2] = len(kept) - 3
            _put(content, at, kept)

    return change


def other_codec(content: bytearray, _: Random) -> None:
    for at in packets(content, 0x1000):
        section = _section(content, at)
        section[12] = 0x24
        _put(content, at, section)


def _section(content: bytearray, at: int) -> bytearray:
    size = 3 + ((content[at + 6] & 0x0F) << 8 | content[at + 7])
    return content[at + 5 : at + 5 + size]


def _put(content: bytearray, at: int, section: bytearray) -> None:
    value = 0xFFFFFFFF
    for byte in section[:-4]:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    section[-4:] = value.to_bytes(4, "big")
    content[at + 5 : at + 188] = bytes(section).ljust(183, b"\xff")


def lose_packet(content: bytearray, dice: Random) -> None:
    """One packet of the picture from the middle of the slice."""
    inner = [at for at in packets(content, 0x100)[2:-2] if content[at + 3] & 0x10]
    at = dice.choice(inner)
    del content[at : at + 188]


def mark_packet(content: bytearray, dice: Random) -> None:
    content[dice.randrange(len(content) // 188) * 188 + 1] |= 0x80


def scramble_packet(content: bytearray, dice: Random) -> None:
    content[dice.randrange(len(content) // 188) * 188 + 3] |= 0x80


def unsync_packet(content: bytearray, dice: Random) -> None:
    content[dice.randrange(len(content) // 188) * 188] = 0x48


def zeroes(content: bytearray, _: Random) -> None:
    content[:] = bytes(len(content))


def noise(content: bytearray, dice: Random) -> None:
    """Every packet of the picture carries noise; its head stays."""
    for at in packets(content, 0x100):
        begin = at + (5 + content[at + 4] if content[at + 3] & 0x20 else 4) + (14 if content[at + 1] & 0x40 else 0)
        if begin < at + 188:
            content[begin : at + 188] = dice.randbytes(at + 188 - begin)


def show(kind: str, seconds: float) -> Damage:
    """So long of something else, from a place of the dice's choice on."""

    def damage(made: Made, dice: Random) -> None:
        rows = made.parts[0].slices
        count = max(1, min(len(rows) - 2, round(seconds / made.shape.seconds)))
        begin = dice.randrange(1, len(rows) - count)
        for number in range(begin, begin + count):
            rows[number].content = slice_of(made.shape, kind, number)
        kinds = ["page"] * begin + [kind] * count + ["page"] * (len(rows) - begin - count)
        # Not kept: hours of many kinds would fill the memory.
        made.parts[0].mp4s = [mp4_of.__wrapped__(made.shape, tuple(kinds))]

    return damage


def other_size(made: Made, dice: Random) -> None:
    other = Shape(made.shape.width + 32, made.shape.height)
    for number, one in enumerate(made.parts[0].slices):
        one.content = slice_of(other, "page", number)
    made.parts[0].mp4s = [mp4_of(other, ("page",) * len(made.parts[0].slices))]


def edit(change: Callable[[str, Random], str]) -> Damage:
    def damage(made: Made, dice: Random) -> None:
        made.texts[0] = lambda text: change(text, dice)

    return damage


def replace_uri(text: str) -> Damage:
    def damage(made: Made, dice: Random) -> None:
        one = made.parts[0].slices[some(made, dice)]
        one.uri = text + made.name(made.parts[0], one)

    return damage


def drop_line(prefix: str) -> Damage:
    def change(text: str, dice: Random) -> str:
        lines = text.split("\n")
        del lines[dice.choice([number for number, line in enumerate(lines) if line.startswith(prefix)])]
        return "\n".join(lines)

    return edit(change)


def mp4(change: Callable[[bytes, Random], bytes]) -> Damage:
    def damage(made: Made, dice: Random) -> None:
        content = made.parts[0].mp4s[0]
        assert content is not None
        made.parts[0].mp4s[0] = change(content, dice)

    return damage


def box(content: bytes, kind: bytes) -> int:
    return content.index(kind) - 4


def put(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at + len(piece) :]


def halve_duration(content: bytes, _: Random) -> bytes:
    at = box(content, b"mvhd") + 24
    return put(content, at, (int.from_bytes(content[at : at + 4], "big") // 2).to_bytes(4, "big"))


def lose_part(made: Made, _: Random) -> None:
    count = len(made.parts[0].slices)
    third = count // 3
    made.parts[0].mp4s = [
        mp4_of(made.shape, ("page",) * third),
        None,
        mp4_of(made.shape, ("page",) * (count - 2 * third), 2 * third),
    ]


def unlogged_pause(made: Made, dice: Random) -> None:
    begin = some(made, dice, inner=True)
    for one in made.parts[0].slices[begin:]:
        one.start += 120


def repeat_uri(made: Made, dice: Random) -> None:
    rows = made.parts[0].slices
    rows.insert(index := some(made, dice, inner=True), rows[index - 1])


def overlapping(count: int) -> Made:
    return failed_over(-12, count)


def foreign_bytes(made: Made, dice: Random) -> None:
    """A slice of another moment under this one's name."""
    index = some(made, dice, inner=True)
    made.parts[0].slices[index].content = slice_of(made.shape, "page", (index + 7) % len(made.parts[0].slices) + 500)


def repeat_bytes(made: Made, dice: Random) -> None:
    rows = made.parts[0].slices
    index = dice.randrange(1, len(rows))
    rows[index].content = rows[index - 1].content


def swap_distant(made: Made, dice: Random) -> None:
    rows = made.parts[0].slices
    one, other = dice.sample(range(len(rows)), 2)
    rows[one].content, rows[other].content = rows[other].content, rows[one].content


def one_size(made: Made, dice: Random) -> None:
    index = some(made, dice, inner=True)
    made.parts[0].slices[index].content = slice_of(
        Shape(made.shape.width + 32, seconds=made.shape.seconds), "page", index
    )


def later_size(made: Made, dice: Random) -> None:
    other = Shape(made.shape.width + 32, seconds=made.shape.seconds)
    for number in range(some(made, dice, inner=True), len(made.parts[0].slices)):
        made.parts[0].slices[number].content = slice_of(other, "page", number)


def zero_all(made: Made, _: Random) -> None:
    for one in made.parts[0].slices[:-1]:
        one.content = one.content[:4136].ljust(len(one.content), b"\0")


def fill_tail(byte: int, parts: int) -> Callable[[bytearray, Random], None]:
    """The last of so many parts of a slice holds one byte over and over."""

    def change(content: bytearray, _: Random) -> None:
        size = len(content) // parts
        content[-size:] = bytes([byte]) * size

    return change


def zero_last(made: Made, dice: Random) -> None:
    content = bytearray(made.parts[0].slices[-1].content)
    fill_tail(0, 3)(content, dice)
    made.parts[0].slices[-1].content = bytes(content)


def zero_middle(content: bytearray, _: Random) -> None:
    size = len(content) // 3
    content[size : 2 * size] = bytes(size)


def repeat_packets(content: bytearray, _: Random) -> None:
    for at in reversed(packets(content, 0x100)[::10]):
        content[at:at] = content[at : at + 188]


def end_early(text: str, dice: Random) -> str:
    lines = text.split("\n")
    places = [number for number, line in enumerate(lines) if line.startswith("#EXTINF")]
    lines.insert(dice.choice(places[1:]), "#EXT-X-ENDLIST")
    return "\n".join(lines)


def announce(made: Made, dice: Random) -> None:
    made.announced = (f"{SID}_{CNAME}_{utc17(BEGIN + 99_000 + dice.randrange(999))}.ts",)


L, S, C, B, F = Level.LISTING, Level.STRUCTURE, Level.CONTENT, Level.BYTES, Level.FULL
WARN, NOTE = Severity.WARNING, Severity.NOTE

MUTATIONS: dict[str, Mutation] = {
    # files, playlist and pictures
    "first slice removed": Mutation(("slice_missing",), L, remove(0)),
    "some slice removed": Mutation(("slice_missing",), L, remove(None)),
    "last slice removed": Mutation(("slice_missing",), L, remove(-1)),
    "slice cut by 1 byte": Mutation(("slice_truncated",), L, shorten(lambda content: len(content) - 1)),
    "slice cut by 188 bytes": Mutation(
        ("media_lost", "packets_lost", "slice_broken"), S, shorten(lambda content: len(content) - 188), WARN
    ),
    "slice cut by half": Mutation(("damaged",), S, shorten(half), WARN),
    "last slice cut by half": Mutation(("damaged",), S, shorten(half, -1), WARN),
    "slice of no bytes": Mutation(("slice_empty", "damaged"), L, shorten(lambda _: 0)),
    "two slices swapped": Mutation(("slices_out_of_order",), L, swap),
    "stale playlist": Mutation(("playlist_not_final",), L, stale),
    "EXTINF a second short": Mutation(("duration_wrong",), S, off_by(-1), WARN),
    "EXTINF a second long": Mutation(("duration_wrong",), S, off_by(1), WARN),
    "time stamps jump unmarked": Mutation(("timestamps_jump",), S, jump, WARN),
    "the picture's PID changes": Mutation(("streams_changed",), S, rewrite(move_pid)),
    "a second program": Mutation(("slice_programs",), S, rewrite(second_program)),
    "no stream of picture": Mutation(("video_absent", "streams_changed"), S, rewrite(without(0x1B))),
    "no stream of sound": Mutation(("audio_absent", "streams_changed"), S, rewrite(without(0x0F))),
    "failover with a hole of 140 s": Mutation(
        ("failover",), L, lambda *_: None, made=lambda count: failed_over(140, count)
    ),
    "pause that nobody logged": Mutation(("gap",), L, unlogged_pause),
    "MP4 without moov": Mutation(("mp4_broken",), S, mp4(lambda content, _: content[: box(content, b"moov")])),
    "mdat too long": Mutation(
        ("mp4_broken",), S, mp4(lambda content, _: put(content, box(content, b"mdat"), b"\x7f\xff\xff\xff"))
    ),
    "MP4 of half the duration": Mutation(("mp4_duration",), S, mp4(halve_duration)),
    "MP4 part 1 missing": Mutation(("mp4_missing",), L, lose_part),
    "3 minutes of black": Mutation(("picture_black",), C, show("black", 180)),
    "3 minutes of white": Mutation(("picture_white",), C, show("white", 180)),
    "3 minutes of an error page": Mutation(("picture_blank",), C, show("error", 180)),
    "3 minutes frozen": Mutation(("picture_static",), C, show("still", 180), NOTE),
    "3 minutes of silence": Mutation(("sound_silent",), C, show("silent", 180), WARN),
    "absolute URI": Mutation(("playlist_uri_foreign",), L, replace_uri("https://elsewhere.example/")),
    "URI out of the folder": Mutation(("playlist_uri_foreign",), L, replace_uri("../")),
    "a million lines": Mutation(("playlist_too_long",), L, edit(lambda text, _: text + "#EXTINF:1,\nx.ts\n" * 500_000)),
    # packets, tags and MP4 tables
    "slice's bytes swapped with its neighbour's": Mutation(("slice_displaced",), S, swap_bytes),
    "slice of another moment": Mutation(("slice_displaced",), S, foreign_bytes),
    "one packet lost inside a slice": Mutation(("packets_lost",), B, rewrite(lose_packet), WARN),
    "one packet marked as damaged": Mutation(("slice_broken",), B, rewrite(mark_packet), WARN),
    "one packet scrambled": Mutation(("slice_broken",), B, rewrite(scramble_packet), WARN),
    "one packet out of sync": Mutation(("slice_broken",), B, rewrite(unsync_packet), WARN),
    "slice of zeroes": Mutation(("damaged",), S, rewrite(zeroes)),
    "noise instead of a picture": Mutation(("damaged",), F, rewrite(noise)),
    "another codec": Mutation(("streams_changed", "codec_unexpected"), S, rewrite(other_codec)),
    "another size": Mutation(("size_unexpected",), S, other_size, WARN),
    "EXTINF gone": Mutation(("playlist_duration_absent",), L, drop_line("#EXTINF")),
    "byte order mark": Mutation(("playlist_broken",), L, edit(lambda text, _: "\ufeff" + text)),
    "a tag twice, with two values": Mutation(
        ("playlist_tag_repeated",),
        L,
        edit(lambda text, _: text.replace("#EXT-X-VERSION:3", "#EXT-X-VERSION:3\n#EXT-X-VERSION:4")),
    ),
    "a slice named twice": Mutation(("slices_out_of_order",), L, repeat_uri),
    "TARGETDURATION too small": Mutation(
        ("playlist_target_duration",), L, edit(lambda text, _: text.replace("DURATION:8", "DURATION:4")), WARN
    ),
    "MP4 cut by a byte": Mutation(("mp4_damaged",), S, mp4(lambda content, _: content[:-1]), WARN),
    "MP4 without its mark": Mutation(("mp4_differs",), S, mp4(lambda content, _: put(content, 4, b"junk")), NOTE),
    "MP4 without a track of sound": Mutation(
        ("mp4_track_absent",), S, mp4(lambda content, _: content.replace(b"soun", b"none"))
    ),
    "MP4 chunks point out of the file": Mutation(
        ("mp4_damaged",), S, mp4(lambda content, _: put(content, box(content, b"stco") + 16, b"\x7f\xff\xff\xff"))
    ),
    "MP4 table of a billion entries": Mutation(
        ("mp4_broken",), S, mp4(lambda content, _: put(content, box(content, b"stsz") + 16, b"\x3b\x9a\xca\x00"))
    ),
    "announced and not there": Mutation(("announced_missing",), L, announce),
    # damage and misplaced slices
    "all slices but the last zeroed after 4 kB": Mutation(("damaged",), S, zero_all),
    "the last third of a slice zeroed": Mutation(("damaged",), S, rewrite(fill_tail(0, 3)), WARN),
    "the last third of a slice set to 0xff": Mutation(("damaged",), S, rewrite(fill_tail(0xFF, 3)), WARN),
    "the last third of the last slice zeroed": Mutation(("damaged",), S, zero_last, WARN),
    "the middle third of a slice zeroed": Mutation(("damaged", "packets_lost"), B, rewrite(zero_middle), WARN),
    "every tenth packet of a slice twice": Mutation(("damaged",), B, rewrite(repeat_packets), WARN),
    "slice's bytes those of the slice before": Mutation(("slice_displaced",), S, repeat_bytes),
    "two distant slices' bytes swapped": Mutation(("slice_displaced",), S, swap_distant),
    "a slice of another size": Mutation(("size_changed",), S, one_size),
    "the size changes and stays": Mutation(("size_changed",), S, later_size, WARN),
    "EXTINF 6 s long": Mutation(("duration_wrong",), S, off_by(6)),
    "EXTINF 6 s long, the next 6 s short": Mutation(("duration_wrong",), S, off_and_back),
    "slices after ENDLIST": Mutation(("playlist_end_early",), L, edit(end_early), WARN),
}
