"""Validates the shapes of secrets, hosts and owners. An error describes a valid value and shows nothing of the given
one. Pure."""

import base64
import ipaddress
import re
from typing import Final

KEY_BYTES: Final = 32
PLACEHOLDER: Final = "put-yours-here"
MAKE_KEY: Final = "openssl rand -base64 32"
MAKE_TOKEN: Final = 'echo "prl_bootstrap_$(openssl rand -hex 24)"'  # noqa: S105 - a command
# The characters that `Authorization: Bearer` can contain; a token has three parts.
_TOKEN = re.compile(r"prl_bootstrap_[\x21-\x5e\x60-\x7e]{1,498}", re.ASCII)
_ACCESS_KEY = re.compile(r"[\x21-\x7e]{1,512}", re.ASCII)
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_LONGEST_HOST: Final = 253
_LONGEST_OWNER: Final = 100
OWNER: Final = f"1 to {_LONGEST_OWNER} printable characters, without a blank at either end"


def check_filled(text: str) -> None:
    """Raise `ValueError` for the placeholder of the example."""
    if PLACEHOLDER in text:
        raise ValueError(f"is still the placeholder `{PLACEHOLDER}` of pagereel.example.toml: put in your own value")


def check_key(text: str) -> None:
    """Raise `ValueError` unless the text is a key for sealing or signing."""
    try:
        size = len(base64.b64decode(text.strip(), validate=True))
    except ValueError:
        size = 0
    if size != KEY_BYTES:
        raise ValueError(f"should be the base64 of {KEY_BYTES} random bytes; `{MAKE_KEY}` makes one")


def check_bootstrap_token(text: str) -> None:
    """Raise `ValueError` unless the text is a bootstrap token."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"should hold prl_bootstrap_ and a secret without blank or _; `{MAKE_TOKEN}` makes one")


def check_access_key(text: str) -> None:
    """Raise `ValueError` unless the text is a storage access key, which is sent in a header."""
    if not _ACCESS_KEY.fullmatch(text):
        raise ValueError("should be printable ASCII without blanks, as the store's console shows it")


def check_owner(text: str) -> str:
    """Return the name of an owner. Raise `ValueError` if it is malformed."""
    if not 1 <= len(text) <= _LONGEST_OWNER or not text.isprintable() or text != text.strip():
        raise ValueError(f"should be {OWNER}")
    return text


def check_host(text: str) -> str:
    """Return the host of a listener or of a URL, without brackets. Raise `ValueError` if it is malformed."""
    if (_HOST.fullmatch(text) and len(text) <= _LONGEST_HOST) or _is_ipv6(text):
        return text
    if re.search(r"[/@:\[\]]", text):
        raise ValueError("should be an address or a host name alone: no http://, no port, no brackets")
    raise ValueError("should have a host name of letters, digits, - and _ between dots, or an address")


def _is_ipv6(text: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False
