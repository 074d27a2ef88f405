"""Commands about the settings: check-config, setup, ncs-ips."""

import ipaddress
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import click

from pagereel.app import database_url
from pagereel.cli.running import none_given, reachable, run, settings_of, storage_faults
from pagereel.cli.terminal.options import argument, configured, option
from pagereel.cli.terminal.output import fail, json_option, say, show_json
from pagereel.cli.terminal.parameters import Seconds
from pagereel.probes import LACKING, Probed, probe, source_addresses, unrecordable
from pagereel.serving import listen_for_check
from service.settings import Secret, Settings, SettingsError
from service.settings.load import ignored_variables


@click.command("check-config")
@option(
    "--probe",
    "with_probe",
    is_flag=True,
    help="Also test the database, the listeners, Agora's credentials, every bucket and every endpoint.",
)
@json_option
@configured
def check_config_command(config: Path | None, with_probe: bool, as_json: bool) -> None:
    """Report all errors in the settings at once. This starts nothing that Agora bills."""
    if as_json and (errors := errors_of(config)):
        show_json({"errors": errors})
        sys.exit(2)
    settings = reachable(_settings(config))
    for variable in ignored_variables(os.environ):
        say(f"pagereel: warning: {variable} is no setting and is ignored", err=True)
    for text in shared_projects(settings):
        say(f"pagereel: warning: {text}", err=True)
    if refused := [*unrecordable(settings), *given_twice(settings)]:
        fail("; ".join(refused))
    if as_json:
        probed = run(_probed(settings)) if with_probe else []
        tried = [asdict(one) for one in probed]
        shown = {"errors": [], "apps": list(settings.apps), "storage": list(settings.storage), "probes": tried}
        show_json(shown)
        sys.exit(1 if any(one.problem for one in probed) else 0)
    say(f"the settings are valid: {len(settings.apps)} app(s), {len(settings.storage)} storage profile(s)")
    if with_probe and not run(_print_probes(settings)):
        sys.exit(1)


def _settings(config: Path | None) -> Settings:
    """Return the settings. If they are invalid, exit with all errors, including missing tables that every recording
    needs."""
    try:
        Settings.load(config)
    except SettingsError as error:
        if error.absent and not none_given(config):
            fail(str(SettingsError(_all_of(error))))
    return settings_of(config)


def _all_of(error: SettingsError) -> list[str]:
    return [*error.problems, *(LACKING[name] for name in error.absent)]


def errors_of(config: Path | None) -> list[str]:
    """Return all errors of the settings, each with the setting's name."""
    try:
        settings = Settings.load(config)
    except SettingsError as error:
        return _all_of(error)
    return [*storage_faults(settings), *unrecordable(settings), *given_twice(settings)]


def given_twice(settings: Settings) -> list[str]:
    """Return errors for lists that contain a secret twice, because the older secret, which belongs there, is
    missing."""
    lists: dict[str, Sequence[Secret]] = {
        "database.sealing_keys": settings.database.sealing_keys or (),
        "signing.keys": settings.signing.keys or (),
        **{f"apps.{name}.ncs_secrets": app.ncs_secrets for name, app in settings.apps.items()},
        **{f"endpoints.{name}.secrets": endpoint.secrets for name, endpoint in settings.endpoints.items()},
    }
    return [
        f"{place}: the same file or the same secret stands there twice: give the new one and the old one, or one alone"
        for place, secrets in lists.items()
        if any(one.is_given_as(other) for one, other in combinations(secrets, 2))
    ]


def shared_projects(settings: Settings) -> list[str]:
    """Return warnings for apps with the same App ID. Agora sends the notifications of a project to one address, so the
    notifications of the other app's recordings reach the wrong app."""
    apps: dict[str, list[str]] = {}
    for name, app in settings.apps.items():
        apps.setdefault(app.app_id, []).append(f"apps.{name}")
    return [
        f"{' and '.join(names)} have the same app_id: Agora sends the notifications of a project to one of them alone, "
        "and those of the others' recordings are unmatched; make them one app"
        for names in apps.values()
        if len(names) > 1
    ]


async def _probed(settings: Settings) -> list[Probed]:
    return [probed async for probed in probe(settings, database_url(settings))]


@click.command("setup")
@argument("app")
@option(
    "--wait",
    "wait_seconds",
    default=600.0,
    show_default=True,
    type=Seconds(),
    help="Seconds to wait for the Check of Agora's console.",
)
@configured
def setup_command(config: Path | None, app: str, wait_seconds: float) -> None:
    """Set up an app: wait for the Check of Agora's console, report missing events, and test everything else."""
    settings = settings_of(config)
    if app not in settings.apps:
        fail(f"the settings have no app {app!r}; the known apps are: {', '.join(settings.apps) or 'none'}")
    missing = run(listen_for_check(settings, app, wait_seconds, say))
    good = run(_print_probes(settings))
    if missing or not good:
        sys.exit(1)
    say(f"Next: {_next_step(settings, app)}")


def _next_step(settings: Settings, app: str) -> str:
    """Return the remaining steps after a Check that has shown every event type."""
    if settings.apps[app].ncs_secrets:
        return "press Save in Agora's console, then run `pagereel serve`."
    return (
        f"press Save in Agora's console, put the secret that it shows into a file, name the file in "
        f"apps.{app}.ncs_secret_files, remove `setup = true`, then run `pagereel serve`."
    )


async def _print_probes(settings: Settings) -> bool:
    good = True
    async for probed in probe(settings, database_url(settings)):
        sign = "FAILED" if probed.problem else "warning" if probed.warning else "ok"
        told = probed.problem or probed.warning
        click.echo(f"{sign if probed.tried else 'off':<7} {probed.what}" + (f": {told}" if told else ""))
        good = good and probed.problem is None
    return good


_FORMATS: dict[str, Callable[[list[str]], list[str]]] = {
    "plain": lambda addresses: addresses,
    "json": lambda addresses: [json.dumps(addresses)],
    "nginx": lambda addresses: [*(f"allow {address};" for address in addresses), "deny all;"],
}


@click.command("ncs-ips")
@option("--app", help="App whose credentials are used. Default: the first app in the settings.")
@option("--format", "style", type=click.Choice(sorted(_FORMATS)), default="plain", show_default=True)
@json_option
@configured
def ncs_ips_command(config: Path | None, app: str | None, style: str, as_json: bool) -> None:
    """Print the source addresses of Agora's notifications, for a firewall or a proxy.

    The addresses change: run this once a day. Pagereel trusts the signature; an address list only reduces noise.
    """
    settings = settings_of(config)
    app = app or next(iter(settings.apps), None)
    if app is None or app not in settings.apps:
        fail(f"the settings have no app {app!r}" if app else "the settings have no app")
    for line in _FORMATS["json" if as_json else style](
        sorted(run(source_addresses(settings, app)), key=ipaddress.ip_address)
    ):
        click.echo(line)
