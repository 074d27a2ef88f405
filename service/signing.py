"""Signatures that a third party can check without us: DSSE envelopes with Ed25519. Reads no file and knows no manifest.

DSSE (github.com/secure-systems-lab/dsse) signs the bytes as they are, so nobody has to agree on how JSON is written.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

KEY_BYTES = 32
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class SignatureError(Exception):
    """An envelope or a key is unusable, or no signature of the envelope is by one of the keys. Shows no secret."""


class SigningKey:
    """One private key: the base64 of 32 random bytes."""

    def __init__(self, text: str) -> None:
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != KEY_BYTES:
            raise SignatureError(f"a signing key is the base64 of {KEY_BYTES} random bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(raw)

    @property
    def public(self) -> Ed25519PublicKey:
        return self._private.public_key()

    def seal(self, payload: bytes, payload_type: str) -> bytes:
        """The payload in a signed envelope."""
        signature = self._private.sign(_told(payload, payload_type))
        return orjson.dumps(
            {
                "payloadType": payload_type,
                "payload": base64.b64encode(payload).decode(),
                "signatures": [{"keyid": key_id(self.public), "sig": base64.b64encode(signature).decode()}],
            }
        )


def key_id(key: Ed25519PublicKey) -> str:
    """A short name of a public key: the beginning of its SHA-256."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(text: str) -> list[Ed25519PublicKey]:
    """The public keys of a PEM text. Raises `SignatureError` where there is none, or one of another kind."""
    try:
        keys = [load_pem_public_key(block.encode()) for block in _PEM.findall(text)]
    except ValueError:
        keys = []
    found = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not found or len(found) < len(keys):
        raise SignatureError("the text holds something else than Ed25519 public keys in PEM")
    return found


def open_envelope(envelope: bytes, payload_type: str, keys: Sequence[Ed25519PublicKey]) -> tuple[bytes, str]:
    """The payload, and the id of the key that signed it. Raises `SignatureError`."""
    try:
        given: Any = orjson.loads(envelope)
        payload = base64.b64decode(given["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in given["signatures"]]
        told_type = given["payloadType"]
    except (ValueError, KeyError, TypeError):
        raise SignatureError("this is no signed envelope") from None
    if told_type != payload_type:
        raise SignatureError("the envelope holds something else")
    for key in keys:
        for signature in signatures:
            try:
                key.verify(signature, _told(payload, payload_type))
            except InvalidSignature:
                continue
            return payload, key_id(key)
    raise SignatureError("no signature of it is by a key given")


def _told(payload: bytes, payload_type: str) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
