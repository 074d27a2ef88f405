"""The commands of `pagereel manifest`: what a third party needs to check a manifest, and how it is checked."""

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from service.app import signing_keys
from service.cli.output import fail
from service.cli.running import settings_of
from service.operations.proofs import MANIFEST_TYPE
from service.signing import SignatureError, SigningKey, key_id, open_envelope, public_text, read_public

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("manifest")
def manifest_group() -> None:
    """Signed manifests of recordings."""


@manifest_group.command("keys")
@click.pass_obj
def manifest_keys(config: Path | None) -> None:
    """Print the public keys, newest first, as PEM. Give them to whoever is to check manifests, and keep old ones."""
    for text in signing_keys(settings_of(config)):
        try:
            key = SigningKey(text).public
        except SignatureError as error:
            fail(f"signing.keys: {error}")
        click.echo(f"# {key_id(key)}\n{public_text(key)}", nl=False)


@manifest_group.command("check")
@click.argument("file", type=_File)
@click.option("--key", "key_files", type=_File, multiple=True, required=True, help="Public keys (PEM); repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest itself.")
def manifest_check(file: Path, key_files: tuple[Path, ...], as_json: bool) -> None:
    """Check a manifest that `GET /v1/recordings/{id}/manifest` gave, without service, database or network.

    Ends with 0 where one of the keys has signed it, otherwise with 2.
    """
    try:
        keys = [key for path in key_files for key in read_public(path.read_text())]
        payload, signer = open_envelope(file.read_bytes(), MANIFEST_TYPE, keys)
    except (SignatureError, UnicodeDecodeError, OSError) as error:
        fail(f"not proven: {error}")
    if as_json:
        sys.stdout.buffer.write(payload + b"\n")
        return
    told: dict[str, Any] = orjson.loads(payload)
    size = sum(one["size_bytes"] or 0 for one in told["objects"])
    click.echo(f"signed by {signer}")
    click.echo(f"{told['recording']} ({told['deployment']}): {told['state']}, last look {told['verdict']}")
    click.echo(f"looked at {told['judged_at']} at level {told['level']}, coverage {told['coverage']}")
    click.echo(f"{len(told['objects'])} objects, {size} bytes, {len(told['missing'])} missing")
