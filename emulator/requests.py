"""Reading the bodies of acquire, start, update and stop into typed values (reference 2, 3, 5, 6). Pure.

For: every parameter check and its range. It must not know about running tasks, time or the network.
The wording of each `reason` is the emulator's own: Agora documents hardly any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CNAME = re.compile(r"[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]+")
_FOLDER = re.compile(r"[A-Za-z0-9]+")
_RTMP = re.compile(r"rtmps?://\S+")
_REGIONS = {1: 25, 2: 27, 3: 19, 5: 0, 6: 0, 7: 15, 8: 7, 11: 0}
_PIXELS = 1920 * 1080
VENDOR_S3 = 1
VENDOR_S3_COMPATIBLE = 11


class Refused(Exception):
    """The body breaks a rule: answered with HTTP 400, `code` and `reason`."""

    def __init__(self, reason: str, code: int = 2) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a task within an app."""

    cname: str
    uid: str


@dataclass(frozen=True, slots=True)
class Acquire:
    """A valid acquire body."""

    who: Identity
    expired_hours: float
    start_parameter: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Storage:
    """Where files go. Never shown: the representation hides the keys."""

    vendor: int
    region: int
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    folders: tuple[str, ...]
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What is recorded and how. The URL is a secret."""

    url: str = field(repr=False)
    audio_profile: int
    width: int
    height: int
    fps: int
    bitrate_kbps: int
    max_hours: float
    max_video_minutes: float
    onhold: bool


@dataclass(frozen=True, slots=True)
class Start:
    """A valid start body; `raw` is its clientRequest, to be compared with acquire's startParameter."""

    who: Identity
    page: Page
    storage: Storage
    rtmp_url: str | None = field(repr=False)
    mp4: bool
    correct_extinf: bool
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Update:
    """A valid update body; None means the block was not sent."""

    who: Identity
    onhold: bool | None
    rtmp_url: str | None = field(repr=False)
    storage: Storage | None


@dataclass(frozen=True, slots=True)
class Stop:
    """A valid stop body."""

    who: Identity
    asynchronous: bool


class _Fields:
    """Reads one JSON object, naming the field in every refusal."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise Refused(f"{path}: must be an object")
        self._value: dict[str, Any] = value
        self._path = path

    def refuse(self, key: str, problem: str) -> Refused:
        return Refused(f"{self._path}.{key}: {problem}" if self._path != "body" else f"{key}: {problem}")

    def has(self, key: str) -> bool:
        return self._value.get(key) is not None

    def object(self, key: str) -> _Fields:
        if not self.has(key):
            raise self.refuse(key, "is missing")
        return _Fields(self._value[key], key if self._path == "body" else f"{self._path}.{key}")

    def raw(self, key: str) -> Any:
        return self._value[key]

    def text(self, key: str) -> str:
        value = self._value.get(key)
        if not isinstance(value, str) or not value:
            raise self.refuse(key, "must be a text and not empty")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        value = self._value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(key, "must be a number")
        if not low <= value <= high:
            raise self.refuse(key, f"must be from {low:g} to {high:g}")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.number(key, low, high, default)
        if value != int(value):
            raise self.refuse(key, "must be an integer")
        return int(value)

    def flag(self, key: str) -> bool:
        value = self._value.get(key, False)
        if not isinstance(value, bool):
            raise self.refuse(key, "must be true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(key, "must be a list of texts")
        return tuple(value)

    def objects(self, key: str) -> list[_Fields]:
        value = self._value.get(key)
        if not isinstance(value, list):
            raise self.refuse(key, "must be a list")
        return [_Fields(item, f"{self._path}.{key}[{place}]") for place, item in enumerate(value)]


def parse_acquire(body: object, *, cname_max_bytes: int) -> Acquire:
    """Raise Refused, or give acquire's body. A sent startParameter must be valid (reference 2)."""
    fields = _Fields(body, "body")
    who = _identity(fields, cname_max_bytes)
    request = fields.object("clientRequest")
    if request.integer("scene", 0, 2, 0) != 1:
        raise Refused("Acquire: invalid scene value!")
    try:
        hours = request.integer("resourceExpiredHour", 1, 720, 72)
    except Refused:
        raise Refused("Acquire: invalid resourceExpiredHour value!") from None
    if request.has("region") and request.text("region") not in ("CN", "AP", "EU", "NA"):
        raise Refused("Acquire: invalid region value!")
    request.integer("regionAffinity", 0, 4, 0)
    request.texts("excludeResourceIds")
    parameter: Mapping[str, Any] | None = None
    if request.has("startParameter"):
        _client_request(who, request.object("startParameter"), request.raw("startParameter"))
        parameter = request.raw("startParameter")
    return Acquire(who, hours, parameter)


def parse_start(body: object, *, cname_max_bytes: int) -> Start:
    """Raise Refused, or give start's body (reference 3)."""
    fields = _Fields(body, "body")
    who = _identity(fields, cname_max_bytes)
    return _client_request(who, fields.object("clientRequest"), fields.raw("clientRequest"))


def parse_update(body: object, *, cname_max_bytes: int) -> Update:
    """Raise Refused, or give update's body (reference 5)."""
    fields = _Fields(body, "body")
    who = _identity(fields, cname_max_bytes)
    request = fields.object("clientRequest")
    onhold = request.object("webRecordingConfig").flag("onhold") if request.has("webRecordingConfig") else None
    rtmp = _outputs(request.object("rtmpPublishConfig")) if request.has("rtmpPublishConfig") else None
    storage = _storage(request.object("storageConfig")) if request.has("storageConfig") else None
    if onhold is None and rtmp is None and storage is None:
        raise Refused("clientRequest: nothing to update in web mode")
    return Update(who, onhold, rtmp, storage)


def parse_stop(body: object, *, cname_max_bytes: int) -> Stop:
    """Raise Refused, or give stop's body (reference 6)."""
    fields = _Fields(body, "body")
    return Stop(_identity(fields, cname_max_bytes), fields.object("clientRequest").flag("async_stop"))


def _identity(fields: _Fields, cname_max_bytes: int) -> Identity:
    cname, uid = fields.text("cname"), fields.text("uid")
    if not _CNAME.fullmatch(cname):
        raise Refused("invalid_channel_name", code=401)
    if len(cname.encode()) > cname_max_bytes:
        raise fields.refuse("cname", f"must not be longer than {cname_max_bytes} bytes")
    if not (uid.isascii() and uid.isdigit() and 0 < int(uid) < 2**32):
        raise fields.refuse("uid", "must be an integer from 1 to 4294967295 in quotes")
    return Identity(cname, uid)


def _client_request(who: Identity, request: _Fields, raw: Mapping[str, Any]) -> Start:
    page, rtmp = _services(request.object("extensionServiceConfig"))
    storage = _storage(request.object("storageConfig"))
    types: tuple[str, ...] = ("hls",)
    if request.has("recordingFileConfig"):
        types = request.object("recordingFileConfig").texts("avFileType") or types
    if set(types) not in ({"hls"}, {"hls", "mp4"}):
        raise request.refuse("recordingFileConfig.avFileType", 'must be ["hls"] or ["hls","mp4"]')
    return Start(who, page, storage, rtmp, "mp4" in types, _correct_extinf(request), raw)


def _services(config: _Fields) -> tuple[Page, str | None]:
    if config.has("errorHandlePolicy") and config.text("errorHandlePolicy") != "error_abort":
        raise config.refuse("errorHandlePolicy", 'must be "error_abort"')
    page: Page | None = None
    rtmp: str | None = None
    for service in config.objects("extensionServices"):
        name, parameter = service.text("serviceName"), service.object("serviceParam")
        if name == "web_recorder_service" and page is None:
            page = _page(parameter)
        elif name == "rtmp_publish_service" and rtmp is None:
            rtmp = _outputs(parameter)
        else:
            raise service.refuse("serviceName", "is unknown or there twice")
    if page is None:
        raise config.refuse("extensionServices", "needs one web_recorder_service")
    return page, rtmp


def _page(fields: _Fields) -> Page:
    width, height = fields.integer("videoWidth", 240, 1920), fields.integer("videoHeight", 240, 1920)
    if width * height > _PIXELS:
        raise fields.refuse("videoWidth", "times videoHeight must not be above 1920 x 1080")
    url = fields.text("url")
    if not url.startswith(("http://", "https://")):
        raise fields.refuse("url", "must be an http or https URL")
    fields.integer("readyTimeout", 0, 60, 0)
    fields.flag("mobile")
    return Page(
        url=url,
        audio_profile=fields.integer("audioProfile", 0, 2),
        width=width,
        height=height,
        fps=fields.integer("videoFps", 5, 60, 15),
        bitrate_kbps=fields.integer("videoBitrate", 50, 8000, 2000 if width * height >= 1280 * 720 else 1500),
        max_hours=fields.integer("maxRecordingHour", 1, 720),
        max_video_minutes=fields.integer("maxVideoDuration", 30, 240, 120),
        onhold=fields.flag("onhold"),
    )


def _outputs(fields: _Fields) -> str:
    outputs = fields.objects("outputs")
    if len(outputs) != 1:
        raise fields.refuse("outputs", "must have exactly one entry")
    url = outputs[0].text("rtmpUrl")
    if not _RTMP.fullmatch(url):
        raise outputs[0].refuse("rtmpUrl", "must be an rtmp or rtmps URL")
    return url


def _storage(fields: _Fields) -> Storage:
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
    if fields.has("stsExpiration"):
        fields.integer("stsExpiration", 0, 2**64 - 1)
    return Storage(
        vendor=vendor,
        region=fields.integer("region", 0, _REGIONS[vendor]),
        bucket=fields.text("bucket"),
        access_key=fields.text("accessKey"),
        secret_key=fields.text("secretKey"),
        session_token=fields.optional_text("stsToken"),
        folders=folders,
        endpoint=extension.text("endpoint") if extension and vendor == VENDOR_S3_COMPATIBLE else None,
    )


def _correct_extinf(request: _Fields) -> bool:
    """True when recordingConfig.privateParams, a JSON text, asks for the comma (reference 3.1)."""
    if not request.has("recordingConfig"):
        return False
    text = request.object("recordingConfig").optional_text("privateParams")
    try:
        parameters = json.loads(text) if text else {}
    except ValueError:
        raise request.refuse("recordingConfig.privateParams", "must be a JSON text") from None
    return isinstance(parameters, dict) and parameters.get("correctEXTINF") is True
