"""Where vendor and region numbers lead."""

from dataclasses import replace

import pytest

from service.buckets.vendors import resolve
from service.errors import Refused
from service.recording import Location

AMAZON = Location(1, 7, "b", None, False, ("p",))
OWN = Location(11, 0, "b", "https://s3.example.org", True, ("p",))


def test_amazon_is_resolved_by_agoras_region_number() -> None:
    address = resolve(AMAZON)
    assert (address.url, address.region) == ("https://s3.eu-central-1.amazonaws.com", "eu-central-1")
    assert resolve(replace(AMAZON, region=15)).url == "https://s3.cn-north-1.amazonaws.com.cn"


def test_an_explicit_endpoint_wins() -> None:
    address = resolve(replace(AMAZON, endpoint="http://127.0.0.1:9000/"))
    assert (address.url, address.region, address.own_checksums) == ("http://127.0.0.1:9000", "eu-central-1", False)
    assert resolve(OWN).url == "https://s3.example.org"


@pytest.mark.parametrize(("path_style", "addressing"), [(True, "path"), (False, "virtual")])
def test_an_own_store_is_addressed_as_the_profile_says(path_style: bool, addressing: str) -> None:
    assert resolve(replace(OWN, path_style=path_style)).addressing == addressing


@pytest.mark.parametrize(
    ("location", "code"),
    [
        (replace(AMAZON, region=17), "storage_region_unknown"),
        (replace(AMAZON, region=99), "storage_region_unknown"),
        (replace(OWN, endpoint=None), "storage_endpoint_missing"),
        (replace(OWN, endpoint="s3.example.org"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="ftp://s3.example.org"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://user:pw@s3.example.org"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://s3.example.org/path"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://s3.example.org?x=1"), "storage_endpoint_invalid"),
        (replace(OWN, endpoint="https://s3.example.org:port"), "storage_endpoint_invalid"),
        (replace(OWN, vendor=2), "storage_vendor_unknown"),
        (replace(OWN, vendor=5), "storage_vendor_unknown"),
    ],
)
def test_a_place_that_cannot_be_reached_is_refused_with_its_reason(location: Location, code: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve(location)
    assert refused.value.code == code
