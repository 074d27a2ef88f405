"""Documents use the field's words. A list of words of an older dialect of this project must not come back.

The changelog and the decisions are records: they are not read here.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIALECT = re.compile(
    r"\b(?:told|said|nobody|whoever|beside|anew|mend(?:s|ed)?|wish(?:es|ed)?|bears?|is seen to)\b", re.IGNORECASE
)
RECORDS = {"CHANGELOG.md"}
PAGES = [
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "clients").glob("*/*.md"))
    if str(page.relative_to(ROOT)) not in RECORDS
]
# A phrase in which such a word is right, each with its reason.
RIGHT = (
    "whoever they are",  # a set phrase, in the code of conduct
    "`wished`",  # a field of the API
    "as wished and as confirmed",
    "wishes",  # the name of a parameter of the Python client
    "nobody here knows",  # the heading to which released alerts link
    "nobody-here-knows",
    "wrong V2 beside right V1",  # printed by the emulator
    "pause that nobody logged",  # written by `make find-rates`
)


def dialect(text: str) -> list[str]:
    """Each such word of a text, with the words around it."""
    for phrase in RIGHT:
        text = text.replace(phrase, "")
    return [" ".join(text[max(0, found.start() - 30) : found.end() + 30].split()) for found in DIALECT.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_document_uses_plain_words(page: Path) -> None:
    assert dialect(page.read_text(encoding="utf-8")) == []


def test_the_dialect_is_found() -> None:
    assert len(dialect("Nobody is told; mend it anew.")) == 4
