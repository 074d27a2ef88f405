"""Where a bucket is and which dialect it speaks, by Agora's vendor and region numbers (agora-reference §3.4).

Data only. Sources: Agora's region table (reference/region-vendor, 2026-06-17) for the numbers, and verification A.5.1
for endpoints, addressing and flags.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from service.errors import Refused
from service.recording import Location

AMAZON = 1
COMPATIBLE = 11

# 17 and 23 were the two US government regions of older documents; Agora no longer lists them.
AWS_REGIONS = {
    0: "us-east-1",
    1: "us-east-2",
    2: "us-west-1",
    3: "us-west-2",
    4: "eu-west-1",
    5: "eu-west-2",
    6: "eu-west-3",
    7: "eu-central-1",
    8: "ap-southeast-1",
    9: "ap-southeast-2",
    10: "ap-northeast-1",
    11: "ap-northeast-2",
    12: "sa-east-1",
    13: "ca-central-1",
    14: "ap-south-1",
    15: "cn-north-1",
    16: "cn-northwest-1",
    18: "af-south-1",
    19: "ap-east-1",
    20: "ap-northeast-3",
    21: "eu-north-1",
    22: "me-south-1",
    24: "ap-southeast-3",
    25: "eu-south-1",
}


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a store. `url` has no path; `own_checksums`: the store understands Amazon's newer checksum headers;
    `encoded_listing`: it answers a LIST with URL-encoded keys when asked to."""

    url: str
    region: str
    addressing: Literal["path", "virtual", "auto"]
    own_checksums: bool
    encoded_listing: bool


def resolve(location: Location) -> Address:
    """Where `location` is. An explicit endpoint wins over the vendor's own. Raises Refused with the reason."""
    if location.vendor == AMAZON:
        region = AWS_REGIONS.get(location.region)
        if region is None:
            raise Refused("storage_region_unknown", f"Amazon S3 has no region {location.region} in Agora's table")
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        url = _endpoint(location.endpoint) or f"https://s3.{region}.{domain}"
        # botocore falls back to path style for names that are no host names, such as those with dots under TLS.
        addressing: Literal["path", "auto"] = "path" if location.path_style else "auto"
        return Address(url, region, addressing, own_checksums=location.endpoint is None, encoded_listing=True)
    if location.vendor == COMPATIBLE:
        given = _endpoint(location.endpoint)
        if given is None:
            raise Refused("storage_endpoint_missing", "an S3-compatible store needs an endpoint")
        style: Literal["path", "virtual"] = "path" if location.path_style else "virtual"
        return Address(given, "us-east-1", style, own_checksums=False, encoded_listing=False)
    raise Refused("storage_vendor_unknown", f"vendor {location.vendor} is not supported by this version; 1 and 11 are")


def _endpoint(endpoint: str | None) -> str | None:
    if endpoint is None:
        return None
    try:
        parts = urlsplit(endpoint)
        plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError:
        plain = False
    if not plain or parts.username is not None or parts.query or parts.fragment:
        raise Refused("storage_endpoint_invalid", "an endpoint is a URL of scheme, host and perhaps port, nothing else")
    return f"{parts.scheme}://{parts.netloc}"
