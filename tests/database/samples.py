"""Recordings and notifications to store."""

from dataclasses import replace
from typing import Any

from service.database.notifications.batches import IncomingNotice
from service.policy import Policy
from service.recording import Attempt, Location, Parameters, Recording

LOCATION = Location(vendor=1, region=0, bucket="lessons", endpoint=None, path_style=False, prefix=("pr", "x"))


def recording(number: int = 1, **changes: Any) -> Recording:
    made = Recording(
        id=f"rec_{number:026d}",
        owner="school",
        app="main",
        storage="archive",
        location=LOCATION,
        parameters=Parameters(),
        policy=Policy(),
        page="https://example.org/room?…",
        rtmp=None,
        requested_at=1000.0 + number,
        cname=f"test-{number}",
    )
    return replace(made, **changes)


def attempt(number: int, cname: str, uid: int, **changes: Any) -> Attempt:
    return replace(Attempt(number=number, cname=cname, uid=uid, prefix=f"pr/x/{number}/", planned_at=1000.0), **changes)


def notice(number: int, **changes: Any) -> IncomingNotice:
    made = IncomingNotice(
        app="main",
        notice_id=f"notice-{number}",
        received_at=1000.0 + number,
        event_type=70,
        sid=f"{number:032x}",
        cname="test-1",
        body=b'{"noticeId": "%d"}' % number,
        sent_at=999.0 + number,
    )
    return made._replace(**changes)
