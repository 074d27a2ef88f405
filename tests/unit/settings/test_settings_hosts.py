"""A host in the settings is one that clients and listeners take; whatever they refuse is refused here, in words."""

import pytest
from pydantic import ValidationError

from service.settings.addresses import check_url
from service.settings.model import StorageProfile
from service.settings.shapes import check_host


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "::1",
        "::",
        "0.0.0.0",
        "localhost",
        "minio",
        "api_1",
        "s3.eu-west-1.example.com",
        "xn--bcher-kva.example",
    ],
)
def test_hosts_that_are_right(host: str) -> None:
    assert check_host(host) == host
    url = f"https://[{host}]:9000" if ":" in host else f"https://{host}:9000"
    assert check_url(url, http_for_all=True) == url


@pytest.mark.parametrize(
    "host",
    [
        "s3..example.com",
        ".s3",
        "s3 example.com",
        "a<b",
        "ex%41mple.com",
        "ä.example",
        "a..b",
        "-a.b",
        "a" * 64,
    ],
)
def test_hosts_that_no_client_takes(host: str) -> None:
    with pytest.raises(ValueError, match=r"letters, digits, - and _ between dots"):
        check_host(host)
    with pytest.raises(ValueError, match="should"):
        check_url(f"https://{host}:9000", http_for_all=True)


@pytest.mark.parametrize("host", ["http://a", "a:80", "[::1]", "user@a", "a/b"])
def test_a_listener_has_a_host_alone(host: str) -> None:
    with pytest.raises(ValueError, match="alone: no http://, no port, no brackets"):
        check_host(host)


def test_a_store_has_no_underscore_in_its_name() -> None:
    keys = {"access_key": "a", "secret_key": "b"}
    given = {"vendor": 11, "bucket": "rec", "endpoint": "http://my_minio:9000", "write": keys, "read": keys}
    with pytest.raises(ValidationError, match="a host name without _, which S3 clients refuse"):
        StorageProfile.model_validate(given)
    assert (
        StorageProfile.model_validate({**given, "endpoint": "http://my-minio:9000"}).endpoint == "http://my-minio:9000"
    )
