"""Free TCP ports, each handed out once per test process."""

import socket

_given: set[int] = set()


def free_port() -> int:
    """Loopback port that nobody listens on and that this process has not handed out before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
