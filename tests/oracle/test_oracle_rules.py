"""Which verdicts the oracle calls wrong."""

import pytest

from service.report import Level, Verdict
from tests.oracle.damages import KINDS, Reach
from tests.oracle.rules import Group, exceptions, group_of

VERIFIED = dict.fromkeys(Level, Verdict.VERIFIED)
DEFECTIVE = dict.fromkeys(Level, Verdict.DEFECTIVE)


@pytest.mark.parametrize(
    ("reach", "levels"),
    [
        (Reach.STRUCTURE, ["structure", "content", "bytes", "full"]),
        (Reach.BYTES, ["bytes", "full"]),
        (Reach.FULL, ["full"]),
    ],
)
def test_more_lost_than_allowed_is_found_from_the_level_of_the_table_on(reach: Reach, levels: list[str]) -> None:
    group = group_of(reach, 8.0, 5.0)
    found = exceptions(group, reach, 8.0, VERIFIED)
    assert [sentence.split()[0] for sentence in found] == levels
    assert exceptions(group, reach, 8.0, DEFECTIVE) == []


@pytest.mark.parametrize("lost", [4.0, 5.0, 6.0])
def test_a_loss_within_a_second_of_the_allowance_counts_apart(lost: float) -> None:
    assert group_of(Reach.STRUCTURE, lost, 5.0) is Group.NEAR
    assert exceptions(Group.NEAR, Reach.STRUCTURE, lost, VERIFIED) == []


def test_what_is_allowed_may_be_called_either() -> None:
    assert group_of(Reach.STRUCTURE, 2.0, 5.0) is Group.WITHIN
    assert exceptions(Group.WITHIN, Reach.STRUCTURE, 2.0, VERIFIED) == []
    assert exceptions(Group.WITHIN, Reach.STRUCTURE, 2.0, DEFECTIVE) == []


@pytest.mark.parametrize("reach", [Reach.HARMLESS, Reach.BYTES])
def test_nothing_lost_is_never_defective(reach: Reach) -> None:
    group = group_of(reach, 0.0, 5.0)
    assert len(exceptions(group, reach, 0.0, DEFECTIVE)) == len(Level)
    assert exceptions(group, reach, 0.0, VERIFIED) == []


def test_a_harmless_change_that_loses_something_is_a_fault_of_the_table() -> None:
    assert exceptions(group_of(Reach.HARMLESS, 2.0, 5.0), Reach.HARMLESS, 2.0, VERIFIED)


def test_what_could_be_the_page_itself_is_not_judged() -> None:
    assert exceptions(group_of(Reach.APART, 60.0, 5.0), Reach.APART, 60.0, VERIFIED) == []


def test_a_higher_level_that_says_better_than_a_lower_one_is_wrong_whatever_is_lost() -> None:
    verdicts = VERIFIED | {Level.CONTENT: Verdict.INCOMPLETE}
    assert exceptions(Group.WITHIN, Reach.FULL, 2.0, verdicts) == ["bytes says verified, content says incomplete"]


def test_no_two_kinds_have_one_name() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
