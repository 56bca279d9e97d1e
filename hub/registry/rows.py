"""Bringing the registry's rows in line with the site files: new ones appear, missing ones are retired and keep their
history; a device that comes back is the same device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection, select

from hub.store.schema import devices, sites
from hub.vocabulary.facts import DeviceFacts, SiteFacts
from hub.vocabulary.instants import UtcMs


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """What bringing in line has changed, for the log."""

    added: tuple[str, ...]
    retired: tuple[str, ...]
    returned: tuple[str, ...]


def align(
    connection: Connection, estate_sites: Iterable[SiteFacts], estate_devices: Iterable[DeviceFacts], now: UtcMs
) -> tuple[Mapping[tuple[str, str], int], Alignment]:
    """Write what the files say; returns the row key of each (site, device id) in them, and what changed."""
    align_sites(connection, list(estate_sites), now)
    stored = {(row.site, row.id): row for row in connection.execute(select(devices))}
    keys: dict[tuple[str, str], int] = {}
    added, returned = [], []
    for device in estate_devices:
        identity = (device.site, device.id)
        values = {
            "kind": str(device.kind),
            "profile": device.profile,
            "place": device.place,
            "name": device.name,
            "gateway": device.gateway,
        }
        row = stored.get(identity)
        if row is None:
            new = devices.insert().values(site=device.site, id=device.id, created_at=now, **values)
            primary_key = connection.execute(new).inserted_primary_key
            assert primary_key is not None
            keys[identity] = primary_key[0]
            added.append(f"{device.site}/{device.id}")
            continue
        keys[identity] = row.pk
        if row.retired_at is not None:
            returned.append(f"{device.site}/{device.id}")
        if row.retired_at is not None or any(getattr(row, name) != value for name, value in values.items()):
            connection.execute(devices.update().where(devices.c.pk == row.pk).values(retired_at=None, **values))
    gone = [row for identity, row in stored.items() if identity not in keys and row.retired_at is None]
    for row in gone:
        connection.execute(devices.update().where(devices.c.pk == row.pk).values(retired_at=now))
    retired = tuple(f"{row.site}/{row.id}" for row in gone)
    return keys, Alignment(added=tuple(added), retired=retired, returned=tuple(returned))


def align_sites(connection: Connection, estate_sites: list[SiteFacts], now: UtcMs) -> None:
    """The sites alone."""
    stored = set(connection.execute(select(sites.c.id)).scalars())
    for site in estate_sites:
        values = {"name": site.name, "timezone": site.timezone, "locale": site.locale, "retired_at": None}
        if site.id in stored:
            connection.execute(sites.update().where(sites.c.id == site.id).values(**values))
        else:
            connection.execute(sites.insert().values(id=site.id, **values))
    missing = stored - {site.id for site in estate_sites}
    if missing:
        statement = sites.update().where(sites.c.id.in_(missing), sites.c.retired_at.is_(None))
        connection.execute(statement.values(retired_at=now))
