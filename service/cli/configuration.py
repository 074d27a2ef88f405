"""Commands that look at the settings: check-config, setup."""

import ipaddress
import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from service.app import database_url
from service.cli.options import configured
from service.cli.output import fail, json_option, say, show_json
from service.cli.running import reachable, run, settings_of
from service.probes import Probed, probe, source_addresses
from service.serving import listen_for_check
from service.settings import Settings


@click.command("check-config")
@click.option("--probe", "with_probe", is_flag=True, help="Also try database, Agora's credentials and every bucket.")
@json_option
@configured
def check_config_command(config: Path | None, with_probe: bool, as_json: bool) -> None:
    """Say everything that is wrong with the settings, at once. Nothing billed is started."""
    settings = reachable(settings_of(config))
    if as_json:
        probed = run(_probed(settings)) if with_probe else []
        tried = [{"what": one.what, "problem": one.problem} for one in probed]
        show_json({"apps": list(settings.apps), "storage": list(settings.storage), "probes": tried})
        sys.exit(1 if any(one.problem for one in probed) else 0)
    say(f"the settings are sound: {len(settings.apps)} app(s), {len(settings.storage)} storage profile(s)")
    if with_probe and not run(_print_probes(settings)):
        sys.exit(1)


async def _probed(settings: Settings) -> list[Probed]:
    return [probed async for probed in probe(settings, database_url(settings))]


@click.command("setup")
@click.argument("app")
@click.option(
    "--wait", "wait_seconds", default=600.0, show_default=True, help="Seconds to wait for the console's Check."
)
@configured
def setup_command(config: Path | None, app: str, wait_seconds: float) -> None:
    """Day one of an app: listen for the console's Check, say which events are missing, try everything else."""
    settings = settings_of(config)
    if app not in settings.apps:
        fail(f"the settings have no app {app!r}; they have {', '.join(settings.apps) or 'none'}")
    missing = run(listen_for_check(settings, app, wait_seconds, say))
    good = run(_print_probes(settings))
    sys.exit(0 if good and not missing else 1)


async def _print_probes(settings: Settings) -> bool:
    good = True
    async for probed in probe(settings, database_url(settings)):
        click.echo(
            f"{'ok     ' if probed.problem is None else 'FAILED '} {probed.what}"
            + (f": {probed.problem}" if probed.problem else "")
        )
        good = good and probed.problem is None
    return good


_FORMATS: dict[str, Callable[[list[str]], list[str]]] = {
    "plain": lambda addresses: addresses,
    "json": lambda addresses: [json.dumps(addresses)],
    "nginx": lambda addresses: [*(f"allow {address};" for address in addresses), "deny all;"],
}


@click.command("ncs-ips")
@click.option("--app", help="Whose credentials ask. Default: the first app of the settings.")
@click.option("--format", "style", type=click.Choice(sorted(_FORMATS)), default="plain", show_default=True)
@json_option
@configured
def ncs_ips_command(config: Path | None, app: str | None, style: str, as_json: bool) -> None:
    """Print the addresses that Agora's notifications come from, for a firewall or a proxy.

    They change: ask once a day. The signature is what is trusted; a list of addresses only keeps noise away.
    """
    settings = settings_of(config)
    app = app or next(iter(settings.apps), None)
    if app is None or app not in settings.apps:
        fail(f"the settings have no app {app!r}" if app else "the settings have no app")
    for line in _FORMATS["json" if as_json else style](
        sorted(run(source_addresses(settings, app)), key=ipaddress.ip_address)
    ):
        click.echo(line)
