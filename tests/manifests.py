"""A manifest to sign: files with and without a hash, and one that is missing."""

import base64
import hashlib
from dataclasses import replace

from service.dsse import SigningKey
from service.operations.evidence.statement import PAYLOAD_TYPE, write_statement
from service.recording import State
from service.report import FileKind, JudgedFile, Level, Report, Verdict
from tests.database.samples import attempt, recording

KEY = SigningKey(base64.b64encode(bytes(range(32))).decode())
PROVEN = replace(recording(), state=State.VERIFIED, attempts=(attempt(1, "test-1", 7, sid="s1"),))
REPORT = Report(Verdict.VERIFIED, Level.CONTENT, 1000.5, wanted_level=Level.BYTES, rules_version=2)
CONTENT = {"a/1.ts": b"one", "a/é 2.ts": b"two"}
HASHED = [
    JudgedFile(key, FileKind.SLICE, 3, f"etag-{key}", listed=True, sha256=hashlib.sha256(content).hexdigest())
    for key, content in CONTENT.items()
]
PLAIN = JudgedFile("a/m.mp4", FileKind.MP4, 9, "e", listed=True, checksum="crc64nvme:AAAA")
GONE = JudgedFile("a/z.ts", FileKind.SLICE, missing=True)


def sealed(*files: JudgedFile) -> bytes:
    return KEY.sign(write_statement(PROVEN, 3, REPORT, files, "test"), PAYLOAD_TYPE).encode()
