"""Real MQTT brokers as child processes of a test: NATS, rumqttd (wheel iotcore) and mosquitto, all with the same handles.

Rule: they share nothing with `connectors.broker`, which is itself under test; only the wrapper that ties a child's life
to this process is borrowed. Ports stay the same over stop(), kill() and start(), so clients can come back.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal

from connectors.broker import die_with_parent
from support.certificates import TlsFiles
from support.freezing import freeze, thaw
from support.ports import free_port
from support.waiting import wait_until

HOST = "127.0.0.1"
MqttVersion = Literal["3.1.1", "5"]


class BrokerUnavailableError(Exception):
    """This machine has no such broker; the message says what to install."""


class TestBroker(ABC):
    """A broker with one user. `durable`: queued messages survive kill()."""

    __test__ = False
    name: ClassVar[str]
    durable: ClassVar[bool]
    mqtt_version: MqttVersion = "3.1.1"
    tls: TlsFiles | None = None

    def __init__(self, folder: Path, *, username: str = "hub", password: str = "test-secret") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = HOST
        self.port = free_port()
        self.username = username
        self.password = password
        self.log_path = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when every listener takes connections."""
        assert not self.running, f"{self.name} runs already"
        command = self._command()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                die_with_parent(command, signal.SIGKILL), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._listening, 20, self._log_tail)

    def stop(self) -> None:
        """Ends it in good order (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Keeps the sockets open and answers nothing, until thaw()."""
        freeze(self.pid)

    def thaw(self) -> None:
        thaw(self.pid)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listening(self) -> bool:
        if not self.running:
            raise AssertionError(f"{self.name} ended while starting:\n{self._log_tail()}")
        return all(_takes_connections(port) for port in self._ports())

    def _log_tail(self) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])

    def _ports(self) -> list[int]:
        return [self.port]

    @abstractmethod
    def _command(self) -> list[str]:
        """Writes the configuration; the first word is an absolute path."""


def _takes_connections(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


class NatsBroker(TestBroker):
    """MQTT 3.1.1 with sessions on disk, as the hub's embedded default."""

    name = "nats"
    durable = True

    def _command(self) -> list[str]:
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        config = self.folder / "nats.conf"
        user = f"{{ user: {json.dumps(self.username)}, password: {json.dumps(self.password)} }}"
        config.write_text(
            "server_name: test\n"
            f'listen: "{HOST}:-1"\n'
            f'jetstream {{ store_dir: "{self.folder}", max_file_store: 1GB }}\n'
            f'mqtt {{ listen: "{HOST}:{self.port}", ack_wait: "2s", max_ack_pending: 1000 }}\n'
            f"authorization {{ users: [ {user} ] }}\n"
        )
        return [str(binary), "-c", str(config)]


class RumqttdBroker(TestBroker):
    """MQTT 5 at `port`, MQTT 3.1.1 at `port_311`; keeps nothing over a restart."""

    name = "rumqttd"
    durable = False
    mqtt_version = "5"

    def __init__(self, folder: Path, *, username: str = "hub", password: str = "test-secret") -> None:
        super().__init__(folder, username=username, password=password)
        self.port_311 = free_port()

    def _ports(self) -> list[int]:
        return [self.port, self.port_311]

    def _command(self) -> list[str]:
        config = self.folder / "rumqttd.toml"
        listeners = "".join(
            self._listener(version, port) for version, port in (("v5", self.port), ("v4", self.port_311))
        )
        config.write_text(
            "id = 0\n[router]\nid = 0\nmax_connections = 1000\nmax_outgoing_packet_count = 200\n"
            "max_segment_size = 104857600\nmax_segment_count = 10\n" + listeners
        )
        serve = f"from iotcore.iotcore import IotCoreBroker; IotCoreBroker(config_path={str(config)!r}).run_forever()"
        return [sys.executable, "-c", serve]

    def _listener(self, version: str, port: int) -> str:
        return (
            f'[{version}.1]\nname = "{version}"\nlisten = "{HOST}:{port}"\nnext_connection_delay_ms = 1\n'
            f"[{version}.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 1048576\n"
            f"max_inflight_count = 1000\ndynamic_filters = true\n"
            f"[{version}.1.connections.auth]\n{json.dumps(self.username)} = {json.dumps(self.password)}\n"
        )


class MosquittoBroker(TestBroker):
    """MQTT 5 and 3.1.1 at one port; with `tls` it asks for a client certificate as well as the password."""

    name = "mosquitto"
    durable = True
    mqtt_version = "5"

    def __init__(
        self, folder: Path, *, username: str = "hub", password: str = "test-secret", tls: TlsFiles | None = None
    ) -> None:
        super().__init__(folder, username=username, password=password)
        self.tls = tls

    def _command(self) -> list[str]:
        binary = _program("mosquitto")
        passwords = self.folder / "passwords"
        passwords.unlink(missing_ok=True)
        subprocess.run(
            [_program("mosquitto_passwd"), "-b", "-c", str(passwords), self.username, self.password],
            check=True,
            capture_output=True,
        )
        lines = [
            f"listener {self.port} {HOST}",
            "allow_anonymous false",
            f"password_file {passwords}",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 100000",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # otherwise it drops to a user that cannot write into our folder
        if self.tls is not None:
            lines += [
                f"cafile {self.tls.ca}",
                f"certfile {self.tls.server_cert}",
                f"keyfile {self.tls.server_key}",
                "require_certificate true",
            ]
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        return [binary, "-c", str(config), "-v"]


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if path is None:
        raise BrokerUnavailableError(f"{name} is not on this machine (Debian: apt install mosquitto)")
    return path
