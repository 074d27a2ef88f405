"""Counts AAC frames in ADTS form: how long a stretch of sound really is."""

SAMPLES = 1024
RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

_HEADER = 7


def count_frames(body: memoryview | bytes, skipped: int = 0) -> tuple[int, int, int | None]:
    """Count the frames that begin in `body`, of which the first `skipped` bytes end a frame that began before.

    Returns the count, how many bytes of the last frame are still to come, and the sampling rate (None without a
    frame). Bytes that are no frame are passed over, so damaged sound counts as absent.
    """
    at, count, rate, size = skipped, 0, None, len(body)
    while at + _HEADER <= size:
        if body[at] != 0xFF or body[at + 1] & 0xF6 != 0xF0:
            at = _next(body, at + 1)
            continue
        length = (body[at + 3] & 3) << 11 | body[at + 4] << 3 | body[at + 5] >> 5
        index = body[at + 2] >> 2 & 15
        if length < _HEADER or index >= len(RATES):
            at = _next(body, at + 1)
            continue
        count += (body[at + 6] & 3) + 1
        rate = RATES[index]
        at += length
    return count, max(0, at - size), rate


def _next(body: memoryview | bytes, at: int) -> int:
    """The next offset at which a frame may begin, the size where there is none."""
    found = bytes(body[at:]).find(b"\xff")
    return len(body) if found < 0 else at + found
