"""Encryption of secrets at rest: page and RTMP URLs, raw notifications, recorded answers.

Values are sealed by AES-256-GCM with a key from a file. Two keys may be in use; the first seals, and both open. To
rotate a key, add the new key first, and remove the old key when no value is sealed with it any more. A sealed value is
key id (1 byte), nonce (12), ciphertext and tag. Its purpose (`table.column`) is authenticated, so a value cannot be
moved to another column. Nonces are random; there are far fewer than 2**32 values per key. The module never logs or
stores a value.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12


class SealError(Exception):
    """A key is unusable, or a value was changed or was not sealed by a current key for this purpose."""


class _Key:
    def __init__(self, text: str) -> None:
        try:
            master = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            master = b""
        if len(master) != KEY_BYTES:
            raise SealError(f"a sealing key is the base64 of {KEY_BYTES} random bytes")
        self.id = hashlib.sha256(b"pagereel id" + master).digest()[:1]
        self.cipher = AESGCM(hmac.digest(master, b"pagereel seal", "sha256"))
        self.mac = hmac.digest(master, b"pagereel hash", "sha256")


class Seals:
    """Seals and opens with the current keys. Safe to use from several threads."""

    def __init__(self, *keys: str) -> None:
        """Set the keys, which are one or two texts of `make_key`, the sealing key first. Raise `SealError`."""
        self.use(*keys)

    def use(self, *keys: str) -> None:
        """Replace the keys, after their files changed."""
        if not 1 <= len(keys) <= 2:
            raise SealError("one or two sealing keys are wanted")
        made = [_Key(key) for key in keys]
        if len({key.mac for key in made}) != len(made):
            raise SealError("both sealing keys are the same: make another one")
        self._live, self._first = made, made[0]

    def seal(self, value: bytes, purpose: str) -> bytes:
        """Return the sealed form of `value`."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._first.id + nonce + self._first.cipher.encrypt(nonce, value, purpose.encode())

    def seal_many(self, values: Sequence[bytes], purpose: str) -> list[bytes]:
        """Seal each value with one system call for randomness in total, because each call releases the interpreter
        lock."""
        key_id, encrypt, about = self._first.id, self._first.cipher.encrypt, purpose.encode()
        random = os.urandom(_NONCE_BYTES * len(values))
        nonces = [random[at : at + _NONCE_BYTES] for at in range(0, len(random), _NONCE_BYTES)]
        return [key_id + nonce + encrypt(nonce, value, about) for nonce, value in zip(nonces, values, strict=True)]

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return the value that was sealed for this purpose. Raise `SealError`."""
        keys = [key for key in self._live if key.id == sealed[:1]]  # ids are short, so two keys may have the same id
        if not keys or len(sealed) < 1 + _NONCE_BYTES:
            raise SealError("sealed with a key that is not live")
        for key in keys:
            with suppress(InvalidTag):
                return key.cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], purpose.encode())
        raise SealError("a sealed value does not open: changed, moved, or sealed with another key")

    def keyed_hash(self, value: bytes) -> str:
        """Return a hash of a request that reveals nothing without the key. Compare it with `same_hash`."""
        return self._first.id.hex() + hmac.digest(self._first.mac, value, "sha256").hex()

    def same_hash(self, value: bytes, kept: str) -> bool:
        """Return whether `kept` is the `keyed_hash` of `value` under any current key."""
        return any(
            hmac.compare_digest(key.id.hex() + hmac.digest(key.mac, value, "sha256").hex(), kept) for key in self._live
        )


def make_key() -> str:
    """Return a new random key as text."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def make_key_file(path: Path) -> str:
    """Return the key in `path`. If the file is missing, create it first, readable by its owner alone."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    key = make_key()
    with os.fdopen(file, "w") as stream:
        stream.write(key + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    return key
