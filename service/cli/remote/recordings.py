"""Commands about recordings: record, list, show, watch, stop, pause, resume, look, adopt, timeline, explain."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from service.cli.output import json_option, printable, say, show_json
from service.cli.remote.durations import Duration
from service.cli.remote.ids import remote_recording
from service.cli.remote.session import CallError, Service, remote
from service.cli.remote.shown import (
    OVER,
    console,
    end_of,
    facts_of,
    findings_of,
    line_of,
    page_of,
    print_table,
    table,
    when,
)

POLL_SECONDS = 1.0


@click.command("record")
@click.argument("page")
@click.option("--for", "length", type=Duration(), help="Stop after so long: 90s, 10m, 1h30m.")
@click.option("--app", help="Name of an Agora app of the settings.")
@click.option("--storage", help="Name of a storage profile of the settings.")
@click.option("--preset", help="Name of a preset of the settings.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label (repeatable).")
@click.option("--notify", multiple=True, help="Name of an endpoint that is told what happens (repeatable).")
@click.option("--wait", is_flag=True, help="Follow it to its verdict; the exit status is 0 for `verified` alone.")
@json_option
@remote
async def record_command(
    service: Service, page: str, length: float | None, labels: tuple[str, ...], wait: bool, as_json: bool, **named: Any
) -> int:
    """Record PAGE, a URL. Without --for it records, and is billed, until it is stopped or its hour limit ends it.

    Try the page first: `pagereel-emulator check-page PAGE` opens it as the recorder would and says what would go wrong,
    such as a log-in form or a video that waits for a click."""
    body = {"url": page, **{name: value for name, value in named.items() if value}}
    if length is not None:
        body["stop_at"] = (datetime.now(UTC) + timedelta(seconds=length)).isoformat(timespec="milliseconds")
    if labels:
        body["labels"] = dict(_pair(label) for label in labels)
    recording = await service.call("POST", "/v1/recordings", body=body)
    if not as_json:
        click.echo(recording["id"])
        say(end_of(recording), err=True)
    if wait:
        return await _follow(service, recording["id"], as_json)
    if as_json:
        show_json(recording)
    return 0


def _pair(label: str) -> tuple[str, str]:
    name, equals, value = label.partition("=")
    if not equals:
        raise CallError(f"--label {label}: write KEY=VALUE")
    return name, value


@click.command("list")
@click.option("--state", "states", multiple=True, help="Only in this state (repeatable).")
@click.option("--app", help="Only of this app.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only with this label (repeatable).")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
@remote
async def list_command(
    service: Service, states: tuple[str, ...], app: str | None, labels: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """List recordings, newest first."""
    asked = {"state": list(states), "app": app, "label": [":".join(_pair(label)) for label in labels]}
    given = {name: value for name, value in asked.items() if value}
    found = [item async for item in service.items("/v1/recordings", given, limit)]
    if as_json:
        show_json(found)
        return
    if not found:
        say("No recording fits." if given else "No recordings. Start one: pagereel record URL", err=True)
        return
    rows = (
        (each["id"], each["state"], when(each["instants"]["requested_at"]), each["end_reason"], page_of(each))
        for each in found
    )
    print_table(("id", "state", "requested", "ended by", "page"), rows, coloured=1, cut=(3, 4))


@click.command("show")
@json_option
@remote_recording
async def show_command(service: Service, recording: str, as_json: bool) -> None:
    """Show a recording: what is known about it, and what the newest look at the bucket found."""
    shown = await service.call("GET", f"/v1/recordings/{recording}")
    if as_json:
        show_json(shown)
    else:
        _print(shown)


def _print(shown: dict[str, Any]) -> None:
    screen = console()
    screen.print(printable(shown["id"]), style="bold")
    screen.print(table(("", ""), facts_of(shown)))
    findings = findings_of(shown)
    if findings is not None:
        screen.print()
        screen.print(findings)


@click.command("watch")
@json_option
@remote_recording
async def watch_command(service: Service, recording: str, as_json: bool) -> int:
    """Follow a recording to its verdict. The exit status is 0 for `verified` alone. Ctrl-C leaves it recording."""
    return await _follow(service, recording, as_json)


async def _follow(service: Service, recording: str, as_json: bool) -> int:
    shown = await service.call("GET", f"/v1/recordings/{recording}")
    screen = console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(),
        console=screen, disable=as_json or not screen.is_terminal,
    ) as progress:  # fmt: skip
        bar = progress.add_task(printable(recording), total=None)
        said = ""
        while shown["state"] not in OVER:
            done, total = _progress(shown)
            progress.update(bar, description=printable(f"{recording}  {line_of(shown)}"), completed=done, total=total)
            if not as_json and not screen.is_terminal and line_of(shown) != said:
                said = line_of(shown)
                screen.print(said)
            await asyncio.sleep(POLL_SECONDS)
            shown = await service.call("GET", f"/v1/recordings/{recording}")
    if as_json:
        show_json(shown)
    else:
        _print(shown)
    return 0 if shown["state"] == "verified" else 1


def _progress(shown: dict[str, Any]) -> tuple[float, float | None]:
    """How much of the wanted time has passed, of how much; None where nobody has said when it ends."""
    began, until = shown["instants"]["recording_at"], shown["instants"]["stop_at"]
    if began is None or until is None:
        return 0, None
    start, end = datetime.fromisoformat(began), datetime.fromisoformat(until)
    total = max((end - start).total_seconds(), 1)
    return min((datetime.now(UTC) - start).total_seconds(), total), total


def _wish(name: str, path: str, text: str) -> click.Command:
    """A command that notes one wish for a recording."""

    @json_option
    @remote_recording
    async def wish(service: Service, recording: str, as_json: bool) -> None:
        shown = await service.call("POST", f"/v1/recordings/{recording}/{path}")
        if as_json:
            show_json(shown)
        else:
            say(f"{recording}: {line_of(shown)}")

    return click.command(name, help=text)(wish)


stop_command = _wish("stop", "stop", "Stop a recording. The wish is carried out until nothing records any more.")
pause_command = _wish("pause", "pause", "Pause a recording. A pause is billed, and not counted as missing.")
resume_command = _wish("resume", "resume", "Go on after a pause, or begin one that was started on hold.")
look_command = _wish("look", "verify", "Look at the bucket again now.")


@click.command("adopt")
@click.argument("recording")
@click.option("--app", required=True, help="The app it was made with.")
@click.option("--storage", required=True, help="The storage profile it was made with.")
@click.option("--uid", required=True, type=click.IntRange(1, 2**32 - 1))
@click.option("--resource-id", required=True)
@click.option("--sid", help="Where it is known; otherwise it is looked for in the bucket and in notifications.")
@click.option("--attempt", type=click.IntRange(1, 100), help="Which attempt it was. Default: 1.")
@click.option("--hours", type=click.IntRange(1, 719), help="Its hour limit. Default: 3.")
@click.option("--stop", is_flag=True, help="Stop it at once.")
@json_option
@remote
async def adopt_command(service: Service, recording: str, as_json: bool, **known: Any) -> None:
    """Take over an Agora task that the database has lost; it becomes the token's owner's.

    RECORDING, uid and resource id are in the log line `acquired`. From then on it is watched, stopped and verified like
    any other. Its page and parameters are not known any more."""
    body = {name: value for name, value in known.items() if value not in (None, False)}
    shown = await service.call("POST", f"/v1/recordings/{recording}/adopt", body=body)
    if as_json:
        show_json(shown)
    else:
        say(f"{recording}: {line_of(shown)}")


@click.command("timeline")
@json_option
@remote_recording
async def timeline_command(service: Service, recording: str, as_json: bool) -> None:
    """Show what happened to a recording, oldest first, and who said so."""
    found = [item async for item in service.items(f"/v1/recordings/{recording}/timeline")]
    if as_json:
        show_json(found)
        return
    rows = ((each["at"], each["source"], _kind(each), _detail(each["detail"])) for each in found)
    console().print(table(("when", "source", "what", "detail"), rows))


def _kind(entry: dict[str, Any]) -> str:
    return str(entry["kind"]) if entry["count"] == 1 else f"{entry['kind']} × {entry['count']}"


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in detail.items() if value is not None)


@click.command("explain")
@json_option
@remote_recording
async def explain_command(service: Service, recording: str, as_json: bool) -> None:
    """Say why a recording is as it is: what happened, whose doing it was, what shows it, what to do next."""
    told = await service.call("GET", f"/v1/recordings/{recording}/explanation")
    if as_json:
        show_json(told)
        return
    screen = console()
    screen.print(told["summary"])
    blame = f", blame: {told['blame']}" if told["blame"] else ""
    screen.print(f"cause: {told['cause']} ({told['certainty']}{blame})")
    screen.print(table(("when", "source", "what shows it"), ((p["at"], p["source"], p["text"]) for p in told["proof"])))
    screen.print(f"next: {told['advice']}")
