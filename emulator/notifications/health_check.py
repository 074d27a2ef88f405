"""The console's health check: one test event of each type to a receiver (agora-reference §7.5).

It tests that a receiver answers 200 to every event in time, and needs no running emulator.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from emulator.notifications.wire import DEADLINE_SECONDS, Envelope, Notice, Receiver, encode, post

CNAME, UID = "test_webhook", "12121212"
_SID = "0" * 32
_PLAYLIST = f"{_SID}_test-webhook.m3u8"
_RECORDER_STARTED_MS = 1_735_689_611_873
EVENTS: dict[int, dict[str, Any]] = {
    1: {"module": 0, "errorLevel": 1, "errorCode": 0, "stat": 0, "errorMsg": ""},
    2: {"module": 0, "warnCode": 0},
    3: {"status": 5, "recordingMode": 1, "fileList": _PLAYLIST},
    4: {"fileList": _PLAYLIST},
    11: {"exitStatus": 0},
    12: {"newUid": 3_345_678_901},
    30: {"status": 0},
    31: {"status": 0},
    32: {"status": 0},
    33: {"progress": 10000},
    70: {"recorderStartTime": _RECORDER_STARTED_MS},
    71: {
        "code": 0,
        "message": "ok",
        "details": "",
        "fileList": [{"filename": _PLAYLIST, "sliceStartTime": _RECORDER_STARTED_MS}],
    },
    72: {"limitType": "WebGL"},
    73: {"reason": "audio_silence"},
    100: {"rtmpUrl": "rtmp://live.example.org/app/key", "status": "publishing"},
}


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one test event. If no answer arrived within 10 s, `status` is None."""

    event: int
    status: int | None
    seconds: float

    @property
    def passed(self) -> bool:
        """Return True for status 200."""
        return self.status == 200


async def check(receiver: Receiver, *, rtc: bool = False) -> AsyncIterator[Result]:
    """Send all test events in sequence. If `rtc` is true, the channel is named as in RTC products."""
    timeout = aiohttp.ClientTimeout(total=DEADLINE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for sequence, (event, details) in enumerate(EVENTS.items()):
            now, began = time.time(), time.monotonic()
            notice = Notice(event, CNAME, UID, _SID, sequence, now, details)
            status = await post(session, receiver, encode(notice, uuid.uuid4().hex, now, Envelope(rtc_names=rtc)))
            yield Result(event, status, time.monotonic() - began)
