"""What the operating system saw: that the disk was told to sync before Agora was told 200. Needs strace."""

import asyncio
import hmac
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from benchmarks.intake import notice
from benchmarks.receivers import PATH, SECRET

STRACE = shutil.which("strace")
NOTICES = 20
# Lines of `strace -f -y`: a call, with the file or socket it is about; and the end of one that others interrupted.
CALL = re.compile(r"^(?P<thread>\d+) +(?P<call>fsync|fdatasync|recvfrom|sendto)\((?P<rest>.*)")
RESUMED = re.compile(r"^(?P<thread>\d+) +<\.\.\. (fsync|fdatasync) resumed>.*= 0$")


@pytest.mark.proof
@pytest.mark.skipif(STRACE is None, reason="strace (Debian package) is not installed")
async def test_the_disk_is_synced_between_a_notice_and_its_answer(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.receivers", "intake", str(port), f"sqlite:///{tmp_path}/traced.db"]
    traced = [STRACE, "-f", "-y", "-s", "64", "-e", "trace=fsync,fdatasync,recvfrom,sendto", "-o", str(trace)]
    process = subprocess.Popen([*map(str, traced), *command, str(tmp_path)], stderr=subprocess.PIPE)
    try:
        await answered(port)
        await send(port, NOTICES)
    finally:
        process.send_signal(signal.SIGINT)
        subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
        process.communicate(timeout=30)
    assert synced_before_answers(trace.read_text()) == [True] * NOTICES


def synced_before_answers(trace: str) -> list[bool]:
    """For each POST that was answered 200: whether the write-ahead log was synced in between."""
    found: list[bool] = []
    syncing: set[str] = set()
    synced = False
    for line in trace.splitlines():
        if (resumed := RESUMED.match(line)) is not None:
            synced = synced or resumed["thread"] in syncing
        match = CALL.match(line)
        if match is None:
            continue
        call, rest = match["call"], match["rest"]
        if call == "recvfrom" and '"POST ' in rest:
            synced = False
        elif call in ("fsync", "fdatasync") and "traced.db-wal" in rest:
            if rest.endswith("<unfinished ...>"):
                syncing.add(match["thread"])
            synced = synced or rest.endswith("= 0")
        elif call == "sendto" and "HTTP/1.1 200" in rest:
            found.append(synced)
    return found


async def answered(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            with socket.socket() as probe:
                probe.setblocking(False)
                try:
                    await asyncio.get_running_loop().sock_connect(probe, ("127.0.0.1", port))
                    return
                except OSError:
                    await asyncio.sleep(0.1)


async def send(port: int, count: int) -> None:
    """One notice after the other, each answered before the next is sent."""
    async with aiohttp.ClientSession() as http:
        for number in range(count):
            body = notice(number, "traced")
            signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
            headers = {"Agora-Signature-V2": signature}
            async with http.post(f"http://127.0.0.1:{port}{PATH}", data=body, headers=headers) as answer:
                assert answer.status == 200
