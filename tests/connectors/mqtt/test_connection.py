"""What happens when brokers come, go, forget, refuse, or two hubs share one name."""

import msgspec
import pytest

from connectors.mqtt_settings import MqttSettings, Protocol, endpoint
from hub.vocabulary.ports import Lane
from support.mqtt import MqttClient
from support.waiting import wait_until

ALARM = "hub/v1/lakeside/b1-e1/alarm"
FILTERS = [("hub/v1/+/+/alarm", Lane.ALARM), ("hub/v1/+/+/reading", Lane.TELEMETRY)]


def test_the_best_protocol_that_the_broker_speaks_is_found(mqtt_broker, start):
    connector, _ = start(mqtt_broker)
    assert {lane.protocol for lane in connector.state().lanes} == {mqtt_broker.mqtt_version}


def test_311_is_used_where_it_is_asked_for(mosquitto_broker, start):
    connector, _ = start(mosquitto_broker, protocol=Protocol.V311)
    assert {lane.protocol for lane in connector.state().lanes} == {"3.1.1"}


def test_a_broker_that_is_killed_and_comes_back_is_said_once_each_and_nothing_is_lost(nats_broker, start):
    connector, intake = start(nats_broker)
    with MqttClient(nats_broker) as device:
        device.publish(ALARM, b"unacknowledged")
        wait_until(lambda: intake.payloads() == [b"unacknowledged"])
    nats_broker.kill()
    wait_until(lambda: len(intake.causes()) == 2 and not connector.connected)
    nats_broker.start()
    wait_until(lambda: len(intake.causes()) == 3, 20, lambda: str(intake.causes()))
    assert intake.causes() == [(True, "connected"), (False, "connection_lost"), (True, "connected")]
    wait_until(lambda: intake.payloads() == [b"unacknowledged"] * 2, 15)
    assert intake.messages[1].receipt.epoch > intake.messages[0].receipt.epoch


def test_a_session_that_the_broker_forgot_is_reported(rumqttd_broker, start):
    """P3: session_present=False where a session was expected = possible loss."""
    _, intake = start(rumqttd_broker)
    rumqttd_broker.kill()
    wait_until(lambda: (False, "connection_lost") in intake.causes())
    rumqttd_broker.start()
    wait_until(lambda: (True, "session_lost") in intake.causes(), 20, lambda: str(intake.causes()))


def test_a_session_of_an_earlier_run_that_is_gone_is_reported_on_the_first_connection(nats_broker, start):
    expected = {"expect_session": {Lane.ALARM: True, Lane.TELEMETRY: False}}
    _, intake = start(nats_broker, options=expected)
    wait_until(lambda: intake.causes().count((True, "session_lost")) == 1)


def test_a_session_says_that_subscriptions_are_refused_until_they_are_granted(nats_broker, start):
    connector, _ = start(nats_broker)
    session = connector._sessions[Lane.ALARM]

    def cause():
        return next(lane.cause for lane in connector.state().lanes if lane.lane == "alarm")

    session.on_subscribed(session._link, ["hub/v1/+/+/alarm"])
    assert cause() == "subscription_refused"
    session.on_subscribed(session._link, [])
    assert cause() == "connected"


def test_what_a_session_subscribed_to_in_an_earlier_run_and_is_not_wanted_any_more_is_ended(mosquitto_broker, start):
    """A kept session keeps its subscriptions: one that is only left out would go on bringing other hubs' messages."""
    connector, _ = start(mosquitto_broker, filters=FILTERS)
    connector.stop()
    mine = [(topic.replace("v1/+", "v1/lakeside"), lane) for topic, lane in FILTERS]
    _, intake = start(mosquitto_broker, filters=mine, options={"earlier": FILTERS})
    with MqttClient(mosquitto_broker) as device:
        device.publish("hub/v1/elsewhere/b1-e1/alarm", b"of another hub")
        device.publish(ALARM, b"ours")
    wait_until(lambda: b"ours" in intake.payloads())
    assert intake.payloads() == [b"ours"]


def test_a_session_that_is_there_is_no_news(nats_broker, start):
    connector, _ = start(nats_broker)
    connector.stop()
    _, intake = start(nats_broker, options={"expect_session": {Lane.ALARM: True, Lane.TELEMETRY: True}})
    assert intake.causes() == [(True, "connected")]


def test_a_broker_that_is_not_there_yet_is_waited_for(nats_broker, start):
    nats_broker.stop()
    connector, intake = start(nats_broker, wait=False)
    wait_until(lambda: (False, "unreachable") in intake.causes())
    assert not connector.publish(ALARM, b"x")
    assert not connector.publish_canary(1)
    nats_broker.start()
    wait_until(lambda: intake.causes()[-1] == (True, "connected"), 15)


def test_a_wrong_password_is_said_in_its_own_word(mqtt_broker, start):
    """rumqttd hangs up without a word; there is nothing more to say then."""
    _, intake = start(mqtt_broker, wait=False, password="wrong")
    cause = "closed_at_once" if mqtt_broker.name == "rumqttd" else "not_authorised"
    wait_until(lambda: (False, cause) in intake.causes(), 15, lambda: str(intake.causes()))


def test_two_hubs_under_one_name_are_noticed_and_back_off(mqtt_broker, start):
    """P10: they throw each other out."""
    _, first = start(mqtt_broker)
    _, second = start(mqtt_broker, wait=False)
    wait_until(
        lambda: (False, "client_id_taken") in first.causes() + second.causes(),
        30,
        lambda: f"{first.causes()} {second.causes()}",
    )


def test_a_dead_network_thread_is_replaced_and_reported(nats_broker, start):
    connector, intake = start(nats_broker)
    session = connector._sessions[Lane.ALARM]
    ended = session._thread
    session._run = lambda: None
    session.ask_to_stop()
    ended.join(5)
    session._stopping.clear()
    del session._run
    wait_until(lambda: (False, "thread_died") in intake.causes(), 10)
    wait_until(lambda: intake.causes()[-1] == (True, "connected"), 10, lambda: str(intake.causes()))
    with MqttClient(nats_broker) as device:
        device.publish(ALARM, b"after")
    wait_until(lambda: b"after" in intake.payloads())


def test_a_hanging_network_thread_is_reported_and_its_return_as_well(nats_broker, start, monkeypatch):
    monkeypatch.setattr("connectors.mqtt.STALLED_AFTER_S", -1.0)
    connector, intake = start(nats_broker, wait=False)
    wait_until(lambda: (False, "stalled") in intake.causes(), 10, lambda: str(intake.causes()))
    monkeypatch.setattr("connectors.mqtt.STALLED_AFTER_S", 30.0)
    wait_until(lambda: intake.causes()[-1] == (True, "connected"), 10, lambda: str(intake.causes()))
    assert connector.connected


def test_the_canary_flies_both_ways(mqtt_broker, start):
    connector, intake = start(mqtt_broker)
    assert connector.publish_canary(7)
    wait_until(lambda: len(intake.messages) == 2)
    found = {message.address: message for message in intake.messages}
    assert found["hub/v1/_hub/hub-1/canary-alarm"].lane is Lane.ALARM
    assert found["hub/v1/_hub/hub-1/canary-telemetry"].lane is Lane.TELEMETRY
    assert {msgspec.json.decode(message.payload)["number"] for message in intake.messages} == {7}


def test_a_command_reaches_the_device_as_the_contract_says(mqtt_broker, start):
    connector, _ = start(mqtt_broker)
    with MqttClient(mqtt_broker) as device:
        device.subscribe("hub/v1/lakeside/b1-e1/command")
        assert connector.send("lakeside", "b1-e1", "c-1", "report_state", {"all": True}, 1_795_250_000_000)
        (payload,) = device.wait_for(1)
    command = msgspec.json.decode(payload)
    assert command.pop("at").endswith("+00:00")
    assert command == {
        "id": "c-1",
        "name": "report_state",
        "args": {"all": True},
        "reply_by": "2026-11-21T08:33:20.000+00:00",
    }


def test_tls_with_client_certificate_and_password(mosquitto_tls_broker, tls_files, start):
    files = {"ca": str(tls_files.ca), "cert": str(tls_files.client_cert), "key": str(tls_files.client_key)}
    connector, intake = start(mosquitto_tls_broker, **files)
    with MqttClient(mosquitto_tls_broker) as device:
        device.publish(ALARM, b"x" * 100_000)
        device.publish(ALARM, b"y")
    wait_until(lambda: len(intake.messages) == 2)
    intake.acknowledge_all()
    wait_until(lambda: connector.state().lanes[Lane.ALARM].acknowledged == 2)


@pytest.mark.parametrize(
    "files",
    [
        ("stranger_ca", "client_cert", "client_key"),
        ("ca", "stranger_cert", "stranger_key"),
        ("ca", None, None),
    ],
)
def test_a_wrong_authority_or_certificate_never_connects(mosquitto_tls_broker, tls_files, start, files):
    ca, cert, key = (str(getattr(tls_files, name)) if name else None for name in files)
    connector, intake = start(mosquitto_tls_broker, wait=False, ca=ca, cert=cert, key=key)
    wait_until(intake.causes, 15)
    assert intake.causes()[0] in {(False, "tls_failed"), (False, "closed_at_once")}
    assert not connector.connected


def test_a_missing_certificate_file_is_reported_and_not_fatal(mosquitto_tls_broker, start, tmp_path):
    _, intake = start(mosquitto_tls_broker, wait=False, ca=str(tmp_path / "nowhere.pem"))
    wait_until(lambda: (False, "tls_failed") in intake.causes(), 10, lambda: str(intake.causes()))


def test_stop_ends_at_once_also_without_a_broker(nats_broker, start):
    nats_broker.stop()
    connector, _ = start(nats_broker, wait=False)
    connector.stop()
    assert all(not session._thread.is_alive() for session in connector._sessions.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://x"}, "mqtt://host:port"),
        ({"url": "mqtt://u:p@x"}, "password_env"),
        ({"url": "mqtt://x/path"}, "nothing may follow"),
        ({"ca": "ca.pem"}, "mqtts://"),
        ({"url": "mqtts://x", "cert": "c.pem"}, "both or neither"),
        ({"password": "p"}, "username is missing"),
        ({"client_id": "a/b"}, "client_id"),
        ({"session_expiry_s": 60}, "a week"),
        ({"receive_maximum": 0}, "receive_maximum"),
    ],
)
def test_settings_that_contradict_themselves_are_refused_with_what_is_allowed(changes, said):
    values = {"url": "mqtt://127.0.0.1", "client_id": "hub-1", **changes}
    with pytest.raises(ValueError, match=said):
        endpoint(MqttSettings(**values))


def test_the_password_is_in_no_text_about_the_settings():
    settings = MqttSettings(url="mqtt://x", client_id="hub-1", username="u", password="secret-word")
    assert "secret-word" not in f"{settings} {settings!r}"


def test_a_broker_that_hangs_is_noticed_by_keep_alive(mqtt_broker, start):
    """The socket stays open and says nothing: only the missing answer to a ping tells."""
    connector, intake = start(mqtt_broker, keepalive_s=1, connect_timeout_s=1.0)
    mqtt_broker.freeze()
    try:
        wait_until(lambda: (False, "no_answer") in intake.causes(), 15, lambda: str(intake.causes()))
        assert not connector.connected
    finally:
        mqtt_broker.thaw()
    wait_until(lambda: intake.causes()[-1] == (True, "connected"), 20, lambda: str(intake.causes()))
