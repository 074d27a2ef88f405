"""Whatever is shown as a token or as a session is let in or is not; it breaks nothing."""

import os

import pytest

from service.database.engine.database import Database
from service.database.sealing import Seals
from service.errors import Code, ServiceError
from service.operations.accounts.access import Access, create_token
from service.operations.types import Scope
from tests.nasty import NASTY_VALUES

WRONG = tuple(
    text
    for value in NASTY_VALUES
    for text in (value, f"prl_{value}", f"prl_{value}_{value}", f"prl_bootstrap_{value}", f"{value}_x_y")
)


async def test_nasty_tokens_and_sessions_are_unauthorized(database: Database, seals: Seals) -> None:
    access = Access(database, seals, lambda: 1000.0, os.urandom)
    token = await create_token(database, owner="school", scopes=[Scope.READ], now=900.0)
    assert (await access.authenticate(token)).owner == "school"
    session = await access.log_in(token)
    assert (await access.resume_session(session))[0].owner == "school"
    for text in WRONG:
        with pytest.raises(ServiceError) as caught:
            await access.authenticate(text)
        assert caught.value.code is Code.UNAUTHORIZED, ascii(text)
    for text in (*NASTY_VALUES, session[:-4], session[4:], session[:40]):
        with pytest.raises(ServiceError) as caught:
            await access.resume_session(text)
        assert caught.value.code is Code.UNAUTHORIZED, ascii(text)
