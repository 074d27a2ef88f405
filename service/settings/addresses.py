"""Validates addresses in the settings. Pure."""

import ipaddress
import re
from urllib.parse import urlsplit

from service.settings.shapes import check_host


def check_url(text: str, *, http_for_all: bool, path: bool = False) -> str:
    """Return the URL without its trailing slash. Raise `ValueError` if it is not allowed; `path`: it may have a
    path."""
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


def check_agora_url(text: str) -> str:
    """Return a base URL of Agora's API without its trailing slash. Raise `ValueError` if it is not allowed."""
    return check_url(text, http_for_all=False)


def check_listed_host(text: str) -> str:
    """Return a host of an exception in lower case, with or without a port. Raise `ValueError` if it is malformed."""
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:\[\]?#]+)(:[0-9]{1,5})?", text):
        raise ValueError("should be host or host:port (IPv6 in brackets)")
    return text.lower()


def check_callback_url(text: str) -> str:
    """Return the public URL of the callback listener, without `/agora/<app>/notifications`. Raise `ValueError` if it is
    not allowed."""
    url = check_url(text, http_for_all=False, path=True)
    path = urlsplit(url).path
    if re.search(r"(^|/)agora(/|$)", path):
        before = re.split(r"/+agora(?:/|$)", path)[0]
        wanted = f"scheme, host and port and the path {before}" if before else "scheme, host and port alone"
        raise ValueError(f"should not name /agora/…, which is added for each app: write {wanted}")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
