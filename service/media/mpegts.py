"""Reads what a few KiB of a slice say: its one program, its streams and their times (verification A.1.4, T2-T5).

Bounded by the bytes it is given, and never raises because of them: they come from a stranger. It decodes nothing.
"""

from dataclasses import dataclass

PACKET = 188
TICKS = 90_000
H264 = 0x1B
AAC = 0x0F

_WRAP = 1 << 33
_SYNC = 0x47
_PAT, _PMT = 0x00, 0x02
_VIDEO = frozenset({0x01, 0x02, 0x10, H264, 0x24, 0x33})
_AUDIO = frozenset({0x03, 0x04, AAC, 0x11, 0x81, 0x87})


@dataclass(frozen=True, slots=True)
class Stream:
    """One elementary stream: where it is and what type the program map gives it."""

    pid: int
    type: int

    @property
    def video(self) -> bool:
        return self.type in _VIDEO

    @property
    def audio(self) -> bool:
        return self.type in _AUDIO


@dataclass(frozen=True, slots=True)
class Head:
    """What the beginning of a slice says. `fault`: why it cannot be read, or None. `programs`: how many there are, None
    without a table of them; `streams` None without a map of the one. `video_at`, `audio_at`: first time stamps in
    ticks. `key`: the first picture is one to begin with, as far as the container says."""

    fault: str | None = None
    programs: int | None = None
    streams: tuple[Stream, ...] | None = None
    video_at: int | None = None
    audio_at: int | None = None
    key: bool = False


def read_head(content: bytes) -> Head:
    """Read the first packets of a slice. What is cut off at the end of `content` is not missed."""
    return _Reader().read(content)


def held_seconds(content: bytes, head: Head) -> float | None:
    """How long the slice is that began with `head` and ends with `content`, by its time stamps; None where they do not
    say. Each stream ends one of its steps after its last stamp."""
    first = {stream.pid: head.video_at if stream.video else head.audio_at for stream in head.streams or ()}
    times: dict[int, list[float]] = {}
    for start in range(len(content) % PACKET, len(content) - PACKET + 1, PACKET):
        packet = content[start : start + PACKET]
        began = first.get(_pid(packet))
        if packet[0] == _SYNC and packet[1] & 0x40 and began is not None:
            at = _time(_payload(packet))
            if at is not None:
                times.setdefault(_pid(packet), []).append(since(began, at))
    ends = []
    for found in times.values():
        found.sort()
        ends.append(found[-1] + (found[-1] - found[-2] if len(found) > 1 else 0.0))
    return max(ends, default=None)


def since(earlier: int, later: int) -> float:
    """Seconds from one time stamp to another; the clock wraps every 26.5 hours, so at most half of that either way."""
    return ((later - earlier + _WRAP // 2) % _WRAP - _WRAP // 2) / TICKS


class _Reader:
    def __init__(self) -> None:
        self._programs: dict[int, int] | None = None
        self._streams: tuple[Stream, ...] | None = None
        self._sections: dict[int, bytes] = {}
        self._times: dict[int, int] = {}
        self._keys: set[int] = set()

    def read(self, content: bytes) -> Head:
        fault = None if content else "it is empty"
        for start in range(0, len(content), PACKET):
            packet = content[start : start + PACKET]
            if packet[0] != _SYNC:
                fault = f"packet {start // PACKET} does not begin with the sync byte"
            elif len(packet) >= 4 and packet[1] & 0x80:
                fault = f"packet {start // PACKET} is marked as damaged"
            elif len(packet) >= 4 and packet[3] & 0xC0:
                fault = f"packet {start // PACKET} is scrambled"
            if fault is not None:
                break
            if len(packet) == PACKET:
                self._take(packet)
        programs = None if self._programs is None else len(self._programs)
        streams = self._streams
        video = next((one.pid for one in streams or () if one.video), None)
        audio = next((one.pid for one in streams or () if one.audio), None)
        return Head(
            fault,
            programs,
            streams,
            None if video is None else self._times.get(video),
            None if audio is None else self._times.get(audio),
            video in self._keys,
        )

    def _take(self, packet: bytes) -> None:
        pid, starts = _pid(packet), bool(packet[1] & 0x40)
        payload = _payload(packet)
        if pid == 0:
            section = self._section(pid, payload, starts)
            if section is not None and section[0] == _PAT:
                self._programs = _read_programs(section)
        elif self._programs is not None and pid in self._programs.values():
            section = self._section(pid, payload, starts)
            if section is not None and section[0] == _PMT and self._streams is None:
                self._streams = _read_streams(section)
        elif starts and pid not in self._times:
            at = _time(payload)
            if at is not None:
                self._times[pid] = at
                if packet[3] & 0x20 and packet[4] > 0 and packet[5] & 0x40:
                    self._keys.add(pid)

    def _section(self, pid: int, payload: bytes, starts: bool) -> bytes | None:
        """The whole table that this packet ends, if it does and its sum is right."""
        if starts:
            begin = 1 + payload[0] if payload else 0
            self._sections[pid] = payload[begin:]
        elif pid in self._sections:
            self._sections[pid] += payload
        gathered = self._sections.get(pid, b"")
        if len(gathered) < 3:
            return None
        size = 3 + ((gathered[1] & 0x0F) << 8 | gathered[2])
        if len(gathered) < size or size < 12:
            return None
        section = gathered[:size]
        del self._sections[pid]
        return section if _crc(section) == 0 else None


def _pid(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def _payload(packet: bytes) -> bytes:
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _time(payload: bytes) -> int | None:
    """The presentation time of a PES packet that begins here."""
    if len(payload) < 14 or payload[:3] != b"\x00\x00\x01" or not payload[7] & 0x80:
        return None
    part = payload[9:14]
    return (part[0] >> 1 & 7) << 30 | part[1] << 22 | part[2] >> 1 << 15 | part[3] << 7 | part[4] >> 1


def _read_programs(section: bytes) -> dict[int, int]:
    """Program number to the PID of its map; number 0 is no program."""
    found = {}
    for at in range(8, len(section) - 7, 4):
        number = section[at] << 8 | section[at + 1]
        if number:
            found[number] = (section[at + 2] & 0x1F) << 8 | section[at + 3]
    return found


def _read_streams(section: bytes) -> tuple[Stream, ...]:
    found = []
    at = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while at + 5 <= len(section) - 4:
        found.append(Stream((section[at + 1] & 0x1F) << 8 | section[at + 2], section[at]))
        at += 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
    return tuple(found)


def _crc(section: bytes) -> int:
    """The sum of a table with its own sum at the end, which is 0 where nothing was damaged."""
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
