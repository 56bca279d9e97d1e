"""Command `hub-sim`: elevators, meters, doors, a whole estate, and scenarios that judge a running hub.

Exit codes as for `hub`: 0 success, 1 failure, 2 wrong use. Every process ends cleanly on Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from simulators import scenario
from simulators.board_house import BoardError, BoardHouse
from simulators.estate import Estate, EstateError, Player
from simulators.hub_api import HubApi, HubError
from simulators.mqtt import Broker, BrokerError, parse_broker
from simulators.play import NotPlayableError, play, table
from simulators.reader_house import ReaderError, ReaderHouse
from simulators.site import Site, SiteFileError, load_site
from simulators.stopping import stop_at_signals

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

SiteOption = Annotated[
    list[Path], typer.Option("--site", help="A site file of the contract's format; may be repeated.")
]
MqttOption = Annotated[
    str | None, typer.Option("--mqtt", envvar="HUB_SIM_MQTT", help="mqtt://user:password@host:port or mqtts://…")
]
CaOption = Annotated[Path | None, typer.Option("--ca", help="CA file for mqtts.")]
CertOption = Annotated[Path | None, typer.Option("--cert", help="Client certificate for mqtts.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Key of the client certificate.")]
SpeedOption = Annotated[float, typer.Option("--speed", min=0.01, help="Simulated time runs this many times faster.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same people and meters.")]
DieOption = Annotated[
    bool, typer.Option("--die-with-parent", help="End when the process that started this one is gone.")
]
CalmOption = Annotated[bool, typer.Option("--calm", help="No ordinary riders and passes.")]
ProtocolOption = Annotated[
    str,
    typer.Option(
        "--protocol", help="mqtt; uhppote: boards answer at the `host` of the site file; modbus: readers at their bus."
    ),
]
CardOption = Annotated[
    list[str] | None,
    typer.Option("--card", help="With modbus: a card that people hold to the readers, as hex; repeatable."),
]
ScenarioOption = Annotated[
    str | None, typer.Option("--scenario", help="A scenario's name or file, played in the estate.")
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Print what will happen as JSON lines and exit.")]
DeviceOption = Annotated[list[str] | None, typer.Option("--device", help="Only these device ids; may be repeated.")]
CastOption = Annotated[
    list[str] | None, typer.Option("--cast", help="role=device-id: who plays a role; may be repeated.")
]
ApiOption = Annotated[str, typer.Option("--api", help="The hub's address, such as http://127.0.0.1:8000.")]
TokenOption = Annotated[str | None, typer.Option("--token", help="Bearer token (better: --token-env).")]
TokenEnvOption = Annotated[str, typer.Option("--token-env", help="Environment variable that holds the bearer token.")]
SlackOption = Annotated[float, typer.Option("--slack", help="Real seconds that the hub may be late with anything.")]


@dataclass(frozen=True)
class Uses:
    """What a command was asked to simulate."""

    sites: list[Site]
    broker: Broker | None
    speed: float
    seed: int
    die_with_parent: bool


def main() -> None:
    """Entry of the console script."""
    app()


@app.command("elevator")
def elevator(  # noqa: PLR0913 typer makes options of arguments
    site: SiteOption, mqtt: MqttOption = None, device: DeviceOption = None, calm: CalmOption = False, speed: SpeedOption = 1.0,
    seed: SeedOption = 1, ca: CaOption = None, cert: CertOption = None, key: KeyOption = None, die_with_parent: DieOption = False,
) -> None:  # fmt: skip
    """Simulate the elevators of the site files, in every format that they name."""
    uses = _uses(site, mqtt, ca, cert, key, speed, seed, die_with_parent)
    _simulate(uses, kinds={"elevator"}, device=device, traffic=not calm)


@app.command("meters")
def meters(
    site: SiteOption, mqtt: MqttOption = None, device: DeviceOption = None, speed: SpeedOption = 1.0, seed: SeedOption = 1,
    ca: CaOption = None, cert: CertOption = None, key: KeyOption = None, die_with_parent: DieOption = False,
) -> None:  # fmt: skip
    """Simulate the meters of the site files: their buses (with everything on them) and those with MQTT."""
    uses = _uses(site, mqtt, ca, cert, key, speed, seed, die_with_parent)
    _simulate(uses, kinds={"meter"}, device=device, traffic=True)


@app.command("doors")
def doors(  # noqa: PLR0913 typer makes options of arguments
    site: SiteOption, mqtt: MqttOption = None, device: DeviceOption = None, calm: CalmOption = False, speed: SpeedOption = 1.0,
    seed: SeedOption = 1, ca: CaOption = None, cert: CertOption = None, key: KeyOption = None, die_with_parent: DieOption = False,
    protocol: ProtocolOption = "mqtt", card: CardOption = None,
) -> None:  # fmt: skip
    """Simulate the access controllers of the site files: those with MQTT, the boards on a UDP port, or the readers on a bus."""
    if protocol == "modbus":
        _simulate_readers(_uses(site, None, None, None, None, speed, seed, die_with_parent), device, card or [])
        return
    if protocol == "uhppote":
        _simulate_boards(_uses(site, None, None, None, None, speed, seed, die_with_parent), device, traffic=not calm)
        return
    if protocol != "mqtt":
        raise _wrong_use(f"--protocol {protocol}: there are mqtt, uhppote and modbus")
    uses = _uses(site, mqtt, ca, cert, key, speed, seed, die_with_parent)
    _simulate(uses, kinds={"access_controller"}, device=device, traffic=not calm)


@app.command("estate")
def estate(  # noqa: PLR0913 typer makes options of arguments
    site: SiteOption, mqtt: MqttOption = None, scenario_name: ScenarioOption = None, plan: PlanOption = False,
    calm: CalmOption = False, speed: SpeedOption = 1.0, seed: SeedOption = 1, ca: CaOption = None, cert: CertOption = None,
    key: KeyOption = None, die_with_parent: DieOption = False,
) -> None:  # fmt: skip
    """Simulate everything in the site files, with an ordinary life and, if asked, a scenario on top."""
    uses = _uses(site, mqtt, ca, cert, key, speed, seed, die_with_parent)
    script = _script(scenario_name, uses.sites, None) if scenario_name else None
    if plan:
        for line in scenario.plan(script, speed) if script else ():
            typer.echo(json.dumps(line, ensure_ascii=False))
        return
    _simulate(uses, kinds=None, device=None, traffic=not calm, script=script)


@app.command("play")
def play_command(  # noqa: PLR0913 typer makes options of arguments
    name: Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario's name (see `scenarios`) or its file.")],
    site: SiteOption, api: ApiOption, mqtt: MqttOption = None, token: TokenOption = None, token_env: TokenEnvOption = "HUB_TOKEN",  # noqa: S107 the name of a variable
    cast: CastOption = None, slack: SlackOption = 3.0, speed: SpeedOption = 1.0, seed: SeedOption = 1, ca: CaOption = None,
    cert: CertOption = None, key: KeyOption = None, die_with_parent: DieOption = False,
) -> None:  # fmt: skip
    """Play a scenario against a running hub, then say which expected tickets came, which did not, and which should not have.

    Simulates the devices that the scenario names (and everything that shares a bus with them). The hub must run with limits
    divided by the same speed.
    """
    uses = _uses(site, mqtt, ca, cert, key, speed, seed, die_with_parent)
    overrides = dict(entry.partition("=")[::2] for entry in cast or ())
    script = _script(name, uses.sites, overrides)
    only = {(target.site, target.id) for target in script.targets}
    try:
        hub = HubApi(api, token or os.environ.get(token_env))
        simulated = Estate(uses.sites, uses.broker, seed, speed, traffic=False, only=only)
        result = asyncio.run(play(script, simulated, hub, slack))
    except (EstateError, NotPlayableError) as error:
        raise _wrong_use(str(error)) from error
    except HubError as error:
        typer.echo(f"hub-sim: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{script.name}: {script.title_zh} / {script.title}\n{table(result)}")
    typer.echo("passed" if result.passed else "FAILED")
    raise typer.Exit(0 if result.passed else 1)


@app.command("scenarios")
def scenarios() -> None:
    """List the scenarios that come with the simulators."""
    for name, entry in scenario.available().items():
        raw = scenario.parse(entry.read_text(encoding="utf-8"))
        typer.echo(f"{name:38} {raw['ends_at_s']:>6g} s  {raw['title_zh']} / {raw['title']}")


def _uses(
    files: list[Path],
    url: str | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    speed: float,
    seed: int,
    die: bool,
) -> Uses:
    try:
        sites = [load_site(file) for file in files]
        broker = parse_broker(url, ca, cert, key) if url else None
    except (SiteFileError, BrokerError) as error:
        raise _wrong_use(str(error)) from error
    return Uses(sites, broker, speed, seed, die)


def _script(name: str, sites: list[Site], overrides: dict[str, str] | None) -> scenario.Script:
    known = scenario.available()
    try:
        text = known[name].read_text(encoding="utf-8") if name in known else Path(name).read_text(encoding="utf-8")
        return scenario.resolve(scenario.parse(text), sites, overrides)
    except OSError as error:
        raise _wrong_use(f"no scenario {name}; there are {', '.join(known)}") from error
    except scenario.ScenarioError as error:
        raise _wrong_use(f"{name}: {error}") from error


def _wrong_use(text: str) -> typer.Exit:
    typer.echo(f"hub-sim: {text}", err=True)
    return typer.Exit(2)


def _simulate(
    uses: Uses,
    kinds: Collection[str] | None,
    device: list[str] | None,
    traffic: bool,
    script: scenario.Script | None = None,
) -> None:
    only = {(site.id, name) for site in uses.sites for name in device} if device else None
    try:
        estate_ = Estate(uses.sites, uses.broker, uses.seed, uses.speed, traffic, only, kinds)
        if script is not None:
            estate_.check(script)
        asyncio.run(_until_stopped(estate_, script, _parent_lives() if uses.die_with_parent else lambda: True))
    except EstateError as error:
        raise _wrong_use(str(error)) from error


def _simulate_boards(uses: Uses, device: list[str] | None, *, traffic: bool) -> None:
    alive = _parent_lives() if uses.die_with_parent else lambda: True
    try:
        house = BoardHouse(uses.sites, device, random.Random(uses.seed), traffic=traffic, speed=uses.speed)
        asyncio.run(house.run(alive, lambda number: typer.echo(json.dumps({"simulating": number}))))
    except BoardError as error:
        raise _wrong_use(str(error)) from error


def _simulate_readers(uses: Uses, device: list[str] | None, cards: list[str]) -> None:
    alive = _parent_lives() if uses.die_with_parent else lambda: True
    try:
        house = ReaderHouse(uses.sites, device, cards, random.Random(uses.seed), uses.speed)
        asyncio.run(house.run(alive, lambda number: typer.echo(json.dumps({"simulating": number})), typer.echo))
    except (ReaderError, ValueError) as error:
        raise _wrong_use(str(error)) from error


async def _until_stopped(estate_: Estate, script: scenario.Script | None, alive: Callable[[], bool]) -> None:
    stop = stop_at_signals()
    try:
        await estate_.start()
        typer.echo(json.dumps({"simulating": len(estate_.devices), "buses": len(estate_.buses)}))
        await estate_.run(stop, Player(script, estate_) if script else None, alive)
    finally:
        await estate_.stop()


def _parent_lives() -> Callable[[], bool]:
    """A question that turns to no when the parent has gone and another process has taken us over."""
    parent = os.getppid()
    return lambda: os.getppid() == parent
