"""What `pagereel audit` prints for people."""

from pagereel.cli.auditing import lines_of
from service.verifier.audit import Difference, Discrepancy


def test_an_audit_has_one_line_for_the_foreign_objects_of_a_folder() -> None:
    foreign = [Discrepancy(Difference.FOREIGN, key, None, "3 bytes") for key in ("p/old/1", "p/old/2/3", "p/lone")]
    gone = Discrepancy(Difference.VANISHED, "p/a/x", "rec_1", "had 3 bytes")
    assert lines_of([*foreign, gone], "p/") == [
        "foreign   p/old/  -  2 objects",
        "foreign   p/lone  -  1 object",
        "vanished  p/a/x  rec_1  had 3 bytes",
    ]
    assert lines_of(foreign[:2], "") == ["foreign   p/  -  2 objects"]
