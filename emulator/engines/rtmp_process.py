"""`python -m emulator.engines.rtmp_process`: takes the URL as its first line of input, then FLV, and sends it there.

For: keeping a target that hangs, resets or never answers away from the recorder; whoever started this may kill it at
any time. It says `publishing` once the target takes the stream. The URL is a secret, so it is no argument.
"""

from __future__ import annotations

import os
from io import RawIOBase

import av


def send(source: RawIOBase, url: str) -> None:
    """Return at the end of the input. Raises av.FFmpegError when the target does not take it."""
    # The stream is known from its first packets: looking for longer would only make it late.
    with (
        av.open(source, "r", format="flv", options={"analyzeduration": "200000"}) as flv,
        av.open(url, "w", format="flv") as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in flv.streams}
        target.start_encoding()
        print("publishing", flush=True)  # noqa: T201 - what the parent waits for
        for packet in flv.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)


def main() -> int:
    """The process's status: 0 when all was sent."""
    # Unbuffered, or packets would wait until a whole buffer of them is there.
    source = os.fdopen(0, "rb", buffering=0)
    url = source.readline().decode().rstrip("\n")
    try:
        send(source, url)
    except (av.FFmpegError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    # Straight out: tearing down a connection that hangs would hang too.
    os._exit(main())
