"""The command `pagereel support-bundle`, which downloads a bundle or replays the decisions of one."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pagereel.cli.remote.ids import recording_of
from pagereel.cli.remote.session import Service, speak
from pagereel.cli.terminal.options import argument, option, service_options
from pagereel.cli.terminal.output import fail, json_option, say, show_json
from pagereel.cli.terminal.tables import console, table
from service.lifecycle.observations import Entry, Wait
from service.lifecycle.reconstruct import Decision
from service.operations.evidence.support_bundle_reader import BundleError, decide
from service.recording import Recording
from service.wording import size

_File = click.Path(dir_okay=False, path_type=Path)


@click.command("support-bundle")
@argument("recording", required=False, metavar="[ID]")
@option("--output", "-o", type=_File, help="File for the archive. Default: the id with .zip, in this directory.")
@option("--replay", "replayed", type=_File, help="Replay the decisions of this bundle, without the service.")
@json_option
@service_options
def support_bundle_command(
    url: str, token_file: Path | None, recording: str | None, output: Path | None, replayed: Path | None, as_json: bool
) -> None:
    """Download all data of a recording as one archive without secrets, or replay an archive.

    With --replay, the exit status is 0 if the rules of this version lead to the stored state, otherwise 1.
    """
    if (recording is None) == (replayed is None):
        raise click.UsageError("give the id of a recording, or a bundle with --replay")
    if replayed is not None:
        _replay(replayed, as_json)
    assert recording is not None
    part = recording

    async def fetch(service: Service) -> None:
        name = await recording_of(service, part)
        target = output or Path(f"{name}.zip")
        content = await service.fetch(f"/v1/recordings/{name}/support-bundle")
        try:
            await asyncio.to_thread(target.write_bytes, content)
        except OSError as error:
            fail(f"{target} cannot be written ({error.strerror})")
        if as_json:
            show_json({"file": str(target), "bytes": len(content)})
        else:
            say(f"{target}: {size(len(content))}")

    speak(url, token_file, fetch)


def _replay(file: Path, as_json: bool) -> None:
    try:
        kept, arrived, decisions = decide(file.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror})")
    except BundleError as error:
        fail(f"{file}: {error}")
    same = (kept.state, kept.end_reason, kept.blame) == (arrived.state, arrived.end_reason, arrived.blame)
    if as_json:
        show_json({"same": same, "kept": _end(kept), "decided": _end(arrived), "decisions": [*map(_plain, decisions)]})
    else:
        console().print(table(("when", "observation", "result", "next"), map(_row, decisions)))
        told = sum(one.observation is None for one in decisions)
        say(counted(len(decisions), told))
        say(f"{kept.id} is stored as {_words(kept)}; the replay gives {_words(arrived)}")
    raise SystemExit(0 if same else 1)


def counted(decisions: int, told: int) -> str:
    """Return the number of decisions as text, and the number of lines that were applied as stored (`told`), if any."""
    taken_over = f"; {_count(told, 'line')} (!) taken over as stored" if told else ""
    return f"{_count(decisions, 'decision')}{taken_over}"


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def _row(one: Decision) -> tuple[str, ...]:
    seen = "!" if one.observation is None else _call(one.observation)
    return _instant(one.at), f"{one.source}: {seen}", "; ".join(map(_line, one.lines)), _next(one)


def _line(line: Entry) -> str:
    detail = ", ".join(f"{name}={value}" for name, value in line.detail.items() if value is not None)
    return f"{line.kind} ({detail})" if detail else line.kind


def _next(one: Decision) -> str:
    if not isinstance(one.step, Wait):
        return _call(one.step)
    return "nothing" if one.step.until_at is None else f"wait {max(0, one.step.until_at - one.at):.1f} s"


def _call(value: Any) -> str:
    """Return the name of an observation or step. Its details are in the lines that follow from it."""
    inner = getattr(value, "step", None)
    return type(value).__name__ if inner is None else f"{type(value).__name__} {type(inner).__name__}"


def _plain(one: Decision) -> dict[str, Any]:
    return {
        "at": _instant(one.at),
        "source": one.source,
        "observation": None if one.observation is None else _call(one.observation),
        "lines": [asdict(line) for line in one.lines],
        "state": one.state,
        "next": _next(one),
    }


def _end(recording: Recording) -> dict[str, Any]:
    return {"state": recording.state, "end_reason": recording.end_reason, "blame": recording.blame}


def _words(recording: Recording) -> str:
    return recording.state.value + (f" ({recording.end_reason.value})" if recording.end_reason else "")


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
