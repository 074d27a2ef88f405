"""A repeated request is the same recording, also where all repetitions come at once."""

import asyncio
import time
from collections import Counter

from house import PAGE, Living, rfc3339


async def test_50_posts_at_once_under_one_key_make_one_recording_and_one_answer(
    build: Living, database_url: str
) -> None:
    async with build(database_url=database_url) as house:
        body = {"url": PAGE, "start_at": rfc3339(time.time() + 3600)}

        async def post(key: str, **more: str) -> tuple[int, bytes, str | None]:
            answer = await house.call("POST", "/v1/recordings", json={**body, **more}, headers={"Idempotency-Key": key})
            return answer.status, answer.content, answer.headers.get("Idempotency-Replayed")

        answers = await asyncio.gather(*(post("one") for _ in range(50)))
        assert {status for status, _, _ in answers} == {202}
        assert len({content for _, content, _ in answers}) == 1
        assert Counter(replayed for _, _, replayed in answers) == {"true": 49, None: 1}
        assert await house.rows("SELECT count(*) FROM recordings") == [(1,)]

        again = {"Idempotency-Key": "one"}
        swapped = await house.call("POST", "/v1/recordings", json=dict(reversed(body.items())), headers=again)
        assert swapped.content == answers[0][1], "the order of names makes no other request"

        other = await house.call(
            "POST",
            "/v1/recordings",
            json={**body, "url": PAGE + "&x=1"},
            headers={"Idempotency-Key": "one"},
            expect=422,
        )
        assert other.body["reason"] == "idempotency_mismatch"
        assert await house.rows("SELECT count(*) FROM recordings") == [(1,)]
        status, content, replayed = await post("two")
        assert (status, replayed) == (202, None)
        assert content != answers[0][1]
        assert await house.rows("SELECT count(*) FROM recordings") == [(2,)]
