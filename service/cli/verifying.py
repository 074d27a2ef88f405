"""Commands that look into buckets: verify (needs no database), audit."""

import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from service.buckets import Bucket, Usage
from service.buckets.open import open_buckets, read_keys
from service.cli.output import fail
from service.cli.running import run, settings_of, with_database
from service.database.filed import load_filed, recording_exists
from service.database.run import Database
from service.media.discovery import FoundRecording
from service.report import Level, Report, Severity, Verdict
from service.settings import Settings, StorageProfile, location
from service.verifier import foreign
from service.verifier.audit import Discrepancy, Filed, compare
from service.verifier.reading import TooManyObjects

Judged = list[tuple[FoundRecording, Report]]

_STYLES = {
    Verdict.VERIFIED: "green",
    Verdict.INCOMPLETE: "yellow",
    Verdict.DEFECTIVE: "red",
    Verdict.UNREACHABLE: "magenta",
}


class _Instant(click.ParamType[float]):
    """RFC 3339 with an offset, as Unix seconds."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail("should be an RFC 3339 instant with its offset, as 2026-11-22T09:00:00Z", param, ctx)
        return instant.timestamp()


@click.command("verify")
@click.option("--storage", required=True, help="The storage profile of the settings; only its `read` keys are used.")
@click.option("--prefix", required=True, help="What the keys of the objects begin with.")
@click.option("--sid", help="Only this Agora task.")
@click.option("--cname", help="Only this channel name, as it stands in the file names.")
@click.option(
    "--level", type=click.Choice([one.value for one in Level]), default=Level.CONTENT.value, show_default=True
)
@click.option("--from", "from_at", type=_Instant(), help="When recording should have begun. Default: the first slice.")
@click.option("--to", "to_at", type=_Instant(), help="When it should have ended. Default: the last slice.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_obj
def verify_command(
    config: Path | None,
    storage: str,
    prefix: str,
    sid: str | None,
    cname: str | None,
    level: str,
    from_at: float | None,
    to_at: float | None,
    as_json: bool,
) -> None:
    """Judge the recordings in a bucket, whoever made them. Needs no service and no database.

    Ends with 0 where all of them are verified, with 1 where one is defective or incomplete or there is none, and with 2
    where one could not be looked at.
    """
    settings = settings_of(config)
    wanted = (sid, cname)
    judged = run(
        _verify(settings, storage, prefix, wanted, Level(level), foreign.Window(from_at, to_at), quiet=as_json)
    )
    judged.sort(key=lambda pair: (pair[0].folder, pair[0].first_at or 0, pair[0].sid))
    if as_json:
        click.echo(
            orjson.dumps({"storage": storage, "prefix": prefix, "recordings": [_plain(*pair) for pair in judged]})
        )
    elif not judged:
        click.echo(f"no recording was found below {prefix!r}", err=True)
    else:
        _print(judged)
    verdicts = {report.verdict for _, report in judged}
    sys.exit(2 if Verdict.UNREACHABLE in verdicts else 0 if verdicts == {Verdict.VERIFIED} else 1)


async def _verify(
    settings: Settings,
    storage: str,
    prefix: str,
    wanted: tuple[str | None, str | None],
    level: Level,
    window: foreign.Window,
    *,
    quiet: bool,
) -> Judged:
    profile = profile_of(settings, storage)
    judged: Judged = []
    async with open_buckets(settings) as buckets:
        bucket = buckets.bucket(location(profile, ""), read_keys(profile), profile)
        found = await _found(bucket, prefix, wanted)
        with Progress(console=Console(stderr=True), disable=quiet, transient=True) as progress:
            task = progress.add_task("verifying", total=len(found))
            async for pair in foreign.judge_found(bucket, found, level, window, now_fn=time.time):
                judged.append(pair)
                progress.advance(task)
    return judged


async def _found(bucket: Bucket, prefix: str, wanted: tuple[str | None, str | None]) -> list[FoundRecording]:
    try:
        found, _ = await foreign.discover(bucket, prefix, Usage())
    except TooManyObjects:
        fail(f"below {prefix!r} lie more than {foreign.MOST_OBJECTS} objects: take a longer prefix")
    sid, cname = wanted
    return [one for one in found if sid in (None, one.sid) and cname in (None, one.cname)]


def profile_of(settings: Settings, storage: str) -> StorageProfile:
    """The storage profile of that name; ends the process where there is none."""
    if storage not in settings.storage:
        fail(f"the settings have no storage {storage!r}; they have {', '.join(settings.storage) or 'none'}")
    return settings.storage[storage]


def _print(judged: Judged) -> None:
    table = Table(
        "recording", "from (UTC)", "slices", "MB", "coverage", "verdict", "findings", box=None, pad_edge=False
    )
    for one, report in judged:
        began = "" if one.first_at is None else f"{datetime.fromtimestamp(one.first_at, UTC):%Y-%m-%d %H:%M:%S}"
        share = "" if report.coverage is None else f"{report.coverage.share:.2%}"
        codes = Counter(each.code for each in report.findings if each.severity is not Severity.NOTE)
        told = ", ".join(code if count == 1 else f"{code} x{count}" for code, count in codes.items())
        verdict = f"[{_STYLES[report.verdict]}]{report.verdict.value}[/]"
        name = f"{one.folder}{one.sid}_{one.cname}"
        table.add_row(name, began, str(one.slices), f"{one.size_bytes / 1e6:.1f}", share, verdict, told)
    Console(width=None if sys.stdout.isatty() else 240).print(table)
    counts = Counter(report.verdict.value for _, report in judged)
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))


def _plain(one: FoundRecording, report: Report) -> dict[str, Any]:
    return {
        "folder": one.folder,
        "sid": one.sid,
        "cname": one.cname,
        "slices": one.slices,
        "size_bytes": one.size_bytes,
        "first_slice_at": None if one.first_at is None else _instant(one.first_at),
        "verdict": report.verdict,
        "level": report.level,
        "warnings": report.warnings,
        "coverage": None if report.coverage is None else report.coverage.share,
        "findings": [
            {"code": each.code, "severity": each.severity, "object": each.object, "text": each.text}
            for each in report.findings
        ],
        "requests": report.requests,
        "bytes_read": report.bytes_read,
    }


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


@click.command("audit")
@click.option("--storage", required=True, help="The storage profile of the settings.")
@click.option("--prefix", default="", help="What the keys of the objects begin with. Default: the profile's prefix.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_obj
def audit_command(config: Path | None, storage: str, prefix: str, as_json: bool) -> None:
    """Compare a bucket with the database, both ways: objects that are nobody's or that no look has filed, and objects
    of verified recordings that are gone or have changed. Changes nothing.

    Ends with 0 where there is no difference, with 1 where there is one, and with 2 where it could not look.
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
            click.echo(f"{one.kind:<9} {one.key}  {one.recording_id or '-'}  {one.detail}")
        click.echo(
            ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(one.kind.value for one in found).items()))
            or "no difference"
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
