"""Nobody gets more than the settings allow, what ran is accounted for, and a task that was lost is taken over."""

import asyncio
import json
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from house import PAGE, Forge, House, Living, ServiceProcess, Store, eventually, instant, killable, rfc3339

from service.operations import Scope

LIMITS = {"apps": {"main": {"max_concurrent": 3}}, "timing": {"lead_seconds": 0}}


async def _post(house: House, expect: int | None = None, **body: Any) -> Any:
    return await house.call("POST", "/v1/recordings", json={"url": PAGE, **body}, expect=expect)


async def test_of_20_requests_at_once_for_3_places_3_are_started_and_a_planned_one_waits_for_its_turn(
    build: Living, database_url: str
) -> None:
    async with build(database_url=database_url, settings=LIMITS) as house:
        planned = await house.ask(start_at=rfc3339(time.time() + 3), start_within_seconds=60)
        answers = await asyncio.gather(*(_post(house) for _ in range(20)))
        assert Counter(answer.status for answer in answers) == {202: 3, 429: 17}
        refused = next(answer for answer in answers if answer.status == 429)
        assert (refused.body["code"], refused.body["reason"]) == ("limited", "app_max_concurrent")
        assert refused.body["detail"] == "the limit app_max_concurrent is reached: 3 recordings at a time"
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await house.metrics())['pagereel_admission_rejections_total{limit="app_max_concurrent"}'] >= 17
        ids = [answer.body["id"] for answer in answers if answer.status == 202]
        await asyncio.gather(*(house.until(one, "recording") for one in ids))

        async def waits() -> bool:
            return ((await house.shown(planned))["attention"] or {}).get("code") == "limited"

        await eventually(waits, 10)
        assert len([task for task in await house.tasks() if task["running"]]) == 3
        await house.do(ids[0], "stop")
        shown = await house.until(planned, "recording")
        assert shown["attention"] is None
        for one in (planned, *ids[1:]):
            await house.do(one, "stop")
        await asyncio.gather(*(house.until(one, "verified", "cancelled", "defective") for one in (planned, *ids)))


async def test_without_a_turn_until_its_deadline_it_fails_limited(build: Living) -> None:
    async with build(settings={**LIMITS, "owners": {"default": {"max_concurrent": 0}}}) as house:
        planned = await house.ask(start_at=rfc3339(time.time() + 1), start_within_seconds=1)
        shown = await house.until(planned, "failed")
        assert (shown["end_reason"], shown["blame"]) == ("limited", "caller")
        assert await house.tasks(planned) == []


async def test_an_owners_starts_and_minutes_are_bounded_and_anothers_are_his_own(build: Living) -> None:
    owners = {
        "hasty": {"starts_per_minute": 2},
        "spent": {"minutes_per_month": 0.01},
    }
    tokens = dict.fromkeys(("hasty", "spent", "free"), (Scope.READ, Scope.START))
    async with build(settings={"owners": owners}, owners=tokens) as house:
        later = rfc3339(time.time() + 3600)
        for status in (202, 202, 429):
            answer = await house.call(
                "POST", "/v1/recordings", json={"url": PAGE, "start_at": later}, token=house.tokens["hasty"]
            )
            assert answer.status == status, answer.body
        assert answer.body["reason"] == "owner_starts_per_minute"
        assert 50 <= int(answer.headers["Retry-After"]) <= 60
        spent = {"token": house.tokens["spent"], "json": {"url": PAGE}}
        recording = (await house.call("POST", "/v1/recordings", **spent, expect=202)).body["id"]

        async def used_up() -> bool:
            found = (await house.call("GET", "/v1/usage", token=house.tokens["spent"], expect=200)).body
            return found["seconds"] >= found["minutes_per_month"] * 60

        await eventually(used_up)
        answer = await house.call("POST", "/v1/recordings", **spent, expect=429)
        assert answer.body["reason"] == "owner_minutes_per_month"
        assert int(answer.headers["Retry-After"]) > 0
        await house.call("POST", f"/v1/recordings/{recording}/stop", token=house.tokens["spent"], expect=202)
        free = await house.call("POST", "/v1/recordings", json={"url": PAGE}, token=house.tokens["free"], expect=202)
        await house.call("POST", f"/v1/recordings/{free.body['id']}/stop", token=house.tokens["free"], expect=202)


async def test_the_ledger_is_what_the_recorders_ran_and_the_bill_is_rounded_up_once_a_class(
    build: Living, database_url: str
) -> None:
    async with build(database_url=database_url) as house:
        small = await house.start()
        large = await house.start(video_width=1280, video_height=736, onhold=True)
        await house.slices(small, 1)
        await house.do(small, "pause")
        await house.billed(small, 4)
        for one in (small, large):
            await house.do(one, "stop")
        await asyncio.gather(*(house.until(one, "verified", "cancelled", "defective") for one in (small, large)))
        used = (await house.call("GET", "/v1/usage", expect=200)).body
        items = {item["resolution"]: item for item in used["items"]}
        for one, resolution in ((small, "hd"), (large, "full_hd")):
            (task,) = await house.tasks(one)
            (attempt,) = (await house.shown(one))["attempts"]
            ours = instant(attempt["ended_at"]) - instant(attempt["started_at"])
            assert items[resolution]["seconds"] == pytest.approx(ours, abs=0.01)
            # Our account begins with the request and ends with the proof: never less than the bill.
            assert task["billed_seconds"] - 0.1 <= ours <= task["billed_seconds"] + 10
            assert items[resolution]["tasks"] == 1
        minutes = {name: math.ceil(item["seconds"] / 60) for name, item in items.items()}
        assert used["cost"] == pytest.approx((minutes["hd"] * 14 + minutes["full_hd"] * 28) / 1000)
        before = (await house.call("GET", "/v1/usage", params={"month": "2020-01"}, expect=200)).body
        assert (before["items"], before["cost"]) == ([], 0)
        await house.call("GET", "/v1/usage", params={"month": "2020-13"}, expect=422)


async def test_a_task_that_the_database_has_lost_is_adopted_stopped_and_verified(
    forge: Forge, tmp_path: Path, store: Store, database_url: str
) -> None:
    async with killable(forge, tmp_path, store, database_url) as (house, service):
        recording = await house.start()
        await house.slices(recording, 1)
        await service.stop()
        (task,) = await house.tasks(recording)
        await house.forget(recording)
        said = next(json.loads(line) for line in service.log.read_text().splitlines() if '"acquired"' in line)
        assert said["recording_id"] == recording
        await service.serve()
        typed = _Terminal(forge, tmp_path, house)
        known = ("--app", "main", "--storage", "archive", "--uid", str(said["uid"]))
        known += ("--resource-id", said["resource_id"], "--stop")
        code, told = await typed("adopt", recording, *known, "--uid", "9")
        assert (code, "--uid" in told, str(said["uid"]) in told) == (2, True, True), told
        assert await typed("adopt", recording, *known) == (0, ANY)
        code, told = await typed("adopt", recording, *known)
        assert (code, "is already in the database" in told) == (2, True), told
        code, told = await typed("adopt", recording, *known, owner="other")
        assert (code, "no such recording" in told) == (2, True), "what is another's is not there"
        shown = await house.until(recording, "verified", "defective", deadline=40)
        assert (shown["end_reason"], shown["attempts"][0]["sid"]) == ("stopped", task["sid"])
        assert not any(each["running"] for each in await house.tasks(recording))
        assert await store.keys(f"rec/{recording.removeprefix('rec_').lower()}/")
        adopted = (await house.call("GET", "/v1/actions", expect=200)).body["items"]
        assert [(each["action"], each["subject"], each["token_id"]) for each in adopted] == [
            ("adopt", recording, "bootstrap"),
            ("start", recording, "bootstrap"),
        ]
        code, told = await typed("usage", "--json")
        assert [item["tasks"] for item in json.loads(told)["items"]] == [1]
        code, told = await typed("usage", "--json", owner="other")
        assert json.loads(told)["items"] == []
        code, told = await typed("usage", "--all-owners")
        assert (code, "default" in told) == (0, True), told


class _Terminal:
    """Commands against the running service, by two owners' operators."""

    def __init__(self, forge: Forge, root: Path, house: House) -> None:
        self._forge, self._root, self._house = forge, root, house

    async def __call__(self, command: str, *words: str, owner: str = "default") -> tuple[int, str]:
        file = self._root / f"{owner}-token"
        if not file.exists():
            file.write_text(self._house.token if owner == "default" else await self._made(owner))
        where = ("--url", self._house.api, "--token-file", str(file))
        return await self._run(command, *words, *where)

    async def _made(self, owner: str) -> str:
        """A token made beside the running service."""
        code, said = await self._run("token", "create", "--owner", owner, "--scope", "operate", "--scope", "read")
        assert code == 0, said
        return said

    async def _run(self, *words: str) -> tuple[int, str]:
        process = ServiceProcess(self._forge, self._root / "pagereel.toml", *words)
        await process.start("()")
        return await process.over()
