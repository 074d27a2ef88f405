"""extensionServiceConfig: the page to record and the push target (agora-reference §3.2, §3.3). Pure.

Parses the two services' parameters and their ranges. It opens no page or connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from emulator.requests.fields import Fields
from emulator.requests.quirks import Quirks

_RTMP = re.compile(r"rtmps?://\S+")
_PIXELS = 1920 * 1080
_POLICIES = ("error_ignore", "error_abort")


@dataclass(frozen=True, slots=True)
class Page:
    """The page to record and its parameters. The URL is a secret."""

    url: str = field(repr=False)
    audio_profile: int
    width: int
    height: int
    fps: int
    bitrate_kbps: int
    max_hours: float
    max_video_minutes: float
    onhold: bool
    mobile: bool
    ready_timeout: int


@dataclass(frozen=True, slots=True)
class Push:
    """The target of the push. `aborts` is true if a failed push also ends the recording."""

    url: str = field(repr=False)
    aborts: bool


def parse_services(config: Fields, quirks: Quirks) -> tuple[Page, Push | None]:
    """Return the page and the push. Raise Refused unless there is exactly one recorder and at most one push."""
    config.choice("errorHandlePolicy", ("error_abort",), "error_abort")
    page: Page | None = None
    push: Push | None = None
    for service in config.objects("extensionServices"):
        name, parameter = service.text("serviceName"), service.object("serviceParam")
        if name == "web_recorder_service" and page is None:
            service.choice("errorHandlePolicy", _POLICIES, "error_abort")
            page = _page(parameter, quirks)
        elif name == "rtmp_publish_service" and push is None:
            policy = service.choice("errorHandlePolicy", _POLICIES, "error_ignore")
            push = Push(parse_outputs(parameter), aborts=policy == "error_abort")
        else:
            raise service.refuse("serviceName", "is unknown or there twice")
    if page is None:
        raise config.refuse("extensionServices", "needs one web_recorder_service")
    return page, push


def _page(fields: Fields, quirks: Quirks) -> Page:
    least = quirks.min_side
    width, height = fields.integer("videoWidth", least, 1920), fields.integer("videoHeight", least, 1920)
    slow, fast = (50, 8000) if quirks.bitrate_limits else (1, 1_000_000)
    if width * height > _PIXELS:
        raise fields.refuse("videoWidth", "times videoHeight must not be above 1920 x 1080")
    url = fields.text("url")
    if not url.startswith(("http://", "https://")):
        raise fields.refuse("url", "must be an http or https URL")
    return Page(
        url=url,
        audio_profile=fields.integer("audioProfile", 0, 2),
        width=width,
        height=height,
        fps=fields.integer("videoFps", 5, 60, 15),
        bitrate_kbps=fields.integer("videoBitrate", slow, fast, 2000 if width * height >= 1280 * 720 else 1500),
        max_hours=fields.integer("maxRecordingHour", 1, 720),
        max_video_minutes=fields.integer("maxVideoDuration", 30, 240, 120),
        onhold=fields.flag("onhold"),
        mobile=fields.flag("mobile"),
        ready_timeout=fields.integer("readyTimeout", 0, 60, 0),
    )


def parse_outputs(fields: Fields) -> str:
    """Return the one push target. Raise Refused if it is invalid."""
    outputs = fields.objects("outputs")
    if len(outputs) != 1:
        raise fields.refuse("outputs", "must have exactly one entry")
    url = outputs[0].text("rtmpUrl")
    if not _RTMP.fullmatch(url):
        raise outputs[0].refuse("rtmpUrl", "must be an rtmp or rtmps URL")
    return url
