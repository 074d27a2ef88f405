"""Commands that run Pagereel or maintain its database: serve, work, migrate, backup."""

import sqlite3
from pathlib import Path

import click

from pagereel.app import database_url
from pagereel.cli.remote.durations import size_in_words
from pagereel.cli.running import reachable, run, settings_of
from pagereel.cli.terminal.options import argument, configured, option
from pagereel.cli.terminal.output import fail, json_option, say, show_json
from pagereel.serving import Roles, serve
from service.database.engine.backup import backup_sqlite
from service.database.engine.errors import StartRefused
from service.database.engine.refusal import reason_of_sqlite
from service.database.engine.startup import migrate


@click.command("serve")
@option("--no-worker", is_flag=True, help="Run the listeners only; `pagereel work` runs the worker elsewhere.")
@option(
    "--callbacks-only",
    is_flag=True,
    help="Receive notifications only. This needs no credentials except the NCS secrets.",
)
@configured
def serve_command(config: Path | None, no_worker: bool, callbacks_only: bool) -> None:
    """Run the API, the callback listener and the worker."""
    settings = settings_of(config, callbacks_only=callbacks_only, quiet=False)
    work = settings.worker.enabled and not (no_worker or callbacks_only)
    if not callbacks_only:
        reachable(settings, works=work)
    run(serve(settings, Roles(api=not callbacks_only, work=work)))


@click.command("work")
@configured
def work_command(config: Path | None) -> None:
    """Run a worker only. Its API listener serves health and metrics."""
    run(serve(reachable(settings_of(config, quiet=False)), Roles(api=False, callbacks=False)))


@click.command("migrate")
@json_option
@configured
def migrate_command(config: Path | None, as_json: bool) -> None:
    """Upgrade the database to the schema of this version. First stop every process and back up the database: there is
    no downgrade."""
    settings = settings_of(config)
    before, after = run(migrate(database_url(settings), settings.database.password_place))
    if as_json:
        show_json({"before": before, "after": after})
    else:
        say(f"schema {after} is current" if before == after else f"schema {before or 'none'} -> {after}")


@click.command("backup")
@argument("copy", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@configured
def backup_command(config: Path | None, copy: Path, as_json: bool) -> None:
    """Copy the SQLite database to COPY while the service runs. The copy has no sealing keys: keep them separately."""
    url = settings_of(config).database.url
    if not url.startswith("sqlite:///"):
        fail("backup works with SQLite only; for PostgreSQL, use pg_dump or continuous archiving")
    source = Path(url.removeprefix("sqlite:///"))
    try:
        size = backup_sqlite(source, copy)
    except StartRefused as error:
        fail(str(error))
    except OSError as error:
        fail(f"{copy} cannot be written ({error.strerror})")
    except sqlite3.Error as error:
        fail(reason_of_sqlite(str(source), error) or f"{source} cannot be copied: {error}")
    if as_json:
        show_json({"copy": str(copy), "bytes": size})
        return
    say(f"{copy} is a valid copy of {size_in_words(size)}")
    if (own_key := Path(f"{source}.key")).exists():
        say(f"it is useless without the sealing key in {own_key}: keep a copy of the key in another place")
