"""The command `pagereel completion`: a script that completes commands and options in a shell."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from pagereel.cli.terminal.options import argument

SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_PAGEREEL_COMPLETE"


@click.command("completion")
@argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in SHELL.

    \b
    bash: write it to ~/.local/share/bash-completion/completions/pagereel
    zsh:  write it to a file _pagereel in a folder of $fpath
    fish: write it to ~/.config/fish/completions/pagereel.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(context.find_root().command, {}, "pagereel", _VARIABLE).source())
