"""The test tools themselves: a broken tool would make every other test a lie."""

import socket
import ssl
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from support.brokers import MosquittoBroker
from support.mqtt import MqttClient
from support.waiting import wait_until


def test_every_broker_passes_a_qos_1_message(mqtt_broker):
    with MqttClient(mqtt_broker, "reader") as reader, MqttClient(mqtt_broker, "writer") as writer:
        reader.subscribe("hub/v1/#")
        writer.publish("hub/v1/湖畔/b1-e1/alarm", "困人")
        assert reader.wait_for(1) == ["困人".encode()]


def test_every_broker_refuses_a_wrong_password(mqtt_broker):
    mqtt_broker.password = "wrong"
    with pytest.raises(AssertionError, match=r"(?i)not authori|bad user|hung up"), MqttClient(mqtt_broker):
        pass


@pytest.mark.parametrize("broker_fixture", ["nats_broker", "mosquitto_broker"])
def test_a_durable_broker_keeps_a_queued_message_over_sigkill(request, broker_fixture):
    broker = request.getfixturevalue(broker_fixture)
    assert broker.durable
    with MqttClient(broker, "sleeper", session=True) as sleeper:
        sleeper.subscribe("alarm/#")
    with MqttClient(broker, "writer") as writer:
        writer.publish("alarm/b1-e1", b"1")
        if broker.name == "mosquitto":
            saved = broker.folder / "mosquitto.db"
            wait_until(lambda: saved.exists() and b"alarm/b1-e1" in saved.read_bytes(), 10, "autosave")
    broker.kill()
    broker.start()
    with MqttClient(broker, "sleeper", session=True) as sleeper:
        assert sleeper.session_present
        assert sleeper.wait_for(1) == [b"1"]


def test_rumqttd_forgets_sessions_over_a_restart_so_tests_must_not_rely_on_it(rumqttd_broker):
    with MqttClient(rumqttd_broker, "sleeper", session=True) as sleeper:
        sleeper.subscribe("alarm/#")
    rumqttd_broker.restart()
    with MqttClient(rumqttd_broker, "sleeper", session=True) as sleeper:
        assert not sleeper.session_present


def test_a_frozen_broker_acknowledges_nothing_until_it_is_thawed(nats_broker):
    with MqttClient(nats_broker) as writer:
        nats_broker.freeze()
        info = writer.paho.publish("a", b"1", 1)
        with pytest.raises(AssertionError):
            wait_until(info.is_published, 0.3)
        nats_broker.thaw()
        wait_until(info.is_published, 10)


def test_tls_broker_passes_a_message_to_a_client_with_its_certificate(mosquitto_tls_broker):
    with MqttClient(mosquitto_tls_broker, "reader") as reader, MqttClient(mosquitto_tls_broker, "writer") as writer:
        reader.subscribe("a")
        writer.publish("a", b"secret")
        assert reader.wait_for(1) == [b"secret"]


def test_tls_broker_turns_a_stranger_away(mosquitto_tls_broker, tls_files):
    client = MqttClient(mosquitto_tls_broker)
    client.paho._ssl_context = ssl.create_default_context(cafile=str(tls_files.ca))
    client.paho._ssl_context.load_cert_chain(tls_files.stranger_cert, tls_files.stranger_key)
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)), client:
        pass


def test_the_tls_broker_proves_itself_with_its_own_authority_only(mosquitto_tls_broker, tls_files):
    context = ssl.create_default_context(cafile=str(tls_files.stranger_ca))
    with (
        socket.create_connection((mosquitto_tls_broker.host, mosquitto_tls_broker.port)) as link,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(link, server_hostname="localhost")


def test_a_fresh_database_of_either_kind_answers_and_is_empty(empty_database_url):
    engine = sqlalchemy.create_engine(empty_database_url)
    try:
        assert sqlalchemy.inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (name TEXT)")
            connection.execute(sqlalchemy.text("INSERT INTO t VALUES (:name)"), {"name": "湖畔花园"})
            assert connection.exec_driver_sql("SELECT name FROM t").scalar_one() == "湖畔花园"
    finally:
        engine.dispose()


def test_postgres_databases_are_apart_and_made_from_a_template(postgres_server, postgres_url):
    def prepare(url):
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE from_template (id INT)")
        engine.dispose()

    copy = postgres_server.new_database(postgres_server.template("test", prepare))
    try:
        names = {}
        for url in (copy, postgres_url):
            engine = sqlalchemy.create_engine(url)
            names[url] = sqlalchemy.inspect(engine).get_table_names()
            engine.dispose()
        assert names == {copy: ["from_template"], postgres_url: []}
    finally:
        postgres_server.drop_database(copy)


def test_postgres_does_not_run_as_root(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        status = Path(f"/proc/{row[0]}/status").read_text()
        uid = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
    assert uid != "0"


def test_wait_until_says_what_it_waited_for():
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: the lift to come"):
        wait_until(lambda: False, 0.01, "the lift to come")
    assert wait_until(lambda: "here", 1) == "here"


def test_a_broker_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("support.brokers.shutil.which", lambda *_, **__: None)
    with pytest.raises(Exception, match="mosquitto is not on this machine"):
        MosquittoBroker(tmp_path).start()


@pytest.mark.slow
def test_chromium_renders_chinese(chromium_browser):
    page = chromium_browser.new_page()
    page.set_content("<h1>困人</h1>")
    assert page.inner_text("h1") == "困人"
    page.close()
