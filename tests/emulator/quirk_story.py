"""One story that shows every quirk: told once at the defaults and once for each set of other values, all at once."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any

import m3u8
from emulator_rig import BASE, Client, Session, decode, emulating, receiving, until

from emulator.s3_server import S3Server

CNAME = "room 42"
# Tasks of their own, by uid: what is done to them shows one thing.
LOSSY, SLOW, HELD, DYING, REFUSED = "2", "3", "4", "6", "7"
FAULTS = [
    {"kind": "upload_fails", "code": 47, "uid": LOSSY},
    {"kind": "upload_slow", "seconds": 2.5, "uid": SLOW},
    {"kind": "page_dies", "seconds": 0.2, "uid": DYING},
    {"kind": "upload_fails", "code": 32, "uid": REFUSED},
]
PUSH = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": "rtmp://live.example.org/app/key2"}]}}


@dataclass
class Story:
    """All that was seen."""

    probes: dict[str, tuple[int, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    stops: dict[str, tuple[int, Any]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    early_files: dict[str, str] = field(default_factory=dict)
    truths: dict[str, dict[str, Any]] = field(default_factory=dict)
    sid: str = ""

    def of(self, event: int, uid: str = "1") -> list[dict[str, Any]]:
        """The notices of a type about the task that was started with this uid, one of each pair of routes."""
        sid = self.truths[uid]["sid"]
        found = {
            (body["payload"]["sequence"], body["payload"]["serviceType"], body["payload"]["uid"]): body
            for body in self.bodies
            if body["eventType"] == event and body["payload"]["sid"] == sid
        }
        return list(found.values())

    def details(self, event: int, uid: str = "1") -> list[dict[str, Any]]:
        return [body["payload"]["details"] for body in self.of(event, uid)]

    def playlist(self) -> str:
        (text,) = [data.decode() for name, data in self.files.items() if name.startswith(self.sid) and "m3u8" in name]
        return text

    def service(self, answer: str, name: str) -> dict[str, Any]:
        states = self.answers[answer][1]["serverResponse"]["extensionServiceState"]
        return next(state["payload"] for state in states if state["serviceName"] == name)


async def tell(s3: S3Server, folder: str, quirks: dict[str, Any]) -> Story:
    """The story under some quirks."""
    settings = {
        **{"quirks": quirks, "faults": FAULTS, "sync_stop_seconds": 2.0},
        "times": {"resource": 30, "progress": 6, "minute": 0.6, "slice": 12, "exit": 90, "sts": 0},
    }
    async with receiving() as notices, emulating(s3, notices, redundant=True, **settings) as agora:
        story = Story(bodies=notices.bodies)
        spent = await agora.acquire("spent", "9")
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(_probe(agora, story))
            group.create_task(_main(agora, story, folder))
            for uid in (LOSSY, SLOW, HELD, DYING, REFUSED):
                group.create_task(_side(agora, story, uid, folder))
        assert time.monotonic() > began + 0.5
        story.probes["spent"] = await agora.try_start(spent, "spent", "9")
        await until(lambda: {body["payload"]["sid"] for body in story.of(11)}, 20)
        await asyncio.gather(*(_truth(agora, story, uid) for uid in story.truths))
    return story


async def _probe(agora: Client, story: Story) -> None:
    """Single calls."""
    acquire = f"{BASE}/acquire"
    for name, request in {
        "region": {"region": "EU"},
        "regionAffinity": {"regionAffinity": 3},
        "long": {},
    }.items():
        cname = "c" * 64 if name == "long" else name
        body = {"cname": cname, "uid": "1", "clientRequest": {"scene": 1, **request}}
        story.probes[name] = await agora.send("POST", acquire, body)
    for name, expired, changes in [
        ("small", 72, {"videoWidth": 100, "videoHeight": 100}),
        ("thin", 72, {"videoBitrate": 10}),
        ("Thin", 72, {"VideoBitrate": 10}),
        ("Fit", 72, {"VideoBitrate": 1000}),
        ("equal", 3, {}),
        ("above", 2, {}),
    ]:
        rid = await agora.acquire(name, "1", resourceExpiredHour=expired)
        story.probes[name] = await agora.try_start(rid, name, "1", **changes)
    for version in ("v1", "v2"):
        story.probes[version] = await agora.send("GET", f"/{version}/ncs/ip")


async def _main(agora: Client, story: Story, folder: str) -> None:
    """Start, start again, hold, another push target, resume, failover, stop, stop again."""
    body = {"cname": CNAME, "uid": "1", "clientRequest": {"scene": 1}}
    story.answers["acquire"] = await agora.send("POST", f"{BASE}/acquire", body)
    rid = story.answers["acquire"][1]["resourceId"]
    storage = {"fileNamePrefix": [folder], "stsExpiration": int(time.time()) + 1}
    changes = {"av": ["hls", "mp4"], "rtmp": "rtmp://live.example.org/app/key1", "storage": storage}
    story.answers["start"] = await agora.try_start(rid, CNAME, "1", **changes)
    session = Session(rid, story.answers["start"][1]["sid"], CNAME, "1")
    story.sid, story.truths["1"] = session.sid, {"sid": session.sid}
    story.answers["again"] = await agora.try_start(rid, CNAME, "1", **changes)
    await agora.slices(session, 3)
    story.answers["query"] = await agora.call(session, "query")
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": True}})
    await _passes(0.6)
    story.answers["held"] = await agora.call(session, "query")
    story.answers["update"] = await agora.call(session, "update", PUSH)
    story.answers["pushed"] = await agora.call(session, "query")
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": False}})
    truth = await agora.task(session)
    await agora.slices(session, truth["slices_uploaded"] + 2)
    for _ in range(30):  # an MP4 that grows during the recording comes a while after its slices
        story.early_files = (await agora.task(session))["files"]
        if any(name.endswith(".mp4") for name in story.early_files):
            break
        await asyncio.sleep(0.05)
    await agora.fault(kind="failover", seconds=0, window=0.2, uid="1", cname=CNAME)
    await until(lambda: _failed_over(agora, session))
    story.answers["stop"] = await agora.call(session, "stop")
    story.answers["exiting"] = await agora.call(session, "query")
    story.answers["stop again"] = await agora.call(session, "stop")
    await _gone(agora, session)
    story.files = await asyncio.to_thread(agora.objects, folder, session.sid)


async def _side(agora: Client, story: Story, uid: str, folder: str) -> None:
    """One task that is stopped after a while, if it still runs."""
    session = await agora.start("side", uid, storage={"fileNamePrefix": [folder]}, onhold=uid == HELD)
    story.truths[uid] = {"sid": session.sid}
    await until(lambda: _made(agora, session, uid))
    await _passes(0.5)
    story.truths[uid] |= {"ran_on": (await agora.task(session))["running"]}
    if uid == LOSSY:
        story.answers["new push"] = await agora.call(session, "update", PUSH)
        story.answers["new push seen"] = await agora.call(session, "query")
    if uid in (LOSSY, SLOW, HELD):
        story.stops[uid] = await agora.call(session, "stop")


async def _made(agora: Client, session: Session, uid: str) -> bool:
    truth = await agora.task(session)
    return bool(truth["slices_made"]) or (uid == HELD and truth["recording_started_at"] is not None)


async def _failed_over(agora: Client, session: Session) -> bool:
    """True when the second recorder has written something, or when there is none."""
    truth = await agora.task(session)
    return not truth["running"] or any(name.startswith("bak0_") and ".m3u8" in name for name in truth["files"])


async def _truth(agora: Client, story: Story, uid: str) -> None:
    _, answer = await agora.send("GET", f"/emulator/tasks?sid={story.truths[uid]['sid']}")
    story.truths[uid] |= answer["tasks"][0]


async def _gone(agora: Client, session: Session) -> None:
    async def gone() -> bool:
        return (await agora.task(session))["gone_at"] is not None

    await until(gone)


async def _passes(seconds: float) -> None:
    began = time.monotonic()
    await until(lambda: time.monotonic() > began + seconds)


def breaks_in_media(story: Story) -> float:
    """Seconds of media time that are missing across the pause."""
    text = story.playlist()
    segments = m3u8.loads(re.sub(r"(#EXTINF:[\d.]+),?", r"\1,", text)).segments
    first = next(place for place, segment in enumerate(segments) if place and segment.discontinuity)
    before, after = (decode(story.files[segments[place].uri]) for place in (first - 1, first))
    return after.video_first - before.video_first - before.video_seconds
