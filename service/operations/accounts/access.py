"""API tokens: creation, listing, revocation and authentication. A token is shown once; only its hash is stored."""

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from hmac import compare_digest

import sqlalchemy as sa

from service.database import tokens
from service.database.engine.database import Database
from service.database.sealing import Seals
from service.errors import Code, ServiceError
from service.operations.accounts.sessions import SESSION_SECONDS, Session, open_session, seal_session
from service.operations.ids import Entropy, new_token
from service.operations.types import Caller, Scope
from service.settings import Secret, Settings
from service.settings.shapes import check_bootstrap_token

BOOTSTRAP_ID = "bootstrap"
_TOKEN = re.compile(r"prl_([\x21-\x5e\x60-\x7e]+)_[\x21-\x5e\x60-\x7e]*", re.ASCII)


class Access:
    """Authenticates people and programs. Methods raise `ServiceError`."""

    def __init__(self, database: Database, seals: Seals, clock: Callable[[], float], entropy: Entropy) -> None:
        self._database = database
        self._seals = seals
        self._clock = clock
        self._entropy = entropy

    async def authenticate(self, token: str) -> Caller:
        """Return the caller of the token `prl_<id>_<secret>`. Raise unauthorized unless it is a live token."""
        shape = _TOKEN.fullmatch(token)
        if shape is None:
            raise ServiceError(Code.UNAUTHORIZED, "the token is not valid")
        digest = sha256(token.encode()).hexdigest()

        def transaction(connection: sa.Connection) -> tokens.Token:
            now = self._clock()
            stored = tokens.load_token(connection, shape[1])
            if stored is None or not compare_digest(stored.sha256, digest):
                raise ServiceError(Code.UNAUTHORIZED, "the token is not valid")
            if (over := _why_over(stored, now)) is not None:
                raise ServiceError(Code.UNAUTHORIZED, over)
            tokens.note_token_use(connection, stored.id, now)
            return stored

        stored = await self._database.run(transaction)
        return Caller(stored.id, stored.owner, frozenset(map(Scope, stored.scopes)), stored.apps, stored.storages)

    async def log_in(self, token: str) -> str:
        """Return a console session as the text of a cookie. Raise unauthorized unless `token` is a live token."""
        await self.authenticate(token)
        form_key = self._entropy(16).hex()
        return seal_session(self._seals, Session(token, form_key, self._clock() + SESSION_SECONDS))

    async def resume_session(self, text: str) -> tuple[Caller, str]:
        """Return the caller of a session and its form key. Raise unauthorized if the session has ended or its token is
        no longer live."""
        session = open_session(self._seals, text, self._clock())
        return await self.authenticate(session.token), session.form_key


def _why_over(token: tokens.Token, now: float) -> str | None:
    """Return why a token is no longer live, in words for its holder. Return None if it is live."""
    if token.revoked_at is not None:
        return "the token was revoked"
    return "the token has expired" if token.expires_at is not None and now >= token.expires_at else None


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
    """Create a token and return its text, `prl_<id>_<secret>`."""
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
    """Return all tokens, oldest first, without their secrets."""
    return await database.run(tokens.list_tokens)


async def revoke_token(database: Database, token_id: str, now: float) -> bool:
    """Revoke a token. Return False if no live token has this id."""
    return await database.run(lambda connection: tokens.revoke_token(connection, token_id, now))


async def ensure_bootstrap_token(database: Database, settings: Settings, now: float) -> None:
    """Make the token in `bootstrap_token_file` (`prl_bootstrap_<secret>`) live with every scope. It replaces an older
    bootstrap token. Raise `ValueError` if the file contains any other text; the older token then stays."""
    if settings.bootstrap_token_file is None:
        return
    text = Secret.of_file(settings.bootstrap_token_file).get()
    check_bootstrap_token(text)
    stored = tokens.Token(
        id=BOOTSTRAP_ID,
        sha256=sha256(text.encode()).hexdigest(),
        owner="default",
        scopes=frozenset(Scope),
        created_at=now,
    )
    await database.run(lambda connection: tokens.replace_token(connection, stored))
