"""Every finding code is documented, with its weight."""

import re
from pathlib import Path

from service.media.findings import RULES, Effect, Findings
from service.report import Severity

DOCUMENT = Path(__file__).parents[3] / "docs" / "verification.md"


def test_every_finding_code_is_documented_with_its_severity_and_no_other_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (error|warning|note)", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((code, rule.severity.value) for code, rule in RULES.items())


def test_an_error_always_keeps_a_recording_from_being_verified() -> None:
    assert all((rule.severity is Severity.ERROR) is (rule.effect is not Effect.NONE) for rule in RULES.values())
    for final in (True, False):
        for code, rule in RULES.items():
            findings = Findings()
            findings.add(code, "x", final=final)
            assert (findings.effects != {Effect.NONE}) is (rule.severity is Severity.ERROR)
