"""A device's connection: TLS with a client certificate, and trouble that is told once instead of hidden."""

import gc

import pytest

from simulators.mqtt import Link, Will, encode, parse_broker

WILL = Will("hub/v1/s/e/status", encode({"online": False}))


@pytest.fixture
def linked():
    """Links that are stopped in the end."""
    links: list[Link] = []

    def make(broker, name="tls-1") -> Link:
        link = Link(broker, name, lambda: WILL, "hub/v1/s/e/command")
        links.append(link)
        link.start()
        return link

    yield make
    for link in links:
        link.stop()


def test_tls_with_ca_and_client_certificate(mosquitto_tls_broker, tls_files, linked, wait_until):
    url = mosquitto_tls_broker.url.replace(
        "://", f"://{mosquitto_tls_broker.username}:{mosquitto_tls_broker.password}@"
    )
    link = linked(parse_broker(url, tls_files.ca, tls_files.client_cert, tls_files.client_key))
    wait_until(lambda: link.connected, 15, "no TLS connection")
    assert link.publish("hub/v1/s/e/command", encode({"id": "c", "name": "ä"}))
    heard = wait_until(link.commands, 15, "nothing came back")
    assert heard[0]["name"] == "ä"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_unknown_authority_is_refused(mosquitto_tls_broker, linked, wait_until, capfd):
    """Without the site's CA the broker could be anybody: no password is sent."""
    url = mosquitto_tls_broker.url.replace(
        "://", f"://{mosquitto_tls_broker.username}:{mosquitto_tls_broker.password}@"
    )
    link = linked(parse_broker(url))
    wait_until(lambda: "cannot reach" in capfd.readouterr().err, 15, "nothing was told")
    assert not link.connected
    link.stop()
    gc.collect()  # paho leaves the socket of a failed handshake to the collector; let that be here


def test_a_broker_that_is_away_is_told_once(free_port, linked, wait_until, capfd):
    link = linked(parse_broker(f"mqtt://127.0.0.1:{free_port()}"))
    told = wait_until(lambda: capfd.readouterr().err, 15, "nothing was told")
    assert told.count("cannot reach 127.0.0.1") == 1
    assert not link.connected


def test_a_wrong_password_is_told(nats_broker, linked, wait_until, capfd):
    linked(parse_broker(nats_broker.url.replace("://", f"://{nats_broker.username}:wrong@")))
    wait_until(lambda: "refuses" in capfd.readouterr().err, 15, "nothing was told")


def test_what_is_no_json_object_is_dropped(nats_broker, linked, wait_until):
    """Commands come from outside: noise must not stop a device."""
    link = linked(parse_broker(nats_broker.url.replace("://", f"://{nats_broker.username}:{nats_broker.password}@")))
    wait_until(lambda: link.connected, 15, "no connection")
    for noise in (b"\xff\xfe", b"[1,2]", b"{", b'{"id": "c", "name": "report_state"}'):
        link.publish("hub/v1/s/e/command", noise)
    assert wait_until(link.commands, 15, "nothing came")[0]["name"] == "report_state"
