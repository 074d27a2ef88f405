"""Free ports for servers that tests start."""

import socket

_given: set[int] = set()


def free_port() -> int:
    """Return a free loopback port, each only once: the system may offer one again as soon as it is free."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
