"""A publisher process: builds its messages, says `loaded`, waits for a line, sends, and tells in JSON what was acknowledged."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass

from bench.payloads import readings
from support.lean_publisher import LeanPublisher


@dataclass
class Address:
    """As much of a broker as the publisher needs."""

    host: str
    port: int
    username: str
    password: str
    tls: None = None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--meters", type=int, required=True)
    parser.add_argument("--start-ms", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0)
    given = parser.parse_args()
    address = Address("127.0.0.1", given.port, given.user, given.password)
    publisher = LeanPublisher(address, f"bench-{given.first}", window=1_000)  # type: ignore[arg-type]
    publisher.add(readings(given.first, given.count, given.meters, given.start_ms))
    publisher.connect()
    print("loaded", flush=True)
    sys.stdin.readline()
    began = time.time_ns()
    publisher.run(rate=given.rate or None)
    told = {"began_ns": began, "ended_ns": time.time_ns(), "sent": publisher.sent, "acked": sum(publisher.acked)}
    publisher.close()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
