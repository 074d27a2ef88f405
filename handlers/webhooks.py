"""The webhooks of the OpenAPI document: what endpoints are sent. Pure."""

from typing import Any, Final

from handlers.meanings import example
from handlers.registry import Header
from handlers.resources.accounts import MessageView

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
"""When each type of message is sent."""

HEADERS: Final = (
    Header("webhook-id", "The message's id, the same at every try: act on it once"),
    Header("webhook-timestamp", "When this try was sent, in Unix seconds", {"type": "integer"}),
    Header("webhook-signature", "`v1,` and the base64 of an HMAC-SHA256, one for each secret (Standard Webhooks)"),
)
_DELIVERY: Final = (
    "Sent to each endpoint that the recording names in `notify`. Answer with any 2xx and work afterwards; anything "
    "else is tried again for days, and 410 disables the endpoint."
)


def describe_webhooks(schemas: dict[str, Json]) -> dict[str, Json]:
    """The `webhooks` of the document, one for each type of message."""
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
                    "content": {"application/json": {"schema": reference, "example": {**sample, "type": kind}}},
                },
                "responses": {
                    "2XX": {"description": "Taken; it is not sent again"},
                    "410": {"description": "Never send anything to this endpoint again"},
                },
            }
        }
        for kind, fact in FACTS.items()
    }
