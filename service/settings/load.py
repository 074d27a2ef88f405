"""Loads settings from one TOML file and the environment, and reports all faults at once.

Errors never show a value, since any value may be a secret.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_origin

from pydantic import ValidationError

from service.settings.faults import Place, faults_of, not_toml, not_utf8
from service.settings.model import Api, Callbacks, Urls, Whole, port_taken, wrong_place
from service.settings.secret import Secret
from service.settings.section import Section, annotation_at, bool_of, file_keys, keys_of, number_of, plain_type
from service.settings.variables import CALLERS_VARIABLES, PATH_VARIABLE, PREFIX, is_platforms, variable_meant

S = TypeVar("S", bound=Section)


class SettingsError(Exception):
    """All faults of the settings, one line per key. `absent`: missing tables that are needed to record anything."""

    def __init__(self, problems: Sequence[str], absent: Sequence[str] = ()) -> None:
        super().__init__("the settings are invalid:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)
        self.absent = tuple(absent)


class Settings(Whole):
    """All settings of the service. They are immutable, except that secrets given by file follow their files."""

    @classmethod
    def load(cls, path: Path | None, env: Mapping[str, str] | None = None, *, callbacks_only: bool = False) -> Self:
        """Load settings from the TOML file at `path` (None: `PAGEREEL_SETTINGS`, or no file) and the `PAGEREEL_`
        variables.

        `callbacks_only`: a process that only receives notifications needs no REST credentials. Raise `SettingsError`
        with all faults.
        """
        env = os.environ if env is None else env
        if path is None and env.get(PATH_VARIABLE):
            path = Path(env[PATH_VARIABLE])
        given = _read(path)
        found = list(_overlay(given, env))
        settings = None
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            found += _faults(error)
        found += _cross_checks(given, callbacks_only)
        if settings is None or found:
            by_place = {_secret_at(place): variable for variable, place in _variables(env)}
            problems = {_line(place, text, by_place) for place, text in found}
            raise SettingsError(sorted(problems), [name for name in ("apps", "storage") if not given.get(name)])
        return settings


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = path.read_bytes()
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: {not_utf8(content, error)}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: {not_toml(error)}"]) from error


def _overlay(given: dict[str, Any], env: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Override the file's values by the variables, in place. Yield the variables' faults."""
    taken: dict[Place, str] = {}
    for variable, place in _variables(env):
        if len(place) == 1 and place[0] not in keys_of(Whole):
            if meant := variable_meant(place[0]):
                yield place, f"is not a setting; did you mean {meant}?"
            continue
        if (other := taken.setdefault(_secret_at(place), variable)) != variable:
            yield place, f"{other} and {variable} are both set: keep one of them"
        try:
            _put(given, place, _parse(env[variable], annotation_at(Whole, place)))
        except ValueError as error:
            yield place, str(error)


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the variables that may be settings, each with its place."""
    for variable in sorted(env):
        others = variable in CALLERS_VARIABLES or variable == PATH_VARIABLE or is_platforms(variable, env[variable])
        if variable.startswith(PREFIX) and not others:
            yield variable, tuple(variable.removeprefix(PREFIX).lower().split("__"))


def ignored_variables(env: Mapping[str, str]) -> list[str]:
    """Return the variables with the prefix of settings that have no known meaning."""
    known = keys_of(Whole)
    return [variable for variable, place in _variables(env) if len(place) == 1 and place[0] not in known]


def _secret_at(place: tuple[str, ...]) -> Place:
    """Return the place, or that of the secret if the key gives one by file."""
    section = plain_type(annotation_at(Whole, place[:-1]))
    by_file = file_keys(section) if isinstance(section, type) and issubclass(section, Section) else {}
    return (*place[:-1], by_file[place[-1]][0]) if place[-1] in by_file else place


def _parse(text: str, annotation: Any) -> Any:
    plain = plain_type(annotation)
    if get_origin(plain) in (dict, tuple, list) or (isinstance(plain, type) and issubclass(plain, Section)):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError('should be JSON, such as ["a", "b"] for a list') from error
    if plain is bool:
        return bool_of(text)
    if plain in (int, float):
        return number_of(text)
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
            if place[-1] in (by_file, name):  # the variable replaces the file's value in either form
                table.pop(by_file, None)
                table.pop(name, None)
    table[place[-1]] = value


def _cross_checks(given: dict[str, Any], callbacks_only: bool) -> Iterator[tuple[Place, str]]:
    """Yield faults across sections. They are found in the raw values, so that they are reported together with other
    faults."""
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
    yield from _hidden(given)
    for name, app in apps.items():
        if not callbacks_only:
            if not app.get("customer_id"):
                yield ("apps", name, "customer_id"), "is missing or empty"
            if "customer_secret" not in app and "customer_secret_file" not in app:
                yield ("apps", name, "customer_secret"), "is missing"
        if not (app.get("ncs_secrets") or app.get("ncs_secret_files") or str(app.get("setup")).lower() == "true"):
            yield ("apps", name, "ncs_secrets"), "is missing or empty (an app with setup = true may lack it)"


def _hidden(given: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield faults between sections, which validation does not reach if a section has a fault of its own."""
    rules = _valid(Urls, given.get("urls", {}))
    for name, endpoint in _tables(given.get("endpoints")).items():
        url = _valid(_Address, {key: endpoint[key] for key in ("url", "url_file") if key in endpoint})
        if rules is not None and url is not None and (text := wrong_place(url.url.get(), rules)):
            yield ("endpoints", name, "url"), text
    api, callbacks = (given.get(name, {}) for name in ("api", "callbacks"))
    if isinstance(api, dict) and isinstance(callbacks, dict):
        ours, theirs = _valid(Api, _place(api)), _valid(Callbacks, _place(callbacks))
        if ours is not None and theirs is not None and (text := port_taken(ours, theirs)):
            yield ("callbacks", "port"), text


class _Address(Section):
    url: Secret


def _place(listener: Mapping[str, Any]) -> dict[str, Any]:
    return {name: listener[name] for name in ("host", "port") if name in listener}


def _valid(section: type[S], given: object) -> S | None:
    """Return the section, or None if it has a fault, which is reported elsewhere."""
    try:
        return section.model_validate(given)
    except ValidationError:
        return None


def _tables(given: object) -> dict[str, dict[str, Any]]:
    named = given if isinstance(given, dict) else {}
    return {name: table for name, table in named.items() if isinstance(table, dict)}


def _faults(error: ValidationError) -> Iterator[tuple[Place, str]]:
    errors = error.errors(include_url=False, include_input=False)
    for each in errors:
        if each["type"] == "extra_forbidden":
            section = plain_type(annotation_at(Whole, each["loc"][:-1]))
            near = _did_you_mean(_guess(str(each["loc"][-1]), section))
            yield (
                each["loc"],
                "is not a setting" + (near or f"; the settings here are {', '.join(section.model_fields)}"),
            )
    yield from faults_of(Whole, [each for each in errors if each["type"] != "extra_forbidden"])


def _guess(name: str, section: Any) -> list[str]:
    known = keys_of(section) if isinstance(section, type) and issubclass(section, Section) else ()
    return difflib.get_close_matches(name, known, 1, cutoff=0.7)


def _did_you_mean(near: list[str]) -> str:
    return f"; did you mean `{near[0]}`?" if near else ""


def _line(place: Place, text: str, by_place: Mapping[Place, str]) -> str:
    """Return the line of a fault, with the variable that set the value or its table. `by_place`: all variables."""
    places = (place[:size] for size in range(len(place), 0, -1))
    variable = next((by_place[each] for each in places if each in by_place), None)
    origin = f" (from {variable})" if variable is not None and variable not in text else ""
    return f"{'.'.join(map(str, place))}{origin}: {text}"
