"""The `pagereel-emulator` command: options, output and exit status."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import click
from pydantic import ValidationError

from emulator.conformance.command import check_receiver_command
from emulator.faults.model import FIELDS, explain
from emulator.notifications.health_check import check
from emulator.notifications.wire import Receiver
from emulator.pagecheck.command import check_page_command
from emulator.s3_server import S3Server
from emulator.settings import load, with_script

_AS_IN_FILE: Final = "Default: as in the settings file, or {}."
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


# Examples of every command, shown below its help. A test parses each example.
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "serve": (
        "pagereel-emulator serve --config emulator.toml --port 8090",
        "pagereel-emulator serve --config emulator.toml --engine browser --faults faults.toml",
    ),
    "check": (
        "pagereel-emulator check https://hooks.example.org/agora --secret s3cret",
        "pagereel-emulator check http://127.0.0.1:9000/agora --unsigned",
    ),
    "faults list": ("pagereel-emulator faults list",),
    "s3": ("pagereel-emulator s3 --bucket recordings --port 9001",),
    "check-receiver": ("pagereel-emulator check-receiver https://hooks.example.org/agora --secret-file ncs-secret",),
    "check-page": (
        "pagereel-emulator check-page https://class.example.org/room/42 --screenshot page.png",
        "pagereel-emulator check-page https://class.example.org/room/42 --seconds 60 --size 1920x1080 --json",
    ),
}


class _Commands(click.Group):
    """A group that exits with status 130 on Ctrl-C and 141 on a closed output, because 1 is a verdict."""

    def invoke(self, context: click.Context) -> Any:
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)
        except BrokenPipeError:
            sys.exit(141)
        return result

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command with its examples and the complete first sentence of its help, because click would cut the
        sentence to one line."""
        cmd.short_help = " ".join((cmd.help or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
        called = next((each for each in EXAMPLES if each.split()[-1] == cmd.name), "")
        if called:
            examples = EXAMPLES[called]
            title = "Examples:" if len(examples) > 1 else "Example:"
            cmd.epilog = "\n".join(("\b", title, *(f"  {each}" for each in examples)))
        super().add_command(cmd, name)


def _bucket_names(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _BUCKET.fullmatch(name):
            raise click.BadParameter(f"{name!r}: a bucket has 3 to 63 characters of a to z, 0 to 9, . and -")
    return names


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pagereel")
def main() -> None:
    """Emulate Agora Cloud Recording in web page mode."""


@main.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Settings file of the emulator (TOML).",
)
@click.option("--port", type=click.IntRange(0, 65535), help=f"0 chooses a free port. {_AS_IN_FILE.format('0')}")
@click.option("--compression", type=float, help=f"Divide Agora's waiting times by this. {_AS_IN_FILE.format('1')}")
@click.option(
    "--engine",
    type=click.Choice(["live", "loop", "browser"]),
    help=f"What makes the picture; `browser` opens the page in Chromium. {_AS_IN_FILE.format('live')}",
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a fault script, whose faults are added to those of the settings file. Default: none.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least grave lines to log.",
)
def serve(
    config: Path, port: int | None, compression: float | None, engine: str | None, faults: Path | None, log_level: str
) -> None:
    """Run the emulator until it is interrupted."""
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # At debug level botocore writes session tokens and signed headers.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("aiobotocore").setLevel(logging.WARNING)
    try:
        # Only serving needs the extra; `check` works without it.
        from emulator.app import running  # noqa: PLC0415
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing: install pagereel[emulator]") from error
    try:
        settings = load(config, port=port, compression=compression, engine=engine)
    except ValidationError as error:
        raise click.ClickException(f"{config}: {explain(error)}") from error
    except ValueError as error:
        raise click.ClickException(f"{config}: {error}") from error
    try:
        settings = settings if faults is None else with_script(settings, faults)
    except ValueError as error:
        raise click.ClickException(f"{faults}: {error}") from error
    asyncio.run(_serve(running(settings)))


@main.command(name="check")
@click.argument("url")
@click.option("--secret", help="Notification secret of the app.")
@click.option("--unsigned", is_flag=True, help="Send notifications without a signature.")
@click.option("--rtc", is_flag=True, help="Name the channel as RTC products do.")
def check_command(url: str, secret: str | None, unsigned: bool, rtc: bool) -> None:
    """Send the Check of Agora's console to URL: one test event of each type."""
    if (secret is None) != unsigned:
        raise click.UsageError("give either --secret or --unsigned")
    if secret == "":
        raise click.UsageError("the secret is empty")
    if not asyncio.run(_check(Receiver(url, secret), rtc)):
        sys.exit(1)


@main.group(name="faults", cls=_Commands)
def faults_group() -> None:
    """Faults that the emulator can inject."""


@faults_group.command(name="list")
def faults_list() -> None:
    """Print every kind of fault with its required and [optional] fields."""
    for kind, (needed, optional) in FIELDS.items():
        print(f"{kind:18} {' '.join([*sorted(needed), *(f'[{name}]' for name in sorted(optional))])}".rstrip())


@main.command(name="s3")
@click.option("--bucket", "buckets", multiple=True, callback=_bucket_names, help="Create this bucket (repeatable).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 chooses a free port.")
def s3_command(buckets: tuple[str, ...], port: int) -> None:
    """Run a real S3 server with temporary data, and print its endpoint and keys as one line of JSON."""
    asyncio.run(_s3(buckets, port))


main.add_command(check_receiver_command)
main.add_command(check_page_command)


async def _s3(buckets: tuple[str, ...], port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with S3Server(port=port) as server:
        for name in buckets:
            server.make_bucket(name)
        shown = ("endpoint", "access_key", "secret_key", "reader_access_key", "reader_secret_key")
        admin = ("admin_access_key", "admin_secret_key")
        print(json.dumps({name: getattr(server, name) for name in (*shown, *admin)}), flush=True)
        await stop.wait()


async def _serve(emulator: AbstractAsyncContextManager[str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with emulator as base_url:
        print(f"listening on {base_url}", flush=True)
        await stop.wait()


async def _check(receiver: Receiver, rtc: bool) -> bool:
    passed = True
    async for result in check(receiver, rtc=rtc):
        answer = "no answer" if result.status is None else str(result.status)
        print(f"{result.event:>4}  {answer}  {result.seconds:.3f} s")
        passed = passed and result.passed
    return passed
