"""API tokens: an id, the SHA-256 of the whole token, and its permissions. The token itself is never stored."""

from dataclasses import dataclass

import sqlalchemy as sa

from service.database.documents import decode, encode
from service.database.tables import tokens

_USE_NOTED_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `sha256` is in hex, and `scopes` are words. If `apps` or `storages` is None, any is allowed."""

    id: str
    sha256: str
    owner: str
    scopes: frozenset[str]
    created_at: float
    apps: frozenset[str] | None = None
    storages: frozenset[str] | None = None
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None


def insert_token(connection: sa.Connection, token: Token) -> None:
    connection.execute(
        tokens.insert().values(
            id=token.id,
            sha256=token.sha256,
            owner=token.owner,
            scopes=encode(sorted(token.scopes)),
            apps=_names(token.apps),
            storages=_names(token.storages),
            created_at=token.created_at,
            expires_at=token.expires_at,
            revoked_at=token.revoked_at,
            last_used_at=token.last_used_at,
        )
    )


def load_token(connection: sa.Connection, token_id: str) -> Token | None:
    """Return the token with this id, even if expired or revoked. The caller must check it."""
    row = connection.execute(sa.select(tokens).where(tokens.c.id == token_id)).one_or_none()
    return None if row is None else _token(row)


def list_tokens(connection: sa.Connection) -> list[Token]:
    """Return all tokens, oldest first."""
    return [_token(row) for row in connection.execute(sa.select(tokens).order_by(tokens.c.created_at, tokens.c.id))]


def revoke_token(connection: sa.Connection, token_id: str, now: float) -> bool:
    """Revoke a token. Return False if it does not exist or was revoked before."""
    query = tokens.update().where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    return connection.execute(query.values(revoked_at=now)).rowcount == 1


def note_token_use(connection: sa.Connection, token_id: str, now: float) -> None:
    """Record the use of a token, to the minute, so that not every read causes a write."""
    unnoted = sa.or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < now - _USE_NOTED_EVERY_SECONDS)
    connection.execute(tokens.update().where(tokens.c.id == token_id, unnoted).values(last_used_at=now))


def _names(names: frozenset[str] | None) -> str | None:
    return None if names is None else encode(sorted(names))


def _token(row: sa.Row[tuple[object, ...]]) -> Token:
    values = dict(row._mapping)
    for name in ("scopes", "apps", "storages"):
        values[name] = None if values[name] is None else frozenset(decode(values[name]))
    return Token(**values)


def replace_token(connection: sa.Connection, token: Token) -> None:
    """Insert a token, replacing one with the same id."""
    connection.execute(tokens.delete().where(tokens.c.id == token.id))
    insert_token(connection, token)
