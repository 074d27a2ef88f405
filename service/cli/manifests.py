"""The commands of `pagereel manifest`: what a third party needs to check a manifest, and how it is checked."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from service.app import signing_keys
from service.cli.options import argument, configured, option
from service.cli.output import fail, say
from service.cli.running import settings_of
from service.operations.statement import PAYLOAD_TYPES, NotAManifestError, read_manifest
from service.signing import Opened, SignatureError, SigningKey, key_id, open_envelope, public_text, read_public
from service.timestamps import Stamp, TimestampError, read_certificates, verify_answer
from service.wording import size

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("manifest")
def manifest_group() -> None:
    """Signed manifests of recordings."""


@manifest_group.command("keys")
@configured
def manifest_keys(config: Path | None) -> None:
    """Print the public keys as PEM, newest first. Give them to everyone who checks manifests, and keep the old keys."""
    for text in signing_keys(settings_of(config)):
        try:
            key = SigningKey(text).public
        except SignatureError as error:
            fail(f"signing.keys: {error}")
        click.echo(f"# {key_id(key)}\n{public_text(key)}", nl=False)


@manifest_group.command("check")
@argument("file", type=_File)
@option("--key", "key_files", type=_File, multiple=True, required=True, help="File with public keys (PEM; repeatable).")
@option("--timestamp-ca", type=_File, help="Trusted certificates (PEM) for time stamps. Requires a time stamp.")
@option("--json", "as_json", is_flag=True, help="Print only the manifest.")
def manifest_check(file: Path, key_files: tuple[Path, ...], timestamp_ca: Path | None, as_json: bool) -> None:
    """Check a manifest from `GET /v1/recordings/{id}/manifest`, without a service, a database or a network.

    The exit status is 0 if one of the keys signed it, otherwise 2. With --timestamp-ca, a trusted authority must also
    have stamped the signature.
    """
    try:
        keys = [key for path in key_files for key in read_public(path.read_text())]
        opened = open_envelope(file.read_bytes(), PAYLOAD_TYPES, keys)
        envelope = opened.envelope
        said = read_manifest(envelope.payload, envelope.payload_type)
        stamp = None if timestamp_ca is None else _proven_stamp(opened, timestamp_ca)
    except (SignatureError, NotAManifestError, TimestampError, UnicodeDecodeError, OSError) as error:
        fail(f"not proven: {error}")
    if as_json:
        sys.stdout.buffer.write(envelope.payload + b"\n")
        return
    say(f"signed by {envelope.keyid}")
    if stamp is not None:
        say(f"stamped {datetime.fromtimestamp(stamp.at, UTC):%Y-%m-%dT%H:%M:%SZ} by {stamp.authority}")
    elif opened.stamps:
        say(f"{len(opened.stamps)} time stamp(s), not checked; use --timestamp-ca to check them")
    for line in _lines(said):
        say(line)


def _proven_stamp(opened: Opened, authority: Path) -> Stamp:
    """The earliest time stamp that is proven. Raises `TimestampError` where none is."""
    trusted, proven, refused = read_certificates(authority.read_text()), [], "it has no time stamp"
    for answer in opened.stamps:
        try:
            proven.append(verify_answer(answer, opened.envelope.signature, trusted))
        except TimestampError as error:
            refused = str(error)
    if not proven:
        raise TimestampError(refused)
    return min(proven, key=lambda stamp: stamp.at)


def _lines(said: dict[str, Any]) -> Iterator[str]:
    """What a manifest says, for a person. Those of earlier versions have no wanted level, rules and hashes."""
    wanted, rules, objects = said.get("wanted_level"), said.get("rules_version") or 1, said["objects"]
    below = f" (wanted: {wanted})" if wanted not in (None, said["level"]) else ""
    yield f"{said['recording']} ({said['deployment']}): {said['state']}, last verification {said['verdict']}"
    yield f"read {said['judged_at']} at level {said['level']}{below}, rules {rules}, coverage {said['coverage']}"
    total = sum(one["size_bytes"] for one in objects if isinstance(one.get("size_bytes"), int))
    hashed = sum(isinstance(one.get("sha256"), str) for one in objects)
    yield f"{len(objects)} objects, {size(total)}, {hashed} with SHA-256, {len(said['missing'])} missing"
