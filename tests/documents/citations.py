"""Which numbered sections texts cite, and which of these citations lead nowhere. Pure but for `texts`.

A citation is the name of the reference, the sign and a number. Where a module's docstring, the head of a page or the
same line names the reference, the sign and a number are enough.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/agora-reference.md"
NAME = "agora-reference"
SIGN = "\N{SECTION SIGN}"
ENDINGS = {".py", ".md", ".toml", ".yml", ".yaml", ".js", ".css", ".html", ".conf", ".service"}
NAMES = {"run", "Makefile", "Dockerfile"}
LEFT_OUT = {"var", "build", "dist", "node_modules", "__pycache__"}
# The words that may stand in front of a sign; any other one is taken for the name of a text.
JOINING = {"and", "as", "by", "in", "of", "or", "see", "to"}
_CITED = re.compile(rf"(?:(?P<word>[\w.-]*\w) )?{SIGN}(?P<section>\d+(?:\.\d+)*)?(?: no\. (?P<conflict>\d+))?")


def texts() -> Iterator[Path]:
    """The files of the repository that people read."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_OUT and (name == ".ci" or name[0] != ".")]
        yield from (Path(folder, name) for name in files if Path(name).suffix in ENDINGS or name in NAMES)


def sections(reference: str) -> set[str]:
    """The numbers of its headings."""
    return set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", reference, re.MULTILINE))


def conflicts(reference: str) -> set[str]:
    """The numbers of the conflicts in section 14."""
    return set(re.findall(r"^\| (\d+) \|", reference.partition("\n## 14. ")[2], re.MULTILINE))


def unresolved(name: str, text: str, reference: str) -> list[str]:
    """The citations in `text`, the content of the file `name`, that lead nowhere, each with its line."""
    if SIGN not in text:
        return []
    known, listed = sections(reference), conflicts(reference)
    meant = NAME in _head(name, text)
    lines = list(enumerate(text.splitlines(), 1))
    found = [
        (number, fault)
        for number, line in lines
        if SIGN not in _cells(line)
        for cited in _CITED.finditer(line)
        if (fault := _fault(cited, meant or NAME in line, known, listed))
    ]
    found += [(number, f"no section {each}") for number, each in _in_columns(lines) if each not in known]
    return [f"{name}:{number}: {fault}" for number, fault in sorted(found)]


def _fault(cited: "re.Match[str]", meant: bool, known: set[str], listed: set[str]) -> str | None:
    word, section, conflict = cited["word"], cited["section"], cited["conflict"]
    fault = None
    if section is None:
        fault = "a sign without a number"
    elif word not in (None, NAME, *JOINING):
        fault = f"{word} has no numbered sections"
    elif not meant:
        fault = f"{section} of which text?"
    elif section not in known:
        fault = f"no section {section}"
    elif conflict is not None and conflict not in listed:
        fault = f"no conflict {conflict}"
    return fault


def _in_columns(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The numbers in columns of tables that have the sign as their heading, each with its line."""
    column: int | None = None
    for number, line in lines:
        cells = _cells(line)
        if SIGN in cells:
            column = cells.index(SIGN)
        elif len(cells) < 3:
            column = None
        elif column is not None:
            yield from ((number, each) for each in re.findall(r"\d+(?:\.\d+)?", cells[column]))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")] if line.startswith("|") else []


def _head(name: str, text: str) -> str:
    """What says which text the signs below mean: a module's docstring, or a page above its first section."""
    if name.endswith(".py"):
        return ast.get_docstring(ast.parse(text)) or ""
    return text.partition("\n## ")[0]
