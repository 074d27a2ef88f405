"""Parses the program tables of MPEG-TS: the programs of a slice and their streams."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

H264 = 0x1B
AAC = 0x0F

_PAT, _PMT = 0x00, 0x02
_VIDEO = frozenset({0x01, 0x02, 0x10, H264, 0x24, 0x33})
_AUDIO = frozenset({0x03, 0x04, AAC, 0x11, 0x81, 0x87})


@dataclass(frozen=True, slots=True)
class Stream:
    """One elementary stream: its PID and the type in the program map."""

    pid: int
    type: int

    @property
    def video(self) -> bool:
        return self.type in _VIDEO

    @property
    def audio(self) -> bool:
        return self.type in _AUDIO

    @property
    def adts(self) -> bool:
        return self.type == AAC


def sections(packets: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the complete tables with a valid checksum in packets of one PID."""
    gathered = b""
    for packet in packets:
        payload = _payload(packet)
        if packet[1] & 0x40:
            gathered = payload[1 + payload[0] :] if payload else b""
        elif gathered:
            gathered += payload
        if len(gathered) < 3:
            continue
        size = 3 + ((gathered[1] & 0x0F) << 8 | gathered[2])
        if size < 12:
            gathered = b""
        elif len(gathered) >= size:
            section, gathered = gathered[:size], b""
            if _crc(section) == 0:
                yield section


def programs_of(packets: tuple[bytes, ...]) -> tuple[int, tuple[int, ...]]:
    """Return the largest number of programs in a table of these packets, and the PIDs of all their maps."""
    return _one_packet_programs(packets[0]) if len(packets) == 1 else _programs_of(packets)


def maps_of(packets: tuple[bytes, ...]) -> tuple[tuple[Stream, ...], ...]:
    """Return the different lists of streams in these packets, in order of appearance."""
    return _one_packet_maps(packets[0]) if len(packets) == 1 else _maps_of(packets)


@lru_cache(maxsize=512)  # the slices of a recording repeat the same tables
def _one_packet_programs(packet: bytes) -> tuple[int, tuple[int, ...]]:
    return _programs_of((packet,))


@lru_cache(maxsize=512)
def _one_packet_maps(packet: bytes) -> tuple[tuple[Stream, ...], ...]:
    return _maps_of((packet,))


def _programs_of(packets: tuple[bytes, ...]) -> tuple[int, tuple[int, ...]]:
    tables = [read_programs(section) for section in sections(packets)]
    pids = dict.fromkeys(pid for table in tables for pid in table.values())
    return max(map(len, tables), default=0), tuple(pids)


def _maps_of(packets: tuple[bytes, ...]) -> tuple[tuple[Stream, ...], ...]:
    found = [read_streams(section) for section in sections(packets)]
    return tuple(dict.fromkeys(streams for streams in found if streams is not None))


def read_programs(section: bytes) -> dict[int, int]:
    """Return the PID of each program's map by program number. Number 0 is not a program."""
    if section[0] != _PAT:
        return {}
    found = {}
    for at in range(8, len(section) - 7, 4):
        number = section[at] << 8 | section[at + 1]
        if number:
            found[number] = (section[at + 2] & 0x1F) << 8 | section[at + 3]
    return found


def read_streams(section: bytes) -> tuple[Stream, ...] | None:
    """Return the streams of a program map, or None for another table."""
    if section[0] != _PMT:
        return None
    found = []
    at = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while at + 5 <= len(section) - 4:
        found.append(Stream((section[at + 1] & 0x1F) << 8 | section[at + 2], section[at]))
        at += 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
    return tuple(found)


def _payload(packet: bytes) -> bytes:
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _crc(section: bytes) -> int:
    """Return the CRC of a table including its checksum, which is 0 if the table is undamaged."""
    value = 0xFFFFFFFF
    for byte in section:
        value = (value << 8 & 0xFFFFFFFF) ^ _CRC[value >> 24 ^ byte]
    return value


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return tuple(table)


_CRC = _crc_table()
