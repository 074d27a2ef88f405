"""Looks into a bucket and says what is there: reads through `buckets`, judges through `media`.

A bucket that cannot be looked at makes a report that says so and nothing else; it never makes a missing object. What
takes more than some milliseconds of computing is done beside the loop; media is decoded in a process of its own.
"""

from service.verifier.judging import judge_recording
from service.verifier.looking import Look
from service.verifier.verifier import Verifier

__all__ = ["Look", "Verifier", "judge_recording"]
