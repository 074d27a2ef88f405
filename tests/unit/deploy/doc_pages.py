"""Reads Markdown pages as a reader's browser would. Shared by the tests of docs and deployment files."""

import re
from pathlib import Path

_FENCE = re.compile(r"^(```+).*?^\1[^\S\n]*$", re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    """The page without its fenced code."""
    return _FENCE.sub("", text)


def anchors_of(page: Path) -> set[str]:
    """Every anchor a link may name: of headings, as GitHub makes them, and those set by hand."""
    text = without_code(page.read_text(encoding="utf-8"))
    named = re.findall(r'<a id="([^"]+)">', text)
    return {*named, *(_anchor(title) for title in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE))}


def _anchor(title: str) -> str:
    words = re.sub(r"&\w+;|<[^>]+>", "", title).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def sections_of(page: Path) -> dict[str, str]:
    """The text below each heading of the second rank, up to the next heading of its rank or above, by anchor."""
    found = re.findall(r"^## ([^\n]+)$(.*?)(?=^##? |\Z)", page.read_text(encoding="utf-8"), re.M | re.S)
    return {_anchor(title): text for title, text in found}


def section(page: Path, title: str) -> str:
    """The text below the heading `## title`, up to the next heading of its rank."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.M | re.S)
    assert found is not None, f"{page.name} has no section {title!r}"
    return found[1]


def first_column(text: str) -> list[str]:
    """The words in backticks that begin the rows of the tables in a text."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
