"""The newest slices of a recording that still runs, sampled while there is time to act."""

from service.buckets import Bucket, Usage
from service.errors import OutsideError
from service.media.pictures import Sample, read_sample
from service.recording import Recording
from service.report import FileKind, Level
from service.verifier.content import SAMPLE_BYTES, decode
from service.verifier.decoder import Decoder, can_decode
from service.verifier.looking import Look
from service.verifier.ranges import read_range

FIRST_SLICES = 2


async def sample_newest(
    bucket: Bucket, recording: Recording, look: Look, decoder: Decoder, usage: Usage
) -> tuple[Sample, ...]:
    """The first two slices as soon as they are there, then the newest of each look, oldest first. What cannot be read
    or decoded now is left out: the look after the end judges."""
    if recording.policy.level not in (Level.CONTENT, Level.FULL) or not can_decode():
        return ()
    most = FIRST_SLICES if recording.watch.slices < FIRST_SLICES else 1
    slices = [file for file in look.files if file.kind is FileKind.SLICE and file.size_bytes]
    samples: list[Sample] = []
    for file in sorted(slices, key=lambda one: one.starts_at or 0)[-most:]:
        try:
            content = await read_range(bucket, file.key, 0, SAMPLE_BYTES[0], usage)
        except OutsideError:
            continue
        if content:
            facts, _ = await decode(decoder, "sample", content)
            samples.append(read_sample(facts))
    return tuple(samples)
