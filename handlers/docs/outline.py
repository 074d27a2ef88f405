"""The OpenAPI document as headings, paragraphs and tables without markup. Pure.

Texts use two marks, `code` and [words](#anchor), which `handlers.docs.rendering` turns into HTML or Markdown.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from handlers.problems import MEANINGS

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading with an anchor."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `head` names the columns, and each row has the same number of cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """An example. If `brief` is true, it also appears in Markdown, where a long answer would hide the rest."""

    title: str
    text: str
    language: str
    brief: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of a call. `place` is `path`, `query` or `header`."""

    name: str
    place: str
    hint: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that can be tried on the page itself."""

    method: str
    path: str
    inputs: tuple[Input, ...]
    body: str | None


Block = Heading | Paragraph | Table | Code | Call


def outline(document: Json) -> list[Block]:
    """Return the whole document: introduction, operations by tag, webhooks, errors, types."""
    blocks: list[Block] = [Heading(1, "Pagereel API", "top"), *_paragraphs(document["info"]["description"])]
    blocks.append(_contents(document))
    for tag in document["tags"]:
        blocks.append(Heading(2, tag["name"], f"tag-{tag['name'].lower()}"))
        blocks.append(Paragraph(f"{tag['description']}."))
        for method, path, operation in _operations(document, tag["name"]):
            blocks.extend(_operation(method, path, operation))
    return [*blocks, *_webhooks(document), *_errors(), *_types(document)]


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
    body = _sample(operation["requestBody"]) if "requestBody" in operation else None
    yield Code("Example", _curl(method, path, operation, body), "sh")
    if body is not None:
        yield Code("Example body", body, "json", brief=True)
    for status, answer in operation["responses"].items():
        if "$ref" not in answer and (sample := _sample(answer)) is not None:
            yield Code(f"Example answer, {status}", sample, "json")
    inputs = tuple(Input(given["name"], given["in"], _placeholder(given)) for given in operation["parameters"])
    yield Call(method, path, inputs, body)


def _sample(content: Json) -> str | None:
    """Return the example of a body or an answer as indented JSON, or None."""
    ((_, described),) = content["content"].items()
    if "example" not in described:
        return None
    return json.dumps(described["example"], indent=2, ensure_ascii=False)


def _hint(parameter: Json) -> str:
    """Return the first example of a parameter, or an empty string."""
    samples = parameter["schema"].get("examples")
    return str(samples[0]) if samples else ""


def _placeholder(parameter: Json) -> str:
    """Return the placeholder of a form's input: an example, or the accepted values."""
    schema = parameter["schema"]
    words = type_text(schema).replace("`", "")
    return _hint(parameter) or ("" if "$ref" in str(schema) or words.endswith("string") else words)


def _curl(method: str, path: str, operation: Json, body: str | None) -> str:
    for given in operation["parameters"]:
        if given["in"] == "path":
            path = path.replace(f"{{{given['name']}}}", _hint(given))
    words = [f'curl "$PAGEREEL_URL{path}"']
    if method != "GET":
        words.append(f"-X {method}")
    if operation["security"]:
        words.append('-H "Authorization: Bearer $PAGEREEL_TOKEN"')
    if body is not None:
        words += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    return " \\\n  ".join(words)


def _webhooks(document: Json) -> Iterator[Block]:
    hooks = {name: methods["post"] for name, methods in document["webhooks"].items()}
    first = next(iter(hooks.values()))
    yield Heading(2, "Webhooks", "webhooks")
    yield Paragraph(
        "What endpoints are sent, as [Standard Webhooks](#webhook-headers) describe. "
        + first["description"].partition(". ")[2].strip()
    )
    yield Table(
        ("Type", "When it is sent"),
        tuple((f"`{name}`", hook["description"].partition(". ")[0] + ".") for name, hook in hooks.items()),
    )
    yield Heading(3, "Headers of a webhook", "webhook-headers")
    yield Table(
        ("Header", "Type", "Meaning"),
        tuple(
            (f"`{given['name']}`", type_text(given["schema"]), given["description"]) for given in first["parameters"]
        ),
    )
    yield Paragraph(f"Body: {_content_text(first['requestBody'])}.")
    yield Code("Example body", _sample(hooks["recording.verified"]["requestBody"]) or "", "json", brief=True)


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
    """Return a schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#type-{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_text(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("format") or schema.get("type", "any"))
    if kind == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {type_text(schema.get('items', {}))}{most}"
    return kind + _bounds(schema)


def _bounds(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low:.15g} to {high:.15g}"
    if low is not None:
        return f" ≥ {low:.15g}"
    for limit, unit in (("maxProperties", "entries"), ("maxLength", "characters")):
        if limit in schema:
            return f", at most {schema[limit]} {unit}"
    return ""


def _paragraphs(text: str) -> Iterator[Block]:
    return (Paragraph(" ".join(part.split())) for part in text.split("\n\n") if part.strip())
