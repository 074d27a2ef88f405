"""The command `pagereel`: a module for each group of commands.

A mistake of the user gets one clear line, never a traceback.
"""

from importlib.metadata import version
from pathlib import Path

import click

from service.cli import configuration, manifests, processes, spending, tokens, trial, verifying
from service.cli.remote import bundles, feeds, files, recordings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("pagereel"), prog_name="pagereel")
@click.option(
    "--config",
    "-c",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings (TOML). Default: $PAGEREEL_SETTINGS; PAGEREEL_… variables override single keys.",
)
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Records web pages through Agora Cloud Recording, and proves that the recordings exist."""
    context.obj = config


for _command in (
    processes.serve_command,
    processes.work_command,
    processes.migrate_command,
    processes.backup_command,
    configuration.check_config_command,
    configuration.setup_command,
    configuration.ncs_ips_command,
    tokens.token_group,
    spending.usage_command,
    trial.demo_command,
    trial.sandbox_command,
    manifests.manifest_group,
    verifying.verify_command,
    verifying.audit_command,
    recordings.record_command,
    recordings.list_command,
    recordings.show_command,
    recordings.watch_command,
    recordings.stop_command,
    recordings.pause_command,
    recordings.resume_command,
    recordings.look_command,
    recordings.adopt_command,
    recordings.timeline_command,
    recordings.explain_command,
    files.files_command,
    bundles.support_bundle_command,
    feeds.actions_command,
    feeds.events_command,
    feeds.notices_group,
    feeds.messages_group,
    feeds.endpoints_group,
):
    main.add_command(_command)
