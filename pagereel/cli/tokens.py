"""The commands of `pagereel token`."""

import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from pagereel.cli.running import run, settings_of, with_database
from pagereel.cli.terminal.options import argument, configured, option
from pagereel.cli.terminal.output import fail, json_option, say, show_json
from pagereel.cli.terminal.parameters import Days
from pagereel.cli.terminal.tables import print_table
from service.database.tokens import Token
from service.messages import rfc3339
from service.operations import Scope
from service.operations.accounts.access import create_token, list_tokens, revoke_token
from service.operations.recordings.admission import there_is
from service.settings.shapes import check_owner

LEAST_CHARACTERS: Final = 6
"""The minimum length of the beginning of an id, so that a typing mistake does not revoke a token."""


@click.group("token")
def token_group() -> None:
    """API tokens."""


@token_group.command("create")
@option("--owner", required=True, help="Owner that the token acts for. Every recording belongs to an owner.")
@option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    required=True,
    help="What the token may do (repeatable). No scope includes another.",
)
@option("--app", "apps", multiple=True, help="Allow only this app (repeatable). Default: all apps.")
@option("--storage", "storages", multiple=True, help="Allow only this storage profile (repeatable). Default: all.")
@option("--days", type=Days(), help="Number of days until the token expires.")
@json_option
@configured
def token_create(
    config: Path | None,
    owner: str,
    scopes: tuple[str, ...],
    apps: tuple[str, ...],
    storages: tuple[str, ...],
    days: float | None,
    as_json: bool,
) -> None:
    """Create a token and print it. Pagereel stores only its hash and cannot show it again."""
    try:
        check_owner(owner)
    except ValueError as error:
        fail(f"--owner {owner!r}: {error}")
    settings, now = settings_of(config), time.time()
    _warn_unknown("--app", apps, settings.apps)
    _warn_unknown("--storage", storages, settings.storage)
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
            make=True,
        )
    )
    if as_json:
        made = {name: sorted(given) or None for name, given in (("apps", apps), ("storages", storages))}
        expires_at = None if days is None else rfc3339(now + days * 86400)
        shown = {"token": token, "id": token.split("_")[1], "owner": owner, "scopes": sorted(scopes), **made}
        show_json({**shown, "expires_at": expires_at})
    else:
        click.echo(token)


def _warn_unknown(name: str, given: Collection[str], known: Collection[str]) -> None:
    """Warn about unknown names. They are accepted because a token may be created before its app, but a misspelt name
    would allow nothing."""
    for each in given:
        if each not in known:
            say(f"pagereel: warning: {name} {each!r} is not in the settings; {there_is(known)}", err=True)


@token_group.command("list")
@json_option
@configured
def token_list(config: Path | None, as_json: bool) -> None:
    """List all tokens, without their secrets."""
    found, now = run(with_database(settings_of(config), list_tokens)), time.time()
    if as_json:
        show_json([_plain(token, now) for token in found])
        return
    heads = ("token", "owner", "scopes", "for", "state", "expires", "last used")
    rows = (
        (
            token.id,
            token.owner,
            ", ".join(sorted(token.scopes)),
            _restriction(token),
            _state(token, now),
            _day(token.expires_at),
            _day(token.last_used_at),
        )
        for token in found
    )
    print_table(heads, rows, cut=(1,), empty="No tokens. `pagereel token create` makes one.")


def _restriction(token: Token) -> str:
    """Return the apps and storage profiles that the token allows, as text."""
    named = [
        f"{what} {', '.join(sorted(names))}"
        for what, names in (("app", token.apps), ("storage", token.storages))
        if names is not None
    ]
    return "; ".join(named) or "all"


def _plain(token: Token, now: float) -> dict[str, Any]:
    return {
        "id": token.id,
        "owner": token.owner,
        "scopes": sorted(token.scopes),
        "apps": None if token.apps is None else sorted(token.apps),
        "storages": None if token.storages is None else sorted(token.storages),
        "state": _state(token, now),
        "expires_at": None if token.expires_at is None else rfc3339(token.expires_at),
        "last_used_at": None if token.last_used_at is None else rfc3339(token.last_used_at),
    }


def _state(token: Token, now: float) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "live"


def _day(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


@token_group.command("revoke")
@argument("token_id")
@json_option
@configured
def token_revoke(config: Path | None, token_id: str, as_json: bool) -> None:
    """Make a token useless from now on. TOKEN_ID is its middle part, as `token list` shows it, or its beginning of at
    least six characters."""
    settings, now = settings_of(config), time.time()
    live = [token.id for token in run(with_database(settings, list_tokens)) if _state(token, now) == "live"]
    begun = [name for name in live if name.startswith(token_id) and len(token_id) >= LEAST_CHARACTERS]
    found = [name for name in live if name == token_id] or begun
    if len(found) > 1:
        fail(f"{token_id} matches several valid tokens: {', '.join(found)}")
    if not found or not run(with_database(settings, lambda database: revoke_token(database, found[0], now))):
        fail(f"there is no valid token {token_id!r}; the valid tokens are: {', '.join(live) or 'none'}")
    token_id = found[0]
    if as_json:
        show_json({"revoked": token_id})
    else:
        say(f"{token_id} is revoked")
