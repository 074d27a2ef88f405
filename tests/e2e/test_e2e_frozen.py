"""A process that stands still keeps what is sent to it in its sockets. What it finds there when it goes on comes too
late for callers who have hung up: they may have asked another process for the opposite. Only a stop is still done."""

import asyncio
import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

from house import PAGE, TOKEN, Forge, Store, eventually
from replicas import PATIENCE, Replica, clustered

from tests.postgres import Postgres


def _send(replica: Replica, method: str, path: str, body: Any = None, **headers: str) -> socket.socket:
    """Send one request and wait for nothing."""
    content = b"" if body is None else json.dumps(body).encode()
    fields = {
        "Host": "pagereel",
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        **headers,
    }
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    opened = socket.create_connection(("127.0.0.1", replica.api_port), timeout=10)
    opened.sendall(head.encode() + b"\r\n" + content)
    return opened


async def test_what_a_frozen_process_finds_from_callers_who_hung_up_is_not_done_but_for_a_stop(
    forge: Forge, tmp_path: Path, store: Store, postgres: Postgres
) -> None:
    url = postgres.create_database()
    async with clustered(forge, tmp_path, store, url, workers=1) as cluster:
        house = cluster.house
        frozen, _ = cluster.listeners
        cluster.api.targets.remove(frozen.api_port)  # before the test's own connections are made
        cluster.callbacks.targets.remove(frozen.port)
        steered, stopped = await asyncio.gather(house.start(**PATIENCE), house.start(**PATIENCE))
        kept = [_send(frozen, "GET", "/healthz")]  # a connection from before
        await eventually(lambda: frozen.said("request"), 10, "it has asked")
        asked = frozen.said("request")
        frozen.signal(signal.SIGSTOP)
        try:
            for one in (
                *kept,
                _send(frozen, "POST", f"/v1/recordings/{steered}/pause"),
                _send(frozen, "PATCH", f"/v1/recordings/{steered}", {"labels": {"late": "yes"}}),
                _send(frozen, "POST", "/v1/recordings", {"url": PAGE}, **{"Idempotency-Key": "given-up"}),
                _send(frozen, "POST", f"/v1/recordings/{stopped}/stop"),
            ):
                one.close()
            await house.do(steered, "pause")
            await house.do(steered, "resume")
        finally:
            frozen.signal(signal.SIGCONT)
        await eventually(lambda: frozen.said("request") == asked + 4, 10, "it has done with all four")
        kinds = [entry["kind"] for entry in await house.timeline(steered)]
        assert (kinds.count("pause_requested"), kinds.count("resume_requested")) == (1, 1), kinds
        shown = await house.shown(steered)
        assert (shown["state"], shown["labels"], shown["paused"]["wished"]) == ("recording", {}, False), shown
        assert len(re.findall(r'"status": ?408', frozen.log.read_text())) == 3
        assert await house.rows("SELECT count(*) FROM recordings") == [(2,)]
        again = await house.call(
            "POST", "/v1/recordings", json={"url": f"{PAGE}&n=2"}, headers={"Idempotency-Key": "given-up"}, expect=202
        )
        assert "Idempotency-Replayed" not in again.headers, "nothing is kept of what was not done"
        assert "stop_requested" in [entry["kind"] for entry in await house.timeline(stopped)]
        for each in (steered, again.body["id"]):
            await house.do(each, "stop")
        await house.until(stopped, "verified", deadline=60)


async def test_a_caller_who_waits_for_a_frozen_process_is_answered_when_it_goes_on(
    forge: Forge, tmp_path: Path, store: Store, postgres: Postgres
) -> None:
    url = postgres.create_database()
    async with clustered(forge, tmp_path, store, url, listeners=1, workers=1) as cluster:
        house = cluster.house
        recording = await house.start(**PATIENCE)
        (frozen,) = cluster.listeners
        frozen.signal(signal.SIGSTOP)
        try:
            waiting = _send(frozen, "PATCH", f"/v1/recordings/{recording}", {"labels": {"late": "no"}})
        finally:
            frozen.signal(signal.SIGCONT)
        with waiting:
            answer = await asyncio.to_thread(waiting.recv, 65_536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert (await house.shown(recording))["labels"] == {"late": "no"}
        await house.do(recording, "stop")
        await house.until(recording, "verified", deadline=60)
