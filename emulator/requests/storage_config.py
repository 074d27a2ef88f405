"""storageConfig: the destination of a recording's files (agora-reference §3.4). Pure.

Parses its fields and their ranges. `emulator.uploads.s3` opens the storage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from emulator.requests.fields import Fields

_FOLDER = re.compile(r"[A-Za-z0-9]+")
# The highest region number of each vendor.
_REGIONS = {1: 25, 2: 27, 3: 19, 5: 0, 6: 0, 7: 15, 8: 7, 11: 0}
VENDOR_S3 = 1
VENDOR_AZURE = 5
VENDOR_S3_COMPATIBLE = 11


@dataclass(frozen=True, slots=True)
class Storage:
    """The destination of files. Its representation hides the keys."""

    vendor: int
    region: int
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    expires_at: int | None
    folders: tuple[str, ...]
    endpoint: str | None


def parse_storage(fields: Fields) -> Storage:
    """Return a storageConfig. Raise Refused for an unknown vendor or other invalid values."""
    vendor = fields.integer("vendor", 1, 11)
    if vendor not in _REGIONS:
        raise fields.refuse("vendor", "is unknown")
    folders = fields.texts("fileNamePrefix")
    if not all(_FOLDER.fullmatch(folder) for folder in folders):
        raise fields.refuse("fileNamePrefix", "components may have only letters and digits")
    if sum(len(folder) + 1 for folder in folders) > 128:
        raise fields.refuse("fileNamePrefix", "must not be longer than 128 characters")
    extension = fields.object("extensionParams") if fields.has("extensionParams") else None
    if vendor == VENDOR_S3_COMPATIBLE and extension is None:
        raise fields.refuse("extensionParams.endpoint", "is missing")
    return Storage(
        vendor=vendor,
        region=fields.integer("region", 0, _REGIONS[vendor]),
        bucket=fields.text("bucket"),
        access_key=fields.text("accessKey"),
        secret_key=fields.text("secretKey"),
        session_token=fields.optional_text("stsToken"),
        expires_at=fields.integer("stsExpiration", 0, 2**64 - 1) if fields.has("stsExpiration") else None,
        folders=folders,
        endpoint=extension.text("endpoint") if extension and vendor == VENDOR_S3_COMPATIBLE else None,
    )
