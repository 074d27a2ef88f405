"""Verifies recordings in a bucket: reads through `buckets`, judges through `media`.

An unreadable bucket gives a report that states only this and never a missing object. Computations of more than some
milliseconds run in a thread, and media is decoded in a separate process.
"""

from service.verifier.judging import judge_recording
from service.verifier.looking import Look
from service.verifier.verifier import Verifier

__all__ = ["Look", "Verifier", "judge_recording"]
