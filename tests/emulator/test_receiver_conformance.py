"""The receiver conformance kit: a good receiver has the full score, and each planted mistake is found by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from naive_receiver import PATIENCE_SECONDS, SECRET, receiving_naively

from emulator.cli import main
from emulator.conformance.checks import CHECKS, taken
from emulator.conformance.run import Plan, UnreachableError, check_receiver

QUICK = Plan(
    deadline_seconds=PATIENCE_SECONDS, idle_seconds=0.4, requests_of_a_connection=20, storm=60, storm_connections=20
)
NAMES = [check.name for check in CHECKS]
NOTHING_IS_TAKEN = {check.name for check in CHECKS if check.right is taken} | {"storm"}
NOTHING_IS_REFUSED = {"unsigned", "wrong_secret", "changed_body", "wrong_v2", "cut_signature", "odd_signature", "storm"}
REWRITTEN = {"escapes", "blanks", "numbers", "changed_body", "storm"}

# Each mistake alone: the checks that it fails, no more and no less.
MISTAKES = {
    "": set(),
    "writes it again": REWRITTEN,
    "escapes it": REWRITTEN | {"unicode"},
    "sorts it": NOTHING_IS_TAKEN,
    "numbers are doubles": {"numbers"},
    "strips it": {"blanks", "changed_body", "storm"},
    "no signature": NOTHING_IS_REFUSED,
    "only where signed": {"unsigned", "storm"},
    "only the old one": {"v2_alone", "wrong_v2"},
    "either": {"wrong_v2"},
    "a part is enough": {"cut_signature"},
    "any of them anywhere": {"cut_signature"},
    "decodes it": {"odd_signature"},
    "refuses with 500": NOTHING_IS_REFUSED,
    "case of headers": {"small_letters"},
    "strict content type": {"content_type"},
    "wants json": {"odd_content_type"},
    "small bodies": {"big_body"},
    "one read": {"big_body", "in_pieces"},
    "knows all events": {"unknown_events"},
    "knows few events": {"events", "console_check"},
    "knows all recordings": NOTHING_IS_TAKEN,
    "no test_webhook": {"console_check"},
    "strict fields": {"unknown_fields", "old_format"},
    "wants noticeId": {"old_format"},
    "says it has it": {"duplicates", "duplicates_at_once"},
    "race": {"duplicates_at_once"},
    "in order": {"backwards"},
    "slow now and then": {"events", "console_check", "in_time"},
    "one at a time": {"storm", "in_time"},
    "crashes on nonsense": {"odd_bodies"},
    "accepts with 202": NOTHING_IS_TAKEN,
    "redirects": NOTHING_IS_TAKEN,
    "plain text": {"json_answer"},
    "no body": {"json_answer"},
    "closes": {"keep_alive", "idle"},
    "short keep-alive": {"idle"},
    "get": {"get"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_each_planted_mistake_is_found_and_nothing_else_is(mistake: str) -> None:
    async with receiving_naively(mistake) as url:
        results = await check_receiver(url, SECRET, QUICK)
    failed = {result.name: result.detail for result in results if not result.passed}
    assert set(failed) == MISTAKES[mistake], failed


def test_every_check_is_failed_by_some_mistake_and_has_one_sentence_of_advice() -> None:
    assert set(NAMES) <= set().union(*MISTAKES.values())
    assert len(set(NAMES)) == len(NAMES)
    for check in CHECKS:
        assert check.advice.endswith("."), check.name
        assert ". " not in check.advice, check.name


async def test_nobody_there_is_no_score() -> None:
    async with receiving_naively() as url:
        pass
    with pytest.raises(UnreachableError):
        await check_receiver(url, SECRET, QUICK)


def test_the_command_refuses_what_it_cannot_use_and_says_where_nobody_answers(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    run = CliRunner().invoke
    assert run(main, ["check-receiver", "http://127.0.0.1:9/"]).exit_code == 2
    assert run(main, ["check-receiver", "ftp://127.0.0.1/", "--secret", "s"]).exit_code == 2
    nobody = run(main, ["check-receiver", "http://127.0.0.1:9/n?key=private", "--secret-file", str(secret)])
    assert (nobody.exit_code, nobody.output) == (2, "http://127.0.0.1:9/n: no connection\n")


async def test_the_command_prints_a_line_a_check_advice_for_failures_and_the_score(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from emulator.conformance import command

    async with receiving_naively("either") as url:
        results = await check_receiver(url, SECRET, QUICK)
    for result in results:
        command.print_result(result)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("ok", "FAIL"))] == [one.name for one in results]
    (failure,) = (number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert "wrong V2 beside right V1: 200" in lines[failure]
    assert "do not fall back to SHA-1" in lines[failure + 1]
