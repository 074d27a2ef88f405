"""`pagereel demo --browser`, as a new user runs it: a page that beeps is not silent, and what is missing is told."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest


@pytest.mark.proof
async def test_the_demo_of_a_real_page_shows_what_is_missing_and_warns_of_nothing(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")}
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("pagereel")), "demo", "--browser", "--json"),
        *("--keep", str(tmp_path / "kept")),
        cwd=tmp_path,
        env=ours,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await asyncio.wait_for(process.communicate(), 600)
    assert process.returncode == 0, complained.decode()
    shown = json.loads(told.splitlines()[-1])
    assert shown["verdict"] == "verified"
    assert shown["recording"]["warnings"] == []
    assert shown["damaged"]["coverage"]["share"] < 1
    assert {"slice_missing", "gap"} <= {finding["code"] for finding in shown["damaged"]["findings"]}
