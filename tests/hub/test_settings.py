"""A right configuration becomes frozen values; variables win over the file, secrets stay out of sight."""

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hub.settings import ConfigurationErrors, DoorConfig, public
from hub.settings.source import plain, read_yaml
from hub.settings.urls import UrlError, bus_url, database_url, mqtt_url
from hub.store.backup import backup
from hub.store.database import open_store
from hub.store.restore import restore
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.units import BalanceUnit
from support.configuration import HUB_YAML, SITE_YAML, elsewhere, load_configuration, write_configuration


def test_the_contracts_own_example_is_read_whole(tmp_path):
    settings = load_configuration(write_configuration(tmp_path))
    assert settings.database == f"sqlite:///{tmp_path}/var/hub.db"
    assert settings.data_dir == tmp_path / "var"
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8000)
    assert (settings.mqtt.url, settings.mqtt.client_id, settings.mqtt.embedded) == (
        "mqtt://127.0.0.1:1883",
        "hub-1",
        False,
    )
    (site,) = settings.sites
    assert (site.id, site.name, site.timezone, site.locale) == ("lakeside", "湖畔花园", "Asia/Shanghai", "zh-CN")
    assert [building.units for building in site.buildings] == [("0101", "0102", "0201"), ()]
    assert [(bus.id, bus.timeout_ms) for bus in site.buses] == [("meters-1", 800), ("serial-1", None)]
    meter = next(device for device in site.devices if device.id == "m-0101")
    assert (meter.kind, meter.building, meter.unit, meter.unit_id, meter.balance_unit) == (
        DeviceKind.METER,
        "b1",
        "0101",
        2,
        BalanceUnit.CNY,
    )
    gate = site.devices[-1]
    assert gate.doors == (DoorConfig(id="b1-main", number=1), DoorConfig(id="b1-back", number=2))
    assert gate.name == "gate-1", "a device without a name is called by its id"
    assert site.rules["low_balance"] == {"CNY": [30, 10, 0], "kWh": [20, 10, 0], "clear_margin": 0.1}


def test_what_is_left_out_has_its_default(tmp_path):
    path = write_configuration(tmp_path, "mqtt: {embedded: true}\nsites: [sites/lakeside.yaml]\n")
    settings = load_configuration(path)
    assert settings.database == f"sqlite:///{tmp_path}/var/hub.db"
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8000)
    assert settings.mqtt.embedded
    assert settings.mqtt.url == ""


def test_paths_are_relative_to_the_file_wherever_the_hub_is_started(tmp_path, monkeypatch):
    path = write_configuration(tmp_path / "etc")
    monkeypatch.chdir(tmp_path)
    settings = load_configuration(Path("etc/hub.yaml"))
    assert settings.file == path
    assert settings.database == f"sqlite:///{tmp_path}/etc/var/hub.db"
    assert settings.sites[0].file == tmp_path / "etc/sites/lakeside.yaml"


def test_an_absolute_database_path_stays(tmp_path):
    path = write_configuration(tmp_path, HUB_YAML.replace("sqlite:///var/hub.db", "sqlite:////srv/hub/x.db"))
    settings = load_configuration(path)
    assert settings.database == "sqlite:////srv/hub/x.db"
    assert settings.data_dir == Path("/srv/hub")


@pytest.mark.parametrize("name", ["a b", "100%25", "what?", "no#1", "湖畔"])
def test_a_folder_may_have_any_name(name, tmp_path):
    settings = load_configuration(write_configuration(tmp_path / name))
    open_store(settings.database).close()
    assert (tmp_path / name / "var" / "hub.db").is_file()
    backup(settings.database, tmp_path / name / "b.zip", 0)
    other = write_configuration(tmp_path / "other" / name)
    restore(load_configuration(other).database, tmp_path / name / "b.zip")
    assert (tmp_path / "other" / name / "var" / "hub.db").is_file()


def test_variables_win_over_the_file(tmp_path):
    environ = {
        "HUB_DATABASE": "postgresql://hub:secret@db/hub",
        "HUB_HTTP__HOST": "0.0.0.0",
        "HUB_HTTP__PORT": "9000",
        "HUB_MQTT__URL": "mqtts://broker",
        "HUB_MQTT__CLIENT_ID": "hub-2",
        "HUB_MQTT__USERNAME": "hub",
        "HUB_MQTT__PASSWORD": "pw",
        "HUB_SITES": "sites/lakeside.yaml, sites/l*.yaml",
        "HUB_MQTT__OWN_SITES_ONLY": "true",
        "HUB_SOMETHING": "of somebody else",
        "PATH": "/bin",
    }
    settings = load_configuration(write_configuration(tmp_path), environ)
    assert settings.database == "postgresql+psycopg://hub:secret@db/hub"
    assert settings.data_dir == tmp_path / "var"
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 9000)
    assert (settings.mqtt.url, settings.mqtt.client_id, settings.mqtt.username) == (
        "mqtts://broker:8883",
        "hub-2",
        "hub",
    )
    assert settings.mqtt.own_sites_only
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.reveal() == "pw"
    assert len(settings.sites) == 1, "a file that two patterns match is read once"


def test_a_variable_can_fill_a_group_that_the_file_leaves_out(tmp_path):
    path = write_configuration(tmp_path, "sites: [sites/lakeside.yaml]\n")
    settings = load_configuration(path, {"HUB_MQTT__URL": "mqtt://broker", "HUB_HTTP__PORT": "0"})
    assert settings.mqtt.url == "mqtt://broker:1883"
    assert settings.http.port == 0


def test_the_url_variable_points_an_embedded_hub_elsewhere(tmp_path):
    path = write_configuration(tmp_path, "mqtt: {embedded: true}\nsites: [sites/lakeside.yaml]\n")
    settings = load_configuration(path, {"HUB_MQTT__URL": "mqtt://broker"})
    assert (settings.mqtt.embedded, settings.mqtt.url) == (False, "mqtt://broker:1883")


@pytest.mark.parametrize(
    ("environ", "file", "field", "problem"),
    [
        ({"HUB_HTTP__PORT": "many"}, "environment HUB_HTTP__PORT", "http.port", "text stands here"),
        ({"HUB_HTTP__PROT": "1"}, "environment HUB_HTTP__PROT", "", "did you mean 'HUB_HTTP__PORT'"),
        ({"HUB_MQTT__URL": "http://x"}, "environment HUB_MQTT__URL", "mqtt.url", "not an MQTT address"),
        ({"HUB_MQTT__EMBEDDED": "perhaps"}, "environment HUB_MQTT__EMBEDDED", "mqtt.embedded", "text stands here"),
        ({"HUB_DATABASE": "oracle://x"}, "environment HUB_DATABASE", "database", "no database that the hub knows"),
        ({"HUB_SITES": "nowhere.yaml"}, "environment HUB_SITES", "sites[0]", "no file matches"),
        ({"HUB_MQTT__CLIENT_ID": ""}, "environment HUB_MQTT__CLIENT_ID", "mqtt.client_id", "'' is not allowed"),
    ],
)
def test_a_wrong_variable_is_named(environ, file, field, problem, tmp_path):
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(write_configuration(tmp_path), environ)
    (mistake,) = raised.value.mistakes
    assert (mistake.file, mistake.line, mistake.field) == (file, 0, field)
    assert problem in mistake.problem


def test_a_password_comes_from_the_named_variable_or_file_and_is_never_shown(tmp_path):
    hub = HUB_YAML.replace("client_id: hub-1", "username: hub, password_env: BROKER_PW")
    settings = load_configuration(write_configuration(tmp_path, hub), {"BROKER_PW": "tell-nobody"})
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.reveal() == "tell-nobody"
    assert "tell-nobody" not in repr(settings)
    (tmp_path / "pw").write_text("from-a-file\n")
    hub = HUB_YAML.replace("client_id: hub-1", "username: hub, password_file: pw")
    settings = load_configuration(write_configuration(tmp_path, hub))
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.reveal() == "from-a-file"


def test_public_settings_hide_the_databases_password(tmp_path):
    environ = {"HUB_DATABASE": "postgresql://hub:tell-nobody@db/hub"}
    shown = public(load_configuration(write_configuration(tmp_path), environ))
    assert shown.database == "postgresql+psycopg://hub:***@db/hub"
    assert "tell-nobody" not in repr(shown)


def test_settings_cannot_be_changed(tmp_path):
    settings = load_configuration(write_configuration(tmp_path))
    with pytest.raises(AttributeError):
        settings.database = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(settings, database="other") != settings


def test_several_sites_come_in_the_patterns_order(tmp_path):
    path = write_configuration(tmp_path, lakeside=SITE_YAML, hillside=elsewhere(SITE_YAML))
    assert [site.id for site in load_configuration(path).sites] == ["hillside", "lakeside"]
    environ = {"HUB_SITES": "sites/lakeside.yaml,sites/*.yaml"}
    assert [site.id for site in load_configuration(path, environ).sites] == ["lakeside", "hillside"]


def test_the_same_ids_may_stand_in_two_sites(tmp_path):
    """Everything is per site: unit ids, device ids and bus ids of one say nothing about another."""
    path = write_configuration(tmp_path, lakeside=SITE_YAML, hillside=elsewhere(SITE_YAML))
    first, second = load_configuration(path).sites
    assert [device.id for device in first.devices] == [device.id for device in second.devices]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = write_configuration(tmp_path)
    text = SITE_YAML.replace("\n", "\r\n").encode("utf-8-sig")
    (tmp_path / "sites" / "lakeside.yaml").write_bytes(text)
    assert load_configuration(path).sites[0].id == "lakeside"


def test_an_anchor_may_be_used_again(tmp_path):
    text = SITE_YAML.replace("{entrapment: {level_s: 90}}", "&calm {entrapment: {level_s: 90}}").replace(
        "{entrapment: {off_level_s: 10}}", "*calm"
    )
    site = load_configuration(write_configuration(tmp_path, lakeside=text)).sites[0]
    assert site.devices[2].rules == {"entrapment": {"level_s": 90}}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("mqtt://h", "mqtt://h:1883"),
        ("mqtts://h", "mqtts://h:8883"),
        ("mqtt://h:99/", "mqtt://h:99"),
        ("mqtt://[::1]:1883", "mqtt://[::1]:1883"),
    ],
)
def test_an_mqtt_address_gets_its_port(written, read):
    assert mqtt_url(written) == read


@pytest.mark.parametrize(
    "text", ["", "mqtt:", "mqtt://", "mqtt://h/path", "mqtt://h?x=1", "mqtt://h:x", "mqtt://h:0", "mqtt://[::1", "//h"]
)
def test_what_is_no_mqtt_address_is_refused(text):
    with pytest.raises(UrlError):
        mqtt_url(text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("modbus+tcp://h", "modbus+tcp://h:502"),
        ("modbus+rtu-over-tcp://10.0.0.9:4196", "modbus+rtu-over-tcp://10.0.0.9:4196"),
        ("modbus+rtu:///dev/ttyS0?parity=E&stopbits=2", "modbus+rtu:///dev/ttyS0?parity=E&stopbits=2"),
    ],
)
def test_a_bus_address_gets_its_port(written, read):
    assert bus_url(written) == read


@given(st.text(max_size=60) | st.builds("{}://{}".format, st.sampled_from(["mqtt", "sqlite", "postgresql"]), st.text()))
def test_no_text_breaks_the_reading_of_urls(text):
    """Whatever stands there is an address or a UrlError, never another exception."""
    for read in (mqtt_url, bus_url, lambda url: database_url(url, Path("/x"), secret_allowed=False)):
        try:
            read(text)
        except UrlError:
            continue


_scalars = st.text(max_size=10) | st.integers(-(10**15), 10**15) | st.booleans() | st.none()
_documents = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=15,
)


@hypothesis_settings(max_examples=50)
@given(st.dictionaries(st.text(min_size=1, max_size=8), _documents, min_size=1, max_size=4))
def test_what_a_yaml_writer_writes_is_read_back(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    log = []
    at = read_yaml(path, "x.yaml", log)
    assert at is not None, log
    assert plain(at) == document
    assert log == []
