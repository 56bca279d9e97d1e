"""What was paid before there was a deposit ledger is in it after the migration, and digests name the key that made them."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from hub.cards import deposits
from hub.store import migrate
from hub.store.database import open_store

NOW = 1_780_000_000_000
CARD = """
INSERT INTO card_assignments (id, card_id, site, kind, unit, holder_name, id_last4, id_digest, state, documents_json,
    doors_json, fee_fen, deposit_fen, arithmetic, counts, valid_from, first_issued_at, created_at, created_by, revision)
VALUES (:id, :id, 'lakeside', 'worker_pass', 'b1/0101', '李四', '1234', :digest, 'active', '[]', '[]', 500, 5000, '',
    false, :now, :now, :now, 'desk', 1)
"""
PAID = """
INSERT INTO card_payments (assignment_id, site, receipt, amount_fen, "at", "by")
VALUES (:card, 'lakeside', :receipt, :fen, :now, 'desk')
"""


def test_deposits_that_were_paid_are_held(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url, poolclass=NullPool)
    migrate.create_at(engine, "0007")
    with engine.begin() as connection:
        site = "INSERT INTO sites (id, name, timezone, locale) VALUES ('lakeside', 'x', 'Asia/Shanghai', 'zh-CN')"
        connection.execute(text(site))
        for card, digest in ((1, "d" * 64), (2, None), (3, None)):
            number = "INSERT INTO cards (id, site, format, bits, raw_hex, value, state) VALUES (:id, 'lakeside', 'uid32', 32, :hex, :hex, 'assigned')"
            connection.execute(text(number), {"id": card, "hex": f"{card:08X}"})
            connection.execute(text(CARD), {"id": card, "digest": digest, "now": NOW})
        for card, receipt, fen in ((1, "A", 5500), (2, "B", 2000), (2, "B-S", -2000), (2, "C", 3000), (3, "D", 500)):
            connection.execute(text(PAID), {"card": card, "receipt": receipt, "fen": fen, "now": NOW})
    engine.dispose()
    store = open_store(empty_database_url)
    with store.read() as connection:
        held = {card: deposits.balance(deposits.rows_of(connection, card)).held_fen for card in (1, 2, 3)}
        keys = connection.execute(text("SELECT id_key FROM card_assignments ORDER BY id")).scalars().all()
        (row,) = deposits.rows_of(connection, 1)
    store.close()
    assert held == {1: 5000, 2: 2500, 3: 0}
    assert (row.document, row.party, row.entry) == ("A", "李四", "received")
    assert keys == ["k1", None, None]
