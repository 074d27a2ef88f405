"""`pagereel demo`, as a new user runs it: one recording is proven, one is damaged and said to be."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from service.demo.show import choose_slice, is_as_it_should_be


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
    assert shown["damaged"]["coverage"]["share"] < 1
    assert {"slice_missing", "gap"} <= {finding["code"] for finding in shown["damaged"]["findings"]}
    assert any(finding["severity"] == "error" and finding["object"] for finding in shown["damaged"]["findings"])
    assert shown["notifications"] > 0
    assert list((tmp_path / "kept").glob("*.mp4"))


SLICES = [f"demo/x/sid_name_202611281200{second:02}500.ts" for second in (0, 2, 4, 6)]
BEGAN_AT = 1795867200.5


def test_the_deleted_slice_lies_in_the_wanted_window_and_is_not_the_newest() -> None:
    keys = [*reversed(SLICES), "demo/x/sid_name.m3u8"]
    found = [choose_slice(keys, BEGAN_AT + seconds) for seconds in (-5, 0, 0.1, 3.9, 4.1, 60)]
    assert found == [SLICES[0], SLICES[0], SLICES[1], SLICES[2], None, None]
    assert choose_slice([], BEGAN_AT) is None


GOOD = {
    "verdict": "verified",
    "damaged": {
        "state": "incomplete",
        "coverage": {"share": 0.7},
        "findings": [{"code": "slice_missing"}, {"code": "gap"}],
    },
}


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "defective"},
        {"damaged": {**GOOD["damaged"], "state": "verified"}},  # type: ignore[dict-item]
        {"damaged": {**GOOD["damaged"], "coverage": {"share": 1.0}}},  # type: ignore[dict-item]
        {"damaged": {**GOOD["damaged"], "coverage": None}},  # type: ignore[dict-item]
        {"damaged": {**GOOD["damaged"], "findings": [{"code": "slice_missing"}]}},  # type: ignore[dict-item]
    ],
    ids=["not verified", "not incomplete", "all covered", "no coverage", "no gap"],
)
def test_a_demo_that_does_not_show_what_is_missing_is_not_as_it_should_be(changes: dict[str, object]) -> None:
    assert is_as_it_should_be(GOOD)
    assert not is_as_it_should_be({**GOOD, **changes})
