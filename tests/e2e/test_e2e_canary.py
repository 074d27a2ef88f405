"""Secrets stay where they belong: marks in every one of them are found in no log, metric, answer or database."""

import asyncio
import io
import json
import time
import zipfile
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from house import (
    Answer,
    EmulatorProcess,
    Forge,
    House,
    ServiceProcess,
    Store,
    client,
    cname_of,
    emulator_settings,
    eventually,
    merge,
    notice,
    rfc3339,
    settings_values,
    signed,
    toml,
)
from logged import lines_of, undocumented

from tests.ports import free_port

MARK = "CANARY"
SECRETS = {
    "customer": "CANARY-customer-secret",
    "ncs": "CANARY-ncs-secret",
    "write_access": "CANARYWRITEACCESS",
    "write_secret": "CANARY/write+secret",
    "read_access": "CANARYREADACCESS",
    "read_secret": "CANARY/read+secret",
    "database": "CANARY-database-password",
    "endpoint": "whsec_CANARYSIGNINGSECRET0123456789abcdefghijk",
}
HOOK = "https://hooks.example.org/hook/CANARYPATH?key=CANARYHOOK"
SEALING = b"CANARY-sealing-key-of-32-bytes-!"
TOKEN = "prl_bootstrap_CANARYtoken0123456789abcdef"
PAGE = "https://class.example.org/room/42?ticket=CANARYQUERY#CANARYFRAGMENT"
RTMP = "rtmp://push.example.org/live/CANARYSTREAMKEY?sign=CANARYSIGN"
RTMP_TOO = "rtmps://push.example.org/live/CANARYOTHERKEY"


@dataclass
class _Canary(House):
    """A house that keeps every answer."""

    seen: list[bytes] = field(default_factory=list)

    async def call(self, method: str, path: str, *, keep: bool = True, **more: Any) -> Answer:
        answer = await super().call(method, path, **more)
        if keep:
            self.seen.append(answer.content + repr(dict(answer.headers)).encode())
        return answer


def _marks(store: Store) -> dict[str, bytes]:
    """What must be nowhere; the real storage keys too, and the forms in which secrets travel."""
    server = store.server
    basic = b64encode(f"customer-main:{SECRETS['customer']}".encode())
    return {
        "a mark": MARK.encode(),
        "basic authentication": basic,
        "the sealing key": b64encode(SEALING),
        "the writer's secret": server.secret_key.encode(),
        "the writer's access key": server.access_key.encode(),
        "the reader's secret": server.reader_secret_key.encode(),
        "the reader's access key": server.reader_access_key.encode(),
    }


def _settings(root: Path, store: Store, agora: str, ports: tuple[int, int], url: str) -> dict[str, Any]:
    values = settings_values(root, store.server, agora, ports[0], url, ("main",))
    (root / "token").write_text(TOKEN)
    broken = {
        **values["storage"]["archive"],
        "write": {"access_key": SECRETS["write_access"], "secret_key": SECRETS["write_secret"]},
        "read": {"access_key": SECRETS["read_access"], "secret_key": SECRETS["read_secret"]},
    }
    over = {
        "api": {"port": ports[1]},
        "log": {"level": "debug"},
        "apps": {"main": {"customer_secret": SECRETS["customer"], "ncs_secrets": [SECRETS["ncs"]]}},
        "database": {"sealing_keys": [b64encode(SEALING).decode()]} | _password(url),
        "storage": {"broken": broken},
        "endpoints": {"crm": {"url": HOOK, "secrets": [SECRETS["endpoint"]]}},
        "presets": {"default": {"notify": ["crm"]}},
        "timing": {"lead_seconds": 0, "give_up_seconds": 5},
    }
    return merge(values, over)


def _password(url: str) -> dict[str, str]:
    return {} if url.startswith("sqlite") else {"password": SECRETS["database"]}


@asynccontextmanager
async def _opened(forge: Forge, root: Path, store: Store, url: str) -> AsyncIterator[tuple[_Canary, list[Path]]]:
    """Service and emulator as processes that log all they can; gives the house and the logs."""
    ports = (free_port(), free_port())
    async with AsyncExitStack() as stack:
        plan = emulator_settings(ports[0], ("main",), {}, {"upload_seconds": 3})
        plan["apps"][0]["customer_secret"] = SECRETS["customer"]
        plan["apps"][0]["callbacks"][0]["secret"] = SECRETS["ncs"]
        (root / "emulator.toml").write_text(_emulator_toml({**plan, "port": (agora_port := free_port())}))
        emulator = EmulatorProcess(root / "emulator.toml")
        stack.push_async_callback(emulator.stop)
        agora, config = f"http://127.0.0.1:{agora_port}", root / "pagereel.toml"
        config.write_text(toml(_settings(root, store, agora, ports, url)))
        reader, _ = await asyncio.gather(_token(forge, config), emulator.start(r"listening on (\S+)"))
        service = ServiceProcess(forge, config, "serve")
        stack.push_async_callback(service.stop)
        api = await service.serve()
        http = await stack.enter_async_context(client())
        house = _Canary(api, f"http://127.0.0.1:{ports[0]}", agora, store, http, url, TOKEN, {"reader": reader})
        yield house, [service.log, emulator.log]


def _emulator_toml(plan: dict[str, Any]) -> str:
    """The one app with its one receiver as TOML."""
    (app,) = plan.pop("apps")
    (receiver,) = app.pop("callbacks")
    return f"{toml(plan)}\n[[apps]]\n{toml(app)}\n[[apps.callbacks]]\n{toml(receiver)}\n"


async def _token(forge: Forge, config: Path) -> str:
    """A read token, made as an administrator makes one."""
    maker = ServiceProcess(forge, config, "token", "create", "--owner", "default", "--scope", "read")
    token = await maker.start(r"(prl_\w+)\s")
    await maker.stop()
    return token


async def _refused_start(house: _Canary) -> None:
    body = {"code": 2, "reason": f"clientRequest: {PAGE} and {SECRETS['write_secret']} are refused"}
    recording = await _planned(house)
    await house.fault(kind="answer", endpoint="start", status=400, body=body, cname=cname_of(recording))
    assert (await house.until(recording, "failed"))["end_reason"] == "refused"


async def _errors_on_the_way(house: _Canary) -> None:
    recording = await _planned(house, rtmp_url=RTMP)
    said = {"message": f"internal error with {PAGE} {RTMP} {SECRETS['customer']}"}
    common = {"kind": "answer", "status": 500, "body": said, "cname": cname_of(recording), "times": 1}
    for endpoint in ("acquire", "update", "stop"):
        await house.fault(endpoint=endpoint, **common)
    await house.fault(endpoint="query", **{**common, "times": 2})
    await house.fault(kind="drop_answer", endpoint="start", cname=cname_of(recording), times=1)
    await house.until(recording, "recording")
    await house.call("PUT", f"/v1/recordings/{recording}/rtmp", json={"rtmp_url": RTMP_TOO}, expect=202)
    details = {"url": PAGE, "rtmpUrl": RTMP, "reason": "page_reload", "errorMsg": SECRETS["write_secret"]}
    for number, event in enumerate((1, 2, 73, 100)):
        body = notice(f"own-{number}", event, cname=cname_of(recording), uid="1", details=details)
        assert await house.notify(body, signed(body, SECRETS["ncs"])) == 200
    await house.slices(recording, 2)
    await house.do(recording, "stop")
    await house.until(recording, "verified", deadline=40)
    await house.files(recording)
    await house.call("GET", f"/v1/recordings/{recording}/files", params={"links": "true"}, expect=200, keep=False)


async def _storage_refused(house: _Canary) -> None:
    recording = await house.ask(url=PAGE, storage="broken")

    async def said() -> bool:
        shown = await house.shown(recording)
        return (shown["attention"] or {}).get("code") == "storage_unreachable" or shown["state"] == "unproven"

    await eventually(said, 30, "the bucket cannot be looked at")


async def _nonsense(house: _Canary) -> None:
    bodies: list[dict[str, Any]] = [
        {"url": f"https://10.0.0.1/?{MARK}"},
        {"url": PAGE, "rtmp_url": f"rtmp://localhost/{MARK}"},
        {"url": PAGE, "video_width": f"{MARK}"},
    ]
    for body in bodies:
        await house.call("POST", "/v1/recordings", json=body, expect=422)
    headers = {"Content-Type": "application/json"}
    await house.call("POST", "/v1/recordings", data=f'{{"url": "{PAGE}"', headers=headers, expect=400)
    await house.call("GET", f"/v1/recordings?limit={MARK}&label={MARK}", expect=422)
    for token in (TOKEN[:-1] + "0", "prl_nobody_CANARY", MARK):
        await house.call("GET", "/v1/recordings", token=token, expect=401)
    body = notice("bad", 73, details={"url": PAGE})
    assert await house.notify(body, {"Agora-Signature-V2": SECRETS["ncs"]}) == 401
    assert await house.notify(body, signed(body)) == 401
    for odd in (PAGE.encode(), json.dumps({"noticeId": "odd", "url": PAGE}).encode()):
        assert await house.notify(odd, signed(odd, SECRETS["ncs"])) == 200
    keyed = {"url": PAGE, "start_at": rfc3339(time.time() + 3600)}
    await house.call("POST", "/v1/recordings", json=keyed, headers={"Idempotency-Key": "key"}, expect=202)


async def _planned(house: House, **body: object) -> str:
    return await house.ask(url=PAGE, start_at=rfc3339(time.time() + 2), **body)


async def _read_everything(house: _Canary) -> None:
    """All that a read token may see, and all that needs none."""
    reader = house.tokens["reader"]
    listed = (await house.call("GET", "/v1/recordings", token=reader, expect=200)).body["items"]
    assert len(listed) == 4
    for one in listed:
        for path in ("", "/timeline?limit=200", "/files?limit=200"):
            await house.call("GET", f"/v1/recordings/{one['id']}{path}", token=reader, expect=200)
        bundle = await house.call("GET", f"/v1/recordings/{one['id']}/support-bundle", expect=200)
        with zipfile.ZipFile(io.BytesIO(bundle.content)) as archive:
            house.seen += [archive.read(name) for name in archive.namelist()]
    for path in ("/v1/notifications", "/v1/events", "/v1/messages", "/v1/actions"):
        answer = await house.call("GET", f"{path}?limit=200", expect=200)
        assert answer.body["items"], path
    await house.call("GET", "/v1/endpoints", token=reader, expect=200)
    for path in ("/metrics", "/openapi.json", "/docs", "/readyz"):
        await house.call("GET", path, token=None, expect=200)
    house.seen.append(json.dumps(await house.tasks()).encode())


async def _database(house: House) -> Iterable[bytes]:
    """Every row; of SQLite also every byte of its files, the write-ahead log among them."""
    found = [repr(await house.snapshot()).encode()]
    if house.database_url.startswith("sqlite"):
        path = Path(house.database_url.removeprefix("sqlite:///"))
        files = sorted(path.parent.glob(f"{path.name}*"))
        assert {file.name for file in files} >= {path.name, f"{path.name}-wal"}
        found += [file.read_bytes() for file in files]
    return found


async def test_no_mark_of_a_secret_is_in_logs_metrics_answers_or_the_database(
    forge: Forge, tmp_path: Path, store: Store, database_url: str
) -> None:
    async with _opened(forge, tmp_path, store, database_url) as (house, logs):
        async with asyncio.TaskGroup() as group:
            for story in (_refused_start, _errors_on_the_way, _storage_refused, _nonsense):
                group.create_task(story(house))
        await _read_everything(house)
        lines = await house.rows("SELECT recording_id, detail FROM history WHERE kind = 'state'")
        transitions = Counter((recording, json.loads(detail)["state"]) for recording, detail in lines)
        places = {"an answer": house.seen, "the database": await _database(house)}
    places |= {log.name: [log.read_bytes()] for log in logs}
    assert b'"path": "/v1/recordings/rec_' in places["serve.log"][0], "requests are logged"
    assert b"upload refused" in places["emulator.log"][0], "the storage really refused the marked keys"
    assert undocumented(logs[0]) == []
    entered = Counter((line["recording_id"], line["state"]) for line in lines_of(logs[0]) if line["event"] == "state")
    assert entered >= transitions, "each transition has its line"
    assert {"step", "notice", "delivery", "acquired"} <= {line["event"] for line in lines_of(logs[0])}
    leaks = [
        f"{what} is in {place}: …{content[max(0, at - 150) : at + 60].decode(errors='replace')}…"
        for what, mark in _marks(store).items()
        for place, contents in places.items()
        for content in contents
        if (at := content.lower().find(mark.lower())) >= 0
    ]
    assert leaks == []
