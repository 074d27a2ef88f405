"""A support bundle holds enough to decide its recording anew, and the rules then arrive where they did in life."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from house import House, Living, Store, cname_of, prefix_of, rfc3339

from service.lifecycle.observations import NoticeReceived
from service.lifecycle.reconstruct import Decision
from service.operations.evidence.support_bundle_reader import BundleError, decide
from service.recording import Recording


async def _bundle(house: House, recording: str) -> bytes:
    return (await house.call("GET", f"/v1/recordings/{recording}/support-bundle", expect=200)).content


def _agree(content: bytes) -> tuple[Recording, tuple[Decision, ...]]:
    kept, arrived, decisions = decide(content)
    told = [(one.source, one.lines) for one in decisions if one.observation is None]
    ends = [(one.state, one.end_reason, one.blame) for one in (kept, arrived)]
    assert ends[0] == ends[1], told
    return arrived, decisions


async def _clean(house: House, store: Store) -> str:
    recording = await house.start(rtmp_url="rtmp://push.example.org/live/key")
    await house.do(recording, "pause")
    await house.do(recording, "resume")
    await house.slices(recording, 1)
    await house.do(recording, "stop")
    await house.until(recording, "verified")
    return recording


async def _defective(house: House, store: Store) -> str:
    recording = await house.start(av_file_type=["hls"])
    await house.slices(recording, 3)
    slices = [key for key in await store.keys(prefix_of(recording)) if key.endswith(".ts")]
    await store.delete(sorted(slices)[1])
    await house.do(recording, "stop")
    await house.until(recording, "incomplete", "defective")
    return recording


async def _unreachable(house: House, store: Store) -> str:
    await house.fault(kind="page_unreachable", times=1)
    recording = await house.ask()
    await house.until(recording, "failed")
    return recording


async def _refused(house: House, store: Store) -> str:
    recording = await house.ask(start_at=rfc3339_soon())
    refusal = {"code": 2, "reason": "no"}
    await house.fault(kind="answer", endpoint="start", status=400, body=refusal, cname=cname_of(recording))
    await house.until(recording, "failed")
    return recording


async def _crashed(house: House, store: Store) -> str:
    recording = await house.start()
    await house.slices(recording, 1)
    await house.fault(kind="crash", cname=cname_of(recording))
    await house.until(recording, "verified", "defective", "incomplete", deadline=40)
    return recording


def rfc3339_soon() -> str:
    import time

    return rfc3339(time.time() + 1)


async def test_every_story_is_decided_anew_as_it_was(build: Living, store: Store) -> None:
    async with build() as house:
        for story in (_clean, _defective, _unreachable, _refused):
            recording = await story(house, store)
            content = await _bundle(house, recording)
            arrived, decisions = _agree(content)
            assert arrived.id == recording
            told = [one for one in decisions if one.observation is None]
            assert len(told) <= 1, (story.__name__, told)
            if story is _clean:
                assert any(isinstance(one.observation, NoticeReceived) for one in decisions)


async def test_what_is_no_bundle_is_refused_in_words(tmp_path: Path) -> None:
    for content in (b"", b"PK", _zip({"bundle.json": {"format": 1}}), _zip({"bundle.json": {"format": 99}})):
        with pytest.raises(BundleError):
            decide(content)


def _zip(parts: dict[str, Any]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, json.dumps(part))
    return packed.getvalue()
