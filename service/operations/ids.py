"""Fresh ids. The only package with randomness: the lifecycle receives ids with its observations."""

import os
import secrets
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Returns this many random bytes."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
UID_MAX = 2**32 - 1


def new_ulid(now: float, entropy: Entropy = os.urandom) -> str:
    """Return a ULID (26 characters of Crockford's base 32) for the time `now`. It sorts by time and cannot be
    guessed."""
    number = (int(now * 1000) << 80) | int.from_bytes(entropy(10))
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def instant_of_ulid(ulid: str) -> float:
    """Return the timestamp of a ULID in Unix seconds."""
    milliseconds = 0
    for character in ulid[:10]:
        milliseconds = milliseconds * 32 + _ALPHABET.index(character)
    return milliseconds / 1000


def new_uid(entropy: Entropy = os.urandom) -> int:
    """Return a uid for Agora: 1 to 2^32 - 1 (agora-reference §2)."""
    return int.from_bytes(entropy(8)) % UID_MAX + 1


def new_token() -> tuple[str, str]:
    """Return (id, secret) of a new API token, which is `prl_<id>_<secret>`."""
    return secrets.token_hex(6), secrets.token_hex(32)
