"""The command `pagereel audit`: compares a bucket with the database."""

import sys
from collections import Counter
from pathlib import Path

import click
import orjson

from service.buckets import Usage
from service.buckets.open import open_buckets, read_keys
from service.cli.options import configured
from service.cli.output import say
from service.cli.running import profile_of, run, settings_of, with_database
from service.database.filed import load_filed, recording_exists
from service.database.run import Database
from service.settings import Settings, location
from service.verifier.audit import Discrepancy, Filed, compare


@click.command("audit")
@click.option("--storage", required=True, help="Storage profile in the settings.")
@click.option("--prefix", default="", help="Prefix of the object keys. Default: the profile's prefix.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
@configured
def audit_command(config: Path | None, storage: str, prefix: str, as_json: bool) -> None:
    """Compare a bucket with the database, in both directions. The output lists objects that belong to no recording or
    are missing from the database, and objects of verified recordings that are missing or have changed. Nothing is
    changed.

    The exit status is 0 without a difference, 1 with a difference, and 2 if the comparison failed.
    """
    settings = settings_of(config)
    profile = profile_of(settings, storage)
    prefix = prefix or "".join(f"{part}/" for part in profile.prefix)
    found = run(with_database(settings, lambda database: _audit(settings, database, storage, prefix)))
    if as_json:
        differences = [
            {"kind": one.kind, "key": one.key, "recording": one.recording_id, "detail": one.detail} for one in found
        ]
        click.echo(orjson.dumps({"storage": storage, "prefix": prefix, "differences": differences}))
    else:
        for one in found:
            say(f"{one.kind:<9} {one.key}  {one.recording_id or '-'}  {one.detail}")
        say(
            ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(one.kind.value for one in found).items()))
            or "no differences"
        )
    sys.exit(1 if found else 0)


async def _audit(settings: Settings, database: Database, storage: str, prefix: str) -> list[Discrepancy]:
    profile = settings.storage[storage]
    depth = len(profile.prefix)

    async def pages(after: str) -> list[Filed]:
        rows = await database.run(lambda connection: load_filed(connection, storage, prefix, after))
        return [Filed(file.key, name, ok, file.listed, file.size_bytes, file.etag) for name, ok, file in rows]

    known: dict[str, str | None] = {}

    async def owner(key: str) -> str | None:
        parts = key.split("/")
        ulid = parts[depth].upper() if len(parts) > depth + 1 else ""
        if ulid not in known:
            name = f"rec_{ulid}"
            there = await database.run(lambda connection: recording_exists(connection, name, storage))
            known[ulid] = name if there else None
        return known[ulid]

    async with open_buckets(settings) as buckets:
        bucket = buckets.bucket(location(profile, ""), read_keys(profile), profile)
        return [one async for one in compare(bucket, prefix, pages, owner, Usage())]
