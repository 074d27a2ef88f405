"""Valid examples of each field, for answers and request bodies. Pure."""

from typing import Any, Final

from handlers.docs.meanings import field_of

_RECORDING: Final = "rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE"
_SID: Final = "0123456789abcdef0123456789abcdef"
_PREFIX: Final = "archive/01jz8q4s9xh2m7c5v0t3kbwdne/"
_INSTANT: Final = "2026-01-31T09:41:02.113Z"
_END: Final = "2026-01-31T10:41:02.113Z"
_JUDGED: Final = "2026-01-31T10:43:12.480Z"

EXAMPLES_OF_FIELDS: Final[dict[str, Any]] = {
    "RecordingView.id": _RECORDING,
    "recording_id": _RECORDING,
    "recording": _RECORDING,
    "RecordingView.state": "verified",
    "attention": None,
    "end_reason": "stopped",
    "blame": "caller",
    "page": "https://class.example.org/room/42?…",
    "rtmp": None,
    "app": "main",
    "storage": "archive",
    "vendor": 1,
    "region": 7,
    "bucket": "class-archive",
    "prefix": _PREFIX,
    "video_width": 1280,
    "video_height": 720,
    "video_fps": 15,
    "video_bitrate": None,
    "audio_profile": 0,
    "mobile": False,
    "max_recording_hour": 3,
    "max_video_duration": 120,
    "ready_timeout": 20,
    "onhold": False,
    "av_file_type": ["hls", "mp4"],
    "labels": {"lesson": "42"},
    "notify": ["crm"],
    "AttemptView.state": "ended",
    "cname": "main-01jz8q4s9xh2m7c5v0t3kbwdne",
    "uid": "527841",
    "sid": _SID,
    "resource_id": "JyvK8nXHuV1BE64GDkAaBGEscvtHW7v8BrQoRPCHxmeVxwY22-x-kv4GdPcjZeMzoCBUCOr9",
    "billed_seconds": 3641.2,
    "wished": False,
    "confirmed": False,
    "end_inferred": False,
    "pauses": [],
    "start_at": None,
    "stop_at": None,
    **dict.fromkeys(("InstantsView.stop_wished_at", "stop_sent_at", "stop_accepted_at", "ended_at", "to_at"), _END),
    **dict.fromkeys(("planned_stop_at", "last_slice_at"), _END),
    **dict.fromkeys(("uploaded_at", "judged_at", "listed_at", "InstantsView.state_since_at", "timestamp"), _JUDGED),
    **dict.fromkeys(("DeliveryView.at", "EventView.at"), _JUDGED),
    "DeliveryView.ended_at": "2026-01-31T10:43:12.913Z",
    "DeliveryView.next_try_at": None,
    "hour_limit_at": "2026-01-31T12:41:02.113Z",
    "next_verification_at": None,
    "give_up_at": None,
    "UsageView.from_at": "2026-01-01T00:00:00.000Z",
    "UsageView.to_at": "2026-02-01T00:00:00.000Z",
    "slices": 241,
    "bytes": 903412736,
    "age_seconds": 12.5,
    "expected_seconds": 3600.0,
    "covered_seconds": 3600.0,
    "paused_seconds": 0.0,
    "missing_seconds": 0.0,
    "unexplained_seconds": 0.0,
    "allowed_seconds": 5.0,
    "share": 1.0,
    "verdict": "verified",
    "level": "content",
    "wanted_level": "content",
    "rules_version": 2,
    "FindingView.code": "sound_silent",
    "severity": "warning",
    "FindingView.text": "There is no sound for about 75 s.",
    "object": f"{_PREFIX}a1/{_SID}_main_20260131094102113.ts",
    "FindingView.evidence": {"seconds": 75.0},
    "number": 1,
    "NewsView.number": 17,
    "ReportView.warnings": 1,
    "RecordingView.warnings": ["sound_silent"],
    "RecordingView.warned": ["sound_silent"],
    "NewsView.warned": [],
    "findings_count": 1,
    "self": f"/v1/recordings/{_RECORDING}",
    "timeline": f"/v1/recordings/{_RECORDING}/timeline",
    "LinksView.files": f"/v1/recordings/{_RECORDING}/files",
    "AttentionView.code": "page_unreachable",
    "AttentionView.detail": "the page answers 503",
    "WholeReportView.missing": [],
    "WholeReportView.paused": [],
    "doubled": [],
    "drift_seconds": 0.0,
    "seed": 4711,
    "samples": 40,
    "requests": 118,
    "bytes_read": 6291456,
    "cpu_seconds": 1.8,
    "MissingView.kind": "gap",
    "seconds": 3641.2,
    "HistoryView.kind": "state",
    "source": "worker",
    "HistoryView.detail": {"state": "verified"},
    "count": 1,
    "summary": "It was recorded as wanted and its files were looked at. It stopped because a caller asked for it.",
    "cause": "stopped",
    "certainty": "certain",
    "ProofView.text": "A caller asked for the end.",
    "advice": "Nothing.",
    "key": f"{_PREFIX}a1/{_SID}_main_20260131094102113.ts",
    "FileView.kind": "slice",
    "size_bytes": 3748120,
    "etag": '"9b2cf535f27731c974343645a3985328"',
    "duration_seconds": 15.0,
    "announced": True,
    "listed": True,
    "in_playlist": True,
    "FileView.missing": False,
    "explained": False,
    "sha256": None,
    "checksum": None,
    "link": None,
    "NoticeView.id": 4711,
    "notice_id": "2000001428:4330:107",
    "event_type": 31,
    "outcome": "applied",
    "tries": 1,
    "EventView.id": "msg_01JZ8Q4S9XH2M7C5V0T3KBWDNE_17",
    "message_id": "msg_01JZ8Q4S9XH2M7C5V0T3KBWDNE_17",
    "type": "recording.verified",
    "EventPage.next": "eyJhIjoxN30",
    "endpoint": "crm",
    "DeliveryView.state": "delivered",
    "last_status": 200,
    "last_answer": '{"ok": true}',
    "last_error": None,
    "name": "crm",
    "EndpointView.url": "https://crm.example.org",
    "EndpointView.state": "ok",
    "failing_since": None,
    "EndpointView.next_try_at": None,
    "pending": 0,
    "dead": 0,
    "redriven": 3,
    "action": "start",
    "subject": _RECORDING,
    "token_id": "tok_5f2a",
    "month": "2026-01",
    "currency": "USD",
    "cost": 0.85,
    "resolution": "hd",
    "tasks": 1,
    "minutes_per_month": 60000.0,
    "next": None,
    "NewsView.state": "verified",
    "NewsView.coverage": 1.0,
    "NewsView.detail": {"state": "verified", "end_reason": "stopped"},
    "StatusView.status": "ok",
    "Problem.type": "/docs#problem-422",
    "Problem.title": "Not valid",
    "Problem.status": 422,
    "Problem.code": "invalid",
    "Problem.detail": "Not valid: /video_width must be at least 240.",
    "request_id": "6f1c0c1f3b7e4a0e9d2f8a4b5c6d7e8f",
    "Problem.state": None,
    "reason": None,
    "pointer": "/video_width",
    "message": "must be at least 240",
}

BODIES: Final[dict[str, Any]] = {
    "StartBody": {
        "url": "https://class.example.org/room/42?recorder=1",
        "record_for_seconds": 2700,
        "labels": {"lesson": "42"},
    },
    "ChangeBody": {"labels": {"lesson": "42", "part": "1"}},
    "RtmpBody": {"rtmp_url": "rtmp://live.example.org/app/key"},
    "AdoptBody": {"app": "main", "storage": "archive", "uid": 527841, "resource_id": "JyvK8nXHuV1BE64G", "stop": True},
    "RedriveBody": {"endpoint": "crm"},
}
"""An example body of each kind. It contains no timestamp, because a fixed one would be in the past or beyond the
recording's hours."""


def example(schema: dict[str, Any], schemas: dict[str, dict[str, Any]], model: str = "", field: str = "") -> Any:
    """Return an example of a schema from the tables. If they contain none, return one that follows from the type."""
    if (known := field_of(EXAMPLES_OF_FIELDS, model, field)) is not None:
        return EXAMPLES_OF_FIELDS[known]
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example(schemas[name], schemas, name)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas, model)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "properties" in schema:
        return {name: example(part, schemas, model, name) for name, part in schema["properties"].items()}
    match schema.get("type"):
        case "array":
            return [example(schema.get("items", {}), schemas, model)]
        case "object":
            return {}
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return _INSTANT if schema.get("format") == "date-time" else "…"
