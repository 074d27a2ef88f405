"""Pagereel's own callback listener has the full score of the kit that other receivers are judged by."""

import asyncio
import json
import sys
from pathlib import Path

from house import NCS_SECRET, House


async def test_the_callback_listener_has_the_full_score_and_stores_only_what_was_signed(
    house: House, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(NCS_SECRET)
    url = f"{house.callbacks}/agora/main/notifications"
    words = ("-m", "emulator", "check-receiver", url, "--secret-file", str(secret), "--json")
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    found = json.loads(out)
    failed = {check["name"]: check["detail"] for check in found["checks"] if not check["passed"]}
    assert (failed, found["score"], process.returncode) == ({}, found["of"], 0)
    assert found["of"] >= 30
    assert NCS_SECRET.encode() not in out
    assert await house.rows("SELECT count(*) FROM recordings") == [(0,)]
    assert await house.rows("SELECT count(*) FROM notifications WHERE outcome = 'parked'") == [(0,)]
