"""The settings of the database. Pure except for the secrets' files."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, ValidationInfo, field_validator

from service.settings.secret import Secret
from service.settings.section import Section
from service.settings.shapes import MAKE_KEY, check_key


class Database(Section):
    """The database settings. `url` may contain a password, so it is in no repr and no dump. `sealing_keys`: the newest
    first."""

    url: str = Field("sqlite:///pagereel.db", repr=False, exclude=True, pattern=r"^(sqlite:///.+|postgresql://.+)$")
    password: Secret | None = None
    sealing_keys: tuple[Secret, ...] | None = Field(None, min_length=1, max_length=2, validate_default=True)

    @field_validator("password")
    @classmethod
    def _one_password(cls, password: Secret | None, others: ValidationInfo) -> Secret | None:
        url = others.data.get("url", "")
        if password is None or not url:  # the URL's fault is already reported
            return password
        if _has_password(url):
            raise ValueError("and a password in `database.url` are both set: keep one of them")
        if "@" not in url:
            raise ValueError("is for a user that `database.url` names: postgresql://user@host:port/name")
        return password

    @field_validator("sealing_keys")
    @classmethod
    def _shared_keys(cls, keys: tuple[Secret, ...] | None, others: ValidationInfo) -> tuple[Secret, ...] | None:
        if keys is None and others.data.get("url", "").startswith("postgresql:"):
            raise ValueError(f"is required with PostgreSQL: all replicas must share it; `{MAKE_KEY}` creates one")
        for key in keys or ():
            check_key(key.get())
        return keys

    @field_validator("url")
    @classmethod
    def _readable(cls, url: str) -> str:
        try:
            urlsplit(url).port  # noqa: B018 - raises where the port is no number
        except ValueError:
            raise ValueError("should be postgresql://user@host:port/name; its port is not a number") from None
        return url

    @property
    def password_place(self) -> str:
        """Return the place of PostgreSQL's password in the settings, or where it belongs, in words."""
        return "the password in database.url" if _has_password(self.url) else "database.password"

    @property
    def own_key_file(self) -> Path | None:
        """Return the path of SQLite's own sealing key, or None if the settings contain the keys."""
        return None if self.sealing_keys is not None else Path(self.url.removeprefix("sqlite:///") + ".key")


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True)
