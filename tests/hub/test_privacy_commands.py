"""`hub keys` and `hub audit`: what they print, refuse and leave behind; against a database with one locked number."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub import cli
from hub.cards import audit, ledger, numbers
from hub.cards.identity import KEY_FILE, load_ring
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.pipeline import card_desk
from hub.pipeline.card_desk import Wish
from hub.settings.model import KeySettings
from hub.store.database import open_store
from hub.store.schema import audit as rows
from hub.vocabulary.facts import SiteFacts
from support.rig import SITE, Rig

NUMBER = "110101199003071234"
SITE_FILE = "site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai}\nbuildings: [{id: b1, units: ['0101']}]\n"


@pytest.fixture
def place(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hub.yaml").write_text("database: sqlite:///hub.db\nmqtt: {embedded: true}\nsites: [site.yaml]\n")
    (tmp_path / "site.yaml").write_text(SITE_FILE)
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    monkeypatch.chdir(tmp_path)
    sealed = load_ring(KeySettings(), tmp_path).seal(NUMBER)
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    holder = Holder(
        name="张三", id_last4=sealed.last4, id_digest=sealed.digest, id_cipher=sealed.cipher, id_key=sealed.key_id
    )
    wish = Wish(
        site=SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN"),
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=holder,
        number=numbers.read("uid32", "00000001"),
        value="00000001",
        by="desk",
    )
    Rig(store, [], []).ask(lambda step: card_desk.issue(step, wish))
    store.close()
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def opened(place: Path) -> str:
    store = open_store(f"sqlite:///{place / 'hub.db'}")
    with store.read() as connection:
        row = ledger.one(connection, 1)
    store.close()
    assert row is not None
    return load_ring(KeySettings(), place).open_number(row.id_cipher, row.id_key, row.id_digest)


def test_a_rotation_changes_the_key_and_keeps_what_it_locks(place: Path) -> None:
    (old,) = load_ring(KeySettings(), place).names
    assert run("keys", "show") == (0, f"{old} (locks): 1\n", "")
    code, out, _ = run("keys", "rotate")
    (new,) = load_ring(KeySettings(), place).names
    assert (code, out) == (0, f"1 numbers and 0 copies are locked with {new}.\n")
    assert new != old
    assert opened(place) == NUMBER
    assert run("keys", "rotate", "--keep-old")[0] == 0
    assert len(load_ring(KeySettings(), place).names) == 2
    assert opened(place) == NUMBER
    code, out, _ = run("audit", "verify")
    assert (code, out.splitlines()[0].startswith("2 rows fit. 2:")) == (0, True)


def test_while_a_hub_runs_keys_stay_as_they_are(place: Path) -> None:
    before = (place / KEY_FILE).read_text()
    store = open_store(f"sqlite:///{place / 'hub.db'}")
    store.claim()
    code, _, err = run("keys", "rotate")
    store.close()
    assert (code, "stop it first" in err) == (1, True)
    assert (place / KEY_FILE).read_text() == before


def test_lost_keys_are_told_and_nothing_is_thrown_away(place: Path) -> None:
    saved = (place / KEY_FILE).read_text()
    (place / KEY_FILE).unlink()
    code, out, _ = run("keys", "show")
    assert (code, "IS NOT HERE: 1 cannot be opened" in out) == (1, True)
    code, _, err = run("keys", "rotate")
    assert (code, "put the missing key back" in err) == (1, True)
    (place / KEY_FILE).write_text(saved)
    assert opened(place) == NUMBER


def test_new_keys_are_for_their_owner_and_overwrite_nothing(place: Path) -> None:
    assert run("keys", "new", "a.keys")[0] == 0
    first = (place / "a.keys").read_text()
    assert ((place / "a.keys").stat().st_mode & 0o777, "audit=" in first) == (0o600, True)
    assert run("keys", "new", "a.keys")[0] == 2
    assert (place / "a.keys").read_text() == first


def test_verify_names_the_row_that_was_changed_and_what_was_cut_off(place: Path) -> None:
    store = open_store(f"sqlite:///{place / 'hub.db'}")
    chain = load_ring(KeySettings(), place).chain
    with store.write() as connection:
        for number in range(3):
            end = audit.append(connection, chain, audit.Entry(by="li", action=audit.Action.READ), number)
    assert run("audit", "verify", "--expect", str(end))[0] == 0
    assert run("audit", "verify", "--expect", "3:nonsense")[0] == 2
    with store.write() as connection:
        connection.execute(rows.update().where(rows.c.seq == 2).values(by="wang"))
    store.close()
    code, out, err = run("audit", "verify")
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "row 2: was changed"
