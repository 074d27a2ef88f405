"""The bodies of acquire, start, update and stop as typed values (agora-reference §2, §3, §5, §6). Pure.

Parses each call's body. It does not use running tasks, time or the network.

The wording of each `reason` is the emulator's own, because Agora documents hardly any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from emulator.requests.extension_config import Page, Push, parse_outputs, parse_services
from emulator.requests.fields import Fields, Refused
from emulator.requests.quirks import Quirks
from emulator.requests.storage_config import Storage, parse_storage
from emulator.requests.stream_limits import Area

# Ordered by regionAffinity, 0 to 4.
_AFFINITIES: tuple[Area, ...] = ("NA", "CN", "AP", "EU", "NA")
_CNAME = re.compile(r"[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """The names that identify a task within an app."""

    cname: str
    uid: str


@dataclass(frozen=True, slots=True)
class Start:
    """A valid start body. `raw` is its clientRequest, for comparison with acquire's startParameter."""

    who: Identity
    page: Page
    storage: Storage
    push: Push | None
    mp4: bool
    correct_extinf: bool
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Acquire:
    """A valid acquire body. `start` is its startParameter, the announced body of start."""

    who: Identity
    expired_hours: float
    area: Area
    start: Start | None


@dataclass(frozen=True, slots=True)
class Update:
    """A valid update body. A block is None if it was not sent."""

    who: Identity
    onhold: bool | None
    rtmp_url: str | None = field(repr=False)
    storage: Storage | None


@dataclass(frozen=True, slots=True)
class Stop:
    """A valid stop body."""

    who: Identity
    asynchronous: bool


def parse_acquire(body: object, quirks: Quirks) -> Acquire:
    """Return acquire's body, or raise Refused. A startParameter must be valid if it was sent (agora-reference §2)."""
    fields = Fields(body, "body")
    who = _identity(fields, quirks)
    request = fields.object("clientRequest")
    if request.integer("scene", 0, 2, 0) != 1:
        raise Refused("Acquire: invalid scene value!")
    try:
        hours = request.integer("resourceExpiredHour", 1, 720, 72)
    except Refused:
        raise Refused("Acquire: invalid resourceExpiredHour value!") from None
    area = _area(request, quirks)
    request.texts("excludeResourceIds")
    start: Start | None = None
    if request.has("startParameter"):
        start = _client_request(who, request.object("startParameter"), request.raw("startParameter"), quirks)
    return Acquire(who, hours, area, start)


def parse_start(body: object, quirks: Quirks) -> Start:
    """Return start's body, or raise Refused (agora-reference §3)."""
    fields = Fields(body, "body")
    who = _identity(fields, quirks)
    return _client_request(who, fields.object("clientRequest"), fields.raw("clientRequest"), quirks)


def parse_update(body: object, quirks: Quirks) -> Update:
    """Return update's body, or raise Refused (agora-reference §5)."""
    fields = Fields(body, "body")
    who = _identity(fields, quirks)
    request = fields.object("clientRequest")
    onhold = request.object("webRecordingConfig").flag("onhold") if request.has("webRecordingConfig") else None
    rtmp = parse_outputs(request.object("rtmpPublishConfig")) if request.has("rtmpPublishConfig") else None
    storage = parse_storage(request.object("storageConfig")) if request.has("storageConfig") else None
    if onhold is None and rtmp is None and storage is None:
        raise Refused("clientRequest: nothing to update in web mode")
    return Update(who, onhold, rtmp, storage)


def parse_stop(body: object, quirks: Quirks) -> Stop:
    """Return stop's body, or raise Refused (agora-reference §6)."""
    fields = Fields(body, "body")
    return Stop(_identity(fields, quirks), fields.object("clientRequest").flag("async_stop"))


def _identity(fields: Fields, quirks: Quirks) -> Identity:
    cname, uid = fields.text("cname"), fields.text("uid")
    if not _CNAME.fullmatch(cname):
        raise Refused("invalid_channel_name", code=401)
    if len(cname.encode()) > quirks.cname_max_bytes:
        raise fields.refuse("cname", f"must not be longer than {quirks.cname_max_bytes} bytes")
    if not (uid.isascii() and uid.isdigit() and 0 < int(uid) < 2**32):
        raise fields.refuse("uid", "must be an integer from 1 to 4294967295 in quotes")
    return Identity(cname, uid)


def _client_request(who: Identity, request: Fields, raw: Mapping[str, Any], quirks: Quirks) -> Start:
    page, push = parse_services(request.object("extensionServiceConfig"), quirks)
    storage = parse_storage(request.object("storageConfig"))
    types: tuple[str, ...] = ("hls",)
    if request.has("recordingFileConfig"):
        types = request.object("recordingFileConfig").texts("avFileType") or types
    if set(types) not in ({"hls"}, {"hls", "mp4"}):
        raise request.refuse("recordingFileConfig.avFileType", 'must be ["hls"] or ["hls","mp4"]')
    return Start(who, page, storage, push, "mp4" in types, _correct_extinf(request), raw)


def _area(request: Fields, quirks: Quirks) -> Area:
    """Return the recorder's area. Agora uses the caller's location by default; the emulator uses North America."""
    areas = {name: name for name in get_args(Area)}
    if request.has("region") and request.text("region") not in areas:
        raise Refused("Acquire: invalid region value!")
    affinity = request.integer("regionAffinity", 0, 4, 0)
    for key in ("region", "regionAffinity"):
        if request.has(key) and quirks.region_fields not in ("both", key):
            raise request.refuse(key, "is unknown")
    return areas[request.text("region")] if request.has("region") else _AFFINITIES[affinity]


def _correct_extinf(request: Fields) -> bool:
    """Return True if recordingConfig.privateParams, a JSON text, requests the comma (agora-reference §3.1)."""
    if not request.has("recordingConfig"):
        return False
    text = request.object("recordingConfig").optional_text("privateParams")
    try:
        parameters = json.loads(text) if text else {}
    except ValueError:
        raise request.refuse("recordingConfig.privateParams", "must be a JSON text") from None
    return isinstance(parameters, dict) and parameters.get("correctEXTINF") is True
