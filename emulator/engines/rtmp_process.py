"""The process `python -m emulator.engines.rtmp_process`, which sends FLV from its input to the URL in the input's first
line.

It isolates the recorder from a target that hangs, resets or never answers; the parent may kill it at any time. It
prints `publishing` when the target accepts the stream. The URL is a secret, so it is not an argument.
"""

from __future__ import annotations

import os
from io import RawIOBase

import av


def send(source: RawIOBase, url: str) -> None:
    """Send the input until its end. Raise av.FFmpegError if the target does not accept it."""
    # The first packets define the streams, so a longer analysis would only add delay.
    with (
        av.open(source, "r", format="flv", options={"analyzeduration": "200000"}) as flv,
        av.open(url, "w", format="flv") as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in flv.streams}
        target.start_encoding()
        print("publishing", flush=True)  # noqa: T201 - the parent waits for it
        for packet in flv.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)


def main() -> int:
    """Return the process's exit status, which is 0 if everything was sent."""
    # Unbuffered, because a buffer would delay packets until it is full.
    source = os.fdopen(0, "rb", buffering=0)
    url = source.readline().decode().rstrip("\n")
    try:
        send(source, url)
    except (av.FFmpegError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    # Exit without cleanup: closing a hanging connection would hang too.
    os._exit(main())
