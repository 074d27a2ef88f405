"""Counts AAC frames in ADTS form to measure the actual duration of audio."""

SAMPLES = 1024
RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

_HEADER = 7


def count_frames(content: bytes, at: int = 0, end: int | None = None) -> tuple[int, int, int | None]:
    """Count the frames of `content` that begin at or after `at` and before `end`.

    Return the count, the number of bytes of the last frame beyond `end`, and the sampling rate (None without a frame).
    Bytes outside frames are skipped, so damaged audio counts as absent.
    """
    end = len(content) if end is None else end
    count, rate = 0, None
    while at + _HEADER <= end:
        if content[at] != 0xFF or content[at + 1] & 0xF6 != 0xF0:
            at = _next(content, at + 1, end)
            continue
        length = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
        index = content[at + 2] >> 2 & 15
        if length < _HEADER or index >= len(RATES):
            at = _next(content, at + 1, end)
            continue
        count += (content[at + 6] & 3) + 1
        rate = RATES[index]
        at += length
    return count, max(0, at - end), rate


def _next(content: bytes, at: int, end: int) -> int:
    """Return the next offset at which a frame may begin, or the end."""
    found = content.find(b"\xff", at, end)
    return end if found < 0 else found
