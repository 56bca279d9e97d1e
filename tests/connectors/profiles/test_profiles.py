"""A profile is data: each shipped one loads whole, and each mistake in one is named with file, field and what is allowed."""

import pytest
import yaml

from connectors import profiles
from connectors.codecs.profile_error import ProfileError

SHIPPED = profiles.load()

GOOD = """
id: maker-x
name: {zh-CN: 某厂, en: Maker X}
kind: elevator
transport: mqtt-json
evidence: {sources: [a manual], confidence: manual}
caveats: []
quality: {rejects_stored: done}
mqtt:
  id: id
  time: {from: at}
  messages:
    - name: event
      topic: "maker/{site}/{device}/event"
      lane: alarm
      event: ElevatorAlarm
      fields:
        type: {from: kind, map: {1: trapped, 2: fault}}
        state: state
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_says_what_it_is_and_how_far_it_was_tried(name):
    profile = SHIPPED[name]
    assert profile.file == f"{name}.yaml"
    assert set(profile.name) == {"zh-CN", "en"}
    assert profile.evidence.sources
    sections = {
        name: getattr(profile, name) for name in ("mqtt", "modbus", "dlt645", "acrel", "uhppote", "doors", "reader")
    }
    [section] = [channel for channel, section in sections.items() if section]
    # A reader hangs on a Modbus bus, and is read by its own rules.
    assert profile.facts().channel == {"reader": "modbus"}.get(section, section)


def test_the_documented_formats_are_shipped():
    assert {"hub-json", "elevatorcloud-json", "shmashine-event", "city-push"} <= set(SHIPPED)
    assert SHIPPED["hub-json"].facts().expects_test_call
    assert SHIPPED["shmashine-event"].facts().options == ("elevator_code",)
    assert SHIPPED["city-push"].facts().options == ("register_number",)
    assert SHIPPED["hub-json"].facts().balance_unit is None
    assert SHIPPED["dlt645-prepaid"].facts().balance_unit == "$site"


def test_a_site_may_bring_its_own_profiles(tmp_path):
    (tmp_path / "maker-x.yaml").write_text(GOOD)
    found = profiles.load([tmp_path])
    assert set(found) == {*SHIPPED, "maker-x"}
    assert found["maker-x"].file == str(tmp_path / "maker-x.yaml")


def test_an_id_that_is_taken_and_a_folder_that_is_not_there_are_named(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD.replace("id: maker-x", "id: hub-json"))
    with pytest.raises(ProfileError) as error:
        profiles.load([tmp_path, tmp_path / "nowhere"])
    assert any("already used by hub-json.yaml" in problem for problem in error.value.problems)
    assert any("nowhere: no such folder" in problem for problem in error.value.problems)


def changed(path, value):
    raw = yaml.safe_load(GOOD)
    place = raw
    *outer, last = path
    for key in outer:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(raw, allow_unicode=True)


MESSAGE = ("mqtt", "messages", 0)
FIELD = (*MESSAGE, "fields")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("transport",), "serial", "transport: 'serial'; allowed: mqtt-json, modbus, dlt645"),
        (("kind",), "escalator", "kind: 'escalator'; allowed: elevator, meter, access_controller"),
        (("kinds",), ["elevator"], "kinds: unknown key; allowed:"),
        (("id",), "", "id: a text is needed"),
        (("name",), {"en": "x"}, "name: a mapping is needed with a text for each of: zh-CN, en"),
        (("evidence",), {"sources": ["x"], "confidence": "guess"}, "evidence.confidence: 'guess'; allowed: own"),
        (("quality",), {"rejects_stored": "yes"}, "quality.rejects_stored: 'yes'; allowed: done"),
        (("expects_test_call",), "yes", "expects_test_call: true or false"),
        (("mqtt",), None, "mqtt: this section is needed"),
        (("mqtt", "messages"), [], "mqtt.messages: needed"),
        (("mqtt", "topics"), [], "mqtt.topics: unknown key; allowed: addressed_by, frame, id, messages, time"),
        (
            ("mqtt", "time"),
            {"from": "at", "zone": "cet"},
            "mqtt.messages[0].time.zone: 'cet'; allowed: site, utc, none",
        ),
        (("mqtt", "time"), {"from": "at", "form": "dmy"}, "time.form: 'dmy'; allowed: iso, epoch_s, epoch_ms"),
        (("mqtt", "frame"), "#", "mqtt.frame: a mapping {start: text, end: text}"),
        (("mqtt", "addressed_by"), {"field": "x"}, "mqtt.addressed_by: a mapping {field"),
        ((*MESSAGE, "event"), "Alarm", "mqtt.messages[0].event: 'Alarm'; allowed: ElevatorAlarm"),
        ((*MESSAGE, "lane"), "fast", "mqtt.messages[0].lane: 'fast'; allowed: alarm, telemetry"),
        ((*MESSAGE, "name"), None, "mqtt.messages[0].name: needed"),
        ((*MESSAGE, "topic"), "maker/+/x", "mqtt.messages[0].topic: level '+' is not allowed"),
        ((*MESSAGE, "topic"), "maker/{device}", "needs {site} exactly once"),
        ((*MESSAGE, "topic"), "maker/{site}/event", "names no {device}: mqtt.addressed_by is needed"),
        ((*MESSAGE, "kinds"), "meter", "mqtt.messages[0].kinds: 'meter'; allowed: elevator"),
        ((*MESSAGE, "credit"), {"balance": "x"}, "mqtt.messages[0].credit: only MeterReading has a credit"),
        ((*MESSAGE, "when"), ["x"], "mqtt.messages[0].when: a mapping"),
        ((*MESSAGE, "snapshot"), {"transform": "eval"}, "snapshot.transform: allowed: base64_snapshot"),
        ((*MESSAGE, "id"), "a[", "mqtt.messages[0].id: 'a[' is no JMESPath expression"),
        ((*FIELD, "flor"), "floor", "mqtt.messages[0].fields.flor: unknown key; allowed: code, detail"),
        ((*FIELD, "state"), None, "mqtt.messages[0].fields.state: needed for ElevatorAlarm"),
        ((*FIELD, "state"), {"from": "a", "const": "add"}, "fields.state: exactly one of `from` and `const`"),
        ((*FIELD, "state"), {"const": "on"}, "fields.state.const: 'on'; allowed: add, clear"),
        ((*FIELD, "state"), {"from": "a", "mapp": {}}, "fields.state.mapp: unknown key; allowed: const, from, map"),
        ((*FIELD, "type"), {"from": "k", "map": {1: "stuck"}}, "fields.type.map.1: 'stuck'; allowed: passenger_alarm"),
        ((*FIELD, "type"), {"from": "k", "map": {}}, "fields.type.map: a mapping of the device's values"),
        ((*FIELD, "type"), {"from": "k", "map": {1.5: "fault"}}, "a key must be text or a number"),
        ((*FIELD, "type"), {"from": "k", "otherwise": "odd"}, "fields.type.otherwise: 'odd'; allowed: passenger_alarm"),
        ((*FIELD, "floor"), {"from": "f", "map": {1: "x"}}, "fields.floor.map: this field is no word"),
        ((*FIELD, "held_s"), {"from": "h", "scale": "ten"}, "fields.held_s.scale: 'ten' is no number"),
        ((*FIELD, "held_s"), {"from": "h", "range": [9, 1]}, "fields.held_s.range: 9 is more than 1"),
        ((*FIELD, "held_s"), {"from": "h", "range": 9}, "fields.held_s.range: [lowest, highest]"),
    ],
)
def test_each_mistake_is_named_with_file_field_and_what_is_allowed(path, value, said):
    with pytest.raises(ProfileError) as error:
        profiles.read(changed(path, value), "maker-x.yaml")
    assert all(problem.startswith("maker-x.yaml: ") for problem in error.value.problems)
    assert any(said in problem for problem in error.value.problems), error.value.problems


def test_all_mistakes_of_a_file_are_named_at_once():
    text = (
        GOOD.replace("lane: alarm", "lane: fast").replace("state: state", "flor: floor").replace("en: Maker X", "fr: X")
    )
    with pytest.raises(ProfileError) as error:
        profiles.read(text, "x.yaml")
    assert len(error.value.problems) >= 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("- a", "a mapping with id"),
        ("", "a mapping with id"),
        (GOOD + "\nid: again\n", "key 'id' stands twice"),
        (GOOD.replace("{1: trapped, 2: fault}", "{1: trapped, 1: fault}"), "key 1 stands twice"),
        (GOOD.replace("{1: trapped, 2: fault}", "{1: trapped, yes: fault}"), "mean the same key"),
        ("id: !!python/object/apply:os.system ['true']", "not YAML"),
        (GOOD.replace("    - name: event", "    - 5\n    - name: event"), "mqtt.messages[0]: a mapping with name"),
    ],
)
def test_text_that_is_no_profile_is_refused(text, said):
    with pytest.raises(ProfileError) as error:
        profiles.read(text, "x.yaml")
    assert any(said in problem for problem in error.value.problems), error.value.problems


def test_two_messages_that_cannot_be_told_apart_are_a_mistake():
    raw = yaml.safe_load(GOOD)
    raw["mqtt"]["messages"].append(dict(raw["mqtt"]["messages"][0], name="other"))
    with pytest.raises(ProfileError, match="same topic and `when`"):
        profiles.read(yaml.safe_dump(raw), "x.yaml")


def test_a_meter_profile_needs_its_credit():
    text = GOOD.replace("kind: elevator", "kind: meter").replace("ElevatorAlarm", "MeterReading")
    with pytest.raises(ProfileError, match="credit: needed for MeterReading"):
        profiles.read(text, "x.yaml")
