"""Our signature is botocore's: for any key, range, token and place of the bucket."""

import calendar
import time

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from service.buckets import Keys
from service.buckets.signing import Door, SignatureV4, encode_query

URLS = [
    "https://rec-bucket.s3.eu-central-1.amazonaws.com/",
    "https://s3.example.org/rec-bucket",
    "http://127.0.0.1:9000/rec-bucket",
    "http://[::1]:8333/rec-bucket",
    "http://STORE.example.org:80/rec-bucket",
    "https://store.example.org:443/rec-bucket",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def signed_by_botocore(method: str, url: str, headers: dict[str, str], keys: Keys, region: str) -> dict[str, str]:
    request = AWSRequest(method, url, headers=headers)
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token)
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    return {name.lower(): str(value) for name, value in request.headers.items()}


def signed_here(door: Door, path: str, query: str, headers: dict[str, str], like: dict[str, str], keys: Keys) -> None:
    """Sign at the moment of `like`, and compare."""
    at = calendar.timegm(time.strptime(like["x-amz-date"], "%Y%m%dT%H%M%SZ"))
    signature = SignatureV4("eu-central-1", door.host, keys)
    for _ in range(2):  # with a fresh key, and with the one that was kept
        signed = signature.sign("GET", path, query, headers, at)
        assert {name: text for name, text in signed.items() if name != "host"} == like


@settings(max_examples=400)
@given(
    url=st.sampled_from(URLS),
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    span=st.one_of(st.none(), st.tuples(st.integers(0, 10**12), st.integers(0, 10**12))),
    token=st.one_of(st.none(), st.text("abcXYZ019+/=", min_size=1, max_size=40)),
    checksum=st.booleans(),
)
def test_a_get_has_botocores_signature(
    url: str, key: str, span: tuple[int, int] | None, token: str | None, checksum: bool
) -> None:
    door, keys = Door.of(url), Keys("AKIDEXAMPLE", "wire/secret+key", token)
    headers = {} if span is None else {"range": f"bytes={span[0]}-{span[1]}"}
    headers |= {"x-amz-checksum-mode": "ENABLED"} if checksum else {}
    path = door.object_path(key)
    like = signed_by_botocore("GET", f"{door.origin}{path}", headers, keys, "eu-central-1")
    signed_here(door, path, "", headers, like, keys)


@settings(max_examples=300)
@given(url=st.sampled_from(URLS), prefix=TEXTS, after=TEXTS, token=TEXTS)
def test_a_list_has_botocores_signature(url: str, prefix: str, after: str, token: str) -> None:
    door, keys = Door.of(url), Keys("AKIDEXAMPLE", "wire/secret+key")
    asked = {"prefix": prefix, "start-after": after, "continuation-token": token, "list-type": "2"}
    path, query = door.path or "/", encode_query(asked)
    like = signed_by_botocore("GET", f"{door.origin}{path}?{query}", {}, keys, "eu-central-1")
    signed_here(door, path, query, {}, like, keys)


def test_the_key_of_a_day_is_derived_again_on_the_next() -> None:
    door, keys = Door.of(URLS[0]), Keys("AKIDEXAMPLE", "wire-secret")
    kept = SignatureV4("eu-central-1", door.host, keys)
    days = [kept.sign("GET", "/k", "", {}, at) for at in (86_399.0, 86_400.0, 86_399.0)]
    fresh = [SignatureV4("eu-central-1", door.host, keys).sign("GET", "/k", "", {}, at) for at in (86_399.0, 86_400.0)]
    assert days == [*fresh, fresh[0]]


HOSTS = ["rec-bucket.s3.eu-central-1.amazonaws.com", "s3.example.org", "127.0.0.1:9000", "[::1]:8333"]
HOSTS += ["store.example.org", "store.example.org"]


@pytest.mark.parametrize(("url", "host"), list(zip(URLS, HOSTS, strict=True)))
def test_the_host_is_named_without_the_port_that_needs_no_name(url: str, host: str) -> None:
    assert Door.of(url).host == host
