"""Every mistake of a configuration is named with file, line, field and what is allowed; nothing is half-loaded."""

from typing import NamedTuple

import pytest

from hub.settings import ConfigurationErrors, Mistake
from support.configuration import HUB_YAML, SITE_YAML, elsewhere, load_configuration, write_configuration


class Case(NamedTuple):
    """`old` is replaced by `new`; the mistake stands in the line of `new` (or of `at`)."""

    name: str
    old: str
    new: str
    field: str
    problem: str
    allowed: str = ""
    at: str = ""


E1 = "{id: b1-e1, kind: elevator, profile: hub-json, place: b1, name: 1栋1号梯}"
E2 = "{id: b1-e2, kind: elevator, profile: car-top-monitor, bus: meters-1, unit_id: 247, place: b1}"
M1 = (
    "{id: m-0101, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 2, place: b1/0101, balance_unit: CNY}"
)
HEAD = "{id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}"
MQTT = 'mqtt: {url: "mqtt://127.0.0.1:1883", client_id: hub-1}'

SITE_CASES = [
    Case("unknown top field", "devices:\n", "device:\n", "device", "did you mean 'devices'", "devices"),
    Case("site missing", f"site: {HEAD}\n", "", "site", "is missing", "mapping", at="buildings:"),
    Case("site is text", f"site: {HEAD}", "site: lakeside", "site", "text stands here", "a mapping"),
    Case("site id missing", "{id: lakeside, ", "{", "site.id", "is missing", "lower-case", at="site:"),
    Case("upper-case id", "id: lakeside", "id: Lakeside", "site.id", "'Lakeside' is not allowed", "lower-case"),
    Case("wildcard in an id", "id: lakeside", 'id: "lake+side"', "site.id", "'lake+side' is not allowed", "letters"),
    Case("slash in an id", "id: b1-e1", "id: b1/e1", "devices[0].id", "'b1/e1' is not allowed", "lower-case"),
    Case("space in an id", "id: b1-e1", "id: b1 e1", "devices[0].id", "not allowed", "lower-case"),
    Case("dollar id", "id: b1-e1", "id: $sys", "devices[0].id", "not allowed", "lower-case"),
    Case("number as an id", "id: b1-e1", "id: 17", "devices[0].id", "a number stands here", 'quoted text, "17"'),
    Case("boolean as an id", "id: b1-e1", "id: no", "devices[0].id", "boolean false", 'quoted text, "no"'),
    Case("empty id", "id: b1-e1", "id: ", "devices[0].id", "is empty", "lower-case"),
    Case("unknown zone", "Asia/Shanghai", "Asia/Shanghia", "site.timezone", "did you mean 'Asia/Shanghai'", "IANA"),
    Case("zone as an offset", "Asia/Shanghai", "UTC+8", "site.timezone", "is no time zone", "IANA"),
    Case("zone missing", "timezone: Asia/Shanghai, ", "", "site.timezone", "is missing", "IANA", at="site:"),
    Case("unknown locale", "zh-CN", "zh_CN", "site.locale", "did you mean 'zh-CN'", "zh-CN, en"),
    Case("unknown field", "name: 湖畔花园", "nmae: 湖畔花园", "site.nmae", "did you mean 'name'", "name"),
    Case("control character", "湖畔花园", '"a\\u0007b"', "site.name", "not allowed", "control characters"),
    Case("unit without quotes", '"0102"', "0102", "buildings[0].units[1]", "0102 without quotes", '"0102"'),
    Case("unit with a slash", '"0102"', '"01/02"', "buildings[0].units[1]", "not allowed", "letters"),
    Case("unit twice", '"0102"', '"0101"', "buildings[0].units[1]", "stands twice", "once"),
    Case("units as text", '["0101", "0102", "0201"]', '"0101"', "buildings[0].units", "text stands here", "a list"),
    Case("building twice", "{id: b2,", "{id: b1,", "buildings[1].id", "'b1' stands twice (first in line 3)", "once"),
    Case(
        "building no mapping", "{id: b2, name: 2栋, rules: {entrapment: {level_s: 90}}}", "b2", "buildings[1]", "text"
    ),
    Case("bus twice", "id: serial-1", "id: meters-1", "buses[1].id", "stands twice (first in line 6)", "once"),
    Case(
        "bus address twice",
        '"modbus+rtu:///dev/ttyUSB0?baudrate=9600"',
        "modbus+tcp://127.0.0.1:5020",
        "buses[1].url",
        "stands twice",
    ),
    Case("bus named mqtt", "id: serial-1", "id: mqtt", "buses[1].id", "the hub's own word", "another"),
    Case("bus scheme", "modbus+tcp:", "modbus:", "buses[0].url", "is not a bus address", "modbus+rtu-over-tcp://"),
    Case("bus without host", "modbus+tcp://127.0.0.1:5020", "modbus+tcp://", "buses[0].url", "names no host", "HOST"),
    Case("bus port", ":5020", ":70000", "buses[0].url", "port is out of range", "1 to 65535"),
    Case("serial option", "baudrate=9600", "baud=9600", "buses[1].url", "unknown option 'baud'", "baudrate"),
    Case("serial speed", "baudrate=9600", "baudrate=9601", "buses[1].url", "baudrate=9601", "9600"),
    Case("serial without device", "/dev/ttyUSB0", "", "buses[1].url", "no serial device", "/dev/ttyUSB0"),
    Case("time-out range", "timeout_ms: 800", "timeout_ms: 0", "buses[0].timeout_ms", "0 is out of range", "10"),
    Case("time-out as text", "timeout_ms: 800", "timeout_ms: 800ms", "buses[0].timeout_ms", "text stands", "whole"),
    Case("period boolean", "timeout_ms: 800", "every_s: yes", "buses[0].every_s", "boolean true", "a number"),
    Case("device twice", "id: b1-e2", "id: b1-e1", "devices[1].id", "'b1-e1' stands twice (first in line 9)"),
    Case(
        "unknown kind", "id: b1-e1, kind: elevator", "id: b1-e1, kind: lift", "devices[0].kind", "unknown", "elevator"
    ),
    Case("kind missing", "id: b1-e1, kind: elevator", "id: b1-e1", "devices[0].kind", "is missing", "elevator"),
    Case(
        "unknown profile", "car-top-monitor", "car-top-monitr", "devices[1].profile", "did you mean 'car-top-monitor'"
    ),
    Case(
        "profile of another kind",
        E1,
        E1.replace("hub-json", "kwh-meter, bus: meters-1, unit_id: 9"),
        "devices[0].profile",
        "'kwh-meter' describes meter, not elevator",
        "hub-json, car-top-monitor",
    ),
    Case("unknown building", "place: b1, name", "place: b3, name", "devices[0].place", "no building 'b3'", "b1, b2"),
    Case("unknown unit", "b1/0101,", "b1/0109,", "devices[3].place", "no unit '0109'", "0101, 0102, 0201"),
    Case("place too deep", "b1/0101,", "b1/0101/x,", "devices[3].place", "not allowed", "building/unit"),
    Case("place missing", "place: b1, name: 1栋1号梯", "name: x", "devices[0].place", "is missing", "b1/0101"),
    Case("unknown bus", "bus: serial-1", "bus: serial-2", "devices[4].bus", "did you mean 'serial-1'", "meters-1"),
    Case("bus missing", E2, E2.replace("bus: meters-1, ", ""), "devices[1].bus", "is missing", "meters-1, serial-1"),
    Case("unit id missing", E2, E2.replace("unit_id: 247, ", ""), "devices[1].unit_id", "is missing", "0 to 255"),
    Case("unit id range", "unit_id: 247", "unit_id: 256", "devices[1].unit_id", "256 is out of range", "0 to 255"),
    Case("unit id on a line", "unit_id: 3", "unit_id: 248", "devices[4].unit_id", "248 is out of range", "1 to 247"),
    Case("unit id octal", "unit_id: 247", "unit_id: 0247", "devices[1].unit_id", "0247 without quotes", "whole number"),
    Case("unit id fraction", "unit_id: 247", "unit_id: 2.5", "devices[1].unit_id", "a number stands here", "whole"),
    Case("unit id twice on a bus", "unit_id: 247", "unit_id: 2", "devices[3].unit_id", "2 on meters-1", "once", at=M1),
    Case("mqtt device on a bus", E1, E1.replace("place", "bus: meters-1, place"), "devices[0].bus", "speaks mqtt"),
    Case(
        "balance unit missing", ", balance_unit: CNY", "", "devices[3].balance_unit", "is missing", "CNY", at="m-0101"
    ),
    Case("balance unit", "balance_unit: CNY", "balance_unit: RMB", "devices[3].balance_unit", "'RMB'", "CNY, kWh"),
    Case("balance unit of an elevator", E1, E1.replace("}", ", balance_unit: CNY}"), "devices[0].balance_unit", "only"),
    Case(
        "balance unit against the profile",
        M1,
        M1.replace("acrel-adf400l-1p", "kwh-meter"),
        "devices[3].balance_unit",
        "this meter counts kWh",
        "kWh, or leave it out",
    ),
    Case(
        "field of another profile",
        E1,
        E1.replace("}", ", register_number: x}"),
        "devices[0].register_number",
        "unknown",
    ),
    Case(
        "own field twice",
        f"{E1}\n  - {E2}",
        "\n  - ".join(
            f'{{id: c{n}, kind: elevator, profile: city-push, register_number: "9", place: b1}}' for n in (1, 2)
        ),
        "devices[1].register_number",
        "'register_number 9' stands twice (first in line 9)",
        at="{id: c2",
    ),
    Case("door twice", "id: b1-back", "id: b1-main", "devices[5].doors[1].id", "'b1-main' stands twice"),
    Case("door number twice", "number: 2", "number: 1", "devices[5].doors[1].number", "1 stands twice"),
    Case("door number", "number: 2", "number: -1", "devices[5].doors[1].number", "-1 is out of range", "0 to 65535"),
    Case(
        "doors of an elevator", E1, E1.replace("}", ", doors: [{id: d, number: 3}]}"), "devices[0].doors", "only access"
    ),
    Case(
        "field twice", "place: b1, name", "kind: elevator, name", "devices[0].kind", "stands twice", "each field once"
    ),
    Case("unknown rule", "  low_balance:", "  low_balanse:", "rules.low_balanse", "did you mean 'low_balance'"),
    Case("rule no mapping", "{off_level_s: 30, level_s: 60}", "30", "rules.entrapment", "a number stands", "a mapping"),
    Case("unknown limit", "clear_margin", "clear_margine", "rules.low_balance.clear_margine", "did you mean", "CNY"),
    Case(
        "limit as text", "clear_margin: 0.1", "clear_margin: 10%", "rules.low_balance.clear_margin", "text", "a number"
    ),
    Case("limit in a list", "[20, 10, 0]", "[20, ten, 0]", "rules.low_balance.kWh[1]", "text stands here", "a number"),
    Case("limit out of range", "off_level_s: 10", "off_level_s: -1", "devices[2].rules.entrapment.off_level_s", ">= 0"),
    Case("limit boolean", "level_s: 60", "level_s: true", "rules.entrapment.level_s", "boolean true", "a number"),
    Case("limit not finite", "clear_margin: 0.1", "clear_margin: .nan", "rules.low_balance.clear_margin", ".nan"),
    Case("limit empty", "clear_margin: 0.1", "clear_margin:", "rules.low_balance.clear_margin", "nothing", "a number"),
    Case("limits together", "level_s: 60", "level_s: 20", "rules.entrapment", "level_s is shorter"),
    Case("limits of two levels together", "level_s: 90", "level_s: 5", "buildings[1].rules.entrapment", "is shorter"),
    Case("merge key", "  - {id: b2,", "  - {<<: {}, id: b2,", "buildings[1].<<", "merge keys"),
    Case("own tag", "id: b1-e1", "id: !secret b1-e1", "devices[0].id", "!secret is not used", "plain"),
    Case("key is a number", "    clear_margin: 0.1", "    7: 0.1", "rules.low_balance", "'7' as a key", "text"),
    Case("tab", "  - {id: serial-1", "\t- {id: serial-1", "", "a tab at the start", "spaces"),
    Case("bracket left open", "number: 2}]}", "number: 2}", "", "not YAML", at="rules:\n"),
    Case("alias without anchor", "place: b1, name", "place: *b1, name", "", "not YAML", "an anchor"),
    Case("second document", "rules:\n", "---\nrules:\n", "", "a second document", "one document", at="---"),
]

HUB_CASES = [
    Case("unknown field", "http:", "htpp:", "htpp", "did you mean 'http'", "http"),
    Case("port as text", "port: 8000", 'port: "8000"', "http.port", "text stands here", "0 to 65535"),
    Case("port range", "port: 8000", "port: 80000", "http.port", "80000 is out of range", "0 to 65535"),
    Case("host", "host: 127.0.0.1", "host: a b", "http.host", "'a b' is not allowed", "host name"),
    Case("mqtt missing", MQTT + "\n", "", "mqtt", "is missing", "mapping", at="database:"),
    Case(
        "mqtt url missing", 'url: "mqtt://127.0.0.1:1883", ', "", "mqtt.url", "is missing", "embedded: true", at="mqtt:"
    ),
    Case("mqtt scheme", "mqtt://", "http://", "mqtt.url", "not an MQTT address", "mqtts://"),
    Case(
        "password in the mqtt url", "mqtt://127", "mqtt://hub:pw@127", "mqtt.url", "password in the URL", "password_env"
    ),
    Case("password in the file", "client_id: hub-1", "password: pw", "mqtt.password", "in the file", "password_env"),
    Case("password variable unset", "client_id: hub-1", "password_env: NOPE", "mqtt.password_env", "NOPE is not set"),
    Case("password without user", "client_id: hub-1", "password_env: PW", "mqtt.username", "is missing", at="mqtt:"),
    Case("client id", "client_id: hub-1", "client_id: a/b", "mqtt.client_id", "'a/b' is not allowed", "topic"),
    Case("url and embedded", "client_id: hub-1", "embedded: true", "mqtt.url", "has its own address", "either"),
    Case("embedded as text", "client_id: hub-1", 'embedded: "yes"', "mqtt.embedded", "text stands", "true or false"),
    Case("port beside url", "client_id: hub-1", "port: 1883", "mqtt.port", "embedded broker only", "in `url`"),
    Case("ca is not there", "client_id: hub-1", "ca: no.pem", "mqtt.ca", "there is no file", "relative to hub.yaml"),
    Case("cert without key", "client_id: hub-1", "cert: hub.yaml", "mqtt.cert", "`key` is missing", "both"),
    Case("ca without tls", "client_id: hub-1", "ca: hub.yaml", "mqtt.ca", "mqtts:// only"),
    Case("database scheme", "sqlite:///", "mysql://u@h/", "database", "no database that the hub knows", "postgresql"),
    Case("database in memory", "sqlite:///var/hub.db", "'sqlite://'", "database", "keeps nothing", "sqlite:///"),
    Case("database slash", "sqlite:///var/hub.db", "sqlite://var/hub.db", "database", "a slash", "sqlite:///"),
    Case("database password", "sqlite:///var/hub.db", "postgresql://u:p@h/d", "database", "password", "HUB_DATABASE"),
    Case("database without name", "sqlite:///var/hub.db", "postgresql://u@h", "database", "names no database"),
    Case("sites missing", "sites: [sites/*.yaml]\n", "", "sites", "is missing", "sites/*.yaml", at="database:"),
    Case("sites empty", "[sites/*.yaml]", "[]", "sites", "names no file", "sites/*.yaml"),
    Case("sites as text", "[sites/*.yaml]", "sites/*.yaml", "sites", "text stands here", "a list"),
    Case("no site file", "sites/*.yaml", "estates/*.yaml", "sites[0]", "no file matches", "relative to hub.yaml"),
]


def _ids(case: Case) -> str:
    return case.name.replace(" ", "-")


def _check(case: Case, original: str, text: str, file: str, errors: ConfigurationErrors) -> None:
    position = text.index(case.at) if case.at else original.index(case.old)
    line = text.count("\n", 0, position) + 1
    fitting = [
        mistake for mistake in errors.mistakes if mistake.field == case.field and case.problem in mistake.problem
    ]
    assert fitting, str(errors)
    assert fitting[0].line == line, str(errors)
    assert fitting[0].file.endswith(file)
    assert case.allowed in fitting[0].allowed, str(errors)


@pytest.mark.parametrize("case", SITE_CASES, ids=_ids)
def test_a_mistake_in_a_site_file_is_named_with_its_line_and_field(case, tmp_path):
    assert case.old in SITE_YAML
    text = SITE_YAML.replace(case.old, case.new, 1)
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(write_configuration(tmp_path, lakeside=text))
    _check(case, SITE_YAML, text, "sites/lakeside.yaml", raised.value)


@pytest.mark.parametrize("case", HUB_CASES, ids=_ids)
def test_a_mistake_in_hub_yaml_is_named_with_its_line_and_field(case, tmp_path):
    assert case.old in HUB_YAML
    text = HUB_YAML.replace(case.old, case.new, 1)
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(write_configuration(tmp_path, text), {"PW": "secret"})
    _check(case, HUB_YAML, text, "hub.yaml", raised.value)


def test_all_mistakes_of_all_files_are_reported_at_once(tmp_path):
    hub = HUB_YAML.replace("port: 8000", "port: -1")
    first = SITE_YAML.replace("unit_id: 247", "unit_id: 999").replace("Asia/Shanghai", "Mars/Base")
    second = elsewhere(SITE_YAML).replace("kind: meter", "kind: metre", 1)
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(write_configuration(tmp_path, hub, lakeside=first, hillside=second))
    found = [(mistake.file.rpartition("/")[2], mistake.line, mistake.field) for mistake in raised.value.mistakes]
    assert found == [
        ("hub.yaml", 2, "http.port"),
        ("hillside.yaml", 12, "devices[3].kind"),
        ("lakeside.yaml", 1, "site.timezone"),
        ("lakeside.yaml", 10, "devices[1].unit_id"),
    ]


def test_one_slip_is_one_mistake(tmp_path):
    """A wrong building id breaks the places of its devices, each named once; nothing else is said of them."""
    text = SITE_YAML.replace("profile: car-top-monitor", "profile: nothing")
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(write_configuration(tmp_path, lakeside=text))
    assert [mistake.field for mistake in raised.value.mistakes] == ["devices[1].profile"]


def test_two_files_with_the_same_site_are_refused(tmp_path):
    path = write_configuration(tmp_path, a=SITE_YAML, b=SITE_YAML)
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(path)
    (mistake,) = raised.value.mistakes
    assert mistake.file.endswith("b.yaml")
    assert (mistake.line, mistake.field) == (1, "site.id")
    assert "a.yaml too" in mistake.problem


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a list\n", "a list stands here"),
        (b"site: {id: caf\xe9}\n", "not UTF-8"),
        (b"site: {id: a\x00b}\n", "not YAML"),
        (b"a: " + b"[" * 100_000 + b"]" * 100_000, "nest"),
        (b"a: " + b"[" * 900 + b"]" * 900, "nested too deeply"),
        (b"a: &a [*a]\n", "nested too deeply"),
        (b"#" * (16 * 1024 * 1024 + 1), "too large"),
        (
            b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 10)) for n in range(97, 105)),
            "too many values",
        ),
    ],
    ids=["empty", "comment", "list", "latin1", "nul", "brackets", "depth", "self", "large", "aliases"],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_sentence(raw, problem, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.settings.source.MAX_VALUES", 50_000)  # a million take ten seconds
    path = write_configuration(tmp_path)
    (tmp_path / "sites" / "lakeside.yaml").write_bytes(raw)
    with pytest.raises(ConfigurationErrors) as raised:
        load_configuration(path)
    assert any(problem in mistake.problem for mistake in raised.value.mistakes), str(raised.value)


def test_a_missing_or_unreadable_hub_yaml_is_named(tmp_path):
    with pytest.raises(ConfigurationErrors, match="cannot be read: No such file"):
        load_configuration(tmp_path / "hub.yaml")
    with pytest.raises(ConfigurationErrors, match="cannot be read: Is a directory"):
        load_configuration(tmp_path)


def test_a_mistake_reads_as_one_line():
    mistake = Mistake("sites/a.yaml", 12, "devices[3].unit_id", "300 is out of range", "a whole number from 1 to 247")
    assert str(mistake) == (
        "sites/a.yaml:12: devices[3].unit_id: 300 is out of range; allowed: a whole number from 1 to 247"
    )
