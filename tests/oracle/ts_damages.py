"""Damages to slices: to their bytes wherever these lie, to packets of one stream, and to slices as a whole."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tests.oracle.bases import RECIPES, base
from tests.oracle.draft import PACKET, Draft

Change = Callable[[Draft], None]
_PICTURE, _SOUND = 0xE0, 0xC0


def fill(what: str, place: str) -> Change:
    """Bytes become zeros, 0xff (`ones`) or noise, are cut out, or come twice (`repeat`)."""

    def change(draft: Draft) -> None:
        for key in draft.some_slices():
            content = draft.objects[key]
            begin, end = draft.stretch(len(content), place, least=PACKET if what == "zero" else 2 * PACKET)
            draft.write(key, filled(draft, content, begin, end, what), f"{what} {begin}:{end} of {len(content)}")

    return change


def filled(draft: Draft, content: bytes, begin: int, end: int, what: str) -> bytes:
    """`content` with one stretch changed."""
    size = end - begin
    fills: dict[str, Callable[[], bytes]] = {
        "zero": lambda: bytes(size),
        "ones": lambda: b"\xff" * size,
        "noise": lambda: draft.dice.randbytes(size),
        "cut": lambda: b"",
        "repeat": lambda: content[begin:end] * 2,
    }
    return content[:begin] + fills[what]() + content[end:]


def payloads(what: str) -> Change:
    """The same for what packets carry; their headers stay as they were."""

    def change(draft: Draft) -> None:
        for key in draft.some_slices():
            packets = packets_of(draft.objects[key])
            begin, end = (at // PACKET for at in draft.stretch(packets.size, "middle", least=2 * PACKET))
            chosen = packets[begin:end]
            plain = (chosen[:, 3] & 0x20) == 0
            new = np.frombuffer(filled(draft, chosen.tobytes(), 0, chosen.size, what), np.uint8).reshape(chosen.shape)
            chosen[plain, 4:] = new[plain, 4:]
            draft.write(key, packets.tobytes(), f"payloads {what} in packets {begin}:{end} of {len(packets)}")

    return change


def scattered(what: str) -> Change:
    """One packet in some is lost or zeroed, or a byte in some is another (`flip`)."""

    def change(draft: Draft) -> None:
        every = draft.dice.choice((3, 10, 30, 100, 300))
        for key in draft.some_slices():
            packets = packets_of(draft.objects[key])
            dice = np.random.default_rng(draft.dice.getrandbits(32))
            hit = dice.random(len(packets)) < 1 / every
            if what == "lost":
                packets = packets[~hit]
            elif what == "zero":
                packets[hit] = 0
            else:
                packets[hit, 40 + dice.integers(0, 140, np.count_nonzero(hit))] ^= 0x55
            draft.write(key, packets.tobytes(), f"one packet in {every} {what}")

    return change


def one_stream_lost(which: str, place: str) -> Change:
    """The packets of picture or of sound are missing in a stretch."""

    def change(draft: Draft) -> None:
        for key in draft.some_slices():
            packets = packets_of(draft.objects[key])
            begin, end = (at // PACKET for at in draft.stretch(packets.size, place))
            numbers = np.arange(len(packets))
            lost = (numbers >= begin) & (numbers < end) & (pids_of(packets) == _pid(packets, which))
            draft.write(key, packets[~lost].tobytes(), f"{which} lost in packets {begin}:{end} of {len(packets)}")

    return change


def truncate(draft: Draft) -> None:
    """Slices end at any byte."""
    for key in draft.some_slices():
        length = len(draft.objects[key])
        end = draft.dice.randrange(length)
        draft.write(key, draft.objects[key][:end], f"ends after {end} of {length} bytes")


def swap_stretches(draft: Draft) -> None:
    """Stretches of two slices, or two of one slice, change places."""
    first, second = (draft.dice.choice(draft.made.slices) for _ in range(2))
    one, other = draft.objects[first], draft.objects[second]
    most = min(len(one), len(other)) // 2
    size = draft.size(most - most % PACKET) // PACKET * PACKET
    here = draft.dice.randint(0, len(one) // 2 - size)
    there = len(other) // 2 + draft.dice.randint(0, len(other) // 2 - size)
    here, there = here - here % PACKET, there - there % PACKET
    taken, given = one[here : here + size], other[there : there + size]
    draft.write(first, one[:here] + given + one[here + size :], f"{size} bytes at {here} swapped with {second[-21:]}")
    other = draft.objects[second]
    draft.write(second, other[:there] + taken + other[there + size :], f"{size} bytes at {there} swapped")


def move_stretch(draft: Draft) -> None:
    """A stretch of one slice lies in another."""
    first, second = draft.dice.sample(draft.made.slices, 2)
    begin, end = draft.stretch(len(draft.objects[first]), "middle")
    taken = draft.objects[first][begin:end]
    draft.write(first, draft.objects[first][:begin] + draft.objects[first][end:], f"{begin}:{end} moved away")
    at = draft.dice.randrange(0, len(draft.objects[second]), PACKET)
    draft.write(second, draft.objects[second][:at] + taken + draft.objects[second][at:], f"{end - begin} bytes came in")


def swap_slices(draft: Draft) -> None:
    """Two slices change places."""
    first, second = draft.dice.sample(draft.made.slices, 2)
    one, other = draft.objects[first], draft.objects[second]
    draft.write(first, other, f"is {second[-21:]}")
    draft.write(second, one, f"is {first[-21:]}")


def rotate_slices(draft: Draft) -> None:
    """Every slice of a run of them lies one place further on."""
    slices = draft.made.slices
    begin = draft.dice.randrange(len(slices) - 1)
    run = slices[begin : begin + draft.dice.randint(2, len(slices) - begin)]
    contents = [draft.objects[key] for key in run]
    for key, content in zip(run, contents[1:] + contents[:1], strict=True):
        draft.write(key, content, "is its neighbour")


def other_moment(draft: Draft) -> None:
    """Slices hold what another slice holds too."""
    for key in draft.some_slices()[: len(draft.made.slices) - 1]:
        other = draft.dice.choice([one for one in draft.made.slices if one != key])
        draft.write(key, draft.made.objects[other], f"is {other[-21:]} once more")


def other_recording(draft: Draft) -> None:
    """Slices are those of a recording of other settings."""
    mine = RECIPES[draft.number]
    others = [number for number, one in enumerate(RECIPES) if one.x264 != mine.x264]
    other = base(draft.dice.choice(others))
    for key in draft.inner_slices():
        number = min(draft.made.slices.index(key), len(other.slices) - 1)
        draft.write(key, other.objects[other.slices[number]], f"slice {number} of {other.recipe.name}")


def other_take(draft: Draft) -> None:
    """Slices are those of the same moment of another recording of the same settings."""
    mine = RECIPES[draft.number]
    number = next(
        number for number, one in enumerate(RECIPES) if one.x264 == mine.x264 and one.take != mine.take
    )  # fmt: skip
    other = base(number)
    for key in draft.inner_slices():
        place = draft.made.slices.index(key)
        draft.write(key, other.objects[other.slices[place]], f"slice {place} of {other.recipe.name}")


def empty(draft: Draft) -> None:
    """Slices have no bytes."""
    for key in draft.some_slices():
        draft.write(key, b"", "empty")


def gone(draft: Draft) -> None:
    """Slices are not in the bucket."""
    for key in draft.some_slices():
        del draft.objects[key]
        draft.notes.append(f"{key[-21:]} gone")


def packets_of(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content[: len(content) // PACKET * PACKET], np.uint8).reshape(-1, PACKET).copy()


def pids_of(packets: NDArray[np.uint8]) -> NDArray[np.int64]:
    return ((packets[:, 1] & 0x1F).astype(np.int64) << 8) | packets[:, 2]


def _pid(packets: NDArray[np.uint8], which: str) -> int:
    """The PID whose first PES packet is one of picture or of sound."""
    kind = _PICTURE if which == "picture" else _SOUND
    for packet in packets[(packets[:, 1] & 0x40) != 0]:
        begin = 5 + packet[4] if packet[3] & 0x20 else 4
        if bytes(packet[begin : begin + 3]) == b"\x00\x00\x01" and packet[begin + 3] == kind:
            return (int(packet[1] & 0x1F) << 8) | int(packet[2])
    return -1
