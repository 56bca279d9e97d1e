"""Promise 1 of the design at the broker's side: acknowledged when told and not before; nothing is lost, nothing is taken for another."""

from concurrent.futures import ThreadPoolExecutor

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.mqtt_retry import Cause
from hub.vocabulary.ports import Lane, Receipt
from support.mqtt import MqttClient
from support.waiting import wait_until

ALARM = "hub/v1/lakeside/b1-e1/alarm"
STATE = "hub/v1/lakeside/b1-e1/state"


def test_messages_arrive_on_their_lane_with_bytes_topic_and_receipt(mqtt_broker, start):
    _, intake = start(mqtt_broker)
    with MqttClient(mqtt_broker) as device:
        device.publish(ALARM, b'{"a":1}')
        device.publish(STATE, b"\xff\x00")
    wait_until(lambda: len(intake.messages) == 2)
    found = {message.address: message for message in intake.messages}
    assert found[ALARM].payload == b'{"a":1}'
    assert found[ALARM].lane is Lane.ALARM
    assert found[STATE].payload == b"\xff\x00"
    assert found[STATE].lane is Lane.TELEMETRY
    assert {message.channel for message in intake.messages} == {"mqtt"}
    assert all(message.receipt and message.receipt.qos == 1 and not message.retained for message in intake.messages)


def test_nothing_is_acknowledged_before_it_is_told_and_comes_again_after_a_restart(mqtt_broker, start):
    connector, intake = start(mqtt_broker)
    with MqttClient(mqtt_broker) as device:
        for number in range(5):
            device.publish(ALARM, f"{number}")
    wait_until(lambda: len(intake.messages) == 5)
    first = [message for message in intake.messages if message.payload in {b"0", b"1"}]
    first[0].sink.acknowledge([message.receipt for message in first])
    wait_until(lambda: connector.state().lanes[Lane.ALARM].unacked == 3)
    connector.stop()

    _, again = start(mqtt_broker)
    wait_until(lambda: len(again.messages) >= 3)
    assert sorted(again.payloads()) == [b"2", b"3", b"4"]


def test_a_receipt_of_an_older_connection_is_dropped(nats_broker, start):
    """P7: packet ids start again, so a late acknowledgement would hit another message."""
    connector, intake = start(nats_broker)
    session = connector._sessions[Lane.ALARM]
    with MqttClient(nats_broker) as device:
        device.publish(ALARM, b"before")
        wait_until(lambda: intake.payloads() == [b"before"])
        old = intake.messages[0].receipt
        session._link.close(Cause.CONNECTION_LOST)
        wait_until(lambda: len(intake.messages) >= 2, 15)
    again = intake.messages[1]
    assert again.payload == b"before"
    assert again.receipt.epoch > old.epoch

    session.acknowledge([old, Receipt(old.epoch, again.receipt.packet_id, 1)])
    assert connector.state().lanes[Lane.ALARM].stale_acks == 2
    assert connector.state().lanes[Lane.ALARM].unacked == 1
    connector.stop()

    _, third = start(nats_broker)
    wait_until(lambda: third.payloads() == [b"before"])


def test_a_backlog_of_thousands_arrives_in_order_through_the_acknowledgement_window(mqtt_broker, start):
    """Mosquitto is set up to save every change, so it gets fewer."""
    count = 1000 if mqtt_broker.name == "mosquitto" else 5000
    connector, _ = start(mqtt_broker)
    connector.stop()
    with MqttClient(mqtt_broker) as device:
        infos = [device.paho.publish(STATE, f"{number}", 1) for number in range(count)]
        for info in infos:
            info.wait_for_publish(60)

    _, intake = start(mqtt_broker, wait=False)
    done = 0

    def pump():
        nonlocal done
        ready = intake.messages[done:]
        if ready:
            ready[0].sink.acknowledge([message.receipt for message in ready])
            done += len(ready)
        return done >= count

    wait_until(pump, 60, lambda: f"{done} of {count}")
    assert intake.payloads() == [f"{number}".encode() for number in range(count)]


def test_a_large_message_reaches_the_intake_and_what_the_hub_sends_is_capped(mosquitto_broker, start):
    connector, intake = start(mosquitto_broker)
    with MqttClient(mosquitto_broker) as device:
        device.publish(ALARM, b"x" * 1_000_000)
    wait_until(lambda: intake.messages)
    assert len(intake.messages[0].payload) == 1_000_000
    assert not connector.publish("hub/v1/lakeside/b1-e1/command", b"x" * 300_000)
    assert connector.connected


def test_a_retained_message_is_marked_and_comes_with_the_first_subscription(mqtt_broker, start):
    with MqttClient(mqtt_broker) as device:
        device.publish(STATE, b"kept", retain=True)
    _, intake = start(mqtt_broker)
    wait_until(lambda: intake.payloads() == [b"kept"])
    assert intake.messages[0].retained
    with MqttClient(mqtt_broker) as device:
        device.publish(STATE, b"news", retain=True)
    wait_until(lambda: b"news" in intake.payloads())
    assert [message.retained for message in intake.messages if message.payload == b"news"] == [False]


def test_the_wide_filter_brings_strange_topics_but_no_alarm_twice(mqtt_broker, start):
    filters = [("hub/v1/+/+/alarm", Lane.ALARM), ("hub/v1/#", Lane.TELEMETRY)]
    options = {"lane_of": lambda topic: Lane.ALARM if topic.endswith("/alarm") else Lane.TELEMETRY}
    connector, intake = start(mqtt_broker, filters=filters, options=options)
    with MqttClient(mqtt_broker) as device:
        device.publish(ALARM, b"once")
        device.publish("hub/v1/nowhere/b1-e1/alram", b"strange")
    wait_until(lambda: len(intake.messages) >= 2 and connector.state().lanes[Lane.TELEMETRY].elsewhere == 1)
    assert sorted(intake.payloads()) == [b"once", b"strange"]
    wait_until(lambda: connector.state().lanes[Lane.TELEMETRY].unacked == 1)


def test_a_failing_intake_costs_nothing_but_time(mqtt_broker, start):
    """P4: the network thread lives on, the messages wait and come in order once the intake works."""
    connector, intake = start(mqtt_broker)
    intake.broken = True
    with MqttClient(mqtt_broker) as device:
        for number in range(3):
            device.publish(ALARM, f"{number}")
        wait_until(lambda: connector.state().lanes[Lane.ALARM].deferred == 3)
        assert connector.state().lanes[Lane.ALARM].thread_alive
        assert connector.state().lanes[Lane.ALARM].acknowledged == 0
        intake.broken = False
        device.publish(ALARM, b"3")
    wait_until(lambda: len(intake.messages) == 4)
    assert intake.payloads() == [b"0", b"1", b"2", b"3"]


def test_a_broker_that_delivers_again_on_the_same_connection_is_not_believed(nats_broker, start):
    """NATS repeats after ack_wait while the first copy is still being worked on; its packet id is the same."""
    connector, intake = start(nats_broker)
    with MqttClient(nats_broker) as device:
        device.publish(ALARM, b"slow")
    wait_until(lambda: connector.state().lanes[Lane.ALARM].repeated >= 1, 15)
    assert intake.payloads() == [b"slow"]
    intake.acknowledge_all()
    assert connector.state().lanes[Lane.ALARM].acknowledged == 1


def test_a_device_that_asks_for_no_receipt_is_heard_all_the_same(mqtt_broker, start):
    """rumqttd hands such a message on with QoS 1."""
    connector, intake = start(mqtt_broker)
    with MqttClient(mqtt_broker) as device:
        device.publish(ALARM, b"qos 0", qos=0)
        wait_until(lambda: intake.payloads() == [b"qos 0"])
    if mqtt_broker.name != "rumqttd":
        assert intake.messages[0].receipt is None
        assert connector.state().lanes[Lane.ALARM].unacked == 0


def test_commands_and_acknowledgements_from_many_threads_keep_the_stream_whole(mqtt_broker, start):
    """Only the network thread writes to the socket; everybody else hands over."""
    connector, intake = start(mqtt_broker)
    with MqttClient(mqtt_broker) as device:
        device.subscribe("hub/v1/lakeside/b1-e1/command")
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(lambda n: connector.publish("hub/v1/lakeside/b1-e1/command", b"x" * n), range(400)))
            for number in range(90):  # rumqttd gives out 100 at a time
                device.publish(ALARM, f"{number}")
            wait_until(lambda: len(intake.messages) == 90)
            list(pool.map(lambda message: message.sink.acknowledge([message.receipt]), intake.messages))
        assert all(sent)
        got = device.wait_for(400, 20)
    assert sorted(len(payload) for payload in got) == list(range(400))
    wait_until(lambda: connector.state().lanes[Lane.ALARM].acknowledged == 90)
    assert connector.connected
    assert intake.causes() == [(True, "connected")]


def test_a_message_with_properties_arrives_among_those_without(mosquitto_broker, start):
    """MQTT 5: properties are read by paho, plain messages are not; order and receipts are one for both."""
    _, intake = start(mosquitto_broker)
    described = Properties(PacketTypes.PUBLISH)
    described.ContentType = "application/json"
    with MqttClient(mosquitto_broker) as device:
        for payload, properties in ((b"plain", None), (b"described", described), (b"plain again", None)):
            device.paho.publish(ALARM, payload, qos=1, properties=properties).wait_for_publish(10)
    wait_until(lambda: len(intake.messages) == 3)
    assert intake.payloads() == [b"plain", b"described", b"plain again"]
    packet_ids = [message.receipt.packet_id for message in intake.messages]
    assert len(set(packet_ids)) == 3
