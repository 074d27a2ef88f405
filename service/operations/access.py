"""API tokens: made, listed and revoked by whoever has the command line. The token itself is shown once and not kept."""

from collections.abc import Iterable
from hashlib import sha256

from service.database import tokens
from service.database.run import Database
from service.operations.ids import new_token
from service.operations.words import Scope
from service.settings import Secret, Settings

BOOTSTRAP_ID = "bootstrap"


async def create_token(
    database: Database,
    *,
    owner: str,
    scopes: Iterable[Scope],
    now: float,
    apps: frozenset[str] | None = None,
    storages: frozenset[str] | None = None,
    expires_at: float | None = None,
) -> str:
    """A new token, `prl_<id>_<secret>`."""
    token_id, secret = new_token()
    text = f"prl_{token_id}_{secret}"
    stored = tokens.Token(
        id=token_id,
        sha256=sha256(text.encode()).hexdigest(),
        owner=owner,
        scopes=frozenset(scopes),
        created_at=now,
        apps=apps,
        storages=storages,
        expires_at=expires_at,
    )
    await database.run(lambda connection: tokens.insert_token(connection, stored))
    return text


async def list_tokens(database: Database) -> list[tokens.Token]:
    """All tokens, oldest first; their secrets are nowhere."""
    return await database.run(tokens.list_tokens)


async def revoke_token(database: Database, token_id: str, now: float) -> bool:
    """False where there is no live token with this id."""
    return await database.run(lambda connection: tokens.revoke_token(connection, token_id, now))


async def ensure_bootstrap_token(database: Database, settings: Settings, now: float) -> None:
    """The token in `bootstrap_token_file` (`prl_bootstrap_<secret>`) is live, with every scope; an older one is not."""
    if settings.bootstrap_token_file is None:
        return
    text = Secret.of_file(settings.bootstrap_token_file).get()
    stored = tokens.Token(
        id=BOOTSTRAP_ID,
        sha256=sha256(text.encode()).hexdigest(),
        owner="default",
        scopes=frozenset(Scope),
        created_at=now,
    )
    await database.run(lambda connection: tokens.replace_token(connection, stored))
