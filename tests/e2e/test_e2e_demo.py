"""`pagereel demo`, as a new user runs it: one recording is proven, one is damaged and said to be."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest


async def demo(folder: Path, *words: str, **variables: str) -> tuple[int | None, bytes, str]:
    """Exit status, output and complaints. Nothing of ours may be needed from outside: neither settings nor a folder."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")}
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("pagereel")), "demo", *words),
        cwd=folder,
        env={**ours, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await asyncio.wait_for(process.communicate(), 300)
    return process.returncode, told, complained.decode()


async def test_a_demo_of_a_real_page_names_the_debian_packages_that_are_missing(tmp_path: Path) -> None:
    status, _, complained = await demo(tmp_path, "--browser", PATH=str(tmp_path))
    assert status != 0
    assert "apt-get install chromium xvfb pulseaudio pulseaudio-utils" in complained


@pytest.mark.proof
async def test_the_demo_ends_well_only_if_one_is_verified_and_the_damaged_one_is_not(tmp_path: Path) -> None:
    status, told, complained = await demo(tmp_path, "--json", "--keep", str(tmp_path / "kept"))
    assert status == 0, complained
    shown = json.loads(told.splitlines()[-1])
    assert (shown["recording"]["state"], shown["verdict"]) == ("verified", "verified")
    assert {file["kind"] for file in shown["files"]} >= {"playlist", "slice", "mp4"}
    assert shown["damaged"]["state"] == "incomplete"
    assert any(finding["severity"] == "error" and finding["object"] for finding in shown["damaged"]["findings"])
    assert shown["notifications"] > 0
    assert list((tmp_path / "kept").glob("*.mp4"))
