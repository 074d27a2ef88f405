"""The sandbox: lengths as at Agora, one token file for each sandbox, and processes that must not end before it does."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from click.testing import CliRunner, Result

from emulator.process.clock import Clock
from emulator.settings import Settings, load
from pagereel.cli import main
from pagereel.cli.trial import welcome
from pagereel.demo import DemoError, Sandbox, token_file, while_all_run, wrong_page, wrong_receiver
from pagereel.demo.running import running
from pagereel.demo.sandbox import emulator_settings


@pytest.fixture(params=[False, True], ids=["drawn", "browser"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The sandbox's emulator, as that reads its own file."""
    file = tmp_path / "emulator.toml"
    file.write_text(emulator_settings(8081, "secret", browser=request.param))
    return load(file)


def test_hours_and_minutes_of_a_recording_in_the_sandbox_are_real(settings: Settings) -> None:
    clock = Clock(settings.compression)
    assert clock.shrink(settings.times.hour) == 3600
    assert clock.shrink(settings.times.minute) == 60


def test_a_page_in_the_sandbox_has_as_many_seconds_to_be_ready_as_the_caller_names(settings: Settings) -> None:
    assert Clock(settings.compression).shrink(20) == 20


def test_agoras_own_waits_are_short_in_the_sandbox(settings: Settings) -> None:
    clock, times, usual = Clock(settings.compression), settings.times, type(settings.times)()
    assert clock.shrink(times.start) <= usual.start / 10
    assert clock.shrink(times.slice) <= usual.slice / 10
    assert clock.shrink(times.exit) <= usual.exit / 10


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_a_second_sandbox_is_refused_and_leaves_the_token_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "sandbox" / "token"
    with token_file(file) as keep:
        refused = typed("sandbox", "--port", "0", "--token-file", str(file))
        assert "it is starting or ending" not in refused.stderr
        keep("prl_bootstrap_first", "http://127.0.0.1:4711")
        again = typed("sandbox", "--port", "0", "--token-file", str(file))
        assert file.read_text() == "prl_bootstrap_first"
        assert file.stat().st_mode & 0o777 == 0o600
    for result in (refused, again):
        assert result.exit_code == 2
        assert result.stderr.startswith("pagereel: a sandbox already runs here (")
        assert f"its token is in {file}. Use that one, or end it with Ctrl-C" in result.stderr
        assert f"--port 0 --token-file {file}-2 (with make: PORT=0 TOKEN_FILE={file}-2)" in result.stderr
    assert "http://127.0.0.1:4711, process " in again.stderr
    assert not file.exists()


HOLDS_AND_WAITS = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from pagereel.demo import token_file
with token_file(Path(sys.argv[1])) as keep:
    keep("prl_bootstrap_dead", "http://127.0.0.1:4711")
    print("kept", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_sandbox_has_left_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "token"
    command = [sys.executable, "-c", HOLDS_AND_WAITS, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"kept\n"
        with pytest.raises(DemoError, match="a sandbox already runs here"), token_file(file):
            pass
        holder.kill()
    assert file.read_text() == "prl_bootstrap_dead"
    with token_file(file) as keep:
        assert not file.exists(), "the token of a dead sandbox is of no use"
        keep("prl_bootstrap_new", "http://127.0.0.1:4712")
        assert file.read_text() == "prl_bootstrap_new"


def test_a_file_that_is_no_token_of_a_sandbox_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("prl_of_a_real_service")
    result = typed("sandbox", "--port", "0", "--token-file", str(tmp_path / "token"))
    assert result.exit_code == 2
    assert f"{tmp_path / 'token'} holds no token of a sandbox" in result.stderr
    assert (tmp_path / "token").read_text() == "prl_of_a_real_service"


def test_a_token_file_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = typed("sandbox", "--port", "0", "--token-file", str(tmp_path / "file" / "token"))
    assert result.exit_code == 2
    assert "cannot be used for the token" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_a_process_that_ends_before_its_sandbox_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('ready now', flush=True); sys.exit('the reason')"]
    async with running(tmp_path, "service", command, "ready (.+)") as process:
        assert process.said == "now"
        with pytest.raises(DemoError, match=r"ended with exit status 1; .*:\nthe reason"):
            await while_all_run([process], asyncio.sleep(600))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP, signal.SIGALRM])
async def test_processes_end_with_their_sandbox_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    """Nobody else would end them: they listen, and one of them records pages."""
    program = """
import asyncio, sys
from pathlib import Path
from pagereel.demo.running import running
async def main():
    command = [sys.executable, "-c", "import os, time; print('ready', os.getpid(), flush=True); time.sleep(600)"]
    async with running(Path(sys.argv[1]), "service", command, "ready (.+)") as process:
        print(process.said, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    sandbox = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert sandbox.stdout is not None
    child = Path("/proc") / (await asyncio.wait_for(sandbox.stdout.readline(), 60)).decode().strip()
    assert child.exists()
    sandbox.send_signal(how)
    assert await sandbox.wait() == -how
    async with asyncio.timeout(20):
        while child.exists() and b"State:\tZ" not in (child / "status").read_bytes():
            await asyncio.sleep(0.05)


async def test_a_process_that_is_killed_is_named_with_its_signal(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
    async with running(tmp_path, "s3", command, "(ready)") as process:
        process.process.send_signal(signal.SIGKILL)
        with pytest.raises(DemoError, match="the s3 process ended by signal 9"):
            await while_all_run([process], asyncio.sleep(600))


async def test_work_that_fails_since_a_process_ended_is_told_as_the_end_of_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
    async with running(tmp_path, "service", command, "(ready)") as process:

        async def call() -> None:
            process.process.kill()
            raise ConnectionError

        with pytest.raises(DemoError, match="the service process ended"):
            await while_all_run([process], call())


async def test_work_ends_as_it_ends_while_all_processes_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
    async with running(tmp_path, "service", command, "(ready)") as process:
        assert await while_all_run([process], asyncio.sleep(0, "done")) == "done"

        async def wrong() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await while_all_run([process], wrong())


async def test_a_process_that_does_not_get_ready_is_told_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('the reason')"]
    with pytest.raises(DemoError, match="the service process ended at its start:\nthe reason"):
        async with running(tmp_path, "service", command, "(ready)"):
            pass


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("class.example.org", "should be an absolute URL with a host"),
        ("ftp://class.example.org/", "should begin with https://"),
        ("https://me@class.example.org/", "should contain no user information"),
        ("http://169.254.169.254/", "names a metadata service"),
        ("https://[::1/", "should name a host, and a port in digits or none"),
        ("https://a b/", "should hold no spaces"),
        ("https://nowhere.invalid/", "the host nowhere.invalid cannot be resolved"),
    ],
)
def test_a_page_that_cannot_be_recorded_is_refused_before_anything_starts(
    page: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagereel.cli.trial.run_demo", None)
    result = typed("demo", "--browser", "--page", page)
    assert result.exit_code == 2
    assert f"Invalid value for --page: {why}" in result.stderr


@pytest.mark.parametrize("page", ["http://localhost:8000/x?y#z", "http://127.0.0.1/", "https://[::1]:8443/"])
def test_a_page_on_this_machine_can_be_recorded(page: str) -> None:
    assert wrong_page(page) is None


@pytest.mark.parametrize("host", ["http://class.test", "class.test/x", "::1", "a b"])
def test_a_host_of_pages_that_is_none_is_refused_before_anything_starts(host: str) -> None:
    result = typed("sandbox", "--port", "0", "--page-host", host)
    assert result.exit_code == 2
    assert "Invalid value for --page-host" in result.stderr


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9000", "ftp://127.0.0.1/", "http://", "http://me:secret@127.0.0.1/", "http://169.254.169.254/"]
)
def test_what_can_be_no_receiver_is_refused_before_anything_starts(url: str, tmp_path: Path) -> None:
    refused = typed("sandbox", "--port", "0", "--token-file", str(tmp_path / "token"), "--receiver", url)
    assert refused.exit_code == 2
    assert "Invalid value for --receiver: write a URL with http:// or https:// and a host" in refused.stderr
    assert "secret" not in refused.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/a?b=c", "https://hooks.example.org/", "http://[::1]:9000/"])
def test_a_receiver_on_this_machine_needs_neither_tls_nor_a_public_address(url: str) -> None:
    assert wrong_receiver(url) is None


def test_what_a_sandbox_prints_works_in_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/pagereel", "sandbox"])
    opened = SimpleNamespace(
        api="http://127.0.0.1:1",
        emulator="",
        token="prl_x",
        store={"endpoint": ""},
        verify_settings=Path("/tmp/a sandbox/verify.toml"),
    )
    told = welcome(cast(Sandbox, opened), Path("var/sandbox/token"), browser=False)
    assert f"export PAGEREEL_TOKEN_FILE={tmp_path}/var/sandbox/token\n" in told
    assert f"  {tmp_path}/.venv/bin/pagereel record " in told
    verify = "--config '/tmp/a sandbox/verify.toml' verify --storage demo --prefix demo/"
    assert f"  {tmp_path}/.venv/bin/pagereel {verify}\n" in told
    assert "It knows nothing of pauses, and counts them as missing" in told


def test_the_secret_of_a_receiver_is_a_word_of_its_own_to_copy() -> None:
    opened = SimpleNamespace(
        api="",
        emulator="",
        token="prl_x",
        store={"endpoint": ""},
        verify_settings=Path("v"),
        receiver_secret="whsec_a=",
    )
    told = welcome(cast(Sandbox, opened), None, browser=False, receiver="http://127.0.0.1:9000/")
    assert "whsec_a=" in told.split()
