"""Notifications that test a receiver: valid ones in every spelling of JSON, and forged ones. Pure.

Makes bodies and headers. It does not decide which answer is right.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.notifications.health_check import EVENTS
from emulator.notifications.wire import Envelope, Notice, encode, sign

EPOCH_MS = 1_735_689_600_000
V1, V2 = "Agora-Signature", "Agora-Signature-V2"
JSON_TYPE = {"Content-Type": "application/json"}
# An MP4 every half hour (the shortest `maxVideoDuration`) for 719 hours (the longest `maxRecordingHour`).
MOST_FILES = 1438


@dataclass(frozen=True, slots=True)
class Shot:
    """One request. If `pieces` is greater than 1, the body is sent in that number of pieces, with pauses."""

    label: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    pieces: int = 1


@dataclass
class Mint:
    """Makes the notifications of one run. Their channel is `pagereel-check-<run>` and their recording is unknown."""

    secret: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    _sequence: int = 0

    def notice(self, event: int = 70, *, cname: str | None = None, **more: Any) -> dict[str, Any]:
        """Return a notification as an object. `more` is added to its details (agora-reference §7.4)."""
        self._sequence += 1
        details = {**EVENTS.get(event, {}), **more}
        cname = cname or f"pagereel-check-{self.run}"
        sid = self.run.ljust(32, "0")
        at = (EPOCH_MS + self._sequence) / 1000
        known = event if event in EVENTS else 33
        made = Notice(known, cname, "527841", sid, self._sequence, at, details)
        body: dict[str, Any] = json.loads(encode(made, uuid.uuid4().hex, at, Envelope()))
        body["eventType"] = event
        return body

    def sent(self, label: str, body: dict[str, Any] | bytes, **headers: str) -> Shot:
        """Return a notification as Agora sends it: compact JSON with both signatures."""
        raw = body if isinstance(body, bytes) else compact(body)
        return Shot(label, raw, {**JSON_TYPE, **sign(raw, self.secret), **headers})


def compact(body: dict[str, Any]) -> bytes:
    """Return JSON as Agora writes it, without blanks and with raw UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def spellings(mint: Mint) -> dict[str, dict[str, bytes]]:
    """Return JSON that changes when it is parsed and serialized again, grouped by the part that would change."""

    def raw(old: str = "", new: str = "") -> bytes:
        text = compact(mint.notice(71, details="a/b <c> & d", size=1735689611873)).decode()
        assert old in text
        return text.replace(old, new).encode()

    def ascii_only() -> bytes:
        return json.dumps(mint.notice(cname="caf\u00e9 \u8bfe\u5802 \U0001f393"), separators=(",", ":")).encode()

    def written(**how: Any) -> bytes:
        return json.dumps(json.loads(raw()), ensure_ascii=False, **how).encode()

    backwards = mint.notice(71)
    return {
        "unicode": {
            "accents": compact(mint.notice(cname="caf\u00e9")),
            "emoji": compact(mint.notice(cname="\u8bfe\u5802 \U0001f393\U0001f1e9\U0001f1ea")),
            "line separators": compact(mint.notice(71, details="one\u2028two\u2029three\u00a0four")),
        },
        "escapes": {
            "\\u escapes": ascii_only(),
            "escaped slash": raw("a/b", r"a\/b"),
            "escaped <, > and &": raw("<c> &", r"\u003cc\u003e \u0026"),
            "upper-case escapes": ascii_only().replace(rb"\u00e9", rb"\u00E9"),
        },
        "key_order": {
            "backwards": compact({name: backwards[name] for name in reversed(backwards)}),
            "sorted": written(sort_keys=True, separators=(",", ":")),
        },
        "blanks": {
            "after commas and colons": written(),
            "indented": written(indent=2),
            "line end": raw() + b"\n",
        },
        "numbers": {
            "beyond 2^53": raw('"size":1735689611873', '"size":9007199254740993'),
            "beyond 2^63": raw('"size":1735689611873', '"size":18446744073709551615'),
            "with a fraction": raw('"size":1735689611873', '"size":1735689611873.0'),
            "with an exponent": raw('"size":1735689611873', '"size":1.735689611873E12'),
        },
    }


def longest(mint: Mint) -> dict[str, Any]:
    """Return the end event of the longest possible recording, with all its MP4 files (agora-reference §8.5)."""
    notice = mint.notice(71)
    stem = notice["payload"]["sid"] + "_" + "c" * 63
    files = [
        {"filename": f"{stem}_{index}.mp4", "sliceStartTime": EPOCH_MS + index * 1_800_000}
        for index in range(MOST_FILES)
    ]
    notice["payload"]["details"]["fileList"] = files
    return notice


def before_2019(mint: Mint) -> dict[str, Any]:
    """Return a notification in the format before API 1.3 (agora-reference §7.4)."""
    body = mint.notice(11)
    payload = body["payload"] | {"sequence": str(body["payload"]["sequence"]), "noticeLevel": 2}
    return {
        "notificationId": body["noticeId"],
        "eventType": 11,
        "eventMs": EPOCH_MS,
        "notifyMs": EPOCH_MS,
        "payload": payload,
    }


def resent(body: dict[str, Any], milliseconds: int) -> dict[str, Any]:
    """Return the notification resent `milliseconds` later, with the same `noticeId` and a new `notifyMs`
    (agora-reference §7.2)."""
    return {**body, "notifyMs": body["notifyMs"] + milliseconds}


def forged(mint: Mint) -> dict[str, list[Shot]]:
    """Return requests without a valid signature, grouped by their fault."""
    raw = compact(mint.notice())
    good = sign(raw, mint.secret)
    wrong = sign(raw, mint.secret + "x")
    changed = raw.replace(b"web_recorder_started", b"web_recorder_Started")

    def shot(label: str, signatures: Mapping[str, str], body: bytes = raw) -> Shot:
        return Shot(label, body, {**JSON_TYPE, **signatures})

    return {
        "unsigned": [shot("no signature", {}), shot("empty signatures", {V1: "", V2: ""})],
        "wrong_secret": [shot("another secret", wrong), shot("an empty secret", sign(raw, ""))],
        "changed_body": [shot("one letter", good, changed), shot("one blank more", good, raw + b" ")],
        "wrong_v2": [
            shot("wrong V2 beside right V1", {V1: good[V1], V2: wrong[V2]}),
            shot("empty V2 beside right V1", {V1: good[V1], V2: ""}),
        ],
        "cut_signature": [
            shot("first 8 characters", {V1: good[V1][:8], V2: good[V2][:8]}),
            shot("the SHA-1 in both headers", {V1: wrong[V1], V2: good[V1]}),
        ],
        "odd_signature": [
            shot("not hexadecimal", {V1: "z" * 40, V2: "z" * 64}),
            shot("not ASCII", {V1: "\u00e9" * 20, V2: "\u00e9" * 32}),
            shot("very long", {V1: "0" * 4000, V2: "0" * 4000}),
        ],
    }
