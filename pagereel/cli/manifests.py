"""The commands of `pagereel manifest`: the public keys for third parties, and the verification of a manifest."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography.x509 import Certificate

from pagereel.app import signing_keys
from pagereel.cli.running import settings_of
from pagereel.cli.terminal.options import argument, configured, option
from pagereel.cli.terminal.output import fail, json_option, say, show_json
from service.dsse import Opened, SignatureError, SigningKey, key_id, open_envelope, public_text, read_public
from service.operations.evidence.statement import PAYLOAD_TYPES, NotAManifestError, read_manifest
from service.settings.shapes import MAKE_KEY
from service.timestamps import Stamp, TimestampError, read_certificates, verify_answer
from service.wording import size

T = TypeVar("T")
_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("manifest")
def manifest_group() -> None:
    """Signed manifests of recordings."""


@manifest_group.command("keys")
@json_option
@configured
def manifest_keys(config: Path | None, as_json: bool) -> None:
    """Print the public keys as PEM, newest first. Give them to everyone who checks manifests, and keep the old keys."""
    try:
        keys = [SigningKey(text).public for text in signing_keys(settings_of(config))]
    except SignatureError as error:
        fail(f"signing.keys: {error}")
    if not keys:
        fail(f"signing.keys: there is no key, so manifests are not signed: set one (`{MAKE_KEY}` makes it)")
    if as_json:
        show_json([{"keyid": key_id(key), "pem": public_text(key)} for key in keys])
        return
    for key in keys:
        click.echo(f"# {key_id(key)}\n{public_text(key)}", nl=False)


@manifest_group.command("check")
@argument("file", type=_File)
@option("--key", "key_files", type=_File, multiple=True, required=True, help="File with public keys (PEM; repeatable).")
@option("--timestamp-ca", type=_File, help="Trusted certificates (PEM) for time stamps. Requires a time stamp.")
@option("--json", "as_json", is_flag=True, help="Print only the manifest.")
def manifest_check(file: Path, key_files: tuple[Path, ...], timestamp_ca: Path | None, as_json: bool) -> None:
    """Check a manifest from `GET /v1/recordings/{id}/manifest`, without a service, a database or a network.

    The exit status is 0 if one of the keys signed it, 1 if not, and 2 if a file could not be read. With
    --timestamp-ca, a trusted authority must also have stamped the signature.
    """
    content = _read(file, bytes)
    keys = [key for path in key_files for key in _read(path, lambda read: read_public(read.decode()))]
    trusted = None if timestamp_ca is None else _read(timestamp_ca, lambda read: read_certificates(read.decode()))
    try:
        opened = open_envelope(content, PAYLOAD_TYPES, keys)
        envelope = opened.envelope
        said = read_manifest(envelope.payload, envelope.payload_type)
        stamp = None if trusted is None else _proven_stamp(opened, trusted)
    except (SignatureError, NotAManifestError, TimestampError) as error:
        say(f"pagereel: not proven: {error}", err=True)
        sys.exit(1)
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


def _read(file: Path, parse: Callable[[bytes], T]) -> T:
    """Return the parsed content of the file. Exit with status 2 and the file's name if it cannot be read or parsed."""
    try:
        return parse(file.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        fail(f"{file} is not text")
    except (SignatureError, TimestampError) as error:
        fail(f"{file}: {error}")


def _proven_stamp(opened: Opened, trusted: Sequence[Certificate]) -> Stamp:
    """Return the earliest valid time stamp. Raise `TimestampError` if none is valid."""
    proven, refused = [], "it has no time stamp"
    for answer in opened.stamps:
        try:
            proven.append(verify_answer(answer, opened.envelope.signature, trusted))
        except TimestampError as error:
            refused = str(error)
    if not proven:
        raise TimestampError(refused)
    return min(proven, key=lambda stamp: stamp.at)


def _lines(said: dict[str, Any]) -> Iterator[str]:
    """Yield a manifest's content as text. Manifests of earlier versions have no requested level, rules or hashes."""
    wanted, rules, objects = said.get("wanted_level"), said.get("rules_version") or 1, said["objects"]
    below = f" (wanted: {wanted})" if wanted not in (None, said["level"]) else ""
    yield f"{said['recording']} ({said['deployment']}): {said['state']}, last verification {said['verdict']}"
    yield f"read {said['judged_at']} at level {said['level']}{below}, rules {rules}, coverage {said['coverage']}"
    total = sum(one["size_bytes"] for one in objects if isinstance(one.get("size_bytes"), int))
    hashed = sum(isinstance(one.get("sha256"), str) for one in objects)
    yield f"{len(objects)} objects, {size(total)}, {hashed} with SHA-256, {len(said['missing'])} missing"
