"""Fault scripts: checked by name, repeatable by seed; and the certificate for clients that insist on HTTPS."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from click.testing import CliRunner
from emulator_rig import APP, BASE, CUSTOMER, SECRET, Client, Notices, Session, emulating, receiving, until

from emulator.cli import main
from emulator.faults.model import FIELDS, Fault, kinds, load_script
from emulator.faults.registry import FaultBook, Subject
from emulator.requests.error_codes import CODES
from emulator.s3_server import S3Server

SCRIPT = """
seed = 11

[[faults]]
kind = "notices_drop"
share = 0.35

[[faults]]
kind = "answer"
endpoint = "query"
code = 65
share = 0.5

[[faults]]
kind = "failover"
seconds = 3.0
window = 0.2
uid = "2"

[[faults]]
kind = "page_unreachable"
share = 0.5
"""


def script(folder: Path, text: str) -> Path:
    (folder / "faults.toml").write_text(text)
    return folder / "faults.toml"


async def play(s3: S3Server, path: Path, seed: int | None = None) -> tuple[list[Any], dict[str, list[Any]]]:
    """The same calls under a script: all answers, and of each task all notices in their order."""
    loaded = load_script(path)
    async with receiving() as notices:
        settings = {"seed": loaded.seed if seed is None else seed, "faults": loaded.faults}
        async with emulating(s3, notices, **settings, times={"progress": 1000.0}) as agora:
            answers = [await _one(agora, uid) for uid in ("1", "2", "3", "4")]
            await until(lambda: _told(agora, notices))
    lines: dict[str, list[Any]] = {}
    for body in notices.bodies:
        plain = without_ids(body)
        lines.setdefault(body["payload"]["sid"], []).append(plain)
    return answers, {str(number): sorted(line, key=_sequence) for number, line in enumerate(lines.values())}


async def _one(agora: Client, uid: str) -> list[Any]:
    """One task and everything that it is answered."""
    rid = await agora.acquire("same", uid)
    answers = [await agora.try_start(rid, "same", uid)]
    session = Session(rid, answers[0][1]["sid"], "same", uid)
    await until(lambda: _settled(agora, session, uid))
    answers += [await agora.call(session, "query") for _ in range(6)]
    answers.append(await agora.call(session, "stop", {"async_stop": True}))
    await until(lambda: _gone(agora, session))
    return [(status, without_ids(body)) for status, body in answers]


async def _settled(agora: Client, session: Session, uid: str) -> bool:
    """Where the failover is behind the second task, and the first file of the others in the bucket."""
    truth = await agora.task(session)
    stored = [name for name, fate in truth["files"].items() if name.endswith(".m3u8") and fate == "stored"]
    return len(stored) == (2 if uid == "2" else 1) or not truth["running"]


async def _gone(agora: Client, session: Session) -> bool:
    return (await agora.task(session))["gone_at"] is not None


async def _told(agora: Client, notices: Notices) -> bool:
    _, answer = await agora.send("GET", "/emulator/tasks")
    deliveries = [one for task in answer["tasks"] for said in task["notices"] for one in said["deliveries"]]
    return all(one["fate"] == "delivered" for one in deliveries) and len(deliveries) == len(notices.bodies)


def _sequence(body: dict[str, Any]) -> int:
    return int(body["payload"]["sequence"])


def without_ids(body: Any) -> Any:
    """Ids and times, and nothing else, made equal."""
    text = json.dumps(body)
    text = re.sub(r'"(noticeId|resourceId|sid)": "[^"]*"', r'"\1": ""', text)
    text = re.sub(r'"(notifyMs|sendts|recorderStartTime|sliceStartTime|newUid)": \d+', r'"\1": 0', text)
    return json.loads(re.sub(r'"uid": "\d{5,}"', '"uid": "new"', re.sub(r"[0-9a-f]{32}_", "S_", text)))


async def test_the_same_seed_and_script_give_the_same_answers_and_notices(s3: S3Server, tmp_path: Path) -> None:
    path = script(tmp_path, SCRIPT)
    first, second, other = await asyncio.gather(play(s3, path), play(s3, path), play(s3, path, seed=12))
    assert first == second
    assert first != other
    statuses = [status for answers in first[0] for status, _ in answers]
    assert {200, 206, 404} <= set(statuses), "the script struck, and not always"
    assert 0 < sum(map(len, first[1].values())) < 26


def test_every_wrong_key_of_a_script_is_named(tmp_path: Path) -> None:
    text = 'colour = "red"\n[[faults]]\nkind = "reset"\nendpoint = "stop"\nhue = 1\n[[faults]]\nkind = "page_dies"\n'
    text += '[[faults]]\nkind = "late_start"\nseconds = 1\nwindow = 2\n[[faults]]\nkind = "explode"\n'
    with pytest.raises(ValueError, match="unknown key") as refused:
        load_script(script(tmp_path, text))
    said = str(refused.value).splitlines()
    assert "colour: unknown key" in said
    assert "faults[0].hue: unknown key" in said
    assert "faults[1]: page_dies needs seconds" in said
    assert "faults[2]: late_start does not take window" in said
    assert any(line.startswith("faults[3].kind:") for line in said)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "answer", "endpoint": "stop", "code": 7},
        {"kind": "answer", "endpoint": "stop"},
        {"kind": "answer", "endpoint": "stop", "code": 49, "status": 400},
        {"kind": "page_dies", "seconds": 1, "code": 1},
        {"kind": "upload_fails", "code": 31},
    ],
)
def test_a_code_that_does_not_belong_there_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="code"):
        Fault.model_validate(fault)


def test_a_bad_script_ends_the_command_with_its_keys(tmp_path: Path) -> None:
    config = tmp_path / "emulator.toml"
    config.write_text(f'[[apps]]\napp_id = "{APP}"\ncustomer_id = "{CUSTOMER}"\ncustomer_secret = "{SECRET}"\n')
    path = script(tmp_path, "sede = 1\n")
    result = CliRunner().invoke(main, ["serve", "--config", str(config), "--faults", str(path)])
    assert result.exit_code == 1
    assert "sede: unknown key" in result.output


def test_the_command_lists_every_fault_with_its_fields() -> None:
    lines = CliRunner().invoke(main, ["faults", "list"]).output.splitlines()
    assert [line.split()[0] for line in lines] == list(kinds()) == list(FIELDS)
    assert "failover           seconds window [overlap]" in lines


def test_a_fault_lets_pass_what_it_skips_and_strikes_its_share() -> None:
    def struck(**fields: Any) -> list[bool]:
        book = FaultBook(5)
        book.add([Fault.model_validate({"kind": "reset", "endpoint": "query", **fields})], 0.0)
        uses = [Subject("c", "1", 0.0, str(number)) for number in range(200)]
        return [book.use("reset", use, "query") is not None for use in uses]

    assert struck(skip=3, times=2) == [False] * 3 + [True] * 2 + [False] * 195
    assert 30 < struck(share=0.25).count(True) < 75
    assert struck(share=0.25) == struck(share=0.25) != struck(share=0.25, seed=1)


async def test_every_code_can_be_had_on_its_call(agora: Client) -> None:
    for endpoint, code in CODES:
        await agora.send("DELETE", "/emulator/faults")
        await agora.fault(kind="answer", endpoint=endpoint, code=code)
        if endpoint == "acquire":
            status, body = await agora.send("POST", f"{BASE}/acquire", {"cname": "c", "uid": "1"})
        elif endpoint == "start":
            status, body = await agora.try_start("r")
        else:
            status, body = await agora.call(Session("r", "s", "c", "1"), str(endpoint))
        assert (status, body["code"]) == (CODES[(endpoint, code)].status, code)
        assert ("reason" in body) == (code != 15)


async def test_a_connection_is_reset_before_the_work_is_done(agora: Client) -> None:
    await agora.fault(kind="reset", endpoint="start", times=1)
    rid = await agora.acquire()
    with pytest.raises((ConnectionResetError, aiohttp.ClientConnectionError)):
        await agora.try_start(rid)
    assert (await agora.send("GET", "/emulator/tasks"))[1] == {"tasks": []}
    assert (await agora.try_start(rid))[0] == 200


async def test_the_addresses_can_fail_too_and_strikes_are_listed_in_their_order(agora: Client) -> None:
    await agora.fault(kind="answer", endpoint="ncs", status=503, times=1)
    assert (await agora.send("GET", "/v1/ncs/ip"))[0] == 503
    assert (await agora.send("GET", "/v1/ncs/ip"))[0] == 200
    _, answer = await agora.send("GET", "/emulator/faults")
    assert [strike["kind"] for strike in answer["strikes"]] == ["answer"]


class _Here(AbstractResolver):
    """Every host is this one, as with a host mapping."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = {"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}
        return [ResolveResult(**found)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        return


async def test_a_client_that_insists_on_https_and_its_host_is_served(s3: S3Server, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    tls = {"tls": True, "tls_names": ["api.agora.io", "127.0.0.1"], "ca_file": authority}
    async with emulating(s3, **tls) as agora:
        assert agora.base_url.startswith("https://")
        port = agora.base_url.rpartition(":")[2]
        trusting = ssl.create_default_context(cafile=str(authority))
        connector = aiohttp.TCPConnector(resolver=_Here(), ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as http:
            headers = {"Authorization": aiohttp.encode_basic_auth(CUSTOMER, SECRET)}
            async with http.get(f"https://api.agora.io:{port}/v1/ncs/ip", headers=headers) as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"https://api.sd-rtn.com:{port}/v1/ncs/ip")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await agora.http.get(f"{agora.base_url}/v1/ncs/ip")
    assert b"PRIVATE" not in authority.read_bytes()
