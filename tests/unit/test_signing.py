"""Envelopes that others can check: by the standard's own test, by a library that is not ours, and after tampering."""

import base64
import json
import os

import pytest
from cryptography.exceptions import InvalidSignature

from service.dsse import Opened, SignatureError, SigningKey, key_id, open_envelope, public_text, read_public

KIND = "application/vnd.example+json"
KEY = SigningKey(base64.b64encode(bytes(range(32))).decode())
OTHER = SigningKey(base64.b64encode(os.urandom(32)).decode())


def test_an_envelope_is_signed_as_the_standard_says() -> None:
    envelope = json.loads(KEY.sign(b'{"a": 1}', KIND).encode())
    told = b"DSSEv1 " + f"{len(KIND)} {KIND} 8 ".encode() + b'{"a": 1}'
    public, _ = read_public(f"# a word\n{public_text(KEY.public)}\n{public_text(OTHER.public)}")
    (signature,) = envelope["signatures"]
    assert (envelope["payloadType"], base64.b64decode(envelope["payload"])) == (KIND, b'{"a": 1}')
    assert signature["keyid"] == key_id(public)
    public.verify(base64.b64decode(signature["sig"]), told)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature["sig"]), told + b" ")


def test_one_of_several_keys_opens_it_and_says_which() -> None:
    sealed = KEY.sign(b"{}", KIND)
    assert open_envelope(sealed.encode(), ["application/x", KIND], [OTHER.public, KEY.public]) == Opened(sealed)
    assert sealed.keyid == key_id(KEY.public)
    with pytest.raises(SignatureError, match="none of the given keys"):
        open_envelope(sealed.encode(), [KIND], [OTHER.public])


def test_stamps_come_back_and_what_is_none_is_left_out() -> None:
    sealed = KEY.sign(b"{}", KIND)
    assert open_envelope(sealed.encode([b"one", b"two"]), [KIND], [KEY.public]).stamps == (b"one", b"two")
    for odd in (
        None,
        "x",
        7,
        [None],
        [7],
        [{"kind": "other"}],
        [{"kind": "rfc3161"}],
        [{"kind": "rfc3161", "response": "?"}],
    ):
        text = json.dumps(json.loads(sealed.encode()) | {"timestamps": odd}).encode()
        assert open_envelope(text, [KIND], [KEY.public]) == Opened(sealed)


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(KEY.sign(b'{"a": 1}', KIND).encode()) | fields).encode()


@pytest.mark.parametrize(
    "envelope",
    [
        changed(payload=base64.b64encode(b'{"a": 2}').decode()),
        changed(payloadType="application/other"),
        changed(signatures=[]),
        changed(signatures=[{"keyid": "x", "sig": "AAAA"}]),
        changed(signatures=None),
        changed(payload="?"),
        b"[]",
        b"no json",
        b"",
    ],
)
def test_what_was_tampered_with_is_not_opened(envelope: bytes) -> None:
    with pytest.raises(SignatureError):
        open_envelope(envelope, [KIND], [KEY.public])


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"31 bytes is one too few, alas!!").decode()])
def test_a_bad_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SignatureError) as refused:
        SigningKey(text)
    assert not text or text not in str(refused.value)
    with pytest.raises(SignatureError):
        read_public(text)
