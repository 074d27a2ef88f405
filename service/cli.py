"""The command `pagereel`. Every mistake of a user gets one clear line, never a traceback."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from service.app import Roles, database_url, listen_for_check, serve
from service.database.outage import StartRefused
from service.database.run import Database
from service.database.startup import migrate, prepare
from service.demo import DemoError, demo_is_possible, run_demo
from service.errors import OutsideError, ServiceError
from service.logs import configure_logs
from service.operations import Scope
from service.operations.access import create_token, list_tokens, revoke_token
from service.probes import probe
from service.settings import Log, Settings, SettingsError

T = TypeVar("T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("pagereel"), prog_name="pagereel")
@click.option(
    "--config",
    "-c",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings (TOML). Default: $PAGEREEL_SETTINGS; PAGEREEL_… variables override single keys.",
)
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Records web pages through Agora Cloud Recording, and proves that the recordings exist."""
    context.obj = config


@main.command("serve")
@click.option("--no-worker", is_flag=True, help="Listen only; `pagereel work` performs the steps elsewhere.")
@click.option("--callbacks-only", is_flag=True, help="Take in notifications only; needs no credentials but theirs.")
@click.pass_obj
def serve_command(config: Path | None, no_worker: bool, callbacks_only: bool) -> None:
    """Run the API, the callback listener and the worker."""
    settings = _settings(config, callbacks_only=callbacks_only, quiet=False)
    work = settings.worker.enabled and not (no_worker or callbacks_only)
    _run(serve(settings, Roles(api=not callbacks_only, work=work)))


@main.command("work")
@click.pass_obj
def work_command(config: Path | None) -> None:
    """Run a worker alone; its API listener has health and metrics only."""
    _run(serve(_settings(config, quiet=False), Roles(api=False, callbacks=False)))


@main.command("check-config")
@click.option("--probe", "with_probe", is_flag=True, help="Also try database, Agora's credentials and every bucket.")
@click.pass_obj
def check_config_command(config: Path | None, with_probe: bool) -> None:
    """Say everything that is wrong with the settings, at once. Nothing billed is started."""
    settings = _settings(config)
    click.echo(f"the settings are sound: {len(settings.apps)} app(s), {len(settings.storage)} storage profile(s)")
    if with_probe and not _run(_print_probes(settings)):
        sys.exit(1)


@main.command("setup")
@click.argument("app")
@click.option(
    "--wait", "wait_seconds", default=600.0, show_default=True, help="Seconds to wait for the console's Check."
)
@click.pass_obj
def setup_command(config: Path | None, app: str, wait_seconds: float) -> None:
    """Day one of an app: listen for the console's Check, say which events are missing, try everything else."""
    settings = _settings(config)
    if app not in settings.apps:
        _fail(f"the settings have no app {app!r}; they have {', '.join(settings.apps) or 'none'}")
    missing = _run(listen_for_check(settings, app, wait_seconds, click.echo))
    good = _run(_print_probes(settings))
    sys.exit(0 if good and not missing else 1)


async def _print_probes(settings: Settings) -> bool:
    good = True
    async for probed in probe(settings, database_url(settings)):
        click.echo(
            f"{'ok     ' if probed.problem is None else 'FAILED '} {probed.what}"
            + (f": {probed.problem}" if probed.problem else "")
        )
        good = good and probed.problem is None
    return good


@main.command("migrate")
@click.pass_obj
def migrate_command(config: Path | None) -> None:
    """Bring the database to this version's schema. Stop every process and back it up first; there is no way back."""
    before, after = _run(migrate(database_url(_settings(config))))
    click.echo(f"schema {after} is in place" if before == after else f"schema {before or 'none'} -> {after}")


@main.group("token")
def token_group() -> None:
    """API tokens."""


@token_group.command("create")
@click.option("--owner", required=True, help="Whom the token acts for; recordings belong to an owner.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice([scope.value for scope in Scope]), required=True)
@click.option("--app", "apps", multiple=True, help="May name this app only (repeatable; default: any).")
@click.option("--storage", "storages", multiple=True, help="May name this storage profile only (repeatable).")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Expires after so many days.")
@click.pass_obj
def token_create(
    config: Path | None,
    owner: str,
    scopes: tuple[str, ...],
    apps: tuple[str, ...],
    storages: tuple[str, ...],
    days: float | None,
) -> None:
    """Make a token and print it. It is shown this once; only its hash is kept."""
    settings, now = _settings(config), time.time()
    token = _run(
        _with_database(
            settings,
            lambda database: create_token(
                database,
                owner=owner,
                scopes=[Scope(scope) for scope in scopes],
                now=now,
                apps=frozenset(apps) or None,
                storages=frozenset(storages) or None,
                expires_at=None if days is None else now + days * 86400,
            ),
        )
    )
    click.echo(token)


@token_group.command("list")
@click.pass_obj
def token_list(config: Path | None) -> None:
    """List all tokens, without their secrets."""
    for token in _run(_with_database(_settings(config), list_tokens)):
        state = "revoked" if token.revoked_at is not None else "live"
        click.echo(f"{token.id}  {token.owner}  {','.join(sorted(token.scopes))}  {state}")


@token_group.command("revoke")
@click.argument("token_id")
@click.pass_obj
def token_revoke(config: Path | None, token_id: str) -> None:
    """Make a token useless from now on. TOKEN_ID is its middle part, or what `token list` shows."""
    if not _run(_with_database(_settings(config), lambda database: revoke_token(database, token_id, time.time()))):
        _fail(f"there is no live token {token_id!r}")
    click.echo(f"{token_id} is revoked")


@main.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print nothing but one JSON object at the end.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Where the MP4 goes (var/demo).")
def demo_command(as_json: bool, keep: Path | None) -> None:
    """Record, pause, stop and verify on this machine, with the emulator and a real S3 server."""
    if (reason := demo_is_possible()) is not None:
        _fail(reason)
    try:
        good = asyncio.run(run_demo(as_json=as_json, keep=keep))
    except DemoError as error:
        _fail(str(error))
    sys.exit(0 if good else 1)


def _settings(config: Path | None, *, callbacks_only: bool = False, quiet: bool = True) -> Settings:
    """The settings, with logging set up; `quiet` for commands whose output is for a person."""
    try:
        settings = Settings.load(config, callbacks_only=callbacks_only)
    except SettingsError as error:
        _fail(str(error))
    configure_logs(Log(level="warning", format="console") if quiet else settings.log)
    return settings


async def _with_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    async with await Database.open(database_url(settings)) as database:
        await prepare(database, settings.deployment, time.time())
        return await use(database)


def _run(working: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(working)
    except* (StartRefused, ServiceError, OutsideError, OSError) as errors:
        _fail("; ".join(str(error) for error in _leaves(errors)))


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _fail(text: str) -> NoReturn:
    click.echo(f"pagereel: {text}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
