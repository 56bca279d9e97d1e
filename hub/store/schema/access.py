"""Access controllers as they last described themselves: which life of theirs this is, how full, how well read.

One row per place (the door's controller in the site file), made when it first says something. A replaced board keeps the
row and begins a new epoch in it; what it held before proves nothing any more.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text

from hub.store.schema.base import metadata

access_controllers = Table(
    "access_controllers",
    metadata,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("device", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("epoch_at", BigInteger, nullable=False),
    Column("epoch_why", Text),
    Column("serial", Text),
    Column("last_index", BigInteger),  # of the newest event that is stored
    Column("missed", BigInteger, nullable=False),  # events of this epoch that nobody can read any more
    Column("missed_at", BigInteger),
    Column("cards", Integer),  # on its list, as it counts them
    Column("cards_at", BigInteger),
    Column("listed_at", BigInteger),  # when its whole list was read last
    Column("foreign_json", Text, nullable=False),  # cards on it that nobody has issued: [{format, value, doors}]
    Column("clock_offset_ms", BigInteger),
    Column("clock_at", BigInteger),
)

controller_pages = Table(
    "controller_pages",
    metadata,
    Column("site", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("doors_json", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)
"""A list that comes card by card, until it is over and compared."""
