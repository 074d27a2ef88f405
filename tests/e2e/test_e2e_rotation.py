"""Every secret is changed in its file while the service works under load: what changes is in use within a minute, no
notice is lost, and the recording of the time ends as ever."""

import asyncio
import itertools
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from house import NCS_SECRET, SEALING_KEY, TOKEN, Forge, House, Store, eventually, killable, notice, signed
from receiver import endpoints, receiving

from tests.tcp_proxy import TcpProxy

SECONDS = 60
OTHER_TOKEN = "prl_bootstrap_" + sha256(b"another").hexdigest()
OTHER_KEY = b64encode(b"another sealing key, also 32 byte").decode()[:43] + "="
HOOKS = ("whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8)


def _files(root: Path, names: dict[str, str]) -> dict[str, Path]:
    for name, text in names.items():
        (root / name).write_text(text)
    return {name: root / name for name in names}


async def _within_a_minute(what: str, condition: Callable[[], Any | Awaitable[Any]], took: dict[str, float]) -> None:
    began = time.monotonic()
    await eventually(condition, SECONDS, what, 0.2)
    took[what] = time.monotonic() - began


async def _load(house: House, secrets: list[str], answered: set[str], refused: list[int]) -> None:
    """Notices without end, each signed by what Agora's console holds at the time."""
    for number in itertools.count():
        body = notice(f"turn-{number}")
        status = await house.notify(body, signed(body, secrets[0]))
        if status == 200:
            answered.add(f"notice-turn-{number}")
        else:
            refused.append(status)
        await asyncio.sleep(0.05)  # the pace of the load


@pytest.mark.proof
async def test_proof_every_secret_is_changed_in_its_file_under_load(forge: Forge, tmp_path: Path, store: Store) -> None:
    server = store.server
    files = _files(
        tmp_path,
        {
            "customer": "customer-secret-main",
            "ncs-new": NCS_SECRET,
            "ncs-old": NCS_SECRET,
            "read-access": server.reader_access_key,
            "read-secret": server.reader_secret_key,
            "write-access": server.access_key,
            "write-secret": server.secret_key,
            "hook-new": HOOKS[0],
            "hook-old": HOOKS[0],
            "seal-new": SEALING_KEY,
            "seal-old": SEALING_KEY,
        },
    )
    path = {name: str(file) for name, file in files.items()}
    async with TcpProxy() as agora, receiving() as crm:
        crm.secrets = HOOKS[:1]
        settings: dict[str, Any] = endpoints(crm=crm.url)
        settings["endpoints"]["crm"] = {
            "url": crm.url,
            "secret_files": [path["hook-new"], path["hook-old"]],
            "timeout_seconds": 1,
        }
        settings |= {
            "database": {"sealing_keys": None, "sealing_key_files": [path["seal-new"], path["seal-old"]]},
            "apps": {
                "main": {
                    "customer_secret": None,
                    "customer_secret_file": path["customer"],
                    "ncs_secrets": None,
                    "ncs_secret_files": [path["ncs-new"], path["ncs-old"]],
                    "base_urls": [agora.url],
                }
            },
            "storage": {
                "archive": {
                    side: {
                        "access_key": None,
                        "secret_key": None,
                        "access_key_file": path[f"{side}-access"],
                        "secret_key_file": path[f"{side}-secret"],
                    }
                    for side in ("write", "read")
                }
            },
        }
        await _turn(forge, tmp_path, store, agora, crm, settings, files)


async def _turn(
    forge: Forge, root: Path, store: Store, agora: TcpProxy, crm: Any, settings: dict[str, Any], files: dict[str, Path]
) -> None:
    took: dict[str, float] = {}
    answered: set[str] = set()
    refused: list[int] = []
    secrets = [NCS_SECRET]
    async with killable(forge, root, store, f"sqlite:///{root}/pagereel.db", settings) as (house, service):
        agora.targets.append(int(house.emulator.rpartition(":")[2]))
        recording = await house.start(notify=["crm"])
        async with asyncio.TaskGroup() as group:
            load = group.create_task(_load(house, secrets, answered, refused))
            await eventually(lambda: len(answered) > 10)
            files["ncs-new"].write_text("another-ncs-secret")
            body = notice("probe")

            async def known() -> bool:
                return await house.notify(body, signed(body, "another-ncs-secret")) == 200

            await _within_a_minute("NCS secret", known, took)
            secrets[0] = "another-ncs-secret"
            files["ncs-old"].write_text("another-ncs-secret")

            files["seal-old"].write_text(SEALING_KEY)
            files["seal-new"].write_text(OTHER_KEY)
            await _within_a_minute("sealing key", lambda: "sealing_keys_changed" in service.log.read_text(), took)

            (root / "token").write_text(OTHER_TOKEN)

            async def lets_in() -> bool:
                return (await house.call("GET", "/v1/recordings", token=OTHER_TOKEN)).status == 200

            await _within_a_minute("bootstrap token", lets_in, took)
            assert (await house.call("GET", "/v1/recordings", token=TOKEN)).status == 401
            house.token = OTHER_TOKEN

            await _turn_outgoing(house, store, agora, crm, files, recording, took)
            await house.do(recording, "stop")
            await house.until(recording, "verified", deadline=60)
            load.cancel()
        assert refused == []
        kept = {row[0] for row in await house.rows("SELECT notice_id FROM notifications")}
        assert answered <= kept
    print("\n" + ", ".join(f"{what} {seconds:.0f} s" for what, seconds in took.items()))


async def _turn_outgoing(
    house: House,
    store: Store,
    agora: TcpProxy,
    crm: Any,
    files: dict[str, Path],
    recording: str,
    took: dict[str, float],
) -> None:
    """What is shown to others: to Agora, to the bucket, to the receiver of messages."""
    agora.heard.clear()
    files["customer"].write_text("another-customer-secret")
    basic = b64encode(b"customer-main:another-customer-secret")
    await _within_a_minute("Agora secret", lambda: basic in agora.heard, took)
    files["customer"].write_text("customer-secret-main")
    basic = b64encode(b"customer-main:customer-secret-main")
    agora.heard.clear()
    await eventually(lambda: basic in agora.heard, SECONDS, "the one that Agora knows is back")

    files["read-access"].write_text(store.server.access_key)
    files["read-secret"].write_text(store.server.secret_key)

    async def signs_anew() -> bool:
        return f"X-Amz-Credential={store.server.access_key}" in json.dumps(await house.files(recording, links="true"))

    await house.slices(recording, 1)
    await _within_a_minute("read keys", signs_anew, took)

    files["write-access"].write_text("ANOTHERWRITEKEY")

    async def sends_anew() -> bool:
        agora.heard.clear()
        other = await house.ask()
        await eventually(lambda: b"accessKey" in agora.heard)
        await house.do(other, "stop")
        return b"ANOTHERWRITEKEY" in agora.heard

    await _within_a_minute("write keys", sends_anew, took)
    files["write-access"].write_text(store.server.access_key)

    files["hook-new"].write_text(HOOKS[1])
    crm.secrets = (HOOKS[1], HOOKS[0])

    async def hears_anew() -> bool:
        await house.do(recording, "pause", expect=None)
        await house.do(recording, "resume", expect=None)
        return bool(crm.heard) and crm.heard_with == HOOKS[1]

    await _within_a_minute("webhook secret", hears_anew, took)
