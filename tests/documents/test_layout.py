"""The layout of the code: small folders and modules, and a table of rooms in the documents that names each of them."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("pagereel", "service", "handlers", "metrics", "emulator", "clients/python/pagereel_client")
CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MOST_MODULES = 15
MOST_LINES = 400
# Rooms of which each module and folder has a line of its own in the table.
OPENED = ("pagereel", "service")


def _rooms() -> set[str]:
    """What is named in the first column of the table of rooms."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Rooms\n")[2].partition("\n## ")[0]
    return {
        name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }


def _contract(package: str) -> set[str]:
    """The rooms that import-linter's contract for a package puts into an order."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (found,) = (each for each in settings["tool"]["importlinter"]["contracts"] if each.get("containers") == [package])
    assert found["exhaustive"] is True
    return {name.strip() for layer in found["layers"] for name in layer.split("|")}


@pytest.mark.parametrize("package", OPENED)
def test_the_table_of_rooms_the_contract_and_the_folders_agree(package: str) -> None:
    there = {
        path.stem: f"{package}/{path.name}" if path.is_file() else f"{package}/{path.name}/"
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and not path.name.startswith("__")
    }
    assert {name for name in _rooms() if name.startswith(f"{package}/")} == set(there.values())
    assert _contract(package) == set(there)


def test_every_package_has_a_line_in_the_table_of_rooms() -> None:
    named = _rooms()
    assert {f"{package}/" for package in PACKAGES if package not in OPENED} - named == {
        "clients/python/pagereel_client/"
    }
    assert "clients/python/" in named


def test_every_path_in_the_page_of_the_architecture_exists() -> None:
    """In the drawings a module's name follows the path of its folder: `decoding.py, payloads.py`."""
    text = PAGE.read_text(encoding="utf-8")
    paths = re.findall(r"\b((?:pagereel|service|handlers|metrics|emulator|clients)/[\w/.]*\w(?:/|\.py))", text)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []
    names = {path.name for path in CODE}
    assert [name for name in re.findall(r"\b(\w+\.py)\b", text) if name not in names] == []


def test_no_folder_holds_more_modules_than_a_reader_takes_in() -> None:
    folders = {path.parent for path in CODE}
    many = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len([path for path in folder.glob("*.py") if not path.name.startswith("__")])) > MOST_MODULES
    }
    assert many == {}


def test_no_module_is_longer_than_a_reader_keeps_in_mind() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_every_folder_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in CODE
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
