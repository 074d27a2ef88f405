"""The table of find rates in the documentation."""

import re
from collections.abc import Sequence
from pathlib import Path

from corpus_mutations import Mutation

from service.report import Level

DOCUMENT = Path(__file__).parents[2] / "docs" / "verification.md"
TABLE = re.compile(r"(?<=<!-- find rates -->\n).*?(?=<!-- end -->)", re.DOTALL)


def heading() -> list[str]:
    """The first two lines of the table."""
    levels = [f"`{level.value}`" for level in Level]
    return [f"| {' | '.join(('damage', 'finding', *levels))} |", "|" + "---|" * (2 + len(levels))]


def row(name: str, mutation: Mutation, rates: Sequence[str]) -> str:
    """One line of the table."""
    codes = ", ".join(f"`{code}`" for code in mutation.codes)
    return f"| {' | '.join((name, codes, *rates))} |"
