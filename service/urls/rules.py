"""Rules for page and RTMP URLs: which are allowed, and which parts may be shown.

Pure: names are resolved elsewhere, and each address is checked with `is_public_address`. A URL is a secret (it may
contain log-ins and stream keys), so no error repeats it.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

import idna

from service.errors import invalid

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_BYTES: Final = 2048
_DEFAULT_PORTS: Final = {"https": 443, "http": 80, "rtmp": 1935, "rtmps": 443}
_PRIVATE_SUFFIXES: Final = (
    "localhost",
    "local",
    "internal",
    "localdomain",
    "lan",
    "home",
    "corp",
    "intranet",
    "home.arpa",
)
_METADATA_HOSTS: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_METADATA_ADDRESSES: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_CARRIERS: Final = (  # IPv6 ranges that carry an IPv4 address, and the number of bits below it
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
_ENCODED_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_LABEL: Final = re.compile(rf"(?!xn--){_ENCODED_LABEL.pattern}", re.ASCII)
_LONGEST_NAME: Final = 253
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_EXAMPLES: Final = {"https": "https://class.example.org/room/42", "rtmp": "rtmp://live.example.org/app/key"}
_SANDBOX: Final = (
    "; in a sandbox, name the host at its start: `pagereel sandbox --page-host HOST` or `make sandbox PAGE_HOST=HOST`"
)


class _NotListed(ValueError):
    """The host would need an entry in one of the settings' lists."""


class UrlRules(Protocol):
    """The settings that apply here (`settings.Urls`)."""

    @property
    def allow_http_hosts(self) -> Collection[str]: ...
    @property
    def allow_private_hosts(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """An allowed URL. `text` is normalised and secret; `address` is set if the host is an IP literal;
    `private_allowed`: addresses of this host need not be public (metadata addresses are never allowed)."""

    text: str = field(repr=False)
    scheme: str
    host: str
    port: int
    address: IPAddress | None
    private_allowed: bool

    def admits(self, address: IPAddress) -> bool:
        """Return whether the host may resolve to this address."""
        if _unwrap(address) in _METADATA_ADDRESSES:
            return False
        return self.private_allowed or is_public_address(address)


def parse_page_url(text: str, rules: UrlRules, *, max_bytes: int = MAX_URL_BYTES) -> ParsedUrl:
    """Return the parsed URL of a page: https (http only for `allow_http_hosts`), a public host, no user information.

    Raise the `invalid` error for `/url` otherwise.
    """
    return _parse(text, "/url", ("https", "http"), rules, max_bytes)


def parse_rtmp_url(text: str, rules: UrlRules, *, max_bytes: int = MAX_URL_BYTES) -> ParsedUrl:
    """Return the parsed target of a CDN push: rtmp or rtmps, a public host. Raise the `invalid` error for `/rtmp_url`
    otherwise."""
    return _parse(text, "/rtmp_url", ("rtmp", "rtmps"), rules, max_bytes)


def parse_endpoint_url(text: str, rules: UrlRules, *, max_bytes: int = MAX_URL_BYTES) -> ParsedUrl:
    """Return the parsed URL of an endpoint, by the rules for pages. Raise a `ValueError` that does not repeat the URL
    otherwise."""
    return _parse_checked(text, ("https", "http"), rules, max_bytes)


def is_public_address(address: IPAddress) -> bool:
    """Return whether the address belongs to the public internet. An IPv4-mapped address counts as its IPv4 address;
    other carriers of IPv4 addresses (6to4, NAT64) are never public."""
    return not any(
        each.version == network.version and each in network
        for each in {address, _unwrap(address)}
        for network in _NOT_PUBLIC
    )


def redact_url(text: str) -> str:
    """Return scheme, host and path, with `?…` in place of a query or a fragment."""
    try:
        parts = urlsplit(text)
        host = _shown_host(parts.hostname, parts.port)
    except ValueError:
        return "…"
    if not parts.scheme or not host:
        return "…"
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query or parts.fragment else "")


def redact_path(text: str) -> str:
    """Return scheme and host; the path may contain a key."""
    try:
        parts = urlsplit(text)
        host = _shown_host(parts.hostname, parts.port)
    except ValueError:
        return "…"
    return f"{parts.scheme}://{host}/…" if parts.scheme and host else "…"


def redact_rtmp(text: str) -> str:
    """Return scheme and host; the path contains the stream key."""
    return redact_path(text)


def _shown_host(host: str | None, port: int | None) -> str:
    shown = f"[{host}]" if host and ":" in host else host or ""
    return shown if port is None else f"{shown}:{port}"


def _parse(text: str, pointer: str, schemes: tuple[str, ...], rules: UrlRules, max_bytes: int) -> ParsedUrl:
    try:
        return _parse_checked(text, schemes, rules, max_bytes)
    except ValueError as error:
        # Callers cannot change these settings, but users of a sandbox can name hosts at its start.
        remedy = _SANDBOX if isinstance(error, _NotListed) else ""
        raise invalid(pointer, f"{error}{remedy}") from None  # the cause may repeat the URL


def _parse_checked(text: str, schemes: tuple[str, ...], rules: UrlRules, max_bytes: int) -> ParsedUrl:
    scheme, authority, rest = _split(text, max_bytes, _EXAMPLES[schemes[0]])
    if scheme not in schemes:
        raise ValueError(f"should begin with {schemes[0]}://")
    host, port, address = _parse_authority(authority, scheme)
    if scheme == "http" and not _listed(host, port, rules.allow_http_hosts):
        raise _NotListed(
            "should begin with https:// (http is allowed only for hosts in the setting urls.allow_http_hosts)"
        )
    private_allowed = _listed(host, port, rules.allow_private_hosts)
    if host in _METADATA_HOSTS or (address is not None and _unwrap(address) in _METADATA_ADDRESSES):
        raise ValueError("names a metadata service")
    if not private_allowed:
        _check_public(host, address)
    shown = _shown_host(host, None if port == _DEFAULT_PORTS[scheme] else port)
    normalised = f"{scheme}://{shown}{rest or '/'}"
    if len(normalised.encode()) > max_bytes:
        raise ValueError(f"should be at most {max_bytes} bytes")
    return ParsedUrl(normalised, scheme, host, port, address, private_allowed)


def _split(text: str, max_bytes: int, example: str) -> tuple[str, str, str]:
    """Return the scheme in lower case, the authority, and the rest as ASCII. Browsers and Python read unusual
    characters differently (backslash, tab, newline), so these are refused rather than removed."""
    if len(text) > max_bytes or len(text.encode("utf-8", "replace")) > max_bytes:
        raise ValueError(f"should be at most {max_bytes} bytes")
    if any(ord(letter) <= 32 or 127 <= ord(letter) <= 160 or letter in '\\"<>`^{|}' for letter in text):
        raise ValueError(
            "should hold no spaces, control characters, backslashes, quotes or braces (percent-encode them)"
        )
    match = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#]*)(.*)\Z", text, re.DOTALL)
    if match is None:
        raise ValueError(f"should be an absolute URL with a host, for example {example}")
    rest = match[3] if match[3][:1] in ("", "/") else "/" + match[3]
    try:
        return match[1].lower(), match[2], quote(rest, safe="%/?#[]@!$&'()*+,;=:-._~")
    except UnicodeEncodeError as error:
        raise ValueError("should be valid Unicode") from error


def _parse_authority(authority: str, scheme: str) -> tuple[str, int, IPAddress | None]:
    if "@" in authority:
        raise ValueError("should contain no user information")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?", authority)
    if match is None:
        raise ValueError("should name a host, and a port in digits or none")
    port = int(match[2]) if match[2] is not None else _DEFAULT_PORTS[scheme]
    if not 0 < port <= 65535:
        raise ValueError("should have a port from 1 to 65535")
    host, address = _parse_host(match[1])
    return host, port, address


def _parse_host(given: str) -> tuple[str, IPAddress | None]:
    if given.startswith("["):
        try:
            wide = ipaddress.IPv6Address(given[1:-1])
        except ValueError as error:
            raise ValueError("has an invalid IPv6 address") from error
        if wide.scope_id:
            raise ValueError("should not name a network interface")
        return _serialize_ipv6(wide), wide
    host = _parse_name(given)
    if _NUMBER.match(host.rsplit(".", 1)[-1]):  # browsers read this as an IPv4 address in any notation
        address = _parse_ipv4(host)
        return str(address), address
    return host, None


def _serialize_ipv6(address: ipaddress.IPv6Address) -> str:
    """Return an address in the form of the URL standard: hexadecimal, without the longest run of zeros. From version
    3.13 on, Python writes an IPv4-mapped address with dots."""
    text = ":".join(f"{int.from_bytes(address.packed[at : at + 2]):x}" for at in range(0, 16, 2))
    runs = list(re.finditer(r"\b0(?::0)+\b", text))
    if not runs:
        return text
    zeros = max(runs, key=lambda run: len(run[0]))
    return f"{text[: zeros.start()].removesuffix(':')}::{text[zeros.end() :].removeprefix(':')}"


def _parse_name(given: str) -> str:
    """Return the name as used in requests, in lower case. It only has to resolve, so ASCII labels need not be
    registrable: browsers open `my_app` and `v2--site`."""
    try:
        labels = idna.uts46_remap(given, std3_rules=False, transitional=False).removesuffix(".").split(".")
        ascii_labels = [label if _LABEL.fullmatch(label) else idna.alabel(label).decode("ascii") for label in labels]
    except (ValueError, IndexError) as error:  # an `IDNAError` is a ValueError
        raise ValueError("has an invalid host name") from error
    host = ".".join(ascii_labels)
    if len(host) > _LONGEST_NAME or not all(map(_ENCODED_LABEL.fullmatch, ascii_labels)):
        raise ValueError("has an invalid host name")
    return host


def _parse_ipv4(host: str) -> ipaddress.IPv4Address:
    """Return an IPv4 address as browsers read it: one to four parts, each decimal, octal or hexadecimal."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.match(part) for part in parts):
        raise ValueError("has an invalid IPv4 address")
    numbers = [_parse_number(part) for part in parts]
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        raise ValueError("has an invalid IPv4 address")
    return ipaddress.IPv4Address(
        sum(number << (24 - 8 * index) for index, number in enumerate(numbers[:-1])) + numbers[-1]
    )


def _parse_number(part: str) -> int:
    try:
        if part.startswith("0x"):
            return int(part[2:] or "0", 16)
        return int(part, 8) if part.startswith("0") else int(part)
    except ValueError as error:
        raise ValueError("has an invalid IPv4 address") from error


def _listed(host: str, port: int, hosts: Collection[str]) -> bool:
    shown = _shown_host(host, None)
    return any(entry.lower() in (host, shown, f"{shown}:{port}") for entry in hosts)


def _check_public(host: str, address: IPAddress | None) -> None:
    if address is not None:
        if not is_public_address(address):
            raise _NotListed("should name a public address, or a host in urls.allow_private_hosts")
    elif "." not in host or any(host == suffix or host.endswith(f".{suffix}") for suffix in _PRIVATE_SUFFIXES):
        raise _NotListed("should name a public host, or one in urls.allow_private_hosts")


def _unwrap(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address carries, otherwise the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        for network, below in _CARRIERS:
            if address in network:
                return ipaddress.IPv4Address(int(address) >> below & 0xFFFFFFFF)
    return address
