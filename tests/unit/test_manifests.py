"""A signed manifest: an in-toto statement that tools which are not ours accept, and older ones that are still read."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from pagereel.cli import main
from service.dsse import SigningKey, key_id, public_text
from service.operations.evidence.statement import (
    OLD_PAYLOAD_TYPE,
    PAYLOAD_TYPE,
    NotAManifestError,
    read_manifest,
    write_statement,
)
from service.report import JudgedFile
from tests.manifests import CONTENT, GONE, HASHED, KEY, PLAIN, PROVEN, REPORT, sealed


def statement(*files: JudgedFile) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(write_statement(PROVEN, 3, REPORT, files, "test"))
    return made


def test_a_library_that_is_not_ours_accepts_the_envelope_and_no_changed_one() -> None:
    raw = KEY.public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    given = json.loads(sealed(*HASHED))
    key = SSlibKey(given["signatures"][0]["keyid"], "ed25519", "ed25519", {"public": raw})
    envelope = Envelope.from_dict(given)
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert list(envelope.verify([key], 1)) == [key.keyid]
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([key], 1)


def test_a_stamp_beside_the_signature_disturbs_no_other_library() -> None:
    envelope = KEY.sign(b"{}", PAYLOAD_TYPE)
    stamped, plain = (Envelope.from_dict(json.loads(text)) for text in (envelope.encode([b"x"]), envelope.encode()))
    assert stamped == plain


def test_the_statement_has_what_in_toto_wants_and_the_digests_are_those_of_the_bytes() -> None:
    made = statement(*HASHED, PLAIN, GONE)
    assert set(made) == {"_type", "subject", "predicateType", "predicate"}
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"].startswith("https://")
    assert {one["name"]: one["digest"] for one in made["subject"]} == {
        key: {"sha256": hashlib.sha256(content).hexdigest()} for key, content in CONTENT.items()
    }


def test_objects_without_a_digest_and_change_marks_stand_in_the_predicate_alone() -> None:
    made = statement(*HASHED, PLAIN, GONE)
    objects = {one["object"]: one for one in made["predicate"]["objects"]}
    assert list(objects) == [*CONTENT, "a/m.mp4"]
    assert (objects["a/m.mp4"]["sha256"], objects["a/m.mp4"]["checksum"]) == (None, "crc64nvme:AAAA")
    assert "etag" not in json.dumps(made["subject"])
    assert made["predicate"]["missing"] == ["a/z.ts"]


def test_a_statement_without_hashed_objects_is_about_its_listing() -> None:
    """in-toto wants a subject; its digest can be computed from the predicate alone."""
    made = statement(PLAIN, replace(PLAIN, key="b"))
    (subject,) = made["subject"]
    lines = [f"{one['size_bytes']} {one['etag']} {one['object']}\n" for one in made["predicate"]["objects"]]
    assert subject["name"] == f"{PROVEN.id}/listing"
    assert subject["digest"] == {"sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}
    assert len(statement()["subject"]) == 1


def test_the_predicate_says_which_level_was_reached_and_wanted_and_which_rules_judged() -> None:
    said = statement(*HASHED)["predicate"]
    assert (said["report"], said["level"], said["wanted_level"], said["rules_version"]) == (3, "content", "bytes", 2)


SEALING = "A" * 43 + "="
OLD = {
    "version": 1, "deployment": "test", "recording": PROVEN.id, "state": "verified", "report": 1,
    "verdict": "verified", "level": "content", "judged_at": "2026-01-01T00:00:00.000Z", "coverage": 1.0,
    "bucket": "lessons", "attempts": [], "missing": [],
    "objects": [{"object": "a/1.ts", "kind": "slice", "size_bytes": 3, "etag": "e"}],
}  # fmt: skip


def check(folder: Path, envelope: bytes, *more: str) -> Result:
    (folder / "manifest.json").write_bytes(envelope)
    (folder / "key.pem").write_text(public_text(KEY.public))
    words = ["manifest", "check", str(folder / "manifest.json"), "--key", str(folder / "key.pem"), *more]
    return CliRunner().invoke(main, words)


def test_a_manifest_is_checked_and_shown_from_files_alone(tmp_path: Path) -> None:
    done = check(tmp_path, sealed(*HASHED, PLAIN, GONE))
    assert done.exit_code == 0, done.output
    assert f"{PROVEN.id} (test): verified, last verification verified" in done.output
    assert "at level content (wanted: bytes), rules 2, coverage None" in done.output
    assert "3 objects, 15 B, 2 with SHA-256, 1 missing" in done.output
    assert json.loads(check(tmp_path, sealed(*HASHED), "--json").output)["predicate"]["state"] == "verified"


def test_a_manifest_of_an_earlier_version_is_still_accepted(tmp_path: Path) -> None:
    done = check(tmp_path, KEY.sign(json.dumps(OLD).encode(), OLD_PAYLOAD_TYPE).encode())
    assert done.exit_code == 0, done.output
    assert "at level content, rules 1, coverage 1.0" in done.output
    assert "1 objects, 3 B, 0 with SHA-256, 0 missing" in done.output


def odd(**changes: Any) -> dict[str, Any]:
    return statement(*HASHED) | changes


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"null", b"{", b"\xff",
        json.dumps(odd(_type="https://in-toto.io/Statement/v0.1")).encode(),
        json.dumps(odd(predicateType="https://slsa.dev/provenance/v1")).encode(),
        json.dumps(odd(predicate=None)).encode(),
        json.dumps(odd(predicate=[])).encode(),
        json.dumps(odd(predicate=OLD | {"objects": [1]})).encode(),
        *(json.dumps(odd(predicate={k: v for k, v in OLD.items() if k != name})).encode()
          for name in ("recording", "level", "objects", "missing", "judged_at")),
    ],
)  # fmt: skip
def test_what_was_signed_and_is_no_manifest_is_refused_without_a_crash(tmp_path: Path, payload: bytes) -> None:
    with pytest.raises(NotAManifestError):
        read_manifest(payload, PAYLOAD_TYPE)
    done = check(tmp_path, KEY.sign(payload, PAYLOAD_TYPE).encode())
    assert (done.exit_code, "not proven: the signed content is" in done.output) == (1, True), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_an_envelope_of_something_else_is_refused(tmp_path: Path) -> None:
    done = check(tmp_path, KEY.sign(json.dumps(OLD).encode(), "application/x").encode())
    assert (done.exit_code, "contains something else" in done.output) == (1, True)


def test_what_is_forged_is_invalid_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    good = sealed(*HASHED)
    forged = good.replace(b'"payload":"ey', b'"payload":"eX')
    for envelope in (forged, b"{}", b"\xff"):
        done = check(tmp_path, envelope)
        assert (done.exit_code, done.stdout, done.stderr.startswith("pagereel: not proven: ")) == (1, "", True)
    (tmp_path / "other.pem").write_text(public_text(SigningKey("B" * 43 + "=").public))
    nothing, odd_text = tmp_path / "nothing.pem", tmp_path / "odd.pem"
    nothing.touch()
    odd_text.write_bytes(b"\xff")
    said = {"--key": "the text must contain only Ed25519", "--timestamp-ca": "the text contains no certificates"}
    for option, reason in said.items():
        done = check(tmp_path, good, option, str(nothing))
        assert (done.exit_code, f"{nothing}: {reason}" in done.stderr) == (2, True), done.stderr
        done = check(tmp_path, forged, option, str(odd_text))
        assert (done.exit_code, done.stderr) == (2, f"pagereel: {odd_text} is not text\n")
    assert check(tmp_path, good, "--key", str(tmp_path / "absent")).exit_code == 2


def test_the_keys_are_shown_and_without_any_it_is_said(tmp_path: Path) -> None:
    settings = f'deployment = "test"\n[database]\nurl = "postgresql://u@h/x"\nsealing_keys = ["{SEALING}"]\n'
    config = tmp_path / "pagereel.toml"

    def keys(more: str, *words: str) -> Result:
        config.write_text(settings + more)
        return CliRunner().invoke(main, ["manifest", "keys", "--config", str(config), *words])

    own = f'[signing]\nkeys = ["{SEALING}"]\n'
    public = SigningKey(SEALING).public
    assert keys(own).stdout == f"# {key_id(public)}\n{public_text(public)}"
    assert json.loads(keys(own, "--json").stdout) == [{"keyid": key_id(public), "pem": public_text(public)}]
    none = keys("")
    assert (none.exit_code, none.stdout, none.stderr.startswith("pagereel: signing.keys: there is no key")) == (
        2,
        "",
        True,
    )
