"""A person's session at the console. The sealed token is stored in a cookie; every replica can open it and none stores
it.

A session ends when it expires, when its token is no longer live (checked at each request), or when its sealing key is
removed.
"""

import base64
import binascii
from dataclasses import dataclass, field

import orjson

from service.database.sealing import SealError, Seals
from service.errors import Code, ServiceError

SESSION_SECONDS = 12 * 3600
_PURPOSE = "console.session"


@dataclass(frozen=True, slots=True)
class Session:
    """A console session. Every form of the session must contain `form_key`."""

    token: str = field(repr=False)
    form_key: str = field(repr=False)
    until_at: float


def seal_session(seals: Seals, session: Session) -> str:
    """Return the session as the text of a cookie."""
    body = orjson.dumps([session.token, session.form_key, session.until_at])
    return base64.urlsafe_b64encode(seals.seal(body, _PURPOSE)).decode()


def open_session(seals: Seals, text: str, now: float) -> Session:
    """Return the session of a cookie. Raise unauthorized if the text is not a session or the session has ended."""
    try:
        token, form_key, until_at = orjson.loads(seals.open(base64.urlsafe_b64decode(text), _PURPOSE))
    except (SealError, binascii.Error, ValueError) as error:
        raise ServiceError(Code.UNAUTHORIZED, "the session is not valid") from error
    if now >= until_at:
        raise ServiceError(Code.UNAUTHORIZED, "the session has expired")
    return Session(token, form_key, until_at)
