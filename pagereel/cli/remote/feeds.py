"""Commands about actions, events, notices, messages and endpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import click

from pagereel.cli.remote.ids import message_of
from pagereel.cli.remote.session import CallError, Service, remote
from pagereel.cli.remote.shown import when
from pagereel.cli.terminal.options import argument, option
from pagereel.cli.terminal.output import json_option, say, show_json
from pagereel.cli.terminal.parameters import Whole
from pagereel.cli.terminal.tables import console, print_table
from service.lifecycle.rules.notifications import event_name

WAIT_SECONDS = 30
_NOT_FOUND = 404


@contextmanager
def _named(typed: str) -> Iterator[None]:
    """Prefix a 404 error with the typed value, which may be one of several."""
    try:
        yield
    except CallError as error:
        if error.status != _NOT_FOUND:
            raise
        raise CallError(f"{typed}: {error}", error.status) from None


@click.command("events")
@option("--after", help="The `next` of an earlier call. Default: the beginning of the feed.")
@option("--follow", "-f", is_flag=True, help="Continue with new events until Ctrl-C.")
@json_option
@remote
async def events_command(service: Service, after: str | None, follow: bool, as_json: bool) -> None:
    """Print the events of recordings in the order of the feed. With --json, print one event a line and `next` last."""
    screen = console()
    while True:
        params = {
            "limit": "200",
            **({"after": after} if after else {}),
            **({"wait": str(WAIT_SECONDS)} if follow else {}),
        }
        page = await service.call("GET", "/v1/events", params=params)
        for event in page["items"]:
            if as_json:
                show_json(event)
            else:
                screen.print(f"{event['at']}  {event['recording_id']}  {event['type']}")
        after = page["next"]
        if not page["items"] and not follow:
            break
    if as_json:
        show_json({"next": after})


@click.command("actions")
@option("--limit", default=50, show_default=True, type=Whole(1, 100_000))
@json_option
@remote
async def actions_command(service: Service, limit: int, as_json: bool) -> None:
    """List the actions taken with the owner's tokens, newest first."""
    found = [item async for item in service.items("/v1/actions", limit=limit)]
    if as_json:
        show_json(found)
        return
    rows = ((when(each["at"]), each["action"], each["subject"], each["token_id"]) for each in found)
    print_table(("when", "action", "subject", "token"), rows, empty="No actions.")


@click.group("notices")
def notices_group() -> None:
    """Stored notifications from Agora."""


def _event(number: int | None) -> str | None:
    return None if number is None else event_name(number)


@notices_group.command("list")
@option("--outcome", type=click.Choice(["new", "applied", "foreign", "unmatched", "test", "broken", "parked"]))
@option("--sid", help="Only notifications of this Agora task.")
@option("--limit", default=50, show_default=True, type=Whole(1, 100_000))
@json_option
@remote
async def notices_list_command(
    service: Service, outcome: str | None, sid: str | None, limit: int, as_json: bool
) -> None:
    """List stored notifications and their outcomes, newest first."""
    given = {name: value for name, value in {"outcome": outcome, "sid": sid}.items() if value}
    found = [item async for item in service.items("/v1/notifications", given, limit)]
    if as_json:
        show_json(found)
        return
    rows = (
        (
            each["id"],
            when(each["received_at"]),
            _event(each["event_type"]),
            each["outcome"],
            each["recording_id"],
            each["sid"],
        )
        for each in found
    )
    print_table(
        ("id", "received", "event", "outcome", "recording", "sid"),
        rows,
        coloured=3,
        cut=(5,),
        empty="No notifications.",
    )


@notices_group.command("replay")
@argument("notices", metavar="NUMBER...", nargs=-1, required=True, type=int)
@json_option
@remote
async def notices_replay_command(service: Service, notices: tuple[int, ...], as_json: bool) -> None:
    """Process stored notifications again. This has no effect if nothing has changed since."""
    for notice in notices:
        with _named(str(notice)):
            shown = await service.call("POST", f"/v1/notifications/{notice}/replay")
        if as_json:
            show_json(shown)
        else:
            say(f"notification {notice} is processed again")


@click.group("messages")
def messages_group() -> None:
    """Messages to endpoints, and their deliveries."""


@messages_group.command("list")
@option("--state", type=click.Choice(["pending", "delivered", "dead", "skipped"]))
@option("--endpoint", help="Only deliveries to this endpoint.")
@option("--limit", default=50, show_default=True, type=Whole(1, 100_000))
@json_option
@remote
async def messages_list_command(
    service: Service, state: str | None, endpoint: str | None, limit: int, as_json: bool
) -> None:
    """List deliveries, newest message first."""
    given = {name: value for name, value in {"state": state, "endpoint": endpoint}.items() if value}
    found = [item async for item in service.items("/v1/messages", given, limit)]
    if as_json:
        show_json(found)
        return
    rows = (
        (
            *(each[name] for name in ("message_id", "type", "endpoint", "state", "tries")),
            when(each["next_try_at"]),
            each["last_status"],
            each["last_error"],
            each["last_answer"],
        )
        for each in found
    )
    heads = ("message", "type", "endpoint", "state", "tries", "next try", "status", "last error", "response")
    print_table(heads, rows, coloured=3, cut=(1, 2, 7, 8), empty="No messages.")


@messages_group.command("redrive")
@option("--endpoint", help="Only messages to this endpoint.")
@argument("messages", nargs=-1)
@json_option
@remote
async def messages_redrive_command(
    service: Service, endpoint: str | None, messages: tuple[str, ...], as_json: bool
) -> None:
    """Send dead messages again: all of them, or only the named ones."""
    named = [await message_of(service, message) for message in messages]
    body = {**({"endpoint": endpoint} if endpoint else {}), **({"messages": named} if named else {})}
    answer = await service.call("POST", "/v1/messages/redrive", body=body, arguments={"messages": messages})
    if as_json:
        show_json(answer)
    else:
        count = answer["redriven"]
        hint = "" if count else "; `pagereel endpoints enable NAME` sends pending ones at once"
        say(f"{_messages(count)} sent again{hint}")


def _messages(count: int) -> str:
    return "1 message is" if count == 1 else f"{count} messages are"


@click.group("endpoints")
def endpoints_group() -> None:
    """Endpoints that receive messages, and their state."""


@endpoints_group.command("list")
@json_option
@remote
async def endpoints_list_command(service: Service, as_json: bool) -> None:
    """List the endpoints that recordings can name."""
    found = (await service.call("GET", "/v1/endpoints"))["items"]
    if as_json:
        show_json(found)
        return
    rows = (
        (each["name"], each["state"], each["pending"], each["dead"], each["last_error"], each["url"]) for each in found
    )
    print_table(
        ("name", "state", "pending", "dead", "last error", "url"),
        rows,
        coloured=1,
        cut=(4, 5),
        empty="The settings have no endpoints.",
    )


@endpoints_group.command("enable")
@argument("name")
@json_option
@remote
async def endpoints_enable_command(service: Service, name: str, as_json: bool) -> None:
    """Enable an endpoint that is failing or disabled, and send its waiting messages."""
    with _named(name):
        shown = await service.call("POST", f"/v1/endpoints/{quote(name, safe='')}/enable")
    if as_json:
        show_json(shown)
    else:
        say(f"{name}: {_messages(shown['pending'])} being sent")
