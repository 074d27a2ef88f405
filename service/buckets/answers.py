"""Converts the answers and failures of a store into the three outside errors of the service.

The error texts never contain a URL, a key or a body: only statuses, and error codes of the store that consist of
letters and digits.
"""

import re
from collections.abc import Mapping

from service.errors import OutsideError, Refused, Unavailable
from service.http.headers import parse_content_range, parse_retry_after

_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9.]{1,64})\s*</Code>")
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_ABSENT = {"NoSuchKey", "NoSuchVersion", "NoSuchObject", "BlobNotFound"}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_LATER = {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted", "ServerBusy"}
_UNKNOWN = {"InvalidArgument", "InvalidRequest", "InvalidQueryParameter", "InvalidParameter", "NotImplemented"}
_MEANINGS = {
    **dict.fromkeys(("InvalidAccessKeyId", "InvalidAuthenticationInfo"), "the store does not know the access key"),
    **dict.fromkeys(
        ("SignatureDoesNotMatch", "AuthenticationFailed"), "the secret key does not belong to the access key"
    ),
    **dict.fromkeys(("ExpiredToken", "InvalidToken"), "the temporary keys have expired, or are no keys of this store"),
    "RequestTimeTooSkewed": "our clock differs too much from the store's",
    "ResourceNotFound": "there is no such storage account",
}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AuthorizationFailure", "AuthorizationPermissionMismatch"}
_AZURE_CODE = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)


class Absent(OutsideError):
    """The store has no such object. Internal to this package: `fetch` returns None instead."""


class NotUnderstood(Refused):
    """The store does not support a part of the request."""


class PastEnd(OutsideError):
    """The requested part begins after the object's last byte. Internal to this package: `fetch` returns no bytes."""

    def __init__(self, size_bytes: int | None) -> None:
        super().__init__("storage_range_past_end")
        self.size_bytes = size_bytes


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, now: float, *, object_asked: bool, bucket: str = ""
) -> OutsideError:
    """Return the error for an answer of 300 or more. `body` is its beginning, `now` our Unix time."""
    found = _CODE.search(body)
    code = found[1].decode() if found else ""
    named = headers.get("x-ms-error-code", "")  # Azure also sends it for HEAD, whose answer has no body
    if not code and _AZURE_CODE.fullmatch(named):
        code = named
    told = f"status {status}" + (f" {code}" if code else "")
    if status == 404 and object_asked and code in _ABSENT:
        return Absent("storage_object_absent", told)
    if status == 416 and object_asked:
        return PastEnd(parse_content_range(headers.get("Content-Range", ""))[2])
    if status in (301, 307, 308) or code in ("AuthorizationHeaderMalformed", "PermanentRedirect"):
        region = headers.get("x-amz-bucket-region", "")
        where = f"; its region is {region}" if _REGION.fullmatch(region) else ""
        return Refused("storage_refused", f"the bucket is somewhere else ({told}){where}")
    if status == 501 or (status == 400 and code in _UNKNOWN):
        return NotUnderstood("storage_refused", told)
    if status in (408, 425, 429) or status >= 500 or code in _LATER:
        seconds = parse_retry_after(headers.get("Retry-After"), now)
        return Unavailable("storage_unreachable", told, retry_after_seconds=seconds)
    if status == 404 and object_asked and code not in _NO_BUCKET:
        # This may be a proxy's answer: an object is absent only if a store states so with its own code.
        return Unavailable("storage_unreachable", f"{told} without S3's word for a missing object")
    meaning = _meaning(status, code, bucket)
    return Refused("storage_refused", f"{meaning} ({told})" if meaning else told)


def _meaning(status: int, code: str, bucket: str) -> str:
    """Return the meaning of a refusal for a person. With limited keys, most stores check permissions first and give the
    same refusal for forbidden and for absent objects."""
    if code in _NO_BUCKET:
        return f"there is no bucket {bucket!r}"
    if code in _MEANINGS:
        return _MEANINGS[code]
    if code in _DENIED or (status == 403 and not code):
        return f"the keys may not do this, or the store has no bucket {bucket!r} for them: stores answer both alike"
    if status == 401:
        return "the store does not accept the keys"
    if status == 404 and not code:
        return "what answers does not name a missing bucket, so it may be no S3 store: check the endpoint"
    return ""
