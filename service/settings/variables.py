"""Distinguishes environment variables that are settings, those of other programs, and misspelt ones. Pure."""

import difflib
import re
from collections.abc import Iterator
from typing import Final, get_args

from service.settings.model import Whole
from service.settings.section import Section, is_table, keys_of, plain_type

PREFIX: Final = "PAGEREEL_"
PATH_VARIABLE: Final = "PAGEREEL_SETTINGS"
# Clients of a running service use these; they are not settings.
CALLERS_VARIABLES: Final = frozenset({"PAGEREEL_URL", "PAGEREEL_TOKEN", "PAGEREEL_TOKEN_FILE"})
# Kubernetes sets these for each service whose name begins with "pagereel".
_OF_SERVICE = re.compile(
    r"[A-Z0-9_]+_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_NAME: Final = "<name>"


def is_platforms(variable: str, value: str) -> bool:
    """Return whether Kubernetes, or a link of Docker, has set the variable for a service of that name."""
    return bool(_OF_SERVICE.fullmatch(variable) or (variable.endswith("_PORT") and _ADDRESS.match(value)))


def variable_meant(rest: str) -> str | None:
    """Return the variable probably meant by one without `__`: `api_port` means `PAGEREEL_API__PORT`."""
    keys = {key.replace(".", "_"): key for key in documented_keys()}
    for flat, key in keys.items():
        named = re.fullmatch(flat.replace(_NAME, "(.+)"), rest)
        if named is not None:
            (name,) = named.groups() or ("",)
            return _variable(key.replace(_NAME, name))
    near = difflib.get_close_matches(rest, keys, 1, cutoff=0.85)
    return _variable(keys[near[0]]) if near else None


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__").replace("<NAME>", _NAME)


def documented_keys(section: type[Section] = Whole, place: str = "") -> Iterator[str]:
    """Yield every settings key with its place; names are given as `<name>` (`apps.<name>.app_id`)."""
    for name, annotation in keys_of(section).items():
        whole = f"{place}{name}"
        inner = plain_type(annotation)
        if is_table(annotation):
            inner, whole = plain_type(get_args(inner)[1]), f"{whole}.{_NAME}"
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from documented_keys(inner, f"{whole}.")
        else:
            yield whole
