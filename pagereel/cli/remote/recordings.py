"""Commands about recordings: list, show, stop, pause, resume, adopt, timeline, explain."""

from typing import Any
from urllib.parse import quote

import click

from pagereel.cli.remote.ids import remote_recording
from pagereel.cli.remote.record import pair
from pagereel.cli.remote.session import Service, remote
from pagereel.cli.remote.shown import length_of, line_of, page_of, print_recording, start_of, state_of
from pagereel.cli.terminal.options import argument, option
from pagereel.cli.terminal.output import json_option, say, show_json
from pagereel.cli.terminal.parameters import Instant, Whole, rfc3339
from pagereel.cli.terminal.tables import console, is_wide, print_table, table
from service.repeats import runs
from service.wording import detail_value


@click.command("list")
@option("--state", "states", multiple=True, help="Only recordings in this state (repeatable).")
@option("--app", help="Only recordings of this app.")
@option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only recordings with this label (repeatable).")
@option(
    "--planned/--not-planned",
    default=None,
    help="Only recordings that wait for their start, or no such recordings. The next start comes first.",
)
@option("--warned/--not-warned", default=None, help="Only recordings whose latest report has warnings, or has none.")
@option("--from", "from_at", type=Instant(), help="Only recordings requested at this time or later.")
@option("--to", "to_at", type=Instant(), help="Only recordings requested before this time.")
@option("--limit", default=50, show_default=True, type=Whole(1, 100_000))
@json_option
@remote
async def list_command(
    service: Service,
    states: tuple[str, ...],
    app: str | None,
    labels: tuple[str, ...],
    planned: bool | None,
    warned: bool | None,
    from_at: float | None,
    to_at: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List recordings, newest first. All conditions must hold."""
    if from_at is not None and to_at is not None and from_at > to_at:
        raise click.UsageError("--from is later than --to, so nothing lies between them")
    flags = {"planned": planned, "warned": warned}
    asked = {"state": list(states), "app": app, "label": ["=".join(pair(label)) for label in labels]}
    asked |= {name: str(value).lower() for name, value in flags.items() if value is not None}
    asked |= {name: rfc3339(at) for name, at in {"from": from_at, "to": to_at}.items() if at is not None}
    given = {name: value for name, value in asked.items() if value}
    found = [item async for item in service.items("/v1/recordings", given, limit)]
    if as_json:
        show_json(found)
        return
    empty = "No matching recordings." if given else "No recordings. Start one: pagereel record URL"
    waits = [(each["attention"] or {}).get("code") for each in found]
    more = ("end reason", *(("attention",) if any(waits) else ())) if is_wide() else ()
    heads = ("id", "state", "when", "length", "page", *more)
    rows = (
        (each["id"], state_of(each), start_of(each), length_of(each), page_of(each), each["end_reason"], wait)[
            : len(heads)
        ]
        for each, wait in zip(found, waits, strict=True)
    )
    print_table(heads, rows, coloured=1, cut=(4,), middle=(4,), empty=empty)


@click.command("show")
@json_option
@remote_recording
async def show_command(service: Service, recording: str, as_json: bool) -> None:
    """Show a recording: its facts, and the findings of its latest verification."""
    shown = await service.call("GET", f"/v1/recordings/{recording}")
    if as_json:
        show_json(shown)
    else:
        print_recording(shown)


def _wish(name: str, path: str, text: str) -> click.Command:
    """Return a command that stores one request for a recording."""

    @json_option
    @remote_recording
    async def wish(service: Service, recording: str, as_json: bool) -> None:
        shown = await service.call("POST", f"/v1/recordings/{recording}/{path}")
        if as_json:
            show_json(shown)
        else:
            say(f"{recording}: {line_of(shown)}")

    return click.command(name, help=text)(wish)


stop_command = _wish("stop", "stop", "Stop a recording. Pagereel keeps trying until no recorder runs.")
pause_command = _wish(
    "pause", "pause", "Pause a recording. Agora bills the pause, and it does not count as missing time."
)
resume_command = _wish("resume", "resume", "Resume a recording that is paused or was started on hold.")


@click.command("adopt")
@argument("recording")
@option("--app", required=True, help="The app that started it.")
@option("--storage", required=True, help="The storage profile that it uses.")
@option("--uid", required=True, type=Whole(1, 2**32 - 1))
@option("--resource-id", required=True)
@option("--sid", help="Agora's sid. By default, Pagereel searches the bucket and the notifications for it.")
@option("--attempt", type=Whole(1, 100), help="The number of the attempt. Default: 1.")
@option("--hours", type=Whole(1, 719), help="Its hour limit, when Pagereel stops it. Default: 3.")
@option("--stop", is_flag=True, help="Stop it at once.")
@option("--unchecked", is_flag=True, help="Adopt it although Agora does not confirm the task.")
@json_option
@remote
async def adopt_command(service: Service, recording: str, as_json: bool, **known: Any) -> None:
    """Take over an Agora task that is missing from the database. The recording then belongs to the token's owner.

    RECORDING, uid and resource id are in the log line `acquired`. Pagereel asks Agora for the task, and refuses values
    that do not fit. Then it watches, stops and verifies it like any other recording. Its page and parameters remain
    unknown. A second `adopt` with other values corrects the first."""
    body = {name: value for name, value in known.items() if value not in (None, False)}
    path = f"/v1/recordings/{quote(recording, safe='')}/adopt"
    shown = await service.call("POST", path, body=body, arguments={"recording": recording})
    if as_json:
        show_json(shown)
    else:
        say(f"{recording}: {line_of(shown)}")


@click.command("timeline")
@json_option
@remote_recording
async def timeline_command(service: Service, recording: str, as_json: bool) -> None:
    """Show the history of a recording, oldest first, with the source of each event. Events that say the same are one
    line; `--json` lists them all."""
    found = [item async for item in service.items(f"/v1/recordings/{recording}/timeline")]
    if as_json:
        show_json(found)
        return
    same = runs(found, lambda each: str(each["kind"]), lambda each: (each["kind"], each["source"], each["detail"]))
    rows = ((_instants(run), run[-1]["source"], _kind(run), _detail(run[-1]["detail"])) for run in same)
    console().print(table(("when", "source", "event", "detail"), rows, coloured=2))


def _instants(run: list[dict[str, Any]]) -> str:
    first, last = str(run[0]["at"]), str(run[-1]["at"])
    return last if first == last else f"{first} to {last}"


def _kind(run: list[dict[str, Any]]) -> str:
    kind, count = str(run[-1]["kind"]), sum(each["count"] for each in run)
    if console().is_terminal:  # the source column already contains it
        kind = kind.removeprefix("notice_")
    return kind if count == 1 else f"{kind} × {count}"


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name}={detail_value(name, value)}" for name, value in detail.items() if value is not None)


@click.command("explain")
@json_option
@remote_recording
async def explain_command(service: Service, recording: str, as_json: bool) -> None:
    """Explain the state of a recording: what happened, the cause, the evidence and the next step."""
    told = await service.call("GET", f"/v1/recordings/{recording}/explanation")
    if as_json:
        show_json(told)
        return
    screen = console()
    screen.print(told["summary"])
    blame = f", blame: {told['blame']}" if told["blame"] else ""
    screen.print(f"cause: {told['cause']} ({told['certainty']}{blame})")
    screen.print(table(("when", "source", "evidence"), ((p["at"], p["source"], p["text"]) for p in told["proof"])))
    screen.print(f"next: {told['advice']}")
