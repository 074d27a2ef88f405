"""The settings of signed manifests and their time stamps."""

from pathlib import Path

from cryptography.x509 import Certificate
from pydantic import Field, field_validator

from service.settings.addresses import check_url
from service.settings.secret import Secret
from service.settings.section import Section
from service.settings.shapes import check_key
from service.timestamps import TimestampError, read_certificates


class Signing(Section):
    """Keys that sign manifests, the newest first. Only the first one signs; the others are published for verification.
    `timestamp_url`: the RFC 3161 authority that stamps them; `timestamp_ca`: PEM of its trusted certificates."""

    keys: tuple[Secret, ...] | None = Field(None, min_length=1, max_length=8)
    timestamp_url: str | None = None
    timestamp_ca: Path | None = None
    timestamp_seconds: float = Field(5, gt=0, le=30)

    @field_validator("keys")
    @classmethod
    def _whole_keys(cls, keys: tuple[Secret, ...] | None) -> tuple[Secret, ...] | None:
        for key in keys or ():
            check_key(key.get())
        return keys

    @field_validator("timestamp_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        # Plain http is usual for authorities: the answer is signed, and only a digest is sent.
        return None if url is None else check_url(url, http_for_all=True, path=True)

    @field_validator("timestamp_ca")
    @classmethod
    def _certificates(cls, file: Path | None) -> Path | None:
        if file is not None:
            _read_certificates(file)
        return file

    def trusted_certificates(self) -> list[Certificate]:
        """Return the current certificates of `timestamp_ca`, or none without it."""
        return [] if self.timestamp_ca is None else _read_certificates(self.timestamp_ca)


def _read_certificates(file: Path) -> list[Certificate]:
    try:
        return read_certificates(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"file {file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"file {file} is not a text of certificates in PEM") from None
    except TimestampError as error:
        raise ValueError(f"file {file} should hold certificates in PEM ({error})") from None
