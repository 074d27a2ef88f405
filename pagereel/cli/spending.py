"""The command `pagereel usage`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pagereel.cli.remote.session import Service, speak
from pagereel.cli.running import run, settings_of, with_database
from pagereel.cli.terminal.options import configured, option, service_options
from pagereel.cli.terminal.output import fail, json_option, say, show_json
from pagereel.cli.terminal.tables import console, table
from service.operations.accounts.months import parse_month
from service.operations.accounts.usage import Usage


@click.command("usage")
@option("--month", help="Month in UTC, for example 2026-11. Default: the current month.")
@option("--all-owners", is_flag=True, help="Show all owners, from the database in the settings (--config).")
@json_option
@service_options
@configured
def usage_command(
    config: Path | None, url: str, token_file: Path | None, month: str | None, all_owners: bool, as_json: bool
) -> None:
    """Show how long Agora's tasks ran in a month, and what they cost at the prices in the settings.

    A token shows the usage of its owner. --all-owners needs the settings instead, and also works while the service
    runs."""
    if month is not None:
        _check_month(month)
    if all_owners:
        settings = settings_of(config)
        used = run(with_database(settings, lambda database: Usage(settings, database, time.time).of_owner(None, month)))
        _show(asdict(used), as_json)
        return

    async def ask(service: Service) -> None:
        _show(await service.call("GET", "/v1/usage", params={"month": month} if month else {}), as_json)

    speak(url, token_file, ask)


def _check_month(month: str) -> None:
    try:
        parse_month(month)
    except ValueError:
        fail(f"--month: {month!r} is not a month; write it like 2026-11")


def _show(used: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(used)
        return
    owners = any("owner" in item for item in used["items"])
    heads = (*(("owner",) if owners else ()), "app", "class", "tasks", "minutes", used["currency"])
    rows = (
        (
            *((item["owner"],) if owners else ()),
            item["app"],
            item["resolution"],
            item["tasks"],
            f"{item['seconds'] / 60:.1f}",
            f"{item['cost']:.2f}",
        )
        for item in used["items"]
    )
    if used["items"]:
        console().print(table(heads, rows))
    limit = used["minutes_per_month"]
    of = "" if limit is None else f" of {limit:.15g} allowed"
    say(f"{used['month']}: {used['seconds'] / 60:.1f} minutes{of}")
    say(f"{used['currency']} {used['cost']:.2f}, with the minutes of each class rounded up")
