"""Hostile connections, from a process of their own so that they cost the measuring one nothing: `python -m
tests.e2e.hostile PORT COUNT`. Four kinds: silent, dripping a head, silent in the body, dripping a body.

Says `ready` once all stand, then every second how many of those silent in the body still do; ends with its stdin.
"""

import resource
import select
import socket
import sys

BODY = 2000
HEAD = f"POST /agora/main/notifications HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\n".encode()
BEGINS = (b"", b"POST /agora", HEAD, HEAD + b"{")


def _open(port: int, count: int) -> list[socket.socket]:
    sockets = []
    for number in range(count):
        bad = socket.create_connection(("127.0.0.1", port))
        bad.setblocking(False)
        bad.send(BEGINS[number % 4])
        sockets.append(bad)
    return sockets


def _closed(bad: socket.socket) -> bool:
    """Whether the other side has ended it, after an answer or without."""
    try:
        while bad.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _drip(sockets: list[socket.socket]) -> None:
    for bad in sockets[1::2]:
        try:
            bad.send(b"x")
        except OSError:
            continue  # it was cut off, as it should be


def main(port: int, count: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sockets = _open(port, count)
    print("ready", flush=True)
    silent = set(sockets[2::4])
    while not select.select([sys.stdin], [], [], 1)[0]:
        _drip(sockets)
        silent = {bad for bad in silent if not _closed(bad)}
        print(len(silent), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
