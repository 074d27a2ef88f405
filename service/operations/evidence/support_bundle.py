"""A support bundle: one recording with all its stored data, for a person without access to this service.

The bundle contains no secret. Page and RTMP URLs are redacted, notices contain only the fields that the timeline keeps,
and settings are limited to those that affect the recording, without keys. The bundle contains enough to reproduce every
decision (`lifecycle.reconstruct`).
"""

import asyncio
import io
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson
import sqlalchemy as sa
from prometheus_client import generate_latest

from metrics import REGISTRY
from service.database import evidence
from service.database.engine.database import Database
from service.database.notifications import stored as notifications
from service.database.notifications.batches import BODY
from service.database.sealing import SealError, Seals
from service.explain import explain
from service.lifecycle.rules.notifications import files_named, kept_details
from service.notification import parse_notice
from service.operations.evidence.proofs import load_all_files
from service.operations.owned import load_owned
from service.operations.types import Caller
from service.recording import Notice, Recording
from service.report import JudgedFile, Report
from service.settings import Settings

BUNDLE_TYPE = "application/zip"
FORMAT = 1
MOST_LINES = 5000
MOST_NOTICES = 2000
MOST_REPORTS = 200

_README = """A support bundle of Pagereel. `pagereel support-bundle --replay FILE` decides the recording anew from it.

bundle.json       which recording, when, by which version
recording.json    the recording with its attempts, its rules and its newest report
timeline.json     everything that happened, oldest first
notices.json      Agora's notifications as they were applied; fields that may hold a URL are left out
reports.json      every look at the bucket, with its findings
files.json        the files and who has seen each
explanation.json  why it is as it is, in words
settings.json     the settings that steer it, without secrets
metrics.txt       the metrics of the process that was asked
"""


@dataclass(frozen=True, slots=True)
class _Rows:
    recording: Recording
    history: list[evidence.HistoryRow]
    notices: list[tuple[float, bytes]]
    reports: dict[int, Report]


class Bundles:
    """Makes support bundles."""

    def __init__(self, settings: Settings, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._clock = clock

    async def make(self, caller: Caller, recording_id: str) -> bytes:
        """Return the ZIP archive of one recording. Raise `not_found`."""
        rows = await self._database.run(lambda connection: _load(connection, caller, recording_id))
        files = await load_all_files(self._database, recording_id)
        return await asyncio.to_thread(self._pack, rows, files, self._clock())

    def _pack(self, rows: _Rows, files: list[JudgedFile], now: float) -> bytes:
        recording = replace(rows.recording, parameters=replace(rows.recording.parameters, private_params=None))
        parts: dict[str, Any] = {
            "bundle": {
                "format": FORMAT,
                "recording": recording.id,
                "made_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
                "version": version("pagereel"),
                "deployment": self._settings.deployment,
            },
            "recording": recording,
            "timeline": rows.history,
            "notices": [self._notice(at, sealed) for at, sealed in rows.notices],
            "reports": {str(number): _without_files(report) for number, report in rows.reports.items()},
            "files": files,
            "explanation": explain(recording, rows.history),
            "settings": settings_of(self._settings, recording),
        }
        texts = {f"{name}.json": orjson.dumps(part, option=orjson.OPT_INDENT_2) for name, part in parts.items()}
        return _zipped({"README.txt": _README.encode(), **texts, "metrics.txt": generate_latest(REGISTRY)}, now)

    def _notice(self, received_at: float, sealed: bytes) -> dict[str, Any]:
        try:
            notice = parse_notice(self._seals.open(sealed, BODY))
        except SealError:
            notice = None
        if notice is None:
            return {"received_at": received_at, "notice": None}
        return {"received_at": received_at, "notice": asdict(redacted(notice))}


def redacted(notice: Notice) -> Notice:
    """Return the notice with only the details that may be shown."""
    names = files_named(notice)
    return replace(notice, details={**kept_details(notice), **({"fileList": names} if names else {})})


def settings_of(settings: Settings, recording: Recording) -> dict[str, Any]:
    """Return the settings that affect a recording, without keys and limited to the recording's own app and storage."""
    secrets = {"customer_secret", "customer_id", "ncs_secrets", "rate_group"}
    app, storage = settings.apps.get(recording.app), settings.storage.get(recording.storage)
    return {
        "deployment": settings.deployment,
        "app": None if app is None else app.model_dump(mode="json", exclude=secrets),
        "storage": None if storage is None else storage.model_dump(mode="json", include=set(_STORAGE)),
        **{
            name: getattr(settings, name).model_dump(mode="json")
            for name in ("timing", "limits", "worker", "retention")
        },
    }


_STORAGE = ("vendor", "region", "region_name", "bucket", "prefix", "path_style", "signature", "list_version", "level")


def _load(connection: sa.Connection, caller: Caller, recording_id: str) -> _Rows:
    return _Rows(
        load_owned(connection, caller, recording_id),
        evidence.load_history(connection, recording_id, limit=MOST_LINES),
        notifications.load_applied(connection, recording_id, MOST_NOTICES),
        evidence.load_reports(connection, recording_id, MOST_REPORTS),
    )


def _without_files(report: Report) -> Report:
    return replace(report, files=(), pictures=None)


def _zipped(parts: dict[str, bytes], now: float) -> bytes:
    packed, at = io.BytesIO(), datetime.fromtimestamp(now, UTC).timetuple()[:6]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, at), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
