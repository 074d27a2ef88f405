"""The command `pagereel demo`."""

import asyncio
import sys
from pathlib import Path

import click

from service.cli.running import fail
from service.demo import DemoError, demo_is_possible, run_demo


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print nothing but one JSON object at the end.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Where the MP4 goes (var/demo).")
@click.option("--browser", is_flag=True, help="Record a real page in Chromium, with sound.")
@click.option("--url", help="That page (with --browser); by default one that comes along.")
def demo_command(as_json: bool, keep: Path | None, browser: bool, url: str | None) -> None:
    """Record, pause, stop and verify on this machine, with the emulator and a real S3 server."""
    if url is not None and not browser:
        raise click.UsageError("--url needs --browser: without it no page is opened")
    if (reason := demo_is_possible(browser=browser)) is not None:
        fail(reason)
    try:
        good = asyncio.run(run_demo(as_json=as_json, keep=keep, browser=browser, url=url))
    except DemoError as error:
        fail(str(error))
    sys.exit(0 if good else 1)
