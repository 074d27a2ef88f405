"""What Python 3.11.2, which Debian 12 has, does otherwise than the versions after it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("pagereel", "service", "handlers", "metrics", "emulator", "clients")
ENDS = {"fail", "exit"}


def leaves(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) in ENDS
    return isinstance(node, ast.Raise)


def test_no_except_star_is_left_by_an_exception() -> None:
    """There it comes out wrapped in a group, and nobody who waits for it catches it."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.TryStar)
        if any(leaves(inner) for handler in node.handlers for inner in ast.walk(handler))
    ]
    assert found == []
