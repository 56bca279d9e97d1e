"""Command `hub`. Exit codes: 0 success, 1 failure, 2 wrong use or wrong configuration.

Rule: whatever can be foreseen (a port in use, a damaged or newer database, a full disk, a wrong file) ends in one sentence on
stderr; a traceback is a defect of ours. stdout carries only what a command was asked for.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.account_commands import token_app, user_app
from hub.launch import (
    FAILURE,
    WRONG_USE,
    announce,
    build,
    fail,
    foreseen,
    load_settings,
    log_to_stderr,
    open_database,
    running,
    stop_signals,
)
from hub.privacy_commands import audit_app, keys_app
from hub.settings import Settings, load_database
from hub.settings.door_opening import in_words
from hub.settings.mistakes import listed
from hub.vocabulary.facts import DeviceKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.vocabulary.displays import Displayed
    from hub.vocabulary.instants import UtcMs

app = typer.Typer(
    help="The integration hub of a property-management control room.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")

ConfigOption = Annotated[Path, typer.Option("--config", help="The hub's configuration file.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's archive (a zip).")]
DEFAULT_CONFIG: Final = Path("hub.yaml")


def main() -> None:
    """Entry of the console script."""
    app(prog_name="hub")


# --- running ----------------------------------------------------------------------------------------------


@app.command("run")
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the hub; prints `ready http://HOST:PORT` when intake and API both serve, logs go to stderr."""
    log_to_stderr()
    with foreseen(), stop_signals():
        hub = build(load_settings(config))
        with running(hub):
            announce(hub)
            hub.wait()


@app.command("demo")
def demo(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of console and API.")] = 8000,
    data: Annotated[Path, typer.Option(help="Where the demonstration keeps its files and its database.")] = Path(
        "var/demo"
    ),
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="Simulated time runs this many times faster.")] = 1.0,
    scenario: Annotated[str, typer.Option(help="What happens: a scenario's name (see `hub-sim scenarios`).")] = "demo",
) -> None:
    """Run the hub with an embedded broker and a simulated estate; Ctrl-C stops all, a second start keeps the data."""
    from hub.demo import run_demo

    with foreseen(), stop_signals():
        run_demo(data, port, speed, scenario)


# --- checking ---------------------------------------------------------------------------------------------


@app.command("check")
def check(
    config: ConfigOption = DEFAULT_CONFIG,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also try the broker, the buses and the notifiers.")
    ] = False,
    display: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --connect: what the meters' displays show (CSV or XLSX: device, balance, total, serial); compared.",
        ),
    ] = None,
) -> None:
    """Validate everything: each mistake with file, line, field and what is allowed."""
    from hub import wiring

    if display is not None and not connect:
        fail("--display needs --connect: displays are compared with what the meters answer.", WRONG_USE)
    with foreseen():
        settings = load_settings(config)
        displays = {} if display is None else _displays(settings, display)
        print(f"{config}: right. {_summary(settings)}", flush=True)
        for line in (line for site in settings.sites for device in site.devices for line in in_words(device)):
            print(line, flush=True)
        if not connect:
            return
        failed = 0
        for finding in wiring.check_connections(settings, displays):
            print(f"{'ok    ' if finding.ok else 'FAILED'} {finding.target}: {finding.text}", flush=True)
            failed += not finding.ok
        if failed:
            raise typer.Exit(FAILURE)


def _displays(settings: Settings, file: Path) -> Mapping[tuple[str, str], Displayed]:
    from hub.registry.display_sheet import understand
    from hub.registry.sheet import SheetError, read_sheet

    meters = [(s.id, d.id) for s in settings.sites for d in s.devices if d.kind is DeviceKind.METER]
    try:
        shown, problems = understand(read_sheet(file), meters)
    except SheetError as error:
        fail(str(error), WRONG_USE)
    for problem in problems:
        print(f"{file}: {problem}", file=sys.stderr)
    if problems:
        fail(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {file}; nothing was tried.", WRONG_USE)
    return shown


def _summary(settings: Settings) -> str:
    devices = [device for site in settings.sites for device in site.devices]
    buses = sum(len(site.buses) for site in settings.sites)
    kinds = sorted({device.kind for device in devices})
    counts = [f"{sum(device.kind is kind for device in devices)} × {kind}" for kind in kinds]
    return f"Sites: {listed(site.id for site in settings.sites)}; {', '.join([*counts, f'{buses} × bus'])}."


# --- data in and out --------------------------------------------------------------------------------------


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or XLSX; the first row names the columns.")],
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
) -> None:
    """Households and people, a roster, or cards from CSV or XLSX: all or nothing, each wrong cell named; also while the hub runs."""
    from hub.importing import import_sheet

    with foreseen():
        settings = load_settings(config)
        file.stat()  # a file that is not there is named before anything is touched
        with open_database(settings) as store:
            done = import_sheet(store, settings, file, _now(), dry_run=dry_run)
    for problem in done.problems:
        print(f"{file}: {problem}", file=sys.stderr)
    if done.problems:
        count = len(done.problems)
        fail(f"{count} problem{'s' if count > 1 else ''} in {file}; nothing was changed.")
    print(f"{'Would be' if dry_run else 'Done'}: {', '.join(f'{n} {word}' for word, n in done.counts.items())}.")


@app.command("backup")
def backup(file: FileArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Write the whole database into a new archive, also while the hub runs."""
    from hub.store.backup import backup as make_backup

    with foreseen():
        made = make_backup(_database(config), file, _now())
    print(f"{file}: {made.rows} rows of {len(made.tables)} tables as of {made.made_at}.")


@app.command("restore")
def restore(file: FileArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Fill an empty database from an archive: everything, or nothing."""
    from hub.store.restore import restore as put_back

    with foreseen():
        made = put_back(_database(config), file)
    print(f"{made.rows} rows of {len(made.tables)} tables as of {made.made_at} are back; start the hub with `hub run`.")


def _database(config: Path) -> str:
    """Its URL; a mistake elsewhere in the configuration must not keep anybody from a backup."""
    return load_database(config, os.environ)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"hub {importlib.metadata.version('property-hub')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The integration hub of a property-management control room."""


def _now() -> UtcMs:
    return time.time_ns() // 1_000_000
