"""All settings of the emulator, in one TOML file and overridable by the command line.

Defines the settings and their defaults, and reads only the given file.

Durations are in Agora's seconds, and `compression` divides them (see `emulator.process.clock`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from emulator.browser.settings import Browser
from emulator.faults.model import Fault, load_script
from emulator.requests.quirks import Quirks


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Callback(_Model):
    """A receiver of notices. Without `secret`, notices to it are not signed."""

    url: str
    secret: SecretStr | None = None
    events: tuple[int, ...] | None = Field(None, description="event types sent; None sends all")
    redundant: bool = Field(False, description="send everything a second time by another route")


class App(_Model):
    """An Agora project with its REST credentials."""

    app_id: str
    customer_id: str
    customer_secret: SecretStr
    callbacks: tuple[Callback, ...] = ()


class Times(_Model):
    """Agora's durations in its own seconds, before compression."""

    start: float = Field(5.0, description="from start to status 4 and the first frame")
    slice: float = Field(15.0, gt=0, description="shortest full slice")
    exit: float = Field(10.0, description="from stop to query's 404")
    resource: float = Field(300.0, description="life of a resource id")
    progress: float = Field(60.0, gt=0, description="between two events 33")
    hour: float = Field(3600.0, gt=0, description="an hour of maxRecordingHour and resourceExpiredHour")
    minute: float = Field(60.0, gt=0, description="a minute of maxVideoDuration")
    sts: float = Field(14400.0, description="how far ahead stsExpiration must lie, at least")
    forward: float = Field(60.0, gt=0, description="between two tries to bring what is in the backup store")
    forward_for: float = Field(86400.0, gt=0, description="until what is in the backup store is given up")
    retries: tuple[float, ...] = Field((0.0, 2.0, 8.0), description="gaps before each resend of a notice")


class Settings(_Model):
    """Everything the emulator needs to run."""

    apps: tuple[App, ...] = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535, description="0 takes a free port")
    compression: float = Field(1.0, gt=0)
    engine: Literal["live", "loop", "browser"] = "live"
    browser: Browser = Browser()
    qps: int = Field(10, ge=1, description="requests per sliding second and app")
    max_tasks: int = Field(200, ge=1, description="Agora's PCW limit per app")
    storage_scheme: Literal["https", "http"] = "https"
    storage_endpoint: str | None = Field(None, description="S3 endpoint for every vendor but 11")
    azure_endpoint: str | None = Field(None, description="where a stand-in for Azure listens, for vendor 5")
    upload_seconds: float = Field(
        60.0, gt=0, description="real seconds that an unreachable storage is tried for a file"
    )
    sync_stop_seconds: float = Field(20.0, gt=0, description="real seconds a synchronous stop waits for uploads")
    ncs_addresses: tuple[str, ...] = ("127.0.0.1",)
    times: Times = Times()
    quirks: Quirks = Quirks()
    seed: int = Field(0, description="of all dice of faults")
    faults: tuple[Fault, ...] = ()
    tls: bool = Field(False, description="listen with HTTPS and a certificate of our own making")
    tls_names: tuple[str, ...] = ("localhost", "127.0.0.1")
    ca_file: Path | None = Field(None, description="where the authority of that certificate is written")
    backup_folder: Path | None = Field(None, description="the backup store; by default a folder that ends with us")
    kept_tasks: int = Field(2000, ge=1, description="ended tasks that are remembered")


def load(path: Path | None, **overrides: Any) -> Settings:
    """Load settings from a TOML file, ignoring overrides that are None. Raise pydantic.ValidationError."""
    values: dict[str, Any] = {}
    if path is not None:
        with path.open("rb") as file:
            values = tomllib.load(file)
    values |= {name: value for name, value in overrides.items() if value is not None}
    return Settings.model_validate(values)


def with_script(settings: Settings, path: Path) -> Settings:
    """Return settings with a fault script's seed, and its faults after the existing ones. Raise ValueError."""
    script = load_script(path)
    return settings.model_copy(update={"seed": script.seed, "faults": (*settings.faults, *script.faults)})
