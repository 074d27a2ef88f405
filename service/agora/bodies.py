"""Builds the JSON bodies and paths of requests to Agora (agora-reference §2 to §6). Pure.

`startParameter` is never sent: it must equal start's body exactly and has little benefit.
"""

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from service.recording import Location, Parameters
from service.settings import Credentials

MAX_RESOURCE_HOURS: Final = 720


@dataclass(frozen=True, slots=True)
class Task:
    """The identifiers of one recording task at Agora."""

    cname: str
    uid: int
    resource_id: str
    sid: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Where Agora stores the files: the pinned place, the attempt's key prefix (with its closing slash) and keys."""

    location: Location
    prefix: str
    credentials: Credentials
    sse: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class StartOrder:
    """The content of a start except for the task's identifiers. Holds secrets, which its repr omits."""

    url: str = field(repr=False)
    parameters: Parameters
    storage: Storage
    rtmp_url: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values that must not appear in an error text."""
        keys = self.storage.credentials
        known = (self.url, self.rtmp_url, keys.access_key, keys.secret_key, keys.session_token)
        return tuple(text for text in known if text)


def path_acquire(app_id: str) -> str:
    return f"/v1/apps/{quote(app_id, safe='')}/cloud_recording/acquire"


def path_start(app_id: str, resource_id: str) -> str:
    return f"/v1/apps/{quote(app_id, safe='')}/cloud_recording/resourceid/{quote(resource_id, safe='')}/mode/web/start"


def path_task(app_id: str, task: Task, verb: str) -> str:
    """Return the path of a task's query, update or stop (`verb`)."""
    ids = f"resourceid/{quote(task.resource_id, safe='')}/sid/{quote(task.sid, safe='')}"
    return f"/v1/apps/{quote(app_id, safe='')}/cloud_recording/{ids}/mode/web/{verb}"


def acquire_body(cname: str, uid: int, max_recording_hour: int, region: str | None) -> dict[str, Any]:
    """Return the body of acquire. The resource expires a day after the longest recording, at most after Agora's 720 h
    (§14 no. 9)."""
    request: dict[str, Any] = {"scene": 1, "resourceExpiredHour": min(MAX_RESOURCE_HOURS, max_recording_hour + 24)}
    if region is not None:
        request["region"] = region
    return _envelope(cname, uid, request)


def start_body(cname: str, uid: int, order: StartOrder) -> dict[str, Any]:
    services = [_recorder(order.url, order.parameters)]
    if order.rtmp_url is not None:
        services.append(
            {
                "serviceName": "rtmp_publish_service",
                "errorHandlePolicy": "error_ignore",
                "serviceParam": {"outputs": [{"rtmpUrl": order.rtmp_url}]},
            }
        )
    request: dict[str, Any] = {
        "extensionServiceConfig": {"errorHandlePolicy": "error_abort", "extensionServices": services},
        "recordingFileConfig": {"avFileType": list(order.parameters.av_file_type)},
        "storageConfig": storage_config(order.storage),
    }
    if order.parameters.private_params is not None:
        request["recordingConfig"] = {"privateParams": order.parameters.private_params}
    return _envelope(cname, uid, request)


def update_onhold_body(task: Task, onhold: bool) -> dict[str, Any]:
    return _envelope(task.cname, task.uid, {"webRecordingConfig": {"onhold": onhold}})


def update_rtmp_body(task: Task, rtmp_url: str) -> dict[str, Any]:
    return _envelope(task.cname, task.uid, {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": rtmp_url}]}})


def update_storage_body(task: Task, storage: Storage) -> dict[str, Any]:
    return _envelope(task.cname, task.uid, {"storageConfig": storage_config(storage)})


def stop_body(task: Task) -> dict[str, Any]:
    """Return the body of an asynchronous stop: the synchronous form blocks until everything is uploaded (§6)."""
    return _envelope(task.cname, task.uid, {"async_stop": True})


def storage_config(storage: Storage) -> dict[str, Any]:
    place, keys = storage.location, storage.credentials
    config: dict[str, Any] = {
        "vendor": place.vendor,
        "region": place.region,
        "bucket": place.bucket,
        "accessKey": keys.access_key,
        "secretKey": keys.secret_key,
        "fileNamePrefix": [part for part in storage.prefix.split("/") if part],
    }
    if keys.session_token is not None:
        config["stsToken"] = keys.session_token
        config["stsExpiration"] = int(keys.expires_at or 0)
    extra = {"sse": storage.sse, "tag": storage.tag}
    if place.vendor == 11 and place.endpoint is not None:
        extra["endpoint"] = urlsplit(place.endpoint).netloc
    if any(extra.values()):
        config["extensionParams"] = {name: value for name, value in extra.items() if value}
    return config


def _recorder(url: str, parameters: Parameters) -> dict[str, Any]:
    said: dict[str, Any] = {
        "url": url,
        "audioProfile": parameters.audio_profile,
        "videoWidth": parameters.video_width,
        "videoHeight": parameters.video_height,
        "videoFps": parameters.video_fps,
        "maxRecordingHour": parameters.max_recording_hour,
        "mobile": parameters.mobile,
        "onhold": parameters.onhold,
        "readyTimeout": parameters.ready_timeout,
    }
    if parameters.video_bitrate is not None:
        said["videoBitrate"] = parameters.video_bitrate
    if "mp4" in parameters.av_file_type:
        said["maxVideoDuration"] = parameters.max_video_duration
    return {"serviceName": "web_recorder_service", "errorHandlePolicy": "error_abort", "serviceParam": said}


def _envelope(cname: str, uid: int, request: dict[str, Any]) -> dict[str, Any]:
    return {"cname": cname, "uid": str(uid), "clientRequest": request}
