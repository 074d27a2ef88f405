"""Signatures that a third party can verify without us: DSSE envelopes with Ed25519. The module reads no files and is
independent of the manifest.

DSSE (github.com/secure-systems-lab/dsse) signs the exact bytes, so no canonical form of JSON is needed.
"""

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

KEY_BYTES = 32
STAMP_KIND = "rfc3161"
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class SignatureError(Exception):
    """An envelope or a key is unusable, or none of the keys signed the envelope. The message contains no secret."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with one signature. `signature` covers payload and type; `keyid` is only a hint to the key."""

    payload: bytes
    payload_type: str
    signature: bytes
    keyid: str

    def encode(self, stamps: Sequence[bytes] | None = None) -> bytes:
        """Return the envelope as JSON, with `stamps` (RFC 3161 answers over the signature) in a separate member. DSSE
        allows additional members, which other readers ignore."""
        envelope: dict[str, Any] = {
            "payloadType": self.payload_type,
            "payload": base64.b64encode(self.payload).decode(),
            "signatures": [{"keyid": self.keyid, "sig": base64.b64encode(self.signature).decode()}],
        }
        if stamps is not None:
            envelope["timestamps"] = [
                {"kind": STAMP_KIND, "response": base64.b64encode(stamp).decode()} for stamp in stamps
            ]
        return orjson.dumps(envelope)


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope that one of the keys has signed, and its `stamps`, which are not verified yet."""

    envelope: Envelope
    stamps: tuple[bytes, ...] = ()


class SigningKey:
    """A private key, read from the base64 of 32 random bytes."""

    def __init__(self, text: str) -> None:
        try:
            raw = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            raw = b""
        if len(raw) != KEY_BYTES:
            raise SignatureError(f"a signing key is the base64 of {KEY_BYTES} random bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(raw)

    @property
    def public(self) -> Ed25519PublicKey:
        return self._private.public_key()

    def sign(self, payload: bytes, payload_type: str) -> Envelope:
        """Return the signed payload. The signature is deterministic."""
        signature = self._private.sign(_signed_bytes(payload, payload_type))
        return Envelope(payload, payload_type, signature, key_id(self.public))


def key_id(key: Ed25519PublicKey) -> str:
    """Return a short name of a public key, which is the beginning of its SHA-256."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(text: str) -> list[Ed25519PublicKey]:
    """Return the public keys of a PEM text. Raise `SignatureError` if it contains no key or a key of another kind."""
    try:
        keys = [load_pem_public_key(block.encode()) for block in _PEM.findall(text)]
    except ValueError:
        keys = []
    found = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not found or len(found) < len(keys):
        raise SignatureError("the text must contain only Ed25519 public keys in PEM")
    return found


def open_envelope(envelope: bytes, payload_types: Collection[str], keys: Sequence[Ed25519PublicKey]) -> Opened:
    """Return the envelope if one of `keys` signed it. Its `keyid` names that key. Otherwise raise `SignatureError`."""
    try:
        given: Any = orjson.loads(envelope)
        payload = base64.b64decode(given["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in given["signatures"]]
        payload_type = given["payloadType"]
        stamps = given.get("timestamps")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SignatureError("this is not a signed envelope") from None
    if payload_type not in payload_types:
        raise SignatureError("the envelope contains something else")
    for key in keys:
        for signature in signatures:
            try:
                key.verify(signature, _signed_bytes(payload, payload_type))
            except InvalidSignature:
                continue
            return Opened(Envelope(payload, payload_type, signature, key_id(key)), tuple(_read_stamps(stamps)))
    raise SignatureError("none of the given keys signed it")


def _read_stamps(given: Any) -> Iterator[bytes]:
    """Yield the stamps of an envelope. Skip invalid entries."""
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict) and one.get("kind") == STAMP_KIND and isinstance(one.get("response"), str):
            try:
                yield base64.b64decode(one["response"], validate=True)
            except ValueError:
                continue


def _signed_bytes(payload: bytes, payload_type: str) -> bytes:
    """Return the bytes that are signed, which are DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
