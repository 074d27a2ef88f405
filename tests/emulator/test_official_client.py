"""Agora's own Python client works with the emulator: unchanged but for host and certificate (agora-reference §1.3)."""

import asyncio
import json
import sys
from pathlib import Path

from emulator_rig import APP, BUCKET, CUSTOMER, SECRET, emulating

from emulator.s3_server import S3Server

NAMES = ["api-us-west-1.agora.io", "api-us-west-1.sd-rtn.com", "api-us-east-1.agora.io", "api-us-east-1.sd-rtn.com"]


async def test_agoras_own_client_records_pauses_stops_and_is_refused(s3: S3Server, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    tls = {"tls": True, "tls_names": [*NAMES, "127.0.0.1"], "ca_file": authority, "storage_endpoint": s3.endpoint}
    async with emulating(s3, **tls) as agora:
        port = agora.base_url.rpartition(":")[2]
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, str(Path(__file__).with_name("official_client.py")), port, str(authority)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        known = {"app": APP, "customer": CUSTOMER, "secret": SECRET, "bucket": BUCKET}
        keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
        told, complained = await asyncio.wait_for(child.communicate(json.dumps(known | keys).encode()), 100)
    assert child.returncode == 0, complained.decode()
    answers = json.loads(told)
    recorder = answers["queried"]["serverResponse"]["extensionServiceState"][0]
    assert recorder["serviceName"] == "web_recorder_service"
    assert recorder["payload"]["fileList"][0]["filename"] == f"{answers['sid']}_official.m3u8"
    assert answers["held"]["serverResponse"]["extensionServiceState"][0]["payload"]["onhold"] is True
    assert answers["stopped"]["sid"] == answers["sid"]
    uploads = {
        state["serviceName"]: state["payload"]
        for state in answers["stopped"]["serverResponse"]["extensionServiceState"]
    }
    assert uploads["upload_service"]["uploadingStatus"] == "uploaded"
    assert {name["filename"].rpartition(".")[2] for name in uploads["web_recorder_service"]["fileList"]} == {
        "m3u8",
        "mp4",
    }
    assert answers["again"] == [404, 404]
    assert answers["uid 0"] == [400, 2]
    assert agora.objects("official", ending=".mp4")
