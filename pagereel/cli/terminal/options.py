"""The options that commands share: --config, --url and --token-file, before or after a command's name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

DEFAULT_URL: Final = "http://127.0.0.1:8080"
Command = TypeVar("Command", bound=Callable[..., Any])
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


class _Filled(click.Parameter):
    """A parameter that refuses an empty text, because that mostly comes from an unset shell variable and does not mean
    the default."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        typed = ctx.get_parameter_source(str(self.name)) is ParameterSource.COMMANDLINE
        if typed and "" in (value if isinstance(value, list | tuple) else (value,)):
            raise click.BadParameter("must not be empty", ctx, self)
        return super().type_cast_value(ctx, value)


class _FilledOption(_Filled, click.Option):
    pass


class _FilledArgument(_Filled, click.Argument):
    pass


option: Final = partial(click.option, cls=_FilledOption)
argument: Final = partial(click.argument, cls=_FilledArgument)


def config_option(command: Command) -> Command:
    """Add `--config`, whose value becomes the context's object. The option nearest to the command's name applies."""
    return option(
        "--config",
        "-c",
        type=_FILE,
        expose_value=False,
        callback=_keep_config,
        help="Settings file (TOML). Default: $PAGEREEL_SETTINGS. PAGEREEL_… variables override single keys.",
    )(command)


def _keep_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.obj = value


def configured(command: Command) -> Callable[..., Any]:
    """Turn a function into a command that first gets the settings' path or None, regardless of the position of
    `--config`."""
    return config_option(click.pass_obj(command))


def service_options(command: Command) -> Command:
    """Add `--url` and `--token-file`, which select the running service and the token."""
    url = option(
        "--url",
        envvar="PAGEREEL_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        callback=_own_or_before,
        help="URL of the service's API.",
    )
    token_file = option(
        "--token-file",
        envvar="PAGEREEL_TOKEN_FILE",
        type=_FILE,
        callback=_own_or_before,
        help="File with the API token. Without it: the file in PAGEREEL_TOKEN_FILE, then the token in PAGEREEL_TOKEN.",
    )
    return url(token_file(command))


def _own_or_before(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Return the option's value, or the value given before the command's name if only that was given."""
    name, given = str(parameter.name), ParameterSource.COMMANDLINE
    before = context.parent
    while before is not None and context.get_parameter_source(name) is not given:
        if before.get_parameter_source(name) is given:
            return before.params[name]
        before = before.parent
    return value
