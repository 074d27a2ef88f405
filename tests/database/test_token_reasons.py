"""Whoever holds a token that is over hears why; whoever guesses one does not."""

import os

import pytest

from service.database.engine.database import Database
from service.database.sealing import Seals
from service.errors import Code, ServiceError
from service.operations import Scope
from service.operations.accounts.access import Access, create_token, revoke_token


async def test_a_token_that_is_over_is_told_to_its_holder_alone(database: Database, seals: Seals) -> None:
    now = [1000.0]
    access = Access(database, seals, lambda: now[0], os.urandom)
    held = await create_token(database, owner="o", scopes=[Scope.READ], now=1000.0, expires_at=2000.0)
    revoked = await create_token(database, owner="o", scopes=[Scope.READ], now=1000.0)
    assert (await access.authenticate(held)).owner == "o"
    assert await revoke_token(database, revoked.split("_")[1], 1500.0)
    now[0] = 2000.0
    for token, said in (
        (held, "the token has expired"),
        (revoked, "the token was revoked"),
        (f"{revoked[:-1]}{'a' if revoked[-1] != 'a' else 'b'}", "the token is not valid"),
    ):
        with pytest.raises(ServiceError) as refused:
            await access.authenticate(token)
        assert (refused.value.code, refused.value.message) == (Code.UNAUTHORIZED, said)
