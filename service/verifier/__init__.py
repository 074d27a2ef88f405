"""Verifies recordings in a bucket: reads through `buckets`, evaluates through `media`.

The report of an unreadable bucket states only that the bucket is unreadable, and never a missing object. Computations
of more than a few milliseconds run in a thread, and media is decoded in a separate process.
"""

from service.verifier.judging import judge_recording
from service.verifier.looking import Look
from service.verifier.verifier import Verifier

__all__ = ["Look", "Verifier", "judge_recording"]
