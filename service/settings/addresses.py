"""The rules for addresses in the settings. Pure."""

import ipaddress
from urllib.parse import urlsplit

from service.settings.shapes import check_host


def check_url(text: str, *, http_for_all: bool, path: bool = False) -> str:
    """The URL without its last slash. Raises `ValueError` for one that is not allowed; `path`: it may have a path."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError:
        raise ValueError("should be a URL with scheme, host and an optional port that is a number") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("should be a URL with scheme and host")
    check_host(parts.hostname)
    if parts.scheme == "http" and not http_for_all and not _is_loopback(parts.hostname):
        raise ValueError("should be https (http only for loopback hosts)")
    if parts.username is not None or parts.query or parts.fragment or (parts.path.strip("/") and not path):
        raise ValueError("should contain only scheme, host and port")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
