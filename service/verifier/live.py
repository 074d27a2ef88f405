"""Samples the newest slices of a running recording, while a fault can still be fixed."""

from service.buckets import Bucket, Usage
from service.errors import OutsideError
from service.media.pictures.measures import Sample, read_sample
from service.recording import Recording, State
from service.report import FileKind, Level
from service.verifier.content import SAMPLE_BYTES
from service.verifier.decoding.process import Decoder, DecoderFailed, can_decode
from service.verifier.looking import Look

# The first slice may be blank while the page loads.
FIRST_SLICES = 2
SAMPLE_EVERY_SECONDS = 300.0


async def sample_newest(
    bucket: Bucket, recording: Recording, look: Look, decoder: Decoder, usage: Usage
) -> Sample | None:
    """Decode the beginning of the newest slice: of the second slice, and then of one every five minutes. Read more
    bytes if the audio is too short to prove silence. Return None if no sample is due, or if the slice cannot currently
    be read or decoded; it is then checked by the verification after the end."""
    slices = [file for file in look.files if file.kind is FileKind.SLICE and file.size_bytes]
    if not slices or not _is_due(recording, look) or not can_decode():
        return None
    newest = max(slices, key=lambda file: file.starts_at or 0)
    sample = None
    try:
        for count in SAMPLE_BYTES:
            fetched = await bucket.fetch(newest.key, count, span=(0, count - 1), usage=usage)
            if fetched is None or not fetched.content:
                return None
            facts, _ = await decoder.run("sample", fetched.content, cut=True, sets="")
            sample = read_sample(facts)
            if sample.proven_silent is not None or not sample.silent or count >= (newest.size_bytes or 0):
                break
    except (OutsideError, DecoderFailed):
        return None
    return sample


def _is_due(recording: Recording, look: Look) -> bool:
    watch = recording.watch
    if recording.state is State.STOPPING:
        return False  # the page can no longer be fixed, and its task must be found
    if not recording.policy.level.reaches(Level.CONTENT) or watch.slices + look.slices < FIRST_SLICES:
        return False
    arrived_at = look.last_slice_at
    return watch.sampled_at is None or arrived_at is None or arrived_at - watch.sampled_at >= SAMPLE_EVERY_SECONDS
