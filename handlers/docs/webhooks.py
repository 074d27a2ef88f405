"""The webhooks of the OpenAPI document. Pure."""

from typing import Any, Final

from handlers.docs.examples import example
from handlers.resources.accounts import MessageView
from handlers.route import Header

Json = dict[str, Any]

FACTS: Final[dict[str, str]] = {
    "recording.started": "It records; again after a restart.",
    "recording.paused": "Agora has confirmed the pause.",
    "recording.resumed": "Agora has confirmed the end of the pause.",
    "recording.warning": "Something is wrong while there is time to act; `detail.code` says what.",
    "recording.stopped": "No recorder runs any more; the files are awaited.",
    "recording.uploaded": "Agora says that all files are there.",
    "recording.verified": "The bytes were looked at and are right.",
    "recording.incomplete": "Something is missing and may still come.",
    "recording.defective": "Something is missing or wrong, and stays so.",
    "recording.unproven": "The bucket could not be looked at.",
    "recording.failed": "Nothing was recorded.",
    "recording.cancelled": "It was stopped before anything was recorded.",
    "recording.changed": "A later look differs, or why it ended was learnt later; the state stays.",
}
"""The condition for sending each type of message."""

_UNSEEN: Final[Json] = dict.fromkeys(("verdict", "level", "wanted_level", "rules_version", "coverage"))
_RUNS: Final[Json] = {**_UNSEEN, "state": "recording", "end_reason": None, "blame": None}
_AWAITED: Final[Json] = {**_UNSEEN, "state": "uploading"}
_REACHED: Final[Json] = {"level": "listing", "coverage": 0.93}
_DATA: Final[dict[str, Json]] = {
    "recording.started": {**_RUNS, "detail": {"state": "recording"}},
    "recording.paused": {**_RUNS, "detail": {}},
    "recording.resumed": {**_RUNS, "detail": {}},
    "recording.warning": {**_RUNS, "detail": {"code": "stalled"}},
    "recording.stopped": {**_AWAITED, "detail": {"state": "uploading"}},
    "recording.uploaded": {**_AWAITED, "detail": {"event_type": 31, "status": 0}},
    **{
        f"recording.{state}": {**found, "state": state, "detail": {"state": state, "end_reason": "stopped"}}
        for state, found in {
            "verified": {},
            "incomplete": {**_REACHED, "verdict": "incomplete"},
            "defective": {**_REACHED, "verdict": "defective"},
            "unproven": {**_UNSEEN, "verdict": "unreachable", "level": "listing", "wanted_level": "content"},
            "cancelled": _UNSEEN,
        }.items()
    },
    "recording.failed": {
        **_UNSEEN,
        **{"state": "failed", "end_reason": "page_unreachable", "blame": "page"},
        "detail": {"state": "failed", "end_reason": "page_unreachable"},
    },
    "recording.changed": {"verdict": "defective", "coverage": 0.93, "detail": {"because": "bytes"}},
}
"""The differences between each type of message and that of a verified recording."""

HEADERS: Final = (
    Header("webhook-id", "The message's id, the same at every try: act on it once"),
    Header("webhook-timestamp", "When this try was sent, in Unix seconds", {"type": "integer"}),
    Header("webhook-signature", "`v1,` and the base64 of an HMAC-SHA256, one for each secret (Standard Webhooks)"),
)
_DELIVERY: Final = (
    "Sent to each endpoint that the recording names in `notify`. Answer with any 2xx and work afterwards; anything "
    "else is tried again for days, and 410 disables the endpoint."
)


def _example(sample: Json, kind: str) -> Json:
    return {**sample, "type": kind, "data": {**sample["data"], **_DATA[kind]}}


def describe_webhooks(schemas: dict[str, Json]) -> dict[str, Json]:
    """Return the `webhooks` of the document, one for each type of message."""
    reference = {"$ref": f"#/components/schemas/{MessageView.__name__}"}
    sample = example(reference, schemas)
    return {
        kind: {
            "post": {
                "operationId": "webhook_" + kind.replace(".", "_"),
                "tags": ["Webhooks"],
                "summary": kind,
                "description": f"{fact} {_DELIVERY}",
                "parameters": [
                    {"name": header.name, "in": "header", "required": True}
                    | {"description": header.text, "schema": header.schema}
                    for header in HEADERS
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": reference, "example": _example(sample, kind)}},
                },
                "responses": {
                    "2XX": {"description": "Taken; it is not sent again"},
                    "410": {"description": "Never send anything to this endpoint again"},
                },
            }
        }
        for kind, fact in FACTS.items()
    }
