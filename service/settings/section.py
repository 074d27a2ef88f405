"""The common base of all sections: unknown keys are errors, and secrets may be given by file."""

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from service.settings.secret import FromFile, Secret
from service.settings.shapes import check_filled


class Section(BaseModel):
    """A table of the settings. A key `x` that is a `Secret` may be given as `x_file`, a list `xs` as `x_files`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _take_files(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        taken = dict(given)
        for by_file, (name, many) in file_keys(cls).items():
            if by_file not in taken:
                continue
            paths, clash = taken.pop(by_file), by_file if name in taken else ""
            if many and not clash:
                taken[name] = [FromFile(path) for path in paths] if isinstance(paths, list) else paths
            else:
                taken[name] = FromFile(paths, clash)
        return taken

    @field_validator("*", mode="before")
    @classmethod
    def _filled(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, FromFile) and given.clash:
            raise ValueError(f"and `{given.clash}` are both set: keep one of them")
        annotation = cls.model_fields[info.field_name or ""].annotation
        kind = item_type(annotation) if isinstance(given, list) else plain_type(annotation)
        if isinstance(given, bool) and kind in (int, float):
            raise PydanticCustomError("int_type", "should be a number, not true or false")
        for text in given if isinstance(given, list) else (given,):
            if isinstance(text, str):
                check_filled(text)
                if kind in (int, float) and not isinstance(number_of(text), str):
                    raise PydanticCustomError("int_quoted", "should be a number without quotes")
                if kind is bool and isinstance(bool_of(text), bool):
                    raise PydanticCustomError("bool_quoted", "should be true or false, without quotes")
        return given


def number_of(text: str) -> int | float | str:
    """Return the number in the text, or the text itself if it is not a number."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def bool_of(text: str) -> bool | str:
    """Return the boolean in the text, as pydantic parses it, or the text itself if it is not one."""
    said = text.strip().lower()
    if said in ("1", "true", "t", "yes", "y", "on"):
        return True
    return False if said in ("0", "false", "f", "no", "n", "off") else text


def file_keys(section: type[Section]) -> dict[str, tuple[str, bool]]:
    """Return the `*_file` keys of a section: key -> (the secret's key, whether it is a list)."""
    found = {}
    for name, info in section.model_fields.items():
        annotation = info.annotation
        if plain_type(annotation) is Secret:
            found[f"{name}_file"] = (name, False)
        elif item_type(annotation) is Secret:
            found[f"{name.removesuffix('s')}_files"] = (name, True)
    return found


def plain_type(annotation: Any) -> Any:
    """Return the annotation without `| None` and `Annotated`."""
    while True:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin in (Union, types.UnionType):
            annotation = next(arg for arg in args if arg is not type(None))
        elif hasattr(annotation, "__metadata__"):
            annotation = args[0]
        else:
            return annotation


def item_type(annotation: Any) -> Any:
    """Return the type of the entries of a list or table, or None for other annotations."""
    annotation = plain_type(annotation)
    if get_origin(annotation) in (tuple, list):
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) is dict:
        return plain_type(get_args(annotation)[1])
    return None


def is_table(annotation: Any) -> bool:
    """Return whether the annotation is a table with named entries."""
    return get_origin(plain_type(annotation)) is dict


def keys_of(section: type[Section]) -> dict[str, Any]:
    """Return every key of a section, including `*_file` keys, with its annotation."""
    keys: dict[str, Any] = {name: info.annotation for name, info in section.model_fields.items()}
    for name, (_, many) in file_keys(section).items():
        keys[name] = tuple[str, ...] if many else str
    return keys


def annotation_at(root: type[Section], place: tuple[str | int, ...]) -> Any:
    """Return the annotation of the setting at `place` (`("apps", "main", "app_id")`), or None if it does not exist."""
    annotation: Any = root
    for part in place:
        plain = plain_type(annotation)
        if isinstance(plain, type) and issubclass(plain, Section):
            annotation = keys_of(plain).get(str(part))
        else:
            annotation = item_type(plain)
        if annotation is None:
            return None
    return annotation
