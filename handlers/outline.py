"""The OpenAPI document told for people: headings, paragraphs and tables, in no markup yet. Pure.

Texts use two marks, `code` and [words](#anchor); `pages` turns them into HTML or Markdown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from handlers.problems import MEANINGS

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that can be linked to."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """`head` names the columns; each row has as many cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Table


def outline(document: Json) -> list[Block]:
    """The whole document: introduction, operations by tag, errors, types."""
    blocks: list[Block] = [Heading(1, "Pagereel API", "top"), *_paragraphs(document["info"]["description"])]
    blocks.append(_contents(document))
    for tag in document["tags"]:
        blocks.append(Heading(2, tag["name"], f"tag-{tag['name'].lower()}"))
        for method, path, operation in _operations(document, tag["name"]):
            blocks.extend(_operation(method, path, operation))
    return [*blocks, *_errors(), *_types(document)]


def _operations(document: Json, tag: str | None = None) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag is None or tag in operation["tags"]:
                yield method.upper(), path, operation


def _contents(document: Json) -> Block:
    rows = tuple(
        (f"[{method} {path}](#{operation['operationId']})", operation["summary"], _scope(operation))
        for method, path, operation in _operations(document)
    )
    return Table(("Route", "What it does", "Scope"), rows)


def _operation(method: str, path: str, operation: Json) -> Iterator[Block]:
    yield Heading(3, f"{method} {path}", operation["operationId"])
    yield from _paragraphs(operation["description"])
    if operation["parameters"]:
        yield Table(
            ("Parameter", "In", "Type", "Meaning"),
            tuple(
                (f"`{given['name']}`", given["in"], type_text(given["schema"]), given.get("description", ""))
                for given in operation["parameters"]
            ),
        )
    yield Paragraph(_facts(operation))


def _facts(operation: Json) -> str:
    facts = [f"Scope: {_scope(operation)}."]
    if "requestBody" in operation:
        facts.append(f"Body: {_content_text(operation['requestBody'])}.")
    for status, answer in operation["responses"].items():
        if "$ref" not in answer:
            headers = [f"`{name}`" for name in answer["headers"] if name != "X-Request-Id"]
            with_headers = f" with {', '.join(headers)}" if headers else ""
            facts.append(f"Success: {status}, {_content_text(answer)}{with_headers}.")
    errors = [f"[{status}](#problem-{status})" for status, answer in operation["responses"].items() if "$ref" in answer]
    return " ".join([*facts, f"Errors: {', '.join(errors)}."])


def _scope(operation: Json) -> str:
    return f"`{operation['security'][0]['token'][0]}`" if operation["security"] else "none"


def _content_text(body: Json) -> str:
    ((media_type, content),) = body["content"].items()
    return type_text(content["schema"]) if content["schema"] else f"`{media_type}`"


def _errors() -> Iterator[Block]:
    yield Heading(2, "Errors", "errors")
    yield Paragraph("Every error is a [Problem](#type-problem); `code` is for programs, `detail` for people.")
    for status, meaning in MEANINGS.items():
        yield Heading(3, f"{status} {meaning.title}", f"problem-{status}")
        yield Paragraph(f"Code `{meaning.code}`. {meaning.remedy}")


def _types(document: Json) -> Iterator[Block]:
    yield Heading(2, "Types", "types")
    for name, schema in document["components"]["schemas"].items():
        yield Heading(3, name, f"type-{name.lower()}")
        yield from _paragraphs(schema.get("description", ""))
        if "enum" in schema:
            yield Paragraph("One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
        if properties := schema.get("properties"):
            required = set(schema.get("required", ()))
            rows = tuple(
                (f"`{field}`", type_text(part), "yes" if field in required else "", part.get("description", ""))
                for field, part in properties.items()
            )
            yield Table(("Field", "Type", "Always", "Meaning"), rows)


def type_text(schema: Json) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#type-{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_text(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{_literal(value)}`" for value in schema["enum"])
    kind = str(schema.get("format") or schema.get("type", "any"))
    if kind == "array":
        return f"list of {type_text(schema.get('items', {}))}"
    return kind + _bounds(schema)


def _literal(value: object) -> str:
    return "[" + ", ".join(f'"{part}"' for part in value) + "]" if isinstance(value, list) else str(value)


def _bounds(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low:g} to {high:g}"
    if low is not None:
        return f" ≥ {low:g}"
    for limit, unit in (("maxProperties", "entries"), ("maxLength", "characters")):
        if limit in schema:
            return f", at most {schema[limit]} {unit}"
    return ""


def _paragraphs(text: str) -> Iterator[Block]:
    return (Paragraph(" ".join(part.split())) for part in text.split("\n\n") if part.strip())
