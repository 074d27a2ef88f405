"""Time stamps by RFC 3161: the request to an authority and the proof in its answer. Pure; `stamper` sends the request.

Only a digest is stamped, so the authority does not see the message. Answers are untrusted. Each answer is either proven
or refused, and it raises only `TimestampError`.
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
    """An answer proves no time, or a text contains no certificates."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A proven time stamp. Contains `at` in Unix seconds, and the name in the authority's certificate."""

    at: float
    authority: str


def make_request(message: bytes) -> TimeStampRequest:
    """Return a request for a stamp on the SHA-256 of `message`, with a fresh nonce. It requests certificates in the
    answer."""
    return TimestampRequestBuilder(message, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()


def check_answer(answer: bytes, request: TimeStampRequest, message: bytes) -> None:
    """Raise `TimestampError` if an answer does not belong to this request. The signer is not verified."""
    decoded = _decode(answer)
    try:
        told = decoded.tst_info
        same = told.message_imprint.message == hashlib.sha256(message).digest() and told.nonce == request.nonce
    except ValueError:
        raise TimestampError("the answer contains no time stamp") from None
    if not same:
        raise TimestampError("the answer belongs to another request")


def verify_answer(answer: bytes, message: bytes, trusted: Sequence[Certificate]) -> Stamp:
    """Return the stamp that an answer proves about `message`. The authority's certificates must lead to a trusted one
    and must have been valid when the stamp was set; they may have expired since. Otherwise raise `TimestampError`."""
    decoded = _decode(answer)
    try:
        VerifierBuilder(roots=list(trusted)).build().verify_message(decoded, message)
        at = decoded.tst_info.gen_time
        return Stamp(at.replace(tzinfo=at.tzinfo or UTC).timestamp(), _authority(decoded))
    except (VerificationError, ValueError) as error:
        reason = str(error).partition(":")[0].rstrip(".")  # the rest is OpenSSL's error stack
        raise TimestampError(f"the time stamp is not proven ({reason})") from None


def read_certificates(text: str) -> list[Certificate]:
    """Return the certificates of a PEM text. Raise `TimestampError` if it contains none, or one that cannot be read."""
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
    """Return the subject of the certificate that signed. The certificate has been verified before."""
    (signer,) = decoded.signed_data.signer_infos
    certificates = map(load_der_x509_certificate, decoded.signed_data.certificates)
    subjects = (
        one.subject.rfc4514_string()
        for one in certificates
        if (one.issuer, one.serial_number) == (signer.issuer, signer.serial_number)
    )
    return next(subjects, "")
