"""The command `pagereel pictures`, which downloads the poster and the contact sheet of a recording."""

import asyncio
from pathlib import Path
from typing import Final

import click

from pagereel.cli.remote.ids import remote_recording
from pagereel.cli.remote.session import Service
from pagereel.cli.terminal.options import option
from pagereel.cli.terminal.output import fail, json_option, make_folder, say, show_json
from service.wording import size

_PICTURES: Final = ("poster", "contact-sheet")


@click.command("pictures")
@option(
    "--output",
    "-o",
    "folder",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the pictures. Default: this directory.",
)
@json_option
@remote_recording
async def pictures_command(service: Service, recording: str, folder: Path, as_json: bool) -> None:
    """Download the poster and the contact sheet of a recording: one picture of it, and many small ones in one JPEG.

    The pictures are made when a verification decodes the recording, that is at level `content` and deeper."""
    contents = {name: await service.fetch(f"/v1/recordings/{recording}/{name}") for name in _PICTURES}
    files = {name: folder / f"{recording}-{name}.jpg" for name in contents}
    await asyncio.to_thread(make_folder, folder)
    try:
        for name, file in files.items():
            await asyncio.to_thread(file.write_bytes, contents[name])
    except OSError as error:
        fail(f"{error.filename or folder} cannot be written ({error.strerror})")
    if as_json:
        show_json([{"file": str(file), "bytes": len(contents[name])} for name, file in files.items()])
        return
    for name, file in files.items():
        say(f"{file}: {size(len(contents[name]))}")
