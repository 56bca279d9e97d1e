"""What is left on the broker is what is true: at the start, after each connection, and when a site wants it no longer."""

import shutil
from enum import StrEnum

import pytest

from hub.store.database import open_store
from hub.vocabulary.decisions import MoveTicket, RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.ports import Retry, Sent
from hub.vocabulary.publications import TICKET_TYPES, Channel, PublicationState
from support.publishing import PublishingRig, webhook
from support.rig import SITE, Rig, device

NAME = "mqtt-tickets"
WANTED = webhook(NAME, channel=Channel.MQTT, url="", format="ticket", types=TICKET_TYPES)


class Why(StrEnum):
    TEST = "test"


class Broker:
    """Keeps what is left on it; `number` is that of the connection, None: there is none."""

    wants_case = False

    def __init__(self):
        self.connection_number = 1
        self.left = {}
        self.writes = 0

    def deliver(self, change):
        if self.connection_number is None:
            return Retry(reason="away")
        self.writes += 1
        if change.body["active"]:
            self.left[change.body["id"]] = change.body["revision"]
        else:
            self.left.pop(change.body["id"], None)
        return Sent()


class Estate:
    """A pipeline that makes tickets, and a publisher that leaves them on a broker."""

    def __init__(self, store):
        self.pipeline = Rig(store, [], [device("e1"), device("e2"), device("e3")])
        self.broker = Broker()
        self.publishing = PublishingRig(store, [WANTED], **{NAME: self.broker})
        self.pipeline.core.feed.subscribe(self.fed)

    def fed(self, rows):
        self.publishing.publisher._on_rows(rows)  # of the process that runs now

    def open(self, name):
        subject = Subject(SITE, SubjectType.DEVICE, name)
        raised = RaiseTicket(
            kind=TicketKind.DEVICE_SILENT, subject=subject, reason=Why.TEST, severity=Severity.HIGH, occurred_at=0
        )
        self.pipeline.ask(lambda step: step.raise_ticket(raised))

    def end(self, name):
        subject = Subject(SITE, SubjectType.DEVICE, name)
        move = MoveTicket(
            kind=TicketKind.DEVICE_SILENT, subject=subject, trigger="recovered", reason=Why.TEST, occurred_at=0
        )
        self.pipeline.ask(lambda step: step.move_ticket(move))

    def restart(self, wanted=(WANTED,)):
        self.publishing.wanted = list(wanted)
        self.publishing.restart()


@pytest.fixture
def estate(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Estate(store)
    store.close()


def test_a_site_that_begins_to_want_it_finds_what_was_active_before(estate):
    estate.open("e1")
    estate.publishing.round()
    assert estate.broker.left == {1: 1}
    estate.open("e2")
    estate.open("e1")
    estate.publishing.round()
    assert estate.broker.left == {1: 2, 2: 1}
    estate.end("e1")
    estate.publishing.round()
    assert estate.broker.left == {2: 1}


def test_what_ends_while_the_hub_or_the_broker_is_away_does_not_stay(estate):
    estate.open("e1")
    estate.open("e2")
    estate.publishing.round()
    estate.broker.connection_number = None
    estate.end("e1")
    estate.publishing.round()
    assert set(estate.broker.left) == {1, 2}
    estate.restart()
    estate.broker.connection_number = 1
    estate.publishing.round()
    estate.publishing.round()
    assert set(estate.broker.left) == {2}


def test_a_broker_that_lost_everything_gets_everything_with_the_next_connection(estate):
    estate.open("e1")
    estate.publishing.round()
    estate.broker.left.clear()
    writes = estate.broker.writes
    estate.publishing.round()
    assert estate.broker.writes == writes  # nothing to do on the same connection
    estate.broker.connection_number = 2
    estate.publishing.round()
    estate.publishing.round()
    assert estate.broker.left == {1: 1}


def test_while_there_is_no_connection_nothing_fails(estate):
    estate.broker.connection_number = None
    estate.open("e1")
    estate.publishing.rounds(5, 3_600_000)
    assert estate.publishing.wrong() == set()
    assert estate.publishing.row(NAME).progress.attempts == 0


def test_a_site_that_no_longer_wants_it_leaves_nothing_behind(estate):
    estate.open("e1")
    estate.open("e2")
    estate.publishing.round()
    estate.restart(wanted=())
    assert estate.publishing.row(NAME).progress.state is PublicationState.REMOVING
    estate.publishing.round()
    assert estate.broker.left == {}
    assert estate.publishing.row(NAME).progress.state is PublicationState.REMOVED
    estate.open("e3")
    estate.publishing.round()
    assert estate.broker.left == {}
    estate.restart()
    estate.publishing.round()
    assert set(estate.broker.left) == {1, 2, 3}
