"""`pagereel demo`, as a new user runs it: one recording is proven, one is damaged and said to be."""

import asyncio
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from house import eventually
from pagereel_client import Client
from receiver import receiving

from pagereel.cli.trial import welcome
from pagereel.demo import Sandbox, open_sandbox
from pagereel.demo.show import choose_slice, failures


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


async def test_a_sandbox_ends_with_an_error_once_its_service_has_died(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")}
    sandbox = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("pagereel")), "sandbox", "--json", "--port", "0"),
        cwd=tmp_path,
        env=ours,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert sandbox.stdout is not None
        assert json.loads(await asyncio.wait_for(sandbox.stdout.readline(), 200))["api"]
        children = Path(f"/proc/{sandbox.pid}/task/{sandbox.pid}/children").read_text().split()
        (service,) = (int(one) for one in children if b"\0pagereel\0" in Path(f"/proc/{one}/cmdline").read_bytes())
        os.kill(service, signal.SIGKILL)
        _, complained = await asyncio.wait_for(sandbox.communicate(), 120)
    finally:
        if sandbox.returncode is None:
            sandbox.terminate()
            await sandbox.wait()
    assert sandbox.returncode == 2
    assert complained.decode().startswith("pagereel: the service process ended by signal 9; the end of its log:")


async def test_a_sandbox_tells_a_receiver_what_happens_to_each_recording(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        open_sandbox(tmp_path, receiver=receiver.url) as sandbox,
        Client(sandbox.api, sandbox.token) as api,
    ):
        receiver.secrets = (sandbox.receiver_secret,)
        done = await api.record("https://class.example.org/room/42", for_seconds=2)
        await eventually(lambda: "recording.verified" in receiver.types(done.id), 60, "the receiver is told")
        assert done.notify == ("receiver",)
        judged = await verified(sandbox)
    assert [one["verdict"] for one in judged["recordings"]] == ["verified"]
    assert sandbox.verify_settings.stat().st_mode & 0o777 == 0o600
    assert sandbox.store["secret_key"] not in sandbox.verify_settings.read_text(), "it can only read"


async def verified(sandbox: Sandbox) -> Any:
    """What the command that `welcome` names says of the bucket."""
    (line,) = (line for line in welcome(sandbox, None, browser=False).splitlines() if " verify " in line)
    words = [str(Path(sys.executable).with_name("pagereel")), *shlex.split(line)[1:], "--json"]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return json.loads(told)


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


def test_the_deleted_slice_lies_in_the_wanted_window_between_two_others() -> None:
    keys = [*reversed(SLICES), "demo/x/sid_name.m3u8"]
    found = [choose_slice(keys, BEGAN_AT + seconds) for seconds in (-5, 0, 0.1, 3.9, 4.1, 60)]
    assert found == [SLICES[1], SLICES[1], SLICES[1], SLICES[2], None, None]
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
    ("changes", "said"),
    [
        ({"verdict": "defective"}, "The verdict of the first recording is defective, not verified."),
        ({"state": "verified"}, "The second recording is verified, not incomplete."),
        ({"coverage": {"share": 1.0}}, "The coverage of the second recording shows no missing time."),
        ({"coverage": None}, "The coverage of the second recording shows no missing time."),
        ({"findings": [{"code": "slice_missing"}]}, "The second recording lacks the finding gap."),
        ({"findings": []}, "The second recording lacks the finding gap and slice_missing."),
    ],
    ids=["not verified", "not incomplete", "all covered", "no coverage", "no gap", "no findings"],
)
def test_a_demo_that_does_not_show_what_is_missing_says_what_it_lacks(changes: dict[str, object], said: str) -> None:
    assert failures(GOOD) == []
    damaged = {**GOOD["damaged"], **changes}  # type: ignore[dict-item]
    assert failures({**GOOD, "damaged": damaged, **changes}) == [said]
