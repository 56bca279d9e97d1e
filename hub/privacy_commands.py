"""Commands that look after personal data: keys, and the chain of who read what.

Rule: as in hub.cli: what can be foreseen ends in one sentence; stdout carries only what was asked for.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.launch import FAILURE, WRONG_USE, fail, foreseen, load_settings, open_database

if TYPE_CHECKING:
    from hub.cards.audit import Head
    from hub.cards.secrecy import KeyRing
    from hub.settings import Settings

keys_app = typer.Typer(help="Keys of personal data.", no_args_is_help=True)
audit_app = typer.Typer(help="Who read or exported what about people.", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option("--config", help="The hub's configuration file.")]
DEFAULT_CONFIG = Path("hub.yaml")


@keys_app.command("new")
def new(file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that there is not yet.")]) -> None:
    """Write new keys into a new file, for `keys: {file: …}` of hub.yaml; keep a copy apart from the backups."""
    from hub.cards.identity import create_keys
    from hub.cards.secrecy import new_keys

    with foreseen():
        try:
            create_keys(file, new_keys())
        except FileExistsError:
            fail(f"{file} is there already: nothing was overwritten.", WRONG_USE)
    typer.echo(f"{file}: two keys, for its owner alone.")


@keys_app.command("show")
def show(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Names of the keys, and how much is locked with each. No key is shown."""
    from hub.cards.rotation import locked_with

    with foreseen():
        settings = load_settings(config)
        ring = _ring(settings)
        with open_database(settings) as store:
            counts = locked_with(store)
    for name in ring.names:
        typer.echo(f"{name}{' (locks)' if name == ring.current else ''}: {counts.pop(name, 0)}")
    for name, count in counts.items():
        typer.echo(f"{name} IS NOT HERE: {count} cannot be opened")
    if counts:
        raise typer.Exit(FAILURE)


@keys_app.command("rotate")
def rotate(
    config: ConfigOption = DEFAULT_CONFIG,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep the old key, so that numbers in older backups can still be opened.")
    ] = False,
) -> None:
    """Lock everything with a new key; the hub must not run. A run that was cut off is finished by the next one."""
    from hub.cards import identity, rotation
    from hub.cards.secrecy import SecrecyError

    with foreseen():
        settings = load_settings(config)
        ring = _ring(settings)
        file = identity.key_file(settings.keys, settings.data_dir)
        with open_database(settings) as store:
            store.claim()
            if file is not None and rotation.waiting(store, ring) == 0:
                identity.replace_keys(file, rotation.with_new_key(_keys_in(file)))
                ring = _ring_of(file)
            try:
                done = rotation.locked_anew_with(store, ring, _now())
            except SecrecyError as error:
                fail(f"Something cannot be opened ({error}): put the missing key back; what was done so far is kept.")
            if file is not None and not keep_old:
                identity.replace_keys(file, rotation.without_old(_keys_in(file)))
    typer.echo(f"{done.numbers} numbers and {done.copies} copies are locked with {ring.current}.")
    if done.unreadable:
        typer.echo(f"{done.unreadable} numbers were entered before there was encryption: the last four digits stay.")
    if file is None:
        typer.echo(f"The keys are in a variable: all but {ring.current} and the audit's may be taken out of it now.")


@audit_app.command("verify")
def verify(
    config: ConfigOption = DEFAULT_CONFIG,
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="SEQ:DIGEST", help="The end that an earlier run has printed.")
    ] = None,
) -> None:
    """Check every row of the audit against the one before it; prints the end of the chain, to be noted elsewhere."""
    from hub.cards import audit

    earlier = None if expect is None else _head(expect)
    with foreseen():
        settings = load_settings(config)
        ring = _ring(settings)
        with open_database(settings) as store, store.read() as connection:
            end, findings = audit.verify(connection, ring.chains, earlier)
    for finding in findings:
        typer.echo(f"row {finding.seq}: {finding.problem}" if finding.seq else finding.problem, err=True)
    if findings:
        fail(f"The audit was tampered with or damaged: {len(findings)} findings in {end.seq} rows.")
    typer.echo(f"{end.seq} rows fit. {end}")


def _head(text: str) -> Head:
    from hub.cards.audit import Head

    seq, _, digest = text.partition(":")
    if not seq.isdigit() or (int(seq) and len(digest) != 64):
        fail("--expect is a number, a colon and a digest, as `hub audit verify` prints them.", WRONG_USE)
    return Head(int(seq), digest)


def _ring(settings: Settings) -> KeyRing:
    from hub.cards.identity import load_ring

    try:
        return load_ring(settings.keys, settings.data_dir)
    except ValueError as error:
        fail(f"The keys of personal data cannot be used: {error}.")


def _ring_of(file: Path) -> KeyRing:
    from hub.cards.secrecy import KeyRing

    return KeyRing(_keys_in(file))


def _keys_in(file: Path) -> dict[str, bytes]:
    from hub.settings.keys import parsed

    return parsed(file.read_text(encoding="utf-8"))


def _now() -> int:
    return time.time_ns() // 1_000_000
