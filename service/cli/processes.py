"""Commands that run Pagereel: serve, work, migrate."""

from pathlib import Path

import click

from service.app import Roles, database_url, serve
from service.cli.running import run, settings_of
from service.database.startup import migrate


@click.command("serve")
@click.option("--no-worker", is_flag=True, help="Listen only; `pagereel work` performs the steps elsewhere.")
@click.option("--callbacks-only", is_flag=True, help="Take in notifications only; needs no credentials but theirs.")
@click.pass_obj
def serve_command(config: Path | None, no_worker: bool, callbacks_only: bool) -> None:
    """Run the API, the callback listener and the worker."""
    settings = settings_of(config, callbacks_only=callbacks_only, quiet=False)
    work = settings.worker.enabled and not (no_worker or callbacks_only)
    run(serve(settings, Roles(api=not callbacks_only, work=work)))


@click.command("work")
@click.pass_obj
def work_command(config: Path | None) -> None:
    """Run a worker alone; its API listener has health and metrics only."""
    run(serve(settings_of(config, quiet=False), Roles(api=False, callbacks=False)))


@click.command("migrate")
@click.pass_obj
def migrate_command(config: Path | None) -> None:
    """Bring the database to this version's schema. Stop every process and back it up first; there is no way back."""
    before, after = run(migrate(database_url(settings_of(config))))
    click.echo(f"schema {after} is in place" if before == after else f"schema {before or 'none'} -> {after}")
