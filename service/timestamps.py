"""Time stamps by RFC 3161: what an authority is asked, and what its answer proves. Pure; `stamper` sends.

What is stamped is a digest, so the authority learns nothing. Answers come from outside: each is proven or refused, and
none of them raises anything but `TimestampError`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.tsp import PKIStatus

QUERY_TYPE: Final = "application/timestamp-query"
ANSWER_TYPE: Final = "application/timestamp-reply"
MAX_ANSWER_BYTES: Final = 64 * 1024
_GRANTED: Final = (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)


class TimestampError(Exception):
    """An answer proves no time, or a text holds no certificates."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A proven time stamp: `at` in Unix seconds, and the name in the certificate of the authority that set it."""

    at: float
    authority: str


def make_request(message: bytes) -> TimeStampRequest:
    """A request for a stamp on the SHA-256 of `message`, with a fresh nonce; the answer is to bring certificates."""
    return TimestampRequestBuilder(message, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()


def check_answer(answer: bytes, request: TimeStampRequest, message: bytes) -> None:
    """Raise `TimestampError` where an answer is none to this request. Says nothing about who signed it."""
    decoded = _decode(answer)
    try:
        told = decoded.tst_info
        same = told.message_imprint.message == hashlib.sha256(message).digest() and told.nonce == request.nonce
    except ValueError:
        raise TimestampError("the answer contains no time stamp") from None
    if not same:
        raise TimestampError("the answer belongs to another request")


def verify_answer(answer: bytes, message: bytes, trusted: Sequence[Certificate]) -> Stamp:
    """What a stamp proves about `message`, by an authority whose certificates lead to a trusted one. They need to have
    been valid when it was set, not now. Raises `TimestampError`."""
    decoded = _decode(answer)
    try:
        VerifierBuilder(roots=list(trusted)).build().verify_message(decoded, message)
        at = decoded.tst_info.gen_time
        return Stamp(at.replace(tzinfo=at.tzinfo or UTC).timestamp(), _authority(decoded))
    except (VerificationError, ValueError) as error:
        reason = str(error).partition(":")[0].rstrip(".")  # what follows is OpenSSL's stack of errors
        raise TimestampError(f"the time stamp is not proven ({reason})") from None


def read_certificates(text: str) -> list[Certificate]:
    """The certificates of a PEM text. Raises `TimestampError` where there is none or one cannot be read."""
    try:
        return load_pem_x509_certificates(text.encode())
    except ValueError:
        raise TimestampError("the text contains no certificates in PEM") from None


def _decode(answer: bytes) -> TimeStampResponse:
    if len(answer) > MAX_ANSWER_BYTES:
        raise TimestampError("the answer is too long for a time stamp")
    try:
        decoded = decode_timestamp_response(answer)
        status: Any = decoded.status
    except ValueError:
        raise TimestampError("the answer is not a time stamp") from None
    if status not in _GRANTED:
        raise TimestampError(f"the authority refused (status {int(status)})")
    return decoded


def _authority(decoded: TimeStampResponse) -> str:
    """The subject of the certificate that signed; it was found and trusted before."""
    (signer,) = decoded.signed_data.signer_infos
    certificates = map(load_der_x509_certificate, decoded.signed_data.certificates)
    subjects = (
        one.subject.rfc4514_string()
        for one in certificates
        if (one.issuer, one.serial_number) == (signer.issuer, signer.serial_number)
    )
    return next(subjects, "")
