"""Signs requests without a body to S3 stores, by Amazon's signature 4 or the old one.

botocore takes ten times as long for signature 4; the tests compare with its result. It creates the old signature.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from botocore.auth import HmacV1Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from service.buckets import Keys
from service.buckets.vendors import Address

_NO_BODY: Final = hashlib.sha256(b"").hexdigest()
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Signs = Callable[[str, str, str, Mapping[str, str], float], dict[str, str]]
"""Takes a method, an encoded path, an encoded query with its names in order, headers by lower-case name (values without
repeated, leading or trailing blanks) and the Unix time; returns all headers of the request."""


@dataclass(frozen=True, slots=True)
class Door:
    """The address of one bucket. `origin` is scheme and host, `path` that of the bucket without a trailing slash,
    `host` the value of the Host header."""

    origin: str
    path: str
    host: str

    @staticmethod
    def of(url: str) -> "Door":
        """Return the address of the bucket at `url`."""
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        if parts.port not in (None, _DEFAULT_PORTS.get(parts.scheme)):
            host = f"{host}:{parts.port}"
        return Door(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"), host)

    def object_path(self, key: str) -> str:
        """Return the encoded path of an object."""
        return f"{self.path}/{quote(key, safe='/~')}"


def encode_query(query: Mapping[str, str]) -> str:
    """Return the query in the form of signature 4: encoded, with its names in order."""
    return "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))


def signer(address: Address, door: Door, bucket: str, keys: Keys) -> Signs:
    """Return the function that signs requests to the bucket."""
    return SignatureV4(address.region, door.host, keys).sign if address.signature == "v4" else _old(door, bucket, keys)


class SignatureV4:
    """Creates Amazon's signature 4 for requests without a body. The derived key is kept for its day."""

    def __init__(self, region: str, host: str, keys: Keys) -> None:
        self._region = region
        self._host = host
        self._keys = keys
        self._token = " ".join((keys.session_token or "").split())
        self._day = ""
        self._scope = ""
        self._key = b""

    def sign(self, method: str, path: str, query: str, headers: Mapping[str, str], at: float) -> dict[str, str]:
        """Return all headers of the request; see `Signs`."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        if stamp[:8] != self._day:
            self._derive_key(stamp[:8])
        signed = {**headers, "host": self._host, "x-amz-content-sha256": _NO_BODY, "x-amz-date": stamp}
        if self._token:
            signed["x-amz-security-token"] = self._token
        names = sorted(signed)
        lines = "\n".join([f"{name}:{signed[name]}" for name in names])
        listed = ";".join(names)
        canonical = f"{method}\n{path or '/'}\n{query}\n{lines}\n\n{listed}\n{_NO_BODY}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{self._scope}\n{digest}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._keys.access_key}/{self._scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _derive_key(self, day: str) -> None:
        key = f"AWS4{self._keys.secret_key}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._day, self._scope, self._key = day, f"{day}/{self._region}/s3/aws4_request", key


def _old(door: Door, bucket: str, keys: Keys) -> Signs:
    auth = HmacV1Auth(Credentials(keys.access_key, keys.secret_key, keys.session_token))
    # The old signature has the bucket in the path even if the host name contains it.
    before = "" if door.path else f"/{bucket}"

    def sign(method: str, path: str, query: str, headers: Mapping[str, str], _: float) -> dict[str, str]:
        url = f"{door.origin}{path}" + (f"?{query}" if query else "")
        request = AWSRequest(method, url, headers=dict(headers))
        request.auth_path = f"{before}{path or '/'}"
        auth.add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    return sign
