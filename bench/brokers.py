"""The brokers of the benches: durable as far as they can be without writing everything twice.

Mosquitto with `autosave_on_changes` writes its whole database after every message (1,734 messages/s here), so a bench with
it would measure that; it saves on its ordinary schedule here instead. NATS is configured as the hub's embedded default.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from support.brokers import MosquittoBroker, NatsBroker, TestBroker


class BenchMosquitto(MosquittoBroker):
    """Without saving on every change."""

    def _command(self) -> list[str]:
        command = super()._command()
        config = self.folder / "mosquitto.conf"
        kept = [line for line in config.read_text().splitlines() if not line.startswith("autosave")]
        config.write_text("\n".join([*kept, "autosave_interval 1800", "max_inflight_messages 1000"]) + "\n")
        command.remove("-v")  # it would log every packet
        return command


BROKERS: Final[dict[str, Callable[[Path], TestBroker]]] = {"nats": NatsBroker, "mosquitto": BenchMosquitto}


def present() -> list[str]:
    """NATS comes with the project; Mosquitto where it is installed."""
    there = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    return ["nats", *(["mosquitto"] if there else [])]
