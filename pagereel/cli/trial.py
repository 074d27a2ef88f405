"""Commands to try Pagereel on one machine: demo, sandbox."""

import asyncio
import errno
import json
import shlex
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from pagereel.cli.terminal.options import option
from pagereel.cli.terminal.output import fail, make_folder
from pagereel.cli.terminal.parameters import Whole
from pagereel.demo import (
    PREFIX,
    STORAGE,
    DemoError,
    Sandbox,
    demo_is_possible,
    open_sandbox,
    run_demo,
    token_file,
    while_all_run,
    wrong_host,
    wrong_page,
    wrong_receiver,
)

API_PORT = 8080


@click.command("demo")
@option("--json", "as_json", is_flag=True, help="Print only one JSON object, at the end.")
@option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Directory for the MP4. Default: var/demo.")
@option("--browser", is_flag=True, help="Record a real page in Chromium, with sound.")
@option("--page", help="Page to record, with --browser. Default: the emulator's page.")
def demo_command(as_json: bool, keep: Path | None, browser: bool, page: str | None) -> None:
    """Record, pause, stop and verify on this machine, with the emulator and a real S3 server."""
    if page is not None and not browser:
        raise click.UsageError("--page needs --browser: without it, no page is opened")
    if page is not None and (wrong := wrong_page(page)) is not None:
        raise click.BadParameter(wrong, param_hint="--page")
    if (reason := demo_is_possible(browser=browser)) is not None:
        fail(reason)
    folder = keep or Path.cwd() / "var" / "demo"
    make_folder(folder)
    try:
        good = asyncio.run(run_demo(as_json=as_json, keep=folder, browser=browser, page=page))
    except DemoError as error:
        fail(str(error))
    sys.exit(0 if good else 1)


@click.command("sandbox")
@option(
    "--port",
    default=API_PORT,
    show_default=True,
    type=Whole(0, 65535),
    help="Port of the API; 0: a free port.",
)
@option("--browser", is_flag=True, help="Record real pages in Chromium, with sound. Default: a drawn picture.")
@option(
    "--page-host",
    "page_hosts",
    multiple=True,
    help="Host of pages that is not public, for example localhost (repeatable).",
)
@option("--receiver", help="URL that every recording tells what happens, for example http://127.0.0.1:9000/.")
@option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the token. Default: var/sandbox/token.",
)
@option("--json", "as_json", is_flag=True, help="Print one line of JSON with addresses, keys and token.")
def sandbox_command(
    port: int, browser: bool, page_hosts: tuple[str, ...], receiver: str | None, token_file: Path | None, as_json: bool
) -> None:
    """Run Pagereel on this machine until Ctrl-C, with the Agora emulator, a real S3 server and temporary data."""
    if wrong := next(filter(None, map(wrong_host, page_hosts)), None):
        raise click.BadParameter(wrong, param_hint="--page-host")
    if receiver is not None and (wrong := wrong_receiver(receiver)) is not None:
        raise click.BadParameter(wrong, param_hint="--receiver")
    if (reason := demo_is_possible(browser=browser)) is not None:
        fail(reason)
    file = token_file or (None if as_json else Path("var/sandbox/token"))
    try:
        how = {"port": port, "browser": browser, "page_hosts": page_hosts, "receiver": receiver}
        asyncio.run(_sandbox(how, file, as_json))
    except DemoError as error:
        fail(str(error))


async def _sandbox(how: dict[str, Any], file: Path | None, as_json: bool) -> None:
    """Run the sandbox until it is stopped. `how` contains the arguments of `open_sandbox`."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as stack:
        keep = None if file is None else stack.enter_context(token_file(file))
        if not _is_free(how["port"]):
            raise DemoError(
                f"port {how['port']} is in use by another program; --port 0 chooses a free port (with make: PORT=0)"
            )
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagereel-sandbox-")))
        async with open_sandbox(root, **how) as sandbox:
            if keep is not None:
                keep(sandbox.token, sandbox.api)
            told = welcome(sandbox, file, browser=how["browser"], receiver=how["receiver"])
            click.echo(json.dumps(sandbox.described) if as_json else told)
            await while_all_run(sandbox.processes, stop.wait())
            click.echo("Stopping the sandbox …", err=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def welcome(sandbox: Sandbox, file: Path | None, *, browser: bool, receiver: str | None = None) -> str:
    """Return the text that is shown after the start of a sandbox."""
    told = f"\nreceiver  {receiver}   secret {sandbox.receiver_secret}" if receiver else ""
    where = "" if sandbox.api.endswith(f":{API_PORT}") else f"\n  export PAGEREEL_URL={sandbox.api}"
    # The paths are absolute, because the other terminal may be in another directory.
    program = shlex.quote(str(Path(sys.argv[0]).absolute())) if Path(sys.argv[0]).name == "pagereel" else "pagereel"
    kept = shlex.quote(str(file.absolute())) if file else ""
    verify = f"--config {shlex.quote(str(sandbox.verify_settings))} verify --storage {STORAGE} --prefix {PREFIX}/"
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
token     {sandbox.token}{told}

{opened}
Agora's own waits are ten times shorter here. The lengths that you set are real.

In another terminal:{where}
  export PAGEREEL_TOKEN_FILE={kept}
  {program} record {page} --for 20s --wait

What lies in its bucket can be judged without the service too:
  {program} {verify}
It knows nothing of pauses, and counts them as missing: for a recording with one, add --sid SID --pause FROM/TO.
  {program} show last --json   has the times in `pauses`, the sid in `attempts`

Ctrl-C stops the sandbox and deletes its recordings."""
