"""`hub demo`: a whole estate in one folder: hub, embedded broker, SQLite and simulators, with nothing else needed.

The configuration in the folder is written anew at every start (ports may be taken by then); the database, the broker's store
and the sign-ins stay. Simulators run as a process of their own and are read here as data only, never imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from hub.demo_roster import ensure_roster
from hub.demo_speed import limits_at
from hub.demo_telephones import NOTIFIER, description, telephones
from hub.launch import (
    FAILURE,
    WRONG_USE,
    announce,
    build,
    child_command,
    fail,
    load_settings,
    log_to_file,
    rule_limits,
    running,
)
from hub.settings.mistakes import listed
from hub.settings.urls import sqlite_url
from hub.store import accounts
from hub.store.database import Store, open_store
from hub.vocabulary.roles import Role

HOST: Final = "127.0.0.1"
ESTATES: Final = ("demo", "hillside")
PEOPLE: Final = (
    ("control", Role.CONTROL_ROOM),
    ("supervisor", Role.DUTY_SUPERVISOR),
    ("manager", Role.DEPARTMENT_MANAGER),
    ("technician", Role.TECHNICIAN),
    ("guard", Role.SECURITY),
    ("desk", Role.FRONT_DESK),
    ("custodian", Role.CARD_CUSTODIAN),
    ("finance", Role.FINANCE),
    ("housekeeper", Role.HOUSEKEEPER),
    ("integrator", Role.INTEGRATOR),
    ("admin", Role.ADMIN),
)
MACHINE: Final = "demo"
SHORTEST_POLL_S: Final = 0.5
STOP_WITHIN_S: Final = 1.0  # simulated devices hold nothing that is worth a longer wait
_HEADER: Final = "# Written by `hub demo` at every start; changes are lost.\n"


class Folder(NamedTuple):
    """Where everything of the demonstration stands."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "hub.yaml"

    @property
    def database(self) -> str:
        return sqlite_url(self.root / "hub.db")

    @property
    def broker_password(self) -> Path:
        return self.root / "broker-password"

    @property
    def sign_ins(self) -> Path:
        return self.root / "sign-ins.json"

    @property
    def telephones(self) -> Path:
        """How the hub sends to the demonstration's telephones."""
        return self.root / "telephones.yaml"

    @property
    def messages(self) -> Path:
        """What arrived there."""
        return self.root / "messages.jsonl"

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def site(self, estate: str) -> Path:
        return self.root / "sites" / f"{estate}.yaml"


class SignIns(msgspec.Struct, kw_only=True):
    """Passwords by name, and the token of a machine client. In a file that only its owner can read."""

    people: dict[str, str]
    token: str = ""


def run_demo(data: Path, port: int, speed: float, scenario: str) -> None:
    """Until Ctrl-C or SIGTERM. Raises what `hub.launch.foreseen` turns into a sentence."""
    folder = Folder(data.absolute())
    _forget_variables()
    require_free_port(port)
    require_scenario(scenario)
    folder.root.mkdir(parents=True, exist_ok=True)
    log_to_file(folder.log("hub"))
    print(f"Starting the hub, its broker and the simulated estate in {folder.root} …", flush=True)
    with contextlib.ExitStack() as parts:
        with _claimed(folder.database) as store:
            telephone_port = parts.enter_context(telephones(folder.messages))
            broker_port = write_configuration(folder, port, speed, scenario, telephone_port)
            sign_ins = ensure_sign_ins(store, folder.sign_ins, time.time_ns() // 1_000_000)
        started = parts.enter_context(simulators(folder, broker_port, speed, scenario))
        plan = read_plan(folder, scenario, speed)
        settings = load_settings(folder.config)
        hub = build(settings)
        with running(hub):  # within: the hub stops first, or every device would be noted as lost at each end
            ensure_roster(hub.store, [site.id for site in settings.sites], time.time_ns() // 1_000_000)
            announce(hub)
            elapsed_s = time.monotonic() - started
            print(welcome(hub.url, folder, sign_ins, broker_port, plan, elapsed_s), flush=True)
            hub.wait()


def _forget_variables() -> None:
    """HUB_DATABASE of a real installation must not lead a demonstration into its data."""
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        del os.environ[name]


@contextlib.contextmanager
def _claimed(url: str) -> Iterator[Store]:
    """The database, when no other hub runs on it: its configuration must not be rewritten under it."""
    store = open_store(url)
    try:
        store.claim()
        yield store
    finally:
        store.close()


# --- configuration ----------------------------------------------------------------------------------------


def write_configuration(folder: Folder, port: int, speed: float, scenario: str, telephone_port: int) -> int:
    """hub.yaml and a site file per estate, with ports that are free now; the broker's port."""
    broker_port, *ports = free_ports(1 + sum(len(_estate(name)["buses"]) for name in ESTATES))
    if not folder.broker_password.exists():
        _write_private(folder.broker_password, secrets.token_urlsafe(18))
    hub = {
        "database": "sqlite:///hub.db",
        "http": {"host": HOST, "port": port} | ({"public_url": f"http://{HOST}:{port}"} if port else {}),
        "mqtt": {"embedded": True, "port": broker_port, "username": "hub", "password_file": "broker-password"},
        "sites": [f"sites/{name}.yaml" for name in ESTATES],
    }
    folder.site(ESTATES[0]).parent.mkdir(exist_ok=True)
    folder.config.write_text(_yaml(hub), encoding="utf-8")
    folder.telephones.write_text(_yaml(description(telephone_port)), encoding="utf-8")
    for name in ESTATES:
        site = _estate(name)
        for bus in site["buses"]:
            bus["url"] = f"modbus+tcp://{HOST}:{ports.pop()}"
            if "every_s" in bus:
                bus["every_s"] = max(SHORTEST_POLL_S, bus["every_s"] / speed)
        site["notifiers"] = [dict(NOTIFIER)]
        site["rules"] = limits_at(rule_limits(), _with(site.get("rules", {}), _scenario_limits(scenario)), speed)
        folder.site(name).write_text(_yaml(site), encoding="utf-8")
    return broker_port


def _yaml(value: Mapping[str, Any]) -> str:
    return _HEADER + yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=None, width=120)


def _simulators() -> Path:
    """The folder of the package, found without importing it."""
    spec = importlib.util.find_spec("simulators")
    if spec is None or not spec.submodule_search_locations:
        fail("The simulators are not installed: run `python3 run.py setup` in the project's folder.")
    return Path(spec.submodule_search_locations[0])


def _estate(name: str) -> dict[str, Any]:
    site: dict[str, Any] = yaml.safe_load((_simulators() / "estates" / f"{name}.yaml").read_text(encoding="utf-8"))
    return site


def require_scenario(scenario: str) -> Path:
    """The file of a shipped scenario, or of one's own; an unknown name ends here."""
    shipped = _simulators() / "scenarios"
    file = shipped / f"{scenario}.yaml"
    if not file.is_file():
        file = Path(scenario)
    if not file.is_file():
        known = sorted(entry.stem for entry in shipped.glob("*.yaml"))
        fail(f"There is no scenario {scenario!r}; there are: {listed(known)}.", WRONG_USE)
    return file


def _scenario_limits(scenario: str) -> dict[str, Any]:
    """The limits that a scenario counts on."""
    limits: dict[str, Any] = yaml.safe_load(require_scenario(scenario).read_text(encoding="utf-8")).get("limits") or {}
    return limits


def _with(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {**outer.get(name, {}), **inner.get(name, {})} for name in {**outer, **inner}}


# --- ports ------------------------------------------------------------------------------------------------


def require_free_port(port: int) -> None:
    """Before anything is written or started: one sentence when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            fail(f"Port {port} of {HOST} cannot be used ({error.strerror}): choose another with --port.")


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


# --- sign-ins ---------------------------------------------------------------------------------------------


def ensure_sign_ins(store: Store, file: Path, now: int) -> SignIns:
    """The demonstration's people and one token; made once, with passwords that the folder remembers."""
    known = _read_sign_ins(file)
    found = SignIns(people={name: known.people.get(name) or secrets.token_urlsafe(9) for name, _ in PEOPLE})
    found.token = known.token
    _write_private(file, json.dumps(msgspec.to_builtins(found), indent=1))
    for name, role in PEOPLE:
        with contextlib.suppress(accounts.AccountError):  # of an earlier start
            accounts.add_user(store, name, found.people[name], [role], [], now)
    if not found.token or accounts.by_token(store, found.token) is None:
        found.token = ""
        with contextlib.suppress(accounts.AccountError):  # it exists, but the file that knew it is gone
            found.token = accounts.add_token(store, MACHINE, [Role.INTEGRATOR, Role.CONTROL_ROOM], [], now)
        _write_private(file, json.dumps(msgspec.to_builtins(found), indent=1))
    return found


def _read_sign_ins(file: Path) -> SignIns:
    try:
        return msgspec.json.decode(file.read_bytes(), type=SignIns)
    except (FileNotFoundError, msgspec.MsgspecError):
        return SignIns(people={})


def _write_private(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(file)


# --- simulators -------------------------------------------------------------------------------------------


def _command(sites: list[Path], scenario: str, speed: float) -> list[str]:
    command = [sys.executable, "-m", "simulators", "estate", "--scenario", scenario, "--speed", f"{speed:g}"]
    for site in sites:
        command += ["--site", str(site)]
    return command


def read_plan(folder: Folder, scenario: str, speed: float) -> list[dict[str, Any]]:
    """What will happen, as the simulators say. A scenario that does not fit the estate ends here."""
    command = [*_command([folder.site(name) for name in ESTATES], scenario, speed), "--plan"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["the simulators did not start"]
        fail(said[-1], WRONG_USE if done.returncode == WRONG_USE else FAILURE)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _environment(**more: str) -> dict[str, str]:
    """Ours; the child finds the packages where this process found them."""
    paths = [str(_simulators().parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **more}


@contextlib.contextmanager
def simulators(folder: Folder, broker_port: int, speed: float, scenario: str) -> Iterator[float]:
    """The estate as a child process, and when it was started (monotonic seconds).

    It waits for the broker, ends with this block, and ends by itself when this process is killed. Its buses answer before
    the hub asks them, so that the first thing to be seen is not a silent gateway.
    """
    password = folder.broker_password.read_text(encoding="utf-8")
    command = _command([folder.site(name) for name in ESTATES], scenario, speed)
    with folder.log("simulators").open("wb") as log:
        child = subprocess.Popen(
            child_command([*command, "--die-with-parent"]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(HUB_SIM_MQTT=f"mqtt://hub:{password}@{HOST}:{broker_port}"),
            start_new_session=True,  # Ctrl-C in the terminal is for the hub, which ends its children in order
        )
    started = time.monotonic()
    stopping = threading.Event()
    threading.Thread(target=_tell_end, args=(child, stopping, folder.log("simulators")), daemon=True).start()
    try:
        yield started
    finally:
        stopping.set()
        child.terminate()
        try:
            child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _tell_end(child: subprocess.Popen[bytes], stopping: threading.Event, log: Path) -> None:
    code = child.wait()
    if not stopping.is_set():
        print(f"The simulators ended (exit code {code}, see {log}); the hub goes on without them.", file=sys.stderr)


# --- what is printed --------------------------------------------------------------------------------------


def welcome(
    url: str, folder: Folder, sign_ins: SignIns, broker_port: int, plan: list[dict[str, Any]], elapsed_s: float
) -> str:
    """Address, sign-ins, how to connect a device of one's own, and what will happen next."""
    width = max(len(name) for name, _ in PEOPLE)
    lines = [
        "",
        f"The console is at {url}  (API: {url}/api/v1)",
        "",
        "Sign in as",
        *(f"  {name:{width}}  {sign_ins.people[name]:14}  {role}" for name, role in PEOPLE),
    ]
    if sign_ins.token:
        lines += ["", f"Token for the API: {sign_ins.token}"]
    lines += [
        "",
        f"A device of your own: mqtt://{HOST}:{broker_port}, user hub, password in {folder.broker_password}",
        f"Logs: {folder.log('hub')}, {folder.log('simulators')}",
        f"What people on duty are sent, with their links: {folder.messages}",
        "",
        "What will happen",
        *(f"  {_when(entry['in_s'] - elapsed_s)}  {entry['what']}（{entry['what_zh']}）" for entry in plan),
        "",
        "Ctrl-C stops everything; the data stays for the next start.",
    ]
    return "\n".join(lines)


def _when(in_s: float) -> str:
    return f"in {in_s:5.0f} s" if in_s >= 1 else "now       "
