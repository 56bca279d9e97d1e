"""Keys of personal data: made once, for the hub alone, changed without losing anything, and nothing opens without them."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.cards import audit, identity, ledger, numbers, rotation
from hub.cards.identity import KEY_FILE, load_ring
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.secrecy import COPY, KeyRing, Locked, SecrecyError, copy_context, new_keys
from hub.pipeline import card_desk
from hub.pipeline.card_desk import Wish
from hub.settings.keys import AUDIT, KeysError, parsed, written
from hub.settings.model import KeySettings
from hub.store.database import open_store
from hub.store.schema import card_assignments, id_copies
from hub.vocabulary.facts import SiteFacts
from support.rig import SITE, Rig

NUMBER = "11010119900307123X"
OWN = KeySettings()
LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [], [])
    store.close()


def enter(rig: Rig, ring: KeyRing, count: int = 1) -> list[int]:
    """Owners with identity numbers; the first has a copy of the document as well."""
    cards = []
    for number in range(count):
        sealed = ring.seal(f"11010119900307{number:04d}")
        holder = Holder(
            name="张三", id_last4=sealed.last4, id_digest=sealed.digest, id_cipher=sealed.cipher, id_key=sealed.key_id
        )
        value = f"{number:08X}"
        wish = Wish(
            site=LAKESIDE,
            kind=CardKind.OWNER,
            unit="b1/0101",
            holder=holder,
            number=numbers.read("uid32", value),
            value=value,
            by="desk",
        )
        cards.append(rig.ask(lambda step, wish=wish: card_desk.issue(step, wish)))
    locked = ring.lock(b"picture", copy_context(cards[0]))
    with rig.store.write() as connection:
        connection.execute(
            id_copies.insert().values(
                assignment_id=cards[0],
                media_type="image/png",
                size_bytes=7,
                cipher=locked.cipher,
                key_id=locked.key_id,
                at=rig.now,
                by="desk",
            )
        )
    return cards


def opened(rig: Rig, ring: KeyRing) -> list[str]:
    with rig.store.read() as connection:
        rows = connection.execute(card_assignments.select().order_by(card_assignments.c.id)).all()
        copy = connection.execute(id_copies.select()).one()
    assert ring.unlock(Locked(copy.cipher, copy.key_id), copy_context(copy.assignment_id)) == b"picture"
    assert [row.id_digest for row in rows] == [
        ring.digest(f"11010119900307{n:04d}", row.id_key) for n, row in enumerate(rows)
    ]
    return [ring.open_number(row.id_cipher, row.id_key, row.id_digest) for row in rows]


def test_the_keys_are_made_once_readable_by_the_hub_alone_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = load_ring(OWN, folder)
    file = folder / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_ring(OWN, folder).digest("110101 19900307 123x") == first.digest(NUMBER)
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    file.unlink()
    other = load_ring(OWN, folder)
    assert other.digest(NUMBER) != first.digest(NUMBER)
    assert other.names != first.names  # who has lost the file does not lock under the old name


def test_a_damaged_key_file_is_refused_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("k1=ab")
    with pytest.raises(KeysError, match="entry 1 is no key") as error:
        load_ring(OWN, tmp_path)
    assert "ab" not in str(error.value).replace("no key", "")
    assert (tmp_path / KEY_FILE).read_text() == "k1=ab"


def test_the_file_of_an_older_hub_keeps_its_key_and_gets_one_for_the_audit(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("61" * 32)
    ring = load_ring(OWN, tmp_path)
    assert ring.names == ("k1",)
    assert ring.digest(NUMBER) == KeyRing({"k1": b"a" * 32, AUDIT: b"b" * 32}).digest(NUMBER)
    assert load_ring(OWN, tmp_path).chain.key_id == ring.chain.key_id


def test_nothing_opens_with_another_key_in_another_place_or_after_a_change() -> None:
    ring = KeyRing.new()
    sealed = ring.seal("11010119900307 123x")
    assert (sealed.last4, NUMBER.encode() in sealed.cipher) == ("123X", False)
    assert ring.open_number(sealed.cipher, sealed.key_id, sealed.digest) == NUMBER
    assert ring.seal(NUMBER).cipher != sealed.cipher  # equal numbers do not look equal
    with pytest.raises(SecrecyError, match="not here"):
        KeyRing.new().open_number(sealed.cipher, sealed.key_id, sealed.digest)
    changed = sealed.cipher[:-1] + bytes([sealed.cipher[-1] ^ 1])
    with pytest.raises(SecrecyError, match="changed"):
        ring.open_number(changed, sealed.key_id, sealed.digest)
    with pytest.raises(SecrecyError, match="elsewhere"):
        ring.unlock(Locked(sealed.cipher, sealed.key_id), COPY + b"1")


def test_a_rotation_locks_everything_anew_and_is_in_the_audit(rig: Rig) -> None:
    keys = new_keys()
    enter(rig, KeyRing(keys), 3)
    ring = KeyRing(rotation.with_new_key(keys))
    assert rotation.waiting(rig.store, ring) == 4
    done = rotation.locked_anew_with(rig.store, ring, rig.now)
    assert (done.numbers, done.copies, done.unreadable) == (3, 1, 0)
    only_new = KeyRing(rotation.without_old(_keys_of(ring, keys)))
    assert opened(rig, only_new) == [f"11010119900307{n:04d}" for n in range(3)]
    assert rotation.locked_with(rig.store) == {ring.current: 4}
    with rig.store.read() as connection:
        assert audit.verify(connection, ring.chains)[1] == ()
        assert [row.action for row in audit.page(connection, (), None, None, None, None, 9)] == ["keys_rotated"]


def _keys_of(ring: KeyRing, keys: dict[str, bytes]) -> dict[str, bytes]:
    return {**ring._keys, AUDIT: keys[AUDIT]}


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_rotation_killed_at_any_point_is_finished_by_the_next_and_reads_everything_meanwhile(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    keys = new_keys()
    enter(rig, KeyRing(keys), 3)
    ring = KeyRing(rotation.with_new_key(keys))
    monkeypatch.setattr(rotation, "ROWS_AT_A_TIME", 1)
    done = 0
    whole = rotation._number

    def killed(*arguments):
        nonlocal done
        if done == steps:
            raise KeyboardInterrupt
        done += 1
        return whole(*arguments)

    monkeypatch.setattr(rotation, "_number", killed)
    try:
        rotation.locked_anew_with(rig.store, ring, rig.now)
    except KeyboardInterrupt:
        assert rotation.waiting(rig.store, ring) == 4 - steps
    assert opened(rig, ring) == [f"11010119900307{n:04d}" for n in range(3)]
    monkeypatch.setattr(rotation, "_number", whole)
    rotation.locked_anew_with(rig.store, ring, rig.now)
    assert rotation.waiting(rig.store, ring) == 0
    assert set(rotation.locked_with(rig.store)) == {ring.current}


def test_a_hub_that_starts_without_its_keys_says_how_much_is_lost(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    ring = KeyRing.new()
    enter(rig, ring, 2)
    assert rotation.tell_missing(rig.store, ring) == {}
    assert caplog.text == ""
    assert rotation.tell_missing(rig.store, KeyRing.new()) == {ring.current: 3}
    assert f"3 identity numbers or copies are locked with the key {ring.current}" in caplog.text


def test_a_number_of_before_encryption_keeps_its_last_four_and_loses_its_digest(rig: Rig) -> None:
    keys = new_keys()
    old = KeyRing(keys)
    (card,) = enter(rig, old)
    with rig.store.write() as connection:
        connection.execute(card_assignments.update().values(id_cipher=None))
    assert rotation.locked_anew_with(rig.store, KeyRing(rotation.with_new_key(keys)), rig.now).unreadable == 1
    with rig.store.read() as connection:
        row = ledger.one(connection, card)
    assert row is not None
    assert (row.id_last4, row.id_digest, row.id_key) == ("0000", None, None)


def test_a_key_file_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / KEY_FILE
    keys = new_keys()
    identity.create_keys(file, keys)
    with pytest.raises(FileExistsError):
        identity.create_keys(file, new_keys())

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        identity.replace_keys(file, rotation.with_new_key(keys))
    assert parsed(file.read_text()) == keys
    assert parsed(written(keys)) == keys
