"""Settings from one TOML file and the environment, with every fault found at once.

Must not show a value in an error: any value may be a secret.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.settings.model import Whole
from service.settings.section import Section, annotation_at, file_keys, is_table, keys_of, plain_type

PREFIX: Final = "PAGEREEL_"
PATH_VARIABLE: Final = "PAGEREEL_SETTINGS"
# Whoever talks to a running service has set these; they are no settings.
CALLERS_VARIABLES: Final = frozenset({"PAGEREEL_URL", "PAGEREEL_TOKEN", "PAGEREEL_TOKEN_FILE"})
Place = tuple[str | int, ...]


class SettingsError(Exception):
    """Everything that is wrong with the settings, one line a key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the settings are invalid:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


class Settings(Whole):
    """All settings of the service; immutable, only secrets given by file follow their files."""

    @classmethod
    def load(cls, path: Path | None, env: Mapping[str, str] | None = None, *, callbacks_only: bool = False) -> Self:
        """Settings from the TOML file at `path` (None: `PAGEREEL_SETTINGS`, or no file) and the `PAGEREEL_` variables.

        `callbacks_only`: a process that only receives notifications needs no REST credentials. Raises `SettingsError`
        naming every fault.
        """
        env = os.environ if env is None else env
        if path is None and env.get(PATH_VARIABLE):
            path = Path(env[PATH_VARIABLE])
        given = _read(path)
        problems = [_line(place, text) for place, text in _overlay(given, env)]
        settings = None
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            problems += [_line(_place(each), _text(each)) for each in error.errors(include_url=False)]
        problems += [_line(place, text) for place, text in _cross_checks(given, callbacks_only)]
        if settings is None or problems:
            raise SettingsError(sorted(set(problems)))
        return settings


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is not TOML: {error}"]) from error


def _overlay(given: dict[str, Any], env: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Lay the variables over the file's values, in place; yields what is wrong with them."""
    for variable in sorted(env):
        if not variable.startswith(PREFIX) or variable == PATH_VARIABLE or variable in CALLERS_VARIABLES:
            continue
        place = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if len(place) == 1 and place[0] not in keys_of(Whole) and not _guess(place[0], Whole):
            continue  # Kubernetes sets PAGEREEL_PORT and the like for a service named pagereel
        try:
            _put(given, place, _parse(env[variable], annotation_at(Whole, place)))
        except ValueError as error:
            yield place, f"{error} (from {variable})"


def _parse(text: str, annotation: Any) -> Any:
    plain = plain_type(annotation)
    if get_origin(plain) in (dict, tuple, list) or (isinstance(plain, type) and issubclass(plain, Section)):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError("should be JSON") from error
    if plain is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    return int(text) if text.isdigit() and int(text) in get_args(plain) else text


def _put(given: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    table = given
    for index, part in enumerate(place[:-1]):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ValueError(f"{'.'.join(place[: index + 1])} is not a table")
    section = plain_type(annotation_at(Whole, place[:-1]))
    if isinstance(section, type) and issubclass(section, Section):
        for by_file, (name, _) in file_keys(section).items():
            if place[-1] in (by_file, name):  # the variable replaces the file's value in whichever form it is
                table.pop(by_file, None)
                table.pop(name, None)
    table[place[-1]] = value


def _cross_checks(given: dict[str, Any], callbacks_only: bool) -> Iterator[tuple[Place, str]]:
    """What no section can see alone. Works on the raw values, so that it speaks up beside other faults."""
    apps, storage, presets = (_tables(given.get(name)) for name in ("apps", "storage", "presets"))
    for name, preset in presets.items():
        for key, known in (("app", apps), ("storage", storage)):
            wanted = preset.get(key)
            if isinstance(wanted, str) and wanted not in known:
                near = difflib.get_close_matches(wanted, known, 1)
                yield ("presets", name, key), "is not defined in these settings" + _did_you_mean(near)
        known_endpoints, notify = _tables(given.get("endpoints")), preset.get("notify")
        for wanted in notify if isinstance(notify, list) else ():
            if isinstance(wanted, str) and wanted not in known_endpoints:
                near = difflib.get_close_matches(wanted, known_endpoints, 1)
                yield (
                    ("presets", name, "notify"),
                    "names an endpoint that is not defined in these settings" + _did_you_mean(near),
                )
    for name, app in apps.items():
        if not callbacks_only:
            if not app.get("customer_id"):
                yield ("apps", name, "customer_id"), "is missing or empty"
            if "customer_secret" not in app and "customer_secret_file" not in app:
                yield ("apps", name, "customer_secret"), "is missing"
        if not (app.get("ncs_secrets") or app.get("ncs_secret_files") or app.get("setup") is True):
            yield ("apps", name, "ncs_secrets"), "is missing or empty (an app with setup = true may lack it)"


def _tables(given: object) -> dict[str, dict[str, Any]]:
    named = given if isinstance(given, dict) else {}
    return {name: table for name, table in named.items() if isinstance(table, dict)}


def _place(error: ErrorDetails) -> Place:
    return tuple(part for part in error["loc"] if part != "[key]")


def _text(error: ErrorDetails) -> str:
    place = error["loc"]
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        section = plain_type(annotation_at(Whole, place[:-1]))
        return "is not a setting" + _did_you_mean(_guess(str(place[-1]), section))
    if "[key]" in place:
        return "is not a valid name: use lower-case letters, digits, `-` and `_`, at most 31"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    return message


def _guess(name: str, section: Any) -> list[str]:
    known = keys_of(section) if isinstance(section, type) and issubclass(section, Section) else ()
    return difflib.get_close_matches(name, known, 1, cutoff=0.7)


def _did_you_mean(near: list[str]) -> str:
    return f"; did you mean `{near[0]}`?" if near else ""


def _line(place: Place, text: str) -> str:
    return f"{'.'.join(map(str, place))}: {text}"


def documented_keys(section: type[Section] = Whole, place: str = "") -> Iterator[str]:
    """Every settings key with its place; named things stand as `<name>` (`apps.<name>.app_id`)."""
    for name, annotation in keys_of(section).items():
        whole = f"{place}{name}"
        inner = plain_type(annotation)
        if is_table(annotation):
            inner, whole = plain_type(get_args(inner)[1]), f"{whole}.<name>"
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from documented_keys(inner, f"{whole}.")
        else:
            yield whole
