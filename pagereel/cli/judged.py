"""Verified recordings as a table, as JSON and as an exit status. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Table

from pagereel.cli import OUR_MISTAKE
from pagereel.cli.remote.durations import size_in_words
from pagereel.cli.terminal.output import printable
from pagereel.cli.terminal.tables import WARNED, table
from service.media.listing.discovery import FoundRecording
from service.report import Level, Report, Severity, Verdict
from service.verifier.foreign import Judged
from service.wording import percent

VERIFIED, NOT_VERIFIED, NOT_READ = range(3)
_HEADS = ("recording", "from (UTC)", "slices", "size", "coverage", "level", "verdict", "findings")
NO_REPORT = "error"
TEXTS: Final = 5
"""The maximum number of finding texts for each recording."""


def exit_status(judged: Sequence[Judged], level: Level, *, strict: bool = False) -> int:
    """Return the most severe status: internal error, not read at `level`, not verified, verified. If there are no
    recordings, the status is not verified. If `strict` is true, warnings count as not verified too."""
    return max((_status(one, level, strict=strict) for one in judged), default=NOT_VERIFIED)


def _status(judged: Judged, level: Level, *, strict: bool) -> int:
    report = judged.report
    if report is None:
        return OUR_MISTAKE
    if report.verdict is Verdict.VERIFIED and report.level.reaches(level):
        return NOT_VERIFIED if strict and report.warnings else VERIFIED
    if report.verdict is Verdict.VERIFIED:
        return NOT_READ
    return NOT_READ if report.verdict is Verdict.UNREACHABLE else NOT_VERIFIED


def table_of(judged: Sequence[Judged]) -> Table:
    """Return a table with a line for each recording."""
    return table(_HEADS, map(_row, judged), coloured=_HEADS.index("verdict"))


def _row(judged: Judged) -> tuple[str, ...]:
    one, report = judged.recording, judged.report
    began = "" if one.first_at is None else f"{datetime.fromtimestamp(one.first_at, UTC):%Y-%m-%d %H:%M:%S}"
    facts = (_name(one), began, str(one.slices), size_in_words(one.size_bytes))
    if report is None:
        return *facts, "", "", NO_REPORT, f"internal error: {judged.error!r}"
    share = "" if report.coverage is None else percent(report.coverage.share)
    counts = Counter(each.code for each in report.findings if each.severity is not Severity.NOTE)
    codes = ", ".join(code if count == 1 else f"{code} x{count}" for code, count in counts.items())
    return *facts, share, report.level.value, _verdict(report), codes


def _verdict(report: Report) -> str:
    return WARNED if report.verdict is Verdict.VERIFIED and report.warnings else report.verdict.value


def lines_of_findings(judged: Sequence[Judged]) -> list[str]:
    """Return the findings of each recording as text: the first text of each code, errors first, at most `TEXTS`
    texts."""
    lines: list[str] = []
    for one in judged:
        findings = () if one.report is None else one.report.findings
        graver = [
            each for severity in (Severity.ERROR, Severity.WARNING) for each in findings if each.severity is severity
        ]
        texts = {each.code: each.text for each in reversed(graver)}
        codes = list(dict.fromkeys(each.code for each in graver))
        if codes:
            lines.append(f"{printable(_name(one.recording))}:")
        lines += [f"  {code}: {printable(texts[code])}" for code in codes[:TEXTS]]
        if len(codes) > TEXTS:
            lines.append(f"  and {', '.join(codes[TEXTS:])}: --json has every text")
    return lines


def _name(recording: FoundRecording) -> str:
    return f"{recording.folder}{recording.sid}_{recording.cname}"


def lines_of_sum(judged: Sequence[Judged]) -> str:
    """Return the number of recordings with each verdict, as text."""
    counts = Counter(NO_REPORT if one.report is None else _verdict(one.report) for one in judged)
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


def plain(judged: Judged) -> dict[str, Any]:
    """Return one recording for JSON. `verdict` is null after an internal error."""
    one, report = judged.recording, judged.report
    facts: dict[str, Any] = {
        "folder": one.folder,
        "sid": one.sid,
        "cname": one.cname,
        "slices": one.slices,
        "size_bytes": one.size_bytes,
        "first_slice_at": None if one.first_at is None else _rfc3339(one.first_at),
    }
    if report is None:
        return facts | {"verdict": None, "error": repr(judged.error)}
    return facts | {
        "verdict": report.verdict,
        "level": report.level,
        "rules_version": report.rules_version,
        "warnings": report.warnings,
        "warned": list(dict.fromkeys(each.code for each in report.findings if each.severity is Severity.WARNING)),
        "coverage": None if report.coverage is None else report.coverage.share,
        "findings": [
            {"code": each.code, "severity": each.severity, "object": each.object, "text": each.text}
            for each in report.findings
        ],
        "requests": report.requests,
        "bytes_read": report.bytes_read,
    }


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
