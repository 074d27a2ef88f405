"""Every section, conflict and document that code, tests and documents cite exists."""

import re

import pytest
from citations import NAME, REFERENCE, ROOT, SIGN, conflicts, sections, texts, unresolved

TEXT = REFERENCE.read_text(encoding="utf-8")
FILES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in texts()}
# Pages of the site alone; the site's strict build looks for them.
MADE_FOR_THE_SITE = {
    "index.md",
    "client.md",
    "changelog.md",
    "contributing.md",
    "security.md",
    "code-of-conduct.md",
}


def test_the_reference_has_its_sections() -> None:
    assert {str(number) for number in range(1, 15)} <= sections(TEXT)
    assert conflicts(TEXT) == {str(number) for number in range(1, 32)}


def test_every_citation_of_a_section_resolves() -> None:
    assert [fault for name, text in FILES.items() for fault in unresolved(name, text, TEXT)] == []


def test_code_cites_the_reference() -> None:
    assert sum(f"{NAME} {SIGN}" in text for text in FILES.values()) > 30


def test_every_document_named_in_code_exists() -> None:
    named = {
        (name, document)
        for name, text in FILES.items()
        if not name.endswith(".md")
        for document in re.findall(r"[\w./-]*\w\.md\b", text)
    }
    exists = {(name, each) for name, each in named if (ROOT / each).exists() or (ROOT / "docs" / each).exists()}
    assert sorted(pair for pair in named - exists if pair[1] not in MADE_FOR_THE_SITE) == []


def test_nothing_cites_lettered_sections() -> None:
    lettered = re.compile(r"(?<![\w.])[A-F]\.\d")
    assert [(name, found) for name, text in FILES.items() for found in lettered.findall(text)] == []


def test_every_conflict_that_the_emulator_names_is_listed() -> None:
    page = (ROOT / "docs/emulator.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w(/])#(\d+)\b", page))
    assert len(named) > 20
    assert named <= conflicts(TEXT)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param('"""A module."""\n# agora-reference {}8.1', [], id="a section with its text"),
        pytest.param('"""As agora-reference has it."""\n# so ({}8.1, {}14 no. 9)', [], id="named in the docstring"),
        pytest.param('"""A module."""\n# agora-reference {}1 to {}9', [], id="several sections"),
        pytest.param('"""A module."""\n# agora-reference {}8.99', ["x.py:2: no section 8.99"], id="no such section"),
        pytest.param('"""A module."""\n# so ({}8.1)', ["x.py:2: 8.1 of which text?"], id="no text named"),
        pytest.param(
            '"""As agora-reference has it."""\n# design {}2',
            ["x.py:2: design has no numbered sections"],
            id="another text",
        ),
        pytest.param(
            '"""A module."""\n# agora-reference {}14 no. 99', ["x.py:2: no conflict 99"], id="no such conflict"
        ),
        pytest.param('"""A module."""\n# reliability {}B', ["x.py:2: a sign without a number"], id="a letter"),
    ],
)
def test_a_citation_is_resolved_or_named(text: str, faults: list[str]) -> None:
    assert unresolved("x.py", text.replace("{}", SIGN), TEXT) == faults


def test_a_column_of_section_numbers_is_resolved() -> None:
    page = f"| what | {SIGN} |\n|---|---|\n| a | 8.1, 9 to 9.7 |\n| b | 77 |\n\nafter 78\n"
    assert unresolved("README.md", page, TEXT) == ["README.md:4: no section 77"]
