"""Parses the first bytes of a coded picture: its kind, and its parameter sets."""

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

IDR, SPS, PPS = 5, 7, 8
PICTURES = (1, 5)

# Profiles whose parameter set contains the colour format (ITU-T H.264, 7.3.2.1.1).
_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MOST_SIDE = 1 << 14


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """The values of a sequence parameter set; `digest` distinguishes any two."""

    profile: int
    level: int
    width: int
    height: int
    digest: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a coded picture. `alone` is true if the picture depends on no earlier picture (IDR). `sets`
    contains the parameter sets before it, in Annex B form. `parameters` contains the values of the first set."""

    alone: bool
    parameters: ParameterSet | None
    sets: bytes = b""


def read_beginning(content: bytes) -> Beginning:
    """Parse the NAL units at the beginning of a picture, in Annex B form."""
    alone, parameters, sets = False, None, b""
    for unit in nal_units(content):
        kind = unit[0] & 0x1F if unit else 0
        if kind in (SPS, PPS):
            sets += b"\x00\x00\x00\x01" + unit
            parameters = parameters or (read_parameters(unit) if kind == SPS else None)
        elif kind in PICTURES:
            alone = kind == IDR
            break
    return Beginning(alone, parameters, sets)


def nal_units(content: bytes) -> list[bytes]:
    """Return the NAL units after each start code. The last unit may be truncated."""
    found = []
    at = content.find(b"\x00\x00\x01")
    while at >= 0:
        following = content.find(b"\x00\x00\x01", at + 3)
        unit = content[at + 3 : following if following >= 0 else len(content)]
        found.append(unit.rstrip(b"\x00") if following >= 0 else unit)
        at = following
    return found


@lru_cache(maxsize=512)  # the slices of a recording repeat the same sets
def read_parameters(unit: bytes) -> ParameterSet | None:
    """Parse a sequence parameter set. Return None if it is truncated or invalid."""
    try:
        return _read(_Bits(unit[4:].replace(b"\x00\x00\x03", b"\x00\x00")), unit)
    except (IndexError, ValueError):
        return None


def _read(bits: "_Bits", unit: bytes) -> ParameterSet | None:
    profile, level = unit[1], unit[3]
    bits.golomb()
    chroma, planes = 1, False
    if profile in _HIGH:
        chroma = bits.golomb()
        planes = chroma == 3 and bool(bits.take(1))
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            _skip_scaling(bits, 8 if chroma != 3 else 12)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()
    bits.take(1)
    width, height = (bits.golomb() + 1) * 16, (bits.golomb() + 1) * 16
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
        height *= 2
    bits.take(1)
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        wide, high = (1, 1) if chroma == 0 or planes else ((2, 2), (2, 1), (1, 1))[min(chroma, 3) - 1]
        width -= (left + right) * wide
        height -= (top + bottom) * high * (2 - frames_only)
    if not (0 < width <= _MOST_SIDE and 0 < height <= _MOST_SIDE):
        return None
    return ParameterSet(profile, level, width, height, crc32(unit))


def _skip_scaling(bits: "_Bits", count: int) -> None:
    for index in range(count):
        if bits.take(1):
            last = following = 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    code = bits.golomb()
                    following = (last + (-(code // 2) if code % 2 == 0 else (code + 1) // 2)) % 256
                last = following or last


class _Bits:
    """Reads the bits of a parameter set, most significant first. Raises IndexError at the end."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self._left = len(content) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise ValueError
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)
