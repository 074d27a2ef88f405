"""Which verdicts are wrong, given what a viewer loses. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise

from service.report import Level, Verdict
from tests.oracle.damages import Reach

NEAR_SECONDS = 1.0


class Group(StrEnum):
    """How a case counts."""

    LOST = "lost"  # more than the allowance bears: the levels that must find it do
    NEAR = "near"  # within a second of the allowance
    WITHIN = "within"  # something is lost, and it is allowed
    NOTHING = "nothing"  # changed on purpose, and nothing is lost
    HARMLESS = "harmless"
    APART = "apart"


_MUST_FIND = {
    Reach.STRUCTURE: (Level.STRUCTURE, Level.CONTENT, Level.BYTES, Level.FULL),
    Reach.BYTES: (Level.BYTES, Level.FULL),
    Reach.FULL: (Level.FULL,),
}


def group_of(reach: Reach, lost_seconds: float, allowed_seconds: float) -> Group:
    """How a change counts that loses so much."""
    if reach is Reach.APART:
        return Group.APART
    if reach is Reach.HARMLESS:
        return Group.HARMLESS
    if lost_seconds == 0:
        return Group.NOTHING
    if abs(lost_seconds - allowed_seconds) <= NEAR_SECONDS:
        return Group.NEAR
    return Group.LOST if lost_seconds > allowed_seconds else Group.WITHIN


def must_find(group: Group, reach: Reach) -> tuple[Level, ...]:
    """The levels that must not say `verified`."""
    return _MUST_FIND.get(reach, ()) if group is Group.LOST else ()


def exceptions(group: Group, reach: Reach, lost_seconds: float, verdicts: Mapping[Level, Verdict]) -> list[str]:
    """What is wrong with the verdicts, a sentence each."""
    found = [
        f"{level.value} says verified, {lost_seconds:.2f} s are lost"
        for level in must_find(group, reach)
        if verdicts.get(level) is Verdict.VERIFIED
    ]
    if group in (Group.HARMLESS, Group.NOTHING):
        found += [
            f"{level.value} says defective, nothing is lost"
            for level, verdict in verdicts.items()
            if verdict is Verdict.DEFECTIVE
        ]
    if group is Group.HARMLESS and lost_seconds:
        found.append(f"the table says harmless, {lost_seconds:.2f} s are lost")
    return found + _better_than_lower(verdicts)


def _better_than_lower(verdicts: Mapping[Level, Verdict]) -> list[str]:
    """A higher level never says better of the same bytes than a lower one."""
    return [
        f"{level.value} says verified, {lower.value} says {verdicts[lower].value}"
        for lower, level in pairwise(level for level in Level if level in verdicts)
        if verdicts[level] is Verdict.VERIFIED and verdicts[lower] is not Verdict.VERIFIED
    ]
