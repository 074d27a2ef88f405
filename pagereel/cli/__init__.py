"""The command `pagereel`, with a module for each group of commands.

A user's mistake produces one clear line without a traceback. An internal error produces a traceback and its own exit
status, so that it cannot be mistaken for a result. A command's module is imported when it is used, because the
service's modules take a second to import, and commands for a running service do not need them.
"""

import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import click

from pagereel.cli.terminal.examples import EXAMPLES
from pagereel.cli.terminal.options import config_option, service_options
from pagereel.interrupts import BROKEN_PIPE, INTERRUPTED, ending_at_once, no_room

# The module and function of each command, in the sections and the order of the help.
_SECTIONS: Final = {
    "Try it on this machine": {
        "demo": "trial:demo_command",
        "sandbox": "trial:sandbox_command",
    },
    "Record": {
        "record": "remote.record:record_command",
        "list": "remote.recordings:list_command",
        "show": "remote.recordings:show_command",
        "watch": "remote.following:watch_command",
        "stop": "remote.recordings:stop_command",
        "pause": "remote.recordings:pause_command",
        "resume": "remote.recordings:resume_command",
    },
    "Inspect and download": {
        "explain": "remote.recordings:explain_command",
        "timeline": "remote.recordings:timeline_command",
        "look": "remote.looking:look_command",
        "files": "remote.files:files_command",
        "pictures": "remote.pictures:pictures_command",
        "support-bundle": "remote.bundles:support_bundle_command",
    },
    "Messages and usage": {
        "events": "remote.feeds:events_command",
        "messages": "remote.feeds:messages_group",
        "endpoints": "remote.feeds:endpoints_group",
        "notices": "remote.feeds:notices_group",
        "usage": "spending:usage_command",
        "actions": "remote.feeds:actions_command",
    },
    "Run the service": {
        "serve": "processes:serve_command",
        "work": "processes:work_command",
        "check-config": "configuration:check_config_command",
        "setup": "configuration:setup_command",
        "ncs-ips": "configuration:ncs_ips_command",
        "token": "tokens:token_group",
        "migrate": "processes:migrate_command",
        "backup": "processes:backup_command",
        "adopt": "remote.recordings:adopt_command",
    },
    "Verify a bucket": {
        "verify": "verifying:verify_command",
        "audit": "auditing:audit_command",
        "manifest": "manifests:manifest_group",
    },
    "Shell": {
        "completion": "completing:completion_command",
    },
}
_PLACES: Final = {name: place for section in _SECTIONS.values() for name, place in section.items()}


OUR_MISTAKE: Final = 3
"""The exit status of an internal error."""


class _Commands(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.exit(BROKEN_PIPE)
        except Exception as error:
            if no_room(error):
                raise  # reported in one line by the entry point
            traceback.print_exc()
            sys.exit(OUR_MISTAKE)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(context, args)
        except click.UsageError:
            near = get_close_matches(args[0], self.list_commands(context), 3)
            if not near:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {' or '.join(near)}?", context) from None

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(_PLACES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _PLACES:
            return None
        module, _, attribute = _PLACES[name].partition(":")
        with ending_at_once():
            command: click.Command = getattr(import_module(f"pagereel.cli.{module}"), attribute)
        _add_examples(name, command)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in _SECTIONS.items():
            rows = [(name, _first_sentence(self.get_command(context, name))) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows)


def _add_examples(name: str, command: click.Command) -> None:
    """Add the examples below the help of the command and of its subcommands."""
    examples = EXAMPLES.get(name)
    if examples is not None:
        command.epilog = "\n".join(
            ("\b", "Examples:" if len(examples) > 1 else "Example:", *(f"  {one}" for one in examples))
        )
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            inner.short_help = _first_sentence(inner)  # click cuts texts longer than a line
            _add_examples(f"{name} {part}", inner)


def _first_sentence(command: click.Command | None) -> str:
    """Return the whole first sentence of the help. The formatter wraps it."""
    text = " ".join(((command and command.help) or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".:")


@click.group("pagereel", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("pagereel"), prog_name="pagereel")
@config_option
@service_options
def main(**_: Any) -> None:
    """Record web pages through Agora Cloud Recording, and prove that the recordings exist.

    --config, --url and --token-file can come before or after the command."""
