"""What was used, and a task that nobody knows any more: `pagereel usage`, `pagereel adopt`."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from service.app import sealing_keys
from service.cli.running import fail, run, settings_of, with_database
from service.database.sealing import Seals
from service.operations.adoption import Lost, adopt
from service.operations.months import parse_month
from service.operations.usage import MonthUsage, Usage


@click.command("usage")
@click.option("--month", help="Such as 2026-11, in UTC. Default: this month.")
@click.option("--owner", help="Of this owner alone. Default: of all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def usage_command(config: Path | None, month: str | None, owner: str | None, as_json: bool) -> None:
    """How long Agora's tasks ran in a month, for whom, and what that costs by the prices of the settings."""
    if month is not None:
        try:
            parse_month(month)
        except ValueError:
            fail(f"--month: {month!r} is no month such as 2026-11")
    settings = settings_of(config)
    used = run(with_database(settings, lambda database: Usage(settings, database, time.time).of_owner(owner, month)))
    click.echo(json.dumps(asdict(used)) if as_json else _table(used))


def _table(used: MonthUsage) -> str:
    lines = [f"{'owner':20} {'app':16} {'class':8} {'tasks':>6} {'minutes':>10} {used.currency:>10}"]
    lines += [
        f"{item.owner:20} {item.app:16} {item.resolution:8} {item.tasks:6} {item.seconds / 60:10.1f} {item.cost:10.2f}"
        for item in used.items
    ]
    return "\n".join([*lines, f"{used.month + ', minutes of a class rounded up':61} {used.cost:10.2f}"])


@click.command("adopt")
@click.argument("recording")
@click.option("--app", required=True, help="The app it was made with.")
@click.option("--storage", required=True, help="The storage profile it was made with.")
@click.option("--uid", required=True, type=click.IntRange(1, 2**32 - 1))
@click.option("--resource-id", required=True)
@click.option("--sid", help="Where it is known; otherwise it is looked for in the bucket and in notifications.")
@click.option("--attempt", default=1, show_default=True, type=click.IntRange(1), help="Which attempt it was.")
@click.option("--owner", default="default", show_default=True, help="Whose it is.")
@click.option("--hours", default=3, show_default=True, type=click.IntRange(1, 719), help="Its hour limit.")
@click.option("--stop", is_flag=True, help="Stop it at once.")
@click.pass_obj
def adopt_command(config: Path | None, /, recording: str, stop: bool, **given: object) -> None:
    """Take over an Agora task that the database has lost.

    RECORDING, uid and resource id are in the log line `acquired`. From then on it is watched, stopped and verified like
    any other. Its page and parameters are not known any more."""
    settings, now = settings_of(config), time.time()
    lost = Lost(recording=recording, stop=stop, **given)  # type: ignore[arg-type]  # click has checked them
    seals = Seals(*sealing_keys(settings))
    made = run(with_database(settings, lambda database: adopt(settings, database, seals, lost, now)))
    click.echo(f"{made.id} is {made.state}; its task is attempt {made.attempts[-1].number}")
