"""Resolves the address and dialect of a bucket by Agora's vendor and region numbers (agora-reference §3.4).

The numbers are Agora's (its page region-vendor, 2026-06-17); endpoints, addressing and flags have their source next to
them. Agora's region names are not always the vendor's own: a number with an uncertain name has none here, and the
settings must contain the region or the endpoint.
"""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from service.errors import Refused
from service.recording import Location

Addressing = Literal["path", "virtual"]
Signature = Literal["v4", "v2"]
ListVersion = Literal[1, 2]

AMAZON: Final = 1
AZURE: Final = 5
COMPATIBLE: Final = 11


@dataclass(frozen=True, slots=True)
class Vendor:
    """The access to one vendor's store. `url` may contain `{region}`; `regions` are the vendor's own names by Agora's
    number, `free_region` is used for signing if the vendor has no regions; `own_checksums`: it supports Amazon's newer
    checksum headers; `encoded_listing`: URL-encoded keys are requested, which keys with control characters need. A
    store without this feature ignores the parameter or refuses it; the request is then sent without it."""

    name: str
    url: str | None
    source: str
    regions: dict[int, str]
    free_region: str | None = None
    addressing: Addressing = "virtual"
    own_checksums: bool = False
    encoded_listing: bool = True
    list_version: ListVersion = 2
    legacy: bool = False


def _numbered(text: str, skip: frozenset[int] = frozenset()) -> dict[int, str]:
    """Return region names by Agora's numbers; `-` and the numbers in `skip` mean none."""
    return {number: name for number, name in enumerate(text.split()) if name != "-" and number not in skip}


# 17 and 23 were the two US government regions of older documents; Agora no longer lists them.
_AMAZON = _numbered(
    """us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-central-1 ap-southeast-1 ap-southeast-2
    ap-northeast-1 ap-northeast-2 sa-east-1 ca-central-1 ap-south-1 cn-north-1 cn-northwest-1 - af-south-1 ap-east-1
    ap-northeast-3 eu-north-1 me-south-1 - ap-southeast-3 eu-south-1"""
)
# 18 EU_East_1, 26 CN_Northeast_2 and 27 CN_Southeast_7 are not names of Alibaba's.
_ALIBABA = _numbered(
    """cn-hangzhou cn-shanghai cn-qingdao cn-beijing cn-zhangjiakou cn-huhehaote cn-shenzhen cn-hongkong us-west-1
    us-east-1 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-5 ap-northeast-1 ap-south-1 eu-central-1
    eu-west-1 - ap-southeast-6 cn-heyuan cn-guangzhou cn-chengdu cn-nanjing cn-fuzhou cn-wulanchabu"""
)
_TENCENT = _numbered(
    """ap-beijing-1 ap-beijing ap-shanghai ap-guangzhou ap-chengdu ap-chongqing ap-shenzhen-fsi ap-shanghai-fsi
    ap-beijing-fsi ap-hongkong ap-singapore ap-mumbai ap-seoul ap-bangkok ap-tokyo na-siliconvalley na-ashburn
    na-toronto eu-frankfurt eu-moscow"""
)
_HUAWEI = _numbered(
    """cn-north-1 cn-north-4 cn-east-2 cn-east-3 cn-south-1 cn-southwest-2 ap-southeast-1 ap-southeast-2 ap-southeast-3
    af-south-1 sa-argentina-1 sa-peru-1 na-mexico-1 sa-brazil-1 la-south-2 sa-chile-1"""
)
# 4 Hongkong and 6 Wuhan support plain HTTP only, 5 Singapore and 7 Shanghai are undocumented: they need an `endpoint`.
_BAIDU = _numbered("bj bd su gz")
# Kingsoft's own names are known for three of Agora's ten.
_KINGSOFT = _numbered("- cn-shanghai - cn-beijing cn-guangzhou")

VENDORS: Final[dict[int, Vendor]] = {
    0: Vendor(
        "Qiniu Kodo", "https://s3-{region}.qiniucs.com", "rclone provider/Qiniu", {}, addressing="path", legacy=True
    ),
    AMAZON: Vendor(
        "Amazon S3",
        "https://s3.{region}.amazonaws.com",
        "docs.aws.amazon.com/general/latest/gr/s3",
        _AMAZON,
        own_checksums=True,
    ),
    2: Vendor(
        "Alibaba OSS",
        "https://oss-{region}.aliyuncs.com",
        "alibabacloud.com/help/doc-detail/389025; rclone provider/Alibaba",
        _ALIBABA,
    ),
    3: Vendor(
        "Tencent COS",
        "https://cos.{region}.myqcloud.com",
        "tencentcloud.com/document/product/436/32537; rclone provider/TencentCOS",
        _TENCENT,
        list_version=1,
    ),
    4: Vendor(
        "Kingsoft KS3",
        "https://ks3-{region}.ksyuncs.com",
        "endocs.ksyun.com/documents/37089",
        _KINGSOFT,
        list_version=1,
        legacy=True,
    ),
    AZURE: Vendor(
        "Azure Blob Storage",
        "https://{account}.blob.core.windows.net",
        "learn.microsoft.com/azure/storage/common/storage-account-overview",
        {},
        free_region="none",
    ),
    6: Vendor(
        "Google Cloud Storage",
        "https://storage.googleapis.com",
        "docs.cloud.google.com/storage/docs/interoperability; rclone provider/GCS",
        {},
        free_region="auto",
    ),
    7: Vendor(
        "Huawei OBS",
        "https://obs.{region}.myhuaweicloud.com",
        "support.huaweicloud.com/obs_faq/obs_faq_0274; rclone provider/HuaweiOBS",
        _HUAWEI,
        # Its file-system buckets do not support v2, and return one encoded page endlessly.
        encoded_listing=False,
        list_version=1,
    ),
    8: Vendor(
        "Baidu BOS", "https://s3.{region}.bcebos.com", "cloud.baidu.com/doc/BOS/s/xjwvyq9l4", _BAIDU, list_version=1
    ),
    COMPATIBLE: Vendor("S3-compatible store", None, "agora-reference §3.4", {}, free_region="us-east-1"),
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The settings of a store that override its vendor's row; None: as in the row. `legacy`: a vendor that Agora's
    current documents no longer list is accepted."""

    region_name: str | None = None
    signature: Signature | None = None
    list_version: ListVersion | None = None
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """The address and dialect of one store. `url` has no path."""

    url: str
    region: str
    addressing: Addressing
    own_checksums: bool
    encoded_listing: bool
    list_version: ListVersion
    signature: Signature


_PLAIN: Final = Dialect()


def resolve(location: Location, dialect: Dialect = _PLAIN) -> Address:
    """Return the address of the S3 store of `location`. An explicit endpoint overrides the vendor's own. Raise
    `Refused` with the reason."""
    vendor = vendor_of(location.vendor, legacy=dialect.legacy)
    given = check_endpoint(location.endpoint)
    region = dialect.region_name or vendor.free_region or vendor.regions.get(location.region)
    if region is None and (given is None or vendor.name == VENDORS[AMAZON].name):
        raise Refused(
            "storage_region_unknown",
            f"the name of {vendor.name}'s region {location.region} is not certain: set region_name or endpoint",
        )
    if given is None and vendor.url is None:
        raise Refused("storage_endpoint_missing", "an S3-compatible store needs an endpoint")
    # Amazon's certificates do not cover a host name that contains a bucket with dots.
    in_path = location.path_style or (location.vendor == AMAZON and "." in location.bucket)
    return Address(
        url=given or _own_url(vendor, region or ""),
        region=region or "us-east-1",
        addressing="path" if in_path else vendor.addressing,
        own_checksums=vendor.own_checksums and given is None,
        encoded_listing=vendor.encoded_listing,
        list_version=dialect.list_version or vendor.list_version,
        signature=dialect.signature or "v4",
    )


def vendor_of(number: int, *, legacy: bool = False) -> Vendor:
    """Return the vendor with Agora's number. Raise `Refused` if it is unknown, or legacy without `legacy`."""
    vendor = VENDORS.get(number)
    if vendor is None:
        raise Refused("storage_vendor_unknown", f"vendor {number} is none of {', '.join(map(str, sorted(VENDORS)))}")
    if vendor.legacy and not legacy:
        raise Refused(
            "storage_vendor_legacy", f"Agora no longer lists vendor {number} ({vendor.name}): allow it by legacy_vendor"
        )
    return vendor


def _own_url(vendor: Vendor, region: str) -> str:
    url = (vendor.url or "").replace("{region}", region)
    return f"{url}.cn" if vendor is VENDORS[AMAZON] and region.startswith("cn-") else url


def check_endpoint(endpoint: str | None) -> str | None:
    """Return the endpoint as scheme, host and port. Raise `Refused` if it is anything else."""
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
