"""Where vendor and region numbers lead, and what is signed on the way: exact requests, without any network.

The hosts are written out here once more, number by number, as Agora's table and the vendors' documents have them; the
signatures are checked by a second reading of Amazon's rules.
"""

import base64
import hashlib
import hmac
import sys
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import aiohttp
import pytest
from aiobotocore.session import AioSession

from service.buckets import Keys
from service.buckets.azure import AzureBucket
from service.buckets.s3 import S3Bucket
from service.buckets.vendors import VENDORS, Dialect, resolve
from service.errors import Refused, Unavailable
from service.recording import Location

AMAZON = Location(1, 7, "rec-bucket", None, False, ("p",))
OWN = Location(11, 0, "rec-bucket", "https://s3.example.org", True, ("p",))
KEYS = Keys("AKIDEXAMPLE", "a-secret")
ACCOUNT = Keys("recaccount", "bm90LWEtcmVhbC1hY2NvdW50LWtleS1vZi1henVyZSE=")
AT = 1_800_000_000.0

# vendor: the bucket's host by region number; {} is where the region's name stands.
HOSTS = {
    1: (
        "rec-bucket.s3.{}.amazonaws.com",
        {0: "us-east-1", 1: "us-east-2", 2: "us-west-1", 3: "us-west-2", 4: "eu-west-1", 5: "eu-west-2"}
        | {6: "eu-west-3", 7: "eu-central-1", 8: "ap-southeast-1", 9: "ap-southeast-2", 10: "ap-northeast-1"}
        | {11: "ap-northeast-2", 12: "sa-east-1", 13: "ca-central-1", 14: "ap-south-1", 18: "af-south-1"}
        | {19: "ap-east-1", 20: "ap-northeast-3", 21: "eu-north-1", 22: "me-south-1", 24: "ap-southeast-3"}
        | {25: "eu-south-1"},
    ),
    -1: ("rec-bucket.s3.{}.amazonaws.com.cn", {15: "cn-north-1", 16: "cn-northwest-1"}),
    2: (
        "rec-bucket.oss-{}.aliyuncs.com",
        {0: "cn-hangzhou", 1: "cn-shanghai", 2: "cn-qingdao", 3: "cn-beijing", 4: "cn-zhangjiakou", 5: "cn-huhehaote"}
        | {6: "cn-shenzhen", 7: "cn-hongkong", 8: "us-west-1", 9: "us-east-1", 10: "ap-southeast-1"}
        | {11: "ap-southeast-2", 12: "ap-southeast-3", 13: "ap-southeast-5", 14: "ap-northeast-1", 15: "ap-south-1"}
        | {16: "eu-central-1", 17: "eu-west-1", 19: "ap-southeast-6", 20: "cn-heyuan", 21: "cn-guangzhou"}
        | {22: "cn-chengdu", 23: "cn-nanjing", 24: "cn-fuzhou", 25: "cn-wulanchabu"},
    ),
    3: (
        "rec-bucket.cos.{}.myqcloud.com",
        {0: "ap-beijing-1", 1: "ap-beijing", 2: "ap-shanghai", 3: "ap-guangzhou", 4: "ap-chengdu", 5: "ap-chongqing"}
        | {6: "ap-shenzhen-fsi", 7: "ap-shanghai-fsi", 8: "ap-beijing-fsi", 9: "ap-hongkong", 10: "ap-singapore"}
        | {11: "ap-mumbai", 12: "ap-seoul", 13: "ap-bangkok", 14: "ap-tokyo", 15: "na-siliconvalley"}
        | {16: "na-ashburn", 17: "na-toronto", 18: "eu-frankfurt", 19: "eu-moscow"},
    ),
    4: ("rec-bucket.ks3-{}.ksyuncs.com", {1: "cn-shanghai", 3: "cn-beijing", 4: "cn-guangzhou"}),
    6: ("rec-bucket.storage.googleapis.com", {0: "auto"}),
    7: (
        "rec-bucket.obs.{}.myhuaweicloud.com",
        {0: "cn-north-1", 1: "cn-north-4", 2: "cn-east-2", 3: "cn-east-3", 4: "cn-south-1", 5: "cn-southwest-2"}
        | {6: "ap-southeast-1", 7: "ap-southeast-2", 8: "ap-southeast-3", 9: "af-south-1", 10: "sa-argentina-1"}
        | {11: "sa-peru-1", 12: "na-mexico-1", 13: "sa-brazil-1", 14: "la-south-2", 15: "sa-chile-1"},
    ),
    8: ("rec-bucket.s3.{}.bcebos.com", {0: "bj", 1: "bd", 2: "su", 3: "gz"}),
}
PLACES = [
    (abs(vendor), number, host.format(name), name)
    for vendor, (host, regions) in HOSTS.items()
    for number, name in regions.items()
]
LISTS = {
    1: "encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2Fa",
    2: "encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2Fa",
    3: "encoding-type=url&marker=p%2Fa&max-keys=1000&prefix=p%2F",
    4: "encoding-type=url&marker=p%2Fa&max-keys=1000&prefix=p%2F",
    6: "encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2Fa",
    7: "marker=p%2Fa&max-keys=1000&prefix=p%2F",
    8: "encoding-type=url&marker=p%2Fa&max-keys=1000&prefix=p%2F",
    11: "encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2Fa",
}


@dataclass
class Sent:
    method: str
    url: str
    headers: dict[str, str]


class Recorder:
    """Stands where the HTTP session stands: keeps each request and answers none."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    async def request(self, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        self.sent.append(Sent(method, str(url), {name.lower(): text for name, text in options["headers"].items()}))
        raise aiohttp.ClientConnectionError("no network here")


async def requests_of(location: Location, boto: AioSession, dialect: Dialect) -> list[Sent]:
    """LIST after a key, HEAD and a ranged GET."""
    http = Recorder()
    async with S3Bucket(location, KEYS, http=http, session=boto, dialect=dialect) as bucket:  # type: ignore[arg-type]
        for call in (
            anext(bucket.list_objects("p/", "p/a")),
            bucket.head("p/x y.ts"),
            bucket.fetch("p/x y.ts", 9, span=(0, 8)),
        ):
            with pytest.raises(Unavailable):
                await call
    return http.sent


def signature_v4(sent: Sent, region: str) -> str:
    """Amazon's signature version 4, read once more: what the Authorization header ought to be."""
    given = sent.headers["authorization"]
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    parts, at = urlsplit(sent.url), sent.headers["x-amz-date"]
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True))
    )
    headers = sent.headers | {"host": parts.netloc}
    lines = [*(f"{name}:{headers[name]}" for name in names), "", ";".join(names)]
    canonical = "\n".join([sent.method, parts.path, query, *lines, headers["x-amz-content-sha256"]])
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{KEYS.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}".encode(), "sha256").hex()
    credential = f"{KEYS.access_key}/{scope}"
    return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"


def signed_names(sent: Sent) -> str:
    return sent.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]


@pytest.mark.parametrize(("vendor", "region", "host", "name"), PLACES)
async def test_each_vendor_and_region_gets_its_url_host_and_signed_headers(
    boto: AioSession, vendor: int, region: int, host: str, name: str
) -> None:
    location = Location(vendor, region, "rec-bucket", None, False, ("p",))
    listed, headed, fetched = await requests_of(location, boto, Dialect(legacy=True))
    url = urlsplit(listed.url)
    assert (url.scheme, url.netloc, url.path) == ("https", host, "/")
    assert "&".join(sorted(url.query.split("&"))) == LISTS[vendor]
    assert (headed.method, headed.url) == ("HEAD", f"https://{host}/p/x%20y.ts")
    assert (fetched.method, fetched.url) == ("GET", f"https://{host}/p/x%20y.ts")
    assert fetched.headers["range"] == "bytes=0-8"
    for sent in (listed, headed, fetched):
        assert sent.headers["authorization"] == signature_v4(sent, name)
        assert sent.headers["accept-encoding"] == "identity"
        assert "x-id" not in sent.url
    assert signed_names(listed) == "host;x-amz-content-sha256;x-amz-date"
    assert signed_names(headed) == "host;x-amz-content-sha256;x-amz-date"
    assert signed_names(fetched) == "host;range;x-amz-content-sha256;x-amz-date"


def test_every_vendor_that_agora_lists_is_among_the_places() -> None:
    assert {vendor for vendor, *_ in PLACES} | {0, 5, 11} == set(VENDORS)
    known = {(vendor, number) for vendor, row in VENDORS.items() for number in row.regions}
    assert known == {(vendor, region) for vendor, region, *_ in PLACES if vendor != 6}


@pytest.mark.parametrize(
    ("location", "asked"),
    [(AMAZON, True), (replace(AMAZON, endpoint="https://s3.example.org"), False), (OWN, False)],
)
async def test_amazon_alone_is_asked_for_its_checksum_of_a_whole_object(
    boto: AioSession, location: Location, asked: bool
) -> None:
    http = Recorder()
    async with S3Bucket(location, KEYS, http=http, session=boto) as bucket:  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await bucket.fetch("p/x", 9)
    (sent,) = http.sent
    assert sent.headers.get("x-amz-checksum-mode") == ("ENABLED" if asked else None)
    assert ("x-amz-checksum-mode" in signed_names(sent)) is asked
    assert sent.headers["authorization"] == signature_v4(sent, resolve(location).region)


async def test_an_own_store_is_asked_in_path_style_at_its_endpoint(boto: AioSession) -> None:
    listed, headed, fetched = await requests_of(OWN, boto, Dialect())
    assert listed.url.startswith("https://s3.example.org/rec-bucket?")
    assert "&".join(sorted(urlsplit(listed.url).query.split("&"))) == LISTS[11]
    assert {headed.url, fetched.url} == {"https://s3.example.org/rec-bucket/p/x%20y.ts"}
    assert all(sent.headers["authorization"] == signature_v4(sent, "us-east-1") for sent in (listed, headed, fetched))


async def test_qiniu_is_asked_in_path_style_where_the_settings_name_its_region(boto: AioSession) -> None:
    location = Location(0, 0, "rec-bucket", None, False, ("p",))
    listed, *_ = await requests_of(location, boto, Dialect(region_name="cn-east-1", legacy=True))
    assert listed.url.startswith("https://s3-cn-east-1.qiniucs.com/rec-bucket?")


@pytest.mark.parametrize(
    ("location", "resource"),
    [(replace(AMAZON, vendor=2, region=0), "/rec-bucket"), (OWN, "/rec-bucket")],
)
async def test_the_old_signature_is_used_where_the_settings_ask_for_it(
    boto: AioSession, location: Location, resource: str
) -> None:
    listed, headed, fetched = await requests_of(location, boto, Dialect(signature="v2"))
    paths = (resource if location is OWN else resource + "/", *[resource + "/p/x%20y.ts"] * 2)
    for sent, path in zip((listed, headed, fetched), paths, strict=True):
        told = f"{sent.method}\n\n\n{sent.headers['date']}\n{path}"
        proof = base64.b64encode(hmac.digest(KEYS.secret_key.encode(), told.encode(), "sha1")).decode()
        assert sent.headers["authorization"] == f"AWS {KEYS.access_key}:{proof}"


async def test_azure_is_asked_at_its_account_with_a_signature_for_one_kind_of_access() -> None:
    http = Recorder()
    location = Location(5, 0, "rec-container", None, False, ("p",))
    bucket = AzureBucket(location, ACCOUNT, http=http, clock=lambda: AT)  # type: ignore[arg-type]
    for call in (
        anext(bucket.list_objects("p/", "p/a")),
        bucket.head("p/x y.ts"),
        bucket.fetch("p/x y.ts", 9, span=(0, 8)),
    ):
        with pytest.raises(Unavailable):
            await call
    listed, headed, fetched = http.sent
    base = "https://recaccount.blob.core.windows.net/rec-container"
    assert listed.url.startswith(f"{base}?restype=container&comp=list&prefix=p%2F&maxresults=5000&")
    assert headed.url.startswith(f"{base}/p/x%20y.ts?")
    assert fetched.url.startswith(f"{base}/p/x%20y.ts?")
    assert (fetched.headers["x-ms-range"], fetched.headers["x-ms-version"]) == ("bytes=0-8", "2021-12-02")
    for sent, permission in ((listed, "l"), (headed, "r"), (fetched, "r")):
        query = dict(parse_qsl(urlsplit(sent.url).query))
        assert (query["sp"], query["sr"], query["se"]) == (permission, "c", "2027-01-15T09:00:00Z")
        assert ACCOUNT.secret_key not in sent.url
    link = await bucket.presign("p/x y.ts", 60)
    assert dict(parse_qsl(urlsplit(link).query))["sr"] == "b"


@pytest.mark.parametrize("keys", [KEYS, Keys("recaccount", "short"), Keys("a/../b", ACCOUNT.secret_key)])
def test_azure_wants_an_account_and_its_key(keys: Keys) -> None:
    with pytest.raises(Refused) as refused:
        AzureBucket(Location(5, 0, "c", None, False, ()), keys, http=Recorder())  # type: ignore[arg-type]
    assert keys.secret_key not in str(refused.value)


def test_without_its_library_azure_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.storage", None)
    with pytest.raises(Refused, match=r"pip install 'pagereel\[azure\]'"):
        AzureBucket(Location(5, 0, "c", None, False, ()), ACCOUNT, http=Recorder())  # type: ignore[arg-type]


def test_an_explicit_endpoint_wins() -> None:
    address = resolve(replace(AMAZON, endpoint="http://127.0.0.1:9000/"))
    assert (address.url, address.region, address.own_checksums) == ("http://127.0.0.1:9000", "eu-central-1", False)
    assert resolve(replace(AMAZON, vendor=8, region=4, endpoint="http://s3.hkg.bcebos.com")).region == "us-east-1"


@pytest.mark.parametrize(("path_style", "addressing"), [(True, "path"), (False, "virtual")])
def test_an_own_store_is_addressed_as_the_profile_says(path_style: bool, addressing: str) -> None:
    assert resolve(replace(OWN, path_style=path_style)).addressing == addressing


def test_what_the_settings_say_of_a_store_wins_over_its_vendors_row() -> None:
    told = resolve(replace(AMAZON, vendor=2, region=18), Dialect(region_name="me-east-1", list_version=1))
    assert (told.url, told.region, told.list_version) == ("https://oss-me-east-1.aliyuncs.com", "me-east-1", 1)


@pytest.mark.parametrize(
    ("location", "code"),
    [
        (replace(AMAZON, region=17), "storage_region_unknown"),
        (replace(AMAZON, region=99), "storage_region_unknown"),
        (replace(AMAZON, region=99, endpoint="https://s3.example.org"), "storage_region_unknown"),
        (replace(AMAZON, vendor=2, region=18), "storage_region_unknown"),
        (replace(AMAZON, vendor=2, region=26), "storage_region_unknown"),
        (replace(AMAZON, vendor=8, region=4), "storage_region_unknown"),
        (replace(AMAZON, vendor=0), "storage_vendor_legacy"),
        (replace(AMAZON, vendor=4), "storage_vendor_legacy"),
        (replace(AMAZON, vendor=9), "storage_vendor_unknown"),
        (replace(OWN, endpoint=None), "storage_endpoint_missing"),
        (replace(OWN, endpoint="s3.example.org"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="ftp://s3.example.org"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://user:pw@s3.example.org"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://s3.example.org/path"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://s3.example.org?x=1"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://s3.example.org:port"), "storage_endpoint_invalid"),
    ],
)
def test_a_place_that_cannot_be_reached_is_refused_with_its_reason(location: Location, code: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve(location)
    assert refused.value.code == code
