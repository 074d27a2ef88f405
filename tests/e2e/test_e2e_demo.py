"""`pagereel demo`, as a new user runs it: one recording is proven, one is damaged and said to be."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest


@pytest.mark.proof
async def test_the_demo_ends_well_only_if_one_is_verified_and_the_damaged_one_is_not(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("pagereel")), "demo", "--json", "--keep", str(tmp_path / "kept")]
    # Nothing of ours may be needed from outside: neither settings nor a folder.
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 0, complained.decode()
    shown = json.loads(told.splitlines()[-1])
    assert (shown["recording"]["state"], shown["verdict"]) == ("verified", "verified")
    assert {file["kind"] for file in shown["files"]} >= {"playlist", "slice", "mp4"}
    assert shown["damaged"]["state"] == "incomplete"
    assert any(finding["severity"] == "error" and finding["object"] for finding in shown["damaged"]["findings"])
    assert shown["notifications"] > 0
    assert list((tmp_path / "kept").glob("*.mp4"))
