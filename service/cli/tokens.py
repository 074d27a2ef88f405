"""The commands of `pagereel token`."""

import time
from pathlib import Path

import click

from service.cli.running import fail, run, settings_of, with_database
from service.operations import Scope
from service.operations.access import create_token, list_tokens, revoke_token


@click.group("token")
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
    settings, now = settings_of(config), time.time()
    token = run(
        with_database(
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
    for token in run(with_database(settings_of(config), list_tokens)):
        state = "revoked" if token.revoked_at is not None else "live"
        click.echo(f"{token.id}  {token.owner}  {','.join(sorted(token.scopes))}  {state}")


@token_group.command("revoke")
@click.argument("token_id")
@click.pass_obj
def token_revoke(config: Path | None, token_id: str) -> None:
    """Make a token useless from now on. TOKEN_ID is its middle part, or what `token list` shows."""
    if not run(with_database(settings_of(config), lambda database: revoke_token(database, token_id, time.time()))):
        fail(f"there is no live token {token_id!r}")
    click.echo(f"{token_id} is revoked")
