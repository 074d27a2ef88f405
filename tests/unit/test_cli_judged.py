"""What `pagereel verify` tells a person of findings, below its table."""

from pagereel.cli.judged import lines_of_findings
from service.media.listing.discovery import FoundRecording
from service.report import Finding, Level, Report, Severity, Verdict
from service.verifier.foreign import Judged


def judged(cname: str, *findings: Finding) -> Judged:
    return Judged(FoundRecording("p/", "sid", cname), Report(Verdict.VERIFIED, Level.CONTENT, 0.0, findings))


def finding(code: str, text: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(code, severity, text)


def test_the_first_text_of_each_code_is_told_and_errors_come_first() -> None:
    told = lines_of_findings(
        [
            judged("one", finding("end_shape", "A note.", Severity.NOTE)),
            judged(
                "two",
                finding("size_unexpected", "The picture is 640 × 360, instead of the requested 1280 × 720."),
                finding("size_unexpected", "Another one."),
                finding("slice_missing", "The slice is gone.", Severity.ERROR),
            ),
            Judged(FoundRecording("p/", "sid", "three"), None, ValueError("ours")),
        ]
    )
    assert told == [
        "p/sid_two:",
        "  slice_missing: The slice is gone.",
        "  size_unexpected: The picture is 640 × 360, instead of the requested 1280 × 720.",
    ]


def test_what_is_left_out_is_named_with_where_it_is() -> None:
    (_, *lines) = lines_of_findings([judged("one", *(finding(f"code_{n}", f"Text {n}.") for n in range(7)))])
    assert lines[:5] == [f"  code_{n}: Text {n}." for n in range(5)]
    assert lines[5:] == ["  and code_5, code_6: --json has every text"]


def test_text_from_outside_steers_no_terminal_and_is_one_line() -> None:
    told = lines_of_findings([judged("o\x1bne", finding("code", "A key: \x1b[2J\n1 verified"))])
    assert told == ["p/sid_o\\x1bne:", "  code: A key: \\x1b[2J\\n1 verified"]
