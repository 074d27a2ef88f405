"""A person's log-in at the console: the token itself, sealed, so that every replica knows it and none keeps it.

Nothing is stored. A session ends with its time, with its token (judged anew at each request), or with the keys.
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
    """`form_key` must come back with every form of this session."""

    token: str = field(repr=False)
    form_key: str = field(repr=False)
    until_at: float


def seal_session(seals: Seals, session: Session) -> str:
    """The text for a cookie."""
    body = orjson.dumps([session.token, session.form_key, session.until_at])
    return base64.urlsafe_b64encode(seals.seal(body, _PURPOSE)).decode()


def open_session(seals: Seals, text: str, now: float) -> Session:
    """The session of a cookie. Unauthorized where it is none, or over."""
    try:
        token, form_key, until_at = orjson.loads(seals.open(base64.urlsafe_b64decode(text), _PURPOSE))
    except (SealError, binascii.Error, ValueError) as error:
        raise ServiceError(Code.UNAUTHORIZED, "the session is not valid") from error
    if now >= until_at:
        raise ServiceError(Code.UNAUTHORIZED, "the session has expired")
    return Session(token, form_key, until_at)
