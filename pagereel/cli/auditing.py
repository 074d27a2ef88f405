"""The command `pagereel audit`: compares a bucket with the database."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from pagereel.cli.running import profile_of, run, settings_of, with_database
from pagereel.cli.terminal.options import configured, option
from pagereel.cli.terminal.output import fail, say
from pagereel.probes import PROBE
from service.buckets import Usage
from service.buckets.open import open_buckets, read_keys
from service.database.audit_rows import load_filed, load_state
from service.database.engine.database import Database
from service.settings import Settings, location
from service.verifier.audit import Compared, Difference, Discrepancy, Filed, Holder, compare
from service.wording import size


@click.command("audit")
@option("--storage", required=True, help="Storage profile in the settings.")
@option("--prefix", default="", help="Prefix of the object keys. Default: the profile's prefix.")
@option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
@configured
def audit_command(config: Path | None, storage: str, prefix: str, as_json: bool) -> None:
    """Compare a bucket with the database, in both directions. The output lists objects that belong to no recording or
    are missing from the database, and objects of verified recordings that are missing or have changed. Nothing is
    changed.

    Objects of a recording that is not over are no difference: its next verification files them.

    The exit status is 0 without a difference, 1 with a difference, and 2 if the comparison failed or there was nothing
    to compare.
    """
    settings = settings_of(config)
    profile = profile_of(settings, storage)
    prefix = prefix or "".join(f"{part}/" for part in profile.prefix)
    compared = Compared()
    found = run(with_database(settings, lambda database: _audit(settings, database, storage, prefix, compared)))
    awaited = Counter((one.recording_id, one.detail) for one in found if one.kind is Difference.NOT_OVER)
    found = [one for one in found if one.kind is not Difference.NOT_OVER]
    if as_json:
        differences = [
            {"kind": one.kind, "key": one.key, "recording": one.recording_id, "detail": one.detail} for one in found
        ]
        not_over = [{"recording": name, "state": state, "objects": count} for (name, state), count in awaited.items()]
        counts = {
            "objects": compared.objects,
            "bytes": compared.size_bytes,
            "filed": compared.filed,
            "recordings": compared.recordings,
        }
        shown = {"storage": storage, "prefix": prefix, "compared": counts}
        click.echo(orjson.dumps({**shown, "differences": differences, "not_over": not_over}))
    else:
        for (name, state), count in awaited.items():
            say(f"{name} is {state}: {_count(count, 'object')} that no verification has filed yet")
        for line in lines_of(found, prefix):
            say(line)
        say(
            f"compared: in the bucket {_count(compared.objects, 'object')} ({size(compared.size_bytes)}), in the"
            f" database {_count(compared.filed, 'object')} of {_count(compared.recordings, 'verified recording')}"
        )
        if not compared.nothing:
            kinds = sorted(Counter(one.kind.value for one in found).items())
            say(", ".join(f"{count} {kind}" for kind, count in kinds) or "no differences")
    if compared.nothing:
        below = f"below {prefix!r}" if prefix else "in the bucket"
        fail(f"nothing was compared: there is no object {below}, and none of a verified recording was filed there")
    sys.exit(1 if found else 0)


def lines_of(found: Sequence[Discrepancy], prefix: str) -> list[str]:
    """Return a line for each difference. The foreign objects of a folder, of which there may be thousands, share one
    line."""
    foreign = Counter(_folder(one.key, prefix) for one in found if one.kind is Difference.FOREIGN)
    lines = [f"{Difference.FOREIGN:<9} {folder}  -  {_count(count, 'object')}" for folder, count in foreign.items()]
    others = (one for one in found if one.kind is not Difference.FOREIGN)
    return lines + [f"{one.kind:<9} {one.key}  {one.recording_id}  {one.detail}" for one in others]


def _folder(key: str, prefix: str) -> str:
    """Return the first folder of a key below the prefix. If the key is in no folder, return the key itself."""
    start = prefix.rfind("/") + 1
    name, slash, _ = key[start:].partition("/")
    return f"{key[:start]}{name}{slash}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


async def _audit(
    settings: Settings, database: Database, storage: str, prefix: str, compared: Compared
) -> list[Discrepancy]:
    profile = settings.storage[storage]
    depth = len(profile.prefix)

    async def pages(after: str) -> list[Filed]:
        rows = await database.run(lambda connection: load_filed(connection, storage, prefix, after))
        return [Filed(file.key, name, ok, file.listed, file.size_bytes, file.etag) for name, ok, file in rows]

    known: dict[str, Holder | None] = {}

    async def owner(key: str) -> Holder | None:
        parts = key.split("/")
        ulid = parts[depth].upper() if len(parts) > depth + 1 else ""
        if ulid not in known:
            name = f"rec_{ulid}"
            state = await database.run(lambda connection: load_state(connection, name, storage))
            known[ulid] = None if state is None else Holder(name, state)
        return known[ulid]

    async with open_buckets(settings) as buckets:
        bucket = buckets.bucket(location(profile, ""), read_keys(profile), profile)
        # Objects written by `check-config --probe` belong to this service.
        own = "/".join([*profile.prefix, PROBE])
        return [one async for one in compare(bucket, prefix, pages, owner, Usage(), compared, own)]
