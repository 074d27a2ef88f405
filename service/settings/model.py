"""The sections of the settings and their ranges. Pure except for the secrets' files; `load` reads the TOML file and the
environment."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from service.messages import MessageType, check_signing_secret
from service.policy import Policy
from service.recording import Location, RestartRule
from service.report import Level
from service.settings.addresses import check_agora_url, check_callback_url, check_listed_host, check_url
from service.settings.database import Database
from service.settings.faults import at, at_each
from service.settings.presets import Preset, Timing
from service.settings.secret import Credentials, CredentialsFile, Secret
from service.settings.section import Section
from service.settings.shapes import check_access_key, check_bootstrap_token, check_host, check_owner
from service.settings.signing import Signing
from service.settings.spending import OwnerLimits, Prices
from service.urls.rules import parse_endpoint_url

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")]
OwnerName = Annotated[str, AfterValidator(check_owner)]
Host = Annotated[str, AfterValidator(check_host)]
ListedHost = Annotated[str, AfterValidator(check_listed_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
ABSENT: Final = Secret("")
S3_REGIONS: Final = 26
VENDORS: Final = (1, 2, 3, 5, 6, 7, 8, 11)
LEGACY_VENDORS: Final = (0, 4)
STS_VENDORS: Final = (1, 2, 3)
MAX_PREFIX: Final = 90  # Agora allows 128 (agora-reference §3.4), including a ULID, an attempt's part and their slashes


class Api(Section):
    """The listener for callers: API, metrics, health."""

    host: Host = "127.0.0.1"
    port: Port = 8080


class Callbacks(Section):
    """The separate listener for Agora's notifications."""

    host: Host = "0.0.0.0"  # noqa: S104  # Agora comes from outside
    port: Port = 8081
    public_url: str | None = None
    max_body_bytes: int = Field(262144, ge=1024, le=16 * 1024 * 1024)
    read_seconds: float = Field(5, gt=0, le=10)

    @field_validator("public_url")
    @classmethod
    def _reachable(cls, url: str | None) -> str | None:
        return None if url is None else check_callback_url(url)


class App(Section):
    """An Agora project and its REST credentials. `rate_group`: the shared request budget."""

    app_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    customer_id: str = Field("", max_length=200)
    customer_secret: Secret = ABSENT
    ncs_secrets: tuple[Secret, ...] = Field((), max_length=2)
    base_urls: tuple[Annotated[str, AfterValidator(check_agora_url)], ...] = Field(
        ("https://api.agora.io", "https://api.sd-rtn.com"), min_length=1, max_length=8
    )
    rate_group: str = Field("", max_length=200, validate_default=True)
    accept_sha1: bool = False
    setup: bool = False
    max_concurrent: int | None = Field(None, ge=0)
    region: Literal["CN", "AP", "EU", "NA"] | None = None

    @property
    def emulated(self) -> bool:
        """Return whether an emulator replaces Agora: `check_agora_url` allows http only on the local machine."""
        return any(url.startswith("http:") for url in self.base_urls)

    @field_validator("rate_group")
    @classmethod
    def _own_budget(cls, group: str, others: ValidationInfo) -> str:
        return group or others.data.get("customer_id", "")


class Keys(Section):
    """A pair of storage keys. For Azure: account name and account key."""

    access_key: Secret
    secret_key: Secret

    @field_validator("access_key")
    @classmethod
    def _sendable(cls, key: Secret) -> Secret:
        check_access_key(key.get())
        return key


class StorageProfile(Section):
    """A place for recordings. `write` is sent to Agora with every start; `read` is not sent and may only read."""

    legacy_vendor: bool = False
    vendor: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 11]
    endpoint: str | None = Field(None, validate_default=True)
    region_name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    region: int = Field(0, ge=0, le=999, validate_default=True)
    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$")
    prefix: tuple[Annotated[str, Field(pattern=r"^[a-zA-Z0-9]+$")], ...] = ()
    path_style: bool = False
    signature: Literal["v4", "v2"] | None = None
    list_version: Literal[1, 2] | None = None
    concurrency: int = Field(32, ge=1, le=256)
    read_bytes_per_second: int | None = Field(None, ge=100_000)
    read_only: bool = False
    write: Keys | None = None
    credentials_file: CredentialsFile | None = Field(None, validate_default=True)
    read: Keys
    sse: Literal["kms", "aes256"] | None = None
    tag: str | None = Field(None, min_length=1, max_length=500)
    level: Level = Level.CONTENT

    @field_validator("vendor", mode="before")
    @classmethod
    def _listed_vendor(cls, vendor: object, others: ValidationInfo) -> object:
        if others.data.get("legacy_vendor"):
            return vendor
        if vendor in LEGACY_VENDORS:
            raise ValueError("is no longer in Agora's documents (`legacy_vendor` allows it)")
        if vendor not in VENDORS:
            raise ValueError(f"should be {', '.join(map(str, VENDORS[:-1]))} or {VENDORS[-1]}")
        return vendor

    @field_validator("endpoint")
    @classmethod
    def _own_endpoint(cls, endpoint: str | None, others: ValidationInfo) -> str | None:
        if endpoint is None and others.data.get("vendor") == 11:
            raise ValueError("is required with vendor 11")
        if endpoint is not None and "_" in (urlsplit(endpoint).hostname or ""):
            raise ValueError("should have a host name without _, which S3 clients refuse")
        return None if endpoint is None else check_url(endpoint, http_for_all=True)

    @field_validator("region")
    @classmethod
    def _known_region(cls, region: int, others: ValidationInfo) -> int:
        vendor = others.data.get("vendor")
        if vendor == 1 and region >= S3_REGIONS and others.data.get("region_name") is None:
            raise ValueError(f"should be below {S3_REGIONS} for vendor 1 (a newer one needs `region_name`)")
        if vendor in (5, 6, 11) and region != 0:
            raise ValueError(f"should be 0 for vendor {vendor}")
        return region

    @field_validator("prefix")
    @classmethod
    def _short_prefix(cls, prefix: tuple[str, ...]) -> tuple[str, ...]:
        if sum(len(part) + 1 for part in prefix) > MAX_PREFIX:
            raise ValueError(f"should be at most {MAX_PREFIX} characters with its slashes")
        return prefix

    @field_validator("credentials_file")
    @classmethod
    def _one_source(cls, file: CredentialsFile | None, others: ValidationInfo) -> CredentialsFile | None:
        if "write" not in others.data:
            return file  # its own fault is already reported
        if others.data.get("read_only"):
            if file is not None or others.data["write"] is not None:
                raise ValueError("and `write` cannot be combined with `read_only`")
            return file
        if (file is None) == (others.data["write"] is None):
            raise ValueError("or `write`: exactly one of them is required")
        if file is not None and others.data.get("vendor", 1) not in STS_VENDORS:
            raise ValueError("works with vendors 1, 2 and 3 only (temporary keys)")
        return file

    @field_validator("sse", "tag")
    @classmethod
    def _vendors_extra(cls, value: str | None, info: ValidationInfo) -> str | None:
        vendors = (1,) if info.field_name == "sse" else (1, 2)
        if value is not None and info.data.get("vendor", 1) not in vendors:
            raise ValueError(f"works with vendor {' and '.join(map(str, vendors))} only")
        return value

    def write_credentials(self) -> Credentials:
        """Return the current keys to send to Agora."""
        if self.credentials_file is not None:
            return self.credentials_file.get()
        assert self.write is not None, "validation wants one of the two"
        return Credentials(self.write.access_key.get(), self.write.secret_key.get())


class Limits(Section):
    """The limits of one caller's requests, and the request budget of each rate group."""

    max_body_bytes: int = Field(65536, ge=1024, le=16 * 1024 * 1024)
    read_seconds: float = Field(30, gt=0, le=300)
    url_max_bytes: int = Field(2048, ge=64, le=16384)
    max_ahead_days: float = Field(30, gt=0, le=366)
    requests_per_second: float = Field(8, gt=0, le=1000)
    burst: int = Field(2, ge=1, le=100)


class Urls(Section):
    """Exceptions to the rules for page and RTMP URLs: `host` (any port) or `host:port`."""

    allow_http_hosts: tuple[ListedHost, ...] = ()
    allow_private_hosts: tuple[ListedHost, ...] = ()


class Endpoint(Section):
    """A receiver of messages. The URL may contain a key, so it is a secret. `secrets` sign, the newest first (Standard
    Webhooks: `whsec_` and base64). `owners` None: every owner. `types` None: every type."""

    url: Secret
    secrets: tuple[Secret, ...] = Field(min_length=1, max_length=2)
    owners: tuple[OwnerName, ...] | None = Field(None, min_length=1)
    types: tuple[MessageType, ...] | None = Field(None, min_length=1)
    timeout_seconds: float = Field(15, ge=1, le=30)
    concurrency: int = Field(4, ge=1, le=64)

    @field_validator("secrets")
    @classmethod
    def _signing(cls, secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for secret in secrets:
            check_signing_secret(secret.get())
        return secrets


class Worker(Section):
    """The worker, which performs steps."""

    enabled: bool = True
    concurrency: int = Field(32, ge=1, le=1000)
    lease_seconds: float = Field(12, ge=5, le=600)
    poll_seconds: float = Field(1, gt=0, le=60)
    drain_seconds: float = Field(20, ge=0, le=600)


Days = Annotated[float, Field(gt=0, le=36500)]


class Retention(Section):
    """How long rows are kept. Recordings and reports stay; objects in buckets are never deleted by Pagereel."""

    notices_days: Days = 30
    messages_days: Days = 30
    history_days: Days = 400
    actions_days: Days = 400
    idempotency_days: Annotated[float, Field(ge=7, le=36500)] = 7


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


def wrong_place(url: str, rules: Urls) -> str | None:
    """Return why messages cannot be sent to this URL, without showing it, or None."""
    try:
        parse_endpoint_url(url, rules)
    except ValueError as error:
        return str(error)
    return None


def port_taken(api: Api, callbacks: Callbacks) -> str | None:
    """Return why the callbacks cannot use their port together with the API's, or None."""
    both = {callbacks.host, api.host}
    shared = len(both) == 1 or both & {"0.0.0.0", "::"}  # noqa: S104 - looked for, not used
    if api.port == callbacks.port != 0 and shared:
        return f"{api.port} belongs to the API: use another port for the callbacks"
    return None


class Whole(Section):
    """All sections; `Settings` adds loading."""

    deployment: str = Field(pattern=r"^[a-z0-9]{2,8}$")
    database: Database = Database()
    signing: Signing = Signing()
    api: Api = Api()
    callbacks: Callbacks = Callbacks()
    apps: dict[Name, App] = Field(default_factory=dict)
    storage: dict[Name, StorageProfile] = Field(default_factory=dict)
    presets: dict[Name, Preset] = Field(default_factory=dict, validate_default=True)
    timing: Timing = Timing()
    limits: Limits = Limits()
    owners: dict[OwnerName, OwnerLimits] = Field(default_factory=dict)
    prices: Prices = Prices()
    urls: Urls = Urls()
    endpoints: dict[Name, Endpoint] = Field(default_factory=dict)
    worker: Worker = Worker()
    log: Log = Log()
    retention: Retention = Retention()
    bootstrap_token_file: Path | None = None

    @field_validator("presets")
    @classmethod
    def _with_default(cls, presets: dict[str, Preset]) -> dict[str, Preset]:
        return {"default": Preset(), **presets}

    @field_validator("endpoints")
    @classmethod
    def _allowed_places(cls, endpoints: dict[str, Endpoint], others: ValidationInfo) -> dict[str, Endpoint]:
        if "urls" in others.data:
            wrong = {name: wrong_place(endpoint.url.get(), others.data["urls"]) for name, endpoint in endpoints.items()}
            if faults := [((name, "url"), text) for name, text in wrong.items() if text is not None]:
                raise at_each(faults)
        return endpoints

    @field_validator("bootstrap_token_file")
    @classmethod
    def _usable_token(cls, file: Path | None) -> Path | None:
        if file is not None:
            check_bootstrap_token(Secret.of_file(file).get())
        return file

    @field_validator("callbacks")
    @classmethod
    def _own_port(cls, callbacks: Callbacks, others: ValidationInfo) -> Callbacks:
        api = others.data.get("api")
        if api is not None and (text := port_taken(api, callbacks)):
            raise at(("port",), text)
        return callbacks

    def owner_limits(self, owner: str) -> OwnerLimits:
        """Return the owner's own limits, or those of `default`."""
        return self.owners.get(owner) or self.owners.get("default") or OwnerLimits()

    def policy(
        self,
        preset: Preset,
        *,
        max_missing_seconds: float | None = None,
        start_within_seconds: float | None = None,
        level: Level | None = None,
        restart: RestartRule | None = None,
        max_restarts: int | None = None,
    ) -> Policy:
        """Return the policy of a new recording: `timing`, the preset's restart rule, and the caller's values."""
        values = self.timing.model_dump() | {"max_restarts": preset.max_restarts}
        wished = {
            "max_restarts": max_restarts,
            "max_missing_seconds": max_missing_seconds,
            "start_within_seconds": start_within_seconds,
            "level": level,
        }
        values |= {name: value for name, value in wished.items() if value is not None}
        return Policy(**values, restart=(restart or preset.restart) == "on_failure")


def location(profile: StorageProfile, recording_id: str) -> Location:
    """Return the place to which a new recording is pinned: the profile's prefix and the recording's ULID in lower
    case."""
    own = recording_id.removeprefix("rec_").lower()
    return Location(
        vendor=profile.vendor,
        region=profile.region,
        bucket=profile.bucket,
        endpoint=profile.endpoint,
        path_style=profile.path_style,
        prefix=(*profile.prefix, own),
    )


def secrets_of(section: Section) -> Iterable[Secret]:
    """Yield every secret below a section, for tests that search for leaks."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,):
            if isinstance(each, Secret):
                yield each
            elif isinstance(each, Section):
                yield from secrets_of(each)
