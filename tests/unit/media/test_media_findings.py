"""Every finding code is documented, with its weight, and with the reason why it may come with `verified`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.media.content import _SHOWN
from service.media.findings import RULES, Effect, Findings
from service.report import MissingClass, Severity

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "verification.md"
# How the table of findings names each effect.
WORDS = {
    Effect.NONE: "",
    Effect.AWAITS: "incomplete",
    Effect.UNSOUND: "defective",
    Effect.TIME: "defective",
    Effect.BLIND: "unreachable",
}
# Calls that add a finding, with the places of the code and of the severity among their arguments.
ADDERS = {"add": (0, 99), "_fault": (0, 3), "Fault": (1, 3)}


def rows(title: str) -> list[tuple[str, ...]]:
    """The cells of the rows about codes in the part with this title."""
    text = DOCUMENT.read_text(encoding="utf-8")
    part = re.split(r"^##+ ", text.split(f"# {title}\n", 1)[1], flags=re.MULTILINE)[0]
    found = re.findall(r"^\| `([a-z0-9_]+)` \| (.*) \|$", part, re.MULTILINE)
    return [(code, *(cell.strip() for cell in rest.split(" | "))) for code, rest in found]


def lighter() -> set[str]:
    """The codes that some rule may report lighter than their weight; read off the source, so that none is forgotten."""
    found: set[str] = set()
    for path in (ROOT / "service" / "media").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                found |= {code for call in _calls(function) for code in _lightened(call)}
    return found


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def _lightened(call: ast.Call) -> set[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in ADDERS:
        return set()
    place, weight = ADDERS[name]
    if all(word.arg != "severity" for word in call.keywords) and len(call.args) <= weight:
        return set()
    code = call.args[place]
    if isinstance(code, ast.Constant):
        return {str(code.value)}
    words = {
        "code": {shown for shown, _ in _SHOWN.values()},
        "one.kind.value": {str(kind) for kind in MissingClass},
        # What a part found is taken over with its weight; the parts themselves are read too.
        "fault.code": set(),
        "one.code": set(),
    }
    return words[ast.unparse(code)]


def test_every_finding_code_is_documented_with_its_severity_and_no_other_is() -> None:
    documented = [(code, severity) for code, severity, *_ in rows("Findings")]
    assert sorted(code for code, _ in documented) == sorted(RULES)
    for code, severity in documented:
        assert severity.startswith(RULES[code].severity.value), code
        assert WORDS[RULES[code].effect] in severity, code


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_row_names_no_effect_that_its_code_does_not_have(code: str) -> None:
    (severity,) = (severity for one, severity, *_ in rows("Findings") if one == code)
    assert {word for word in WORDS.values() if word and word in severity} == {WORDS[RULES[code].effect]} - {""}


def test_every_code_that_can_come_with_verified_has_a_reason_and_no_other_has() -> None:
    reasons = dict(rows("Findings that can come with `verified`"))
    light = {code for code, rule in RULES.items() if rule.severity is not Severity.ERROR}
    assert set(reasons) == light | {code for code in lighter() if RULES[code].effect is not Effect.BLIND}
    assert all(len(reason) > 10 for reason in reasons.values())


def test_a_row_says_that_its_code_may_be_lighter_where_it_may() -> None:
    documented = {code for code, severity, *_ in rows("Findings") if " or " in severity}
    assert documented == lighter()


def test_no_code_that_means_could_not_be_read_is_ever_lighter() -> None:
    assert not {code for code in lighter() if RULES[code].effect is Effect.BLIND}


def test_an_error_always_keeps_a_recording_from_being_verified() -> None:
    assert all((rule.severity is Severity.ERROR) is (rule.effect is not Effect.NONE) for rule in RULES.values())
    for final in (True, False):
        for code, rule in RULES.items():
            findings = Findings()
            findings.add(code, "x", final=final)
            assert (findings.effects != {Effect.NONE}) is (rule.severity is Severity.ERROR)
