"""Tickets left on a real broker: there for whoever comes later, gone when they are over, and never input of the hub."""

import msgspec

from connectors.codecs.hub_topics import ticket_topic
from connectors.codecs.json_decoder import JsonDecoder
from connectors.mqtt_retry import Cause
from connectors.mqtt_tickets import TicketTopics
from connectors.profiles import load
from hub.vocabulary.ports import DeviceEntry, Lane, PublicChange, PutAside, Retry, Sent
from support.mqtt import MqttClient
from support.waiting import wait_until

TOPIC = "hub/out/v1/lakeside/tickets/12"
DEVICE = DeviceEntry(
    site="lakeside", device="b1-e1", kind="elevator", profile="hub-json", timezone="Asia/Shanghai", balance_unit=None
)


def change(*, active=True, **body):
    return PublicChange(
        seq=1, site="lakeside", at=0, type="ticket_changed", body={"id": 12, "active": active, "title": "困人"} | body
    )


def own_filters():
    """What the hub subscribes to, with every profile that is shipped."""
    profiles = {name: profile.mqtt for name, profile in load().items() if profile.mqtt is not None}
    return JsonDecoder(profiles, [DEVICE], "hub-1").subscriptions()


def retained(broker):
    """What a newcomer finds."""
    with MqttClient(broker) as newcomer:
        newcomer.subscribe("hub/out/v1/lakeside/tickets/+")
        newcomer.subscribe("hub/out/marker")
        newcomer.publish("hub/out/marker", b"end")
        newcomer.wait_for(1, where=lambda message: message.topic == "hub/out/marker")
        return {message.topic: bytes(message.payload) for message in newcomer.received if message.retain}


def test_a_ticket_is_there_as_long_as_it_is_active_and_the_hub_never_hears_of_it(mqtt_broker, start):
    connector, intake = start(mqtt_broker, filters=own_filters())
    way = TicketTopics(connector)
    assert isinstance(way.deliver(change()), Sent)
    assert isinstance(way.deliver(change(title="困人，已确认")), Sent)
    found = retained(mqtt_broker)
    assert list(found) == [TOPIC]
    assert msgspec.json.decode(found[TOPIC])["title"] == "困人，已确认"
    assert isinstance(way.deliver(change(active=False)), Sent)
    assert retained(mqtt_broker) == {}
    with MqttClient(mqtt_broker) as device:
        device.publish("hub/v1/lakeside/b1-e1/alarm", b"{}")
    wait_until(lambda: intake.messages, 10, "the hub hears nothing at all")
    assert {message.address for message in intake.messages} == {"hub/v1/lakeside/b1-e1/alarm"}


def test_without_a_connection_nothing_is_believed_to_be_left(nats_broker, start):
    connector, _ = start(nats_broker)
    first = connector.connection_number
    assert first is not None
    connector._sessions[Lane.ALARM]._link.close(Cause.CONNECTION_LOST)
    wait_until(lambda: connector.connection_number not in {None, first}, 15, "it does not come back")
    assert isinstance(TicketTopics(connector).deliver(change()), Sent)
    connector.stop()
    assert connector.connection_number is None
    assert isinstance(TicketTopics(connector).deliver(change()), Retry)


class Notebook:
    """A connection that keeps what it is given."""

    connection_number = 1

    def __init__(self):
        self.left = []

    def publish_state(self, topic, payload, timeout_s):
        self.left.append(msgspec.json.decode(payload))
        return True


def test_no_names_and_nobody_s_money_are_left_where_a_lobby_can_read_it():
    book = Notebook()
    fields = {"floor": "7", "people": {"inside": 0, "note": "王女士"}, "passenger": "王女士", "phone": "138"}
    assert isinstance(TicketTopics(book).deliver(change(fields=fields, assignee="李师傅")), Sent)
    assert book.left[0]["fields"] == {"floor": "7", "people": 0}
    assert "王" not in str(book.left)
    assert "李" not in str(book.left)
    for kind in ("low_balance", "topup_missing"):
        assert isinstance(TicketTopics(book).deliver(change(kind=kind)), PutAside)
    assert len(book.left) == 1


class Deaf:
    """A broker that confirms nothing."""

    connection_number = 1

    def publish_state(self, topic, payload, timeout_s):
        return False


def test_what_the_broker_does_not_confirm_is_tried_again():
    assert isinstance(TicketTopics(Deaf()).deliver(change()), Retry)


def test_only_tickets_are_left():
    problem = PublicChange(seq=1, site="lakeside", at=0, type="problem_raised", body={})
    assert isinstance(TicketTopics(Deaf()).deliver(problem), PutAside)


def test_no_topic_that_the_hub_listens_to_holds_its_own_tickets():
    topic = ticket_topic("lakeside", 12).split("/")

    def matches(pattern):
        levels = pattern.split("/")
        if levels[-1] == "#":
            return topic[: len(levels) - 1] == [
                given if level == "+" else level for level, given in zip(levels[:-1], topic, strict=False)
            ]
        return len(levels) == len(topic) and all(a in {"+", b} for a, b in zip(levels, topic, strict=True))

    assert matches("hub/out/#")
    assert [pattern for pattern, _ in own_filters() if matches(pattern)] == []
