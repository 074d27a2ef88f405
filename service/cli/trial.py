"""Commands to try Pagereel out on one machine: demo, sandbox."""

import asyncio
import errno
import json
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from service.cli.output import fail
from service.demo import DemoError, Sandbox, demo_is_possible, open_sandbox, run_demo

API_PORT = 8080


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object, at the end.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Directory for the MP4. Default: var/demo."
)
@click.option("--browser", is_flag=True, help="Record a real page in Chromium, with sound.")
@click.option("--page", help="Page to record, with --browser. Default: the emulator's page.")
def demo_command(as_json: bool, keep: Path | None, browser: bool, page: str | None) -> None:
    """Record, pause, stop and verify on this machine, with the emulator and a real S3 server."""
    if page is not None and not browser:
        raise click.UsageError("--page needs --browser: without it, no page is opened")
    if (reason := demo_is_possible(browser=browser)) is not None:
        fail(reason)
    try:
        good = asyncio.run(run_demo(as_json=as_json, keep=keep, browser=browser, page=page))
    except DemoError as error:
        fail(str(error))
    sys.exit(0 if good else 1)


@click.command("sandbox")
@click.option(
    "--port",
    default=API_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the API; 0: a free port.",
)
@click.option("--browser", is_flag=True, help="Record real pages in Chromium, with sound. Default: a drawn picture.")
@click.option(
    "--page-host",
    "page_hosts",
    multiple=True,
    help="Host of pages that is not public, for example localhost (repeatable).",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the token. Default: var/sandbox/token.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON with addresses, keys and token.")
def sandbox_command(
    port: int, browser: bool, page_hosts: tuple[str, ...], token_file: Path | None, as_json: bool
) -> None:
    """Run Pagereel on this machine until Ctrl-C, with the Agora emulator, a real S3 server and temporary data."""
    if (reason := demo_is_possible(browser=browser)) is not None:
        fail(reason)
    if not _is_free(port):
        fail(f"port {port} is in use; --port 0 chooses a free port")
    file = token_file or (None if as_json else Path("var/sandbox/token"))
    try:
        asyncio.run(_sandbox(port, browser, page_hosts, file, as_json))
    except DemoError as error:
        fail(str(error))


async def _sandbox(port: int, browser: bool, page_hosts: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="pagereel-sandbox-") as root:
        async with open_sandbox(Path(root), port=port, browser=browser, page_hosts=page_hosts) as sandbox:
            if file is not None:
                _keep_token(file, sandbox.token)
            try:
                click.echo(json.dumps(sandbox.described) if as_json else _welcome(sandbox, file, browser=browser))
                await stop.wait()
            finally:
                if file is not None:
                    drop_token(file, sandbox.token)


def _keep_token(file: Path, token: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(token, encoding="utf-8")
    except OSError as error:
        raise DemoError(f"{file} cannot be written ({error.strerror})") from None


def drop_token(file: Path, token: str) -> None:
    """Remove the token, which is of no use any more, unless another sandbox has written its own there."""
    with suppress(OSError):
        if file.read_text(encoding="utf-8") == token:
            file.unlink()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _welcome(sandbox: Sandbox, file: Path | None, *, browser: bool) -> str:
    where = "" if sandbox.api.endswith(f":{API_PORT}") else f"\n  export PAGEREEL_URL={sandbox.api}"
    program = sys.argv[0] if Path(sys.argv[0]).name == "pagereel" else "pagereel"
    page = f"{sandbox.emulator}/emulator/page" if browser else "https://class.example.org/room/42"
    opened = (
        "Chromium opens the pages. Pages on this machine can use http with the host localhost or 127.0.0.1;\n"
        "add other hosts with --page-host."
        if browser
        else "A drawn picture replaces the page; --browser opens real pages."
    )
    return f"""\
console   {sandbox.api}/console   (log in with the token below)
service   {sandbox.api}   (API; /docs, /metrics)
emulator  {sandbox.emulator}
S3        {sandbox.store["endpoint"]}
token     {sandbox.token}

{opened}
Agora's own waits are ten times shorter here. The lengths that you set are real.

In another terminal:{where}
  export PAGEREEL_TOKEN_FILE={file}
  {program} record {page} --for 20s --wait

Ctrl-C stops the sandbox and deletes its recordings."""
