"""Tickets as CAP 1.2, against the rules of the OASIS standard (3.2 and the XML schema of appendix A), written down here."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.codecs.cap import NAMESPACE, encode_change, encode_ticket
from connectors.codecs.cloudevents import Source
from hub.vocabulary.ports import PublicChange

SOURCE = Source(hub="hub-1")
OPENED, LATER = "2026-11-21T20:00:00.250+08:00", "2026-11-21T20:07:31.000+08:00"

# Appendix A: each element's children in their order, with (least, most).
ORDER = {
    "alert": {
        "identifier": (1, 1), "sender": (1, 1), "sent": (1, 1), "status": (1, 1), "msgType": (1, 1), "source": (0, 1),
        "scope": (1, 1), "restriction": (0, 1), "addresses": (0, 1), "code": (0, 99), "note": (0, 1),
        "references": (0, 1), "incidents": (0, 1), "info": (0, 99),
    },
    "info": {
        "language": (0, 1), "category": (1, 99), "event": (1, 1), "responseType": (0, 99), "urgency": (1, 1),
        "severity": (1, 1), "certainty": (1, 1), "audience": (0, 1), "eventCode": (0, 99), "effective": (0, 1),
        "onset": (0, 1), "expires": (0, 1), "senderName": (0, 1), "headline": (0, 1), "description": (0, 1),
        "instruction": (0, 1), "web": (0, 1), "contact": (0, 1), "parameter": (0, 99), "resource": (0, 99),
        "area": (0, 99),
    },
    "area": {
        "areaDesc": (1, 1), "polygon": (0, 99), "circle": (0, 99), "geocode": (0, 99), "altitude": (0, 1),
        "ceiling": (0, 1),
    },
    "eventCode": {"valueName": (1, 1), "value": (1, 1)},
    "parameter": {"valueName": (1, 1), "value": (1, 1)},
}  # fmt: skip
WORDS = {
    "status": {"Actual", "Exercise", "System", "Test", "Draft"},
    "msgType": {"Alert", "Update", "Cancel", "Ack", "Error"},
    "scope": {"Public", "Restricted", "Private"},
    "category": {
        "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
    },
    "responseType": {
        "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None",
    },
    "urgency": {"Immediate", "Expected", "Future", "Past", "Unknown"},
    "severity": {"Extreme", "Severe", "Moderate", "Minor", "Unknown"},
    "certainty": {"Observed", "Likely", "Possible", "Unlikely", "Unknown"},
}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
IDENTIFIER = re.compile(r"[^\s,<&]+")


def ticket(**other):
    values = {
        "id": 12,
        "number": "LS-2026-0007",
        "kind": "entrapment",
        "site": "lakeside",
        "subject": {"type": "device", "id": "b1-e1", "name": "1栋1号梯", "place": "b1"},
        "state": "suspected",
        "active": True,
        "severity": "critical",
        "reason": "button",
        "title": "电梯困人 · 1栋1号梯",
        "occurred_at": "2026-11-21T19:59:58.000+08:00",
        "opened_at": OPENED,
        "updated_at": OPENED,
        "ended_at": None,
        "fields": {"floor": "7", "people": {"inside": 2, "injury": ["fracture"]}, "reporter": "王女士 138"},
        "drill": False,
        "revision": 1,
    }
    return values | other


def local(element):
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


def check_structure(element):
    """Children in the schema's order, as often as it allows, and nothing that it does not know."""
    assert element.tag.startswith(f"{{{NAMESPACE}}}")
    allowed = ORDER.get(local(element))
    if allowed is None:
        assert len(element) == 0
        assert (element.text or "").strip()
        return
    names = [local(child) for child in element]
    assert [name for name in names if name not in allowed] == []
    places = [list(allowed).index(name) for name in names]
    assert places == sorted(places)
    for name, (least, most) in allowed.items():
        assert least <= names.count(name) <= most, name
    for child in element:
        check_structure(child)


def read(text):
    """The message as {path: [texts]}, after it was checked against every rule."""
    root = ET.fromstring(text)
    assert root.tag == f"{{{NAMESPACE}}}alert"
    check_structure(root)
    found = {}
    for element in root.iter():
        found.setdefault(local(element), []).append(element.text)
    for name, words in WORDS.items():
        assert set(found.get(name, ())) <= words, name
    for name in ("sent", "effective", "onset"):
        assert all(MOMENT.fullmatch(each) and not each.endswith("+00:00") for each in found.get(name, ()))
    assert all(IDENTIFIER.fullmatch(each) for name in ("identifier", "sender") for each in found[name])
    assert (found["scope"] == ["Restricted"]) == ("restriction" in found)
    assert all(len(each) <= 160 for each in found["headline"])
    if found["msgType"] != ["Alert"]:
        sender, identifier, sent = found["references"][0].split(",")
        assert sender == found["sender"][0]
        assert MOMENT.fullmatch(sent)
        assert identifier != found["identifier"][0]
    return found


def as_read(text):
    """What an XML reader makes of it: one kind of line end, and a sign in the place of what XML cannot hold."""
    legal = (char if char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff") else "\ufffd" for char in text)
    return "".join(legal).replace("\r\n", "\n").replace("\r", "\n")


def test_an_entrapment_as_it_opens():
    found = read(encode_ticket(ticket(), SOURCE))
    assert found["identifier"] == ["LS-2026-0007.alert"]
    assert found["sender"] == ["urn:property-hub:hub-1:lakeside"]
    assert found["sent"] == ["2026-11-21T20:00:00+08:00"]
    assert (found["status"], found["msgType"]) == (["Actual"], ["Alert"])
    assert (found["category"], found["event"]) == (["Rescue"], ["电梯困人"])
    assert (found["urgency"], found["severity"], found["certainty"]) == (["Immediate"], ["Extreme"], ["Likely"])
    assert found["areaDesc"] == ["lakeside b1 1栋1号梯"]
    assert dict(zip(found["valueName"], found["value"], strict=True)) == {
        "kind": "entrapment", "ticket": "LS-2026-0007", "state": "suspected", "floor": "7", "people": "2",
    }  # fmt: skip


def test_names_of_people_stay_at_home():
    assert "王女士" not in encode_ticket(ticket(), SOURCE).decode()


def test_what_changes_and_what_ends_refers_to_the_alert():
    update = read(encode_ticket(ticket(updated_at=LATER, state="confirmed", revision=3), SOURCE))
    over = read(encode_ticket(ticket(updated_at=LATER, state="closed", active=False, revision=9), SOURCE))
    assert (update["msgType"], update["certainty"]) == (["Update"], ["Observed"])
    assert (over["msgType"], over["urgency"], over["responseType"]) == (["Cancel"], ["Past"], ["AllClear"])
    alert = "urn:property-hub:hub-1:lakeside,LS-2026-0007.alert,2026-11-21T20:00:00+08:00"
    assert update["references"] == over["references"] == [alert]
    assert len({update["identifier"][0], over["identifier"][0], "LS-2026-0007.alert"}) == 3
    assert update["incidents"] == over["incidents"] == ["LS-2026-0007"]


def test_a_drill_is_an_exercise_in_every_message_and_says_so_in_words():
    for other in ({}, {"updated_at": LATER, "revision": 2}, {"updated_at": LATER, "active": False, "revision": 3}):
        found = read(encode_ticket(ticket(drill=True, **other), SOURCE))
        assert found["status"] == ["Exercise"]
        assert found["note"][0]
        assert "演练" in found["headline"][0]


def test_a_false_alarm_was_unlikely():
    found = read(encode_ticket(ticket(updated_at=LATER, state="false_alarm", active=False, revision=2), SOURCE))
    assert (found["msgType"], found["certainty"]) == (["Cancel"], ["Unlikely"])


def test_utc_is_written_as_the_standard_wants_it():
    text = "2026-11-21T12:00:00.000+00:00"
    assert read(encode_ticket(ticket(opened_at=text, updated_at=text), SOURCE))["sent"] == ["2026-11-21T12:00:00-00:00"]


@pytest.mark.parametrize("kind", ["low_balance", "topup_missing"])
def test_a_household_s_money_is_no_incident(kind):
    each = PublicChange(seq=1, site="lakeside", at=0, type="ticket_opened", body=ticket(kind=kind))
    assert encode_change(each, SOURCE) is None


def test_only_tickets_have_words():
    assert encode_change(PublicChange(seq=1, site="s", at=0, type="problem_raised", body={}), SOURCE) is None


def test_a_kind_that_is_not_known_yet_is_a_valid_message_too():
    assert read(encode_ticket(ticket(kind="earthquake_round"), SOURCE))["category"] == ["Other"]


@given(st.text(), st.text(), st.text(max_size=400), st.sampled_from(["critical", "high", "medium", "low", "odd"]))
def test_no_text_of_a_device_or_a_person_breaks_the_message(name, number, title, severity):
    strange = ticket(number=f"N{number}", title=title, severity=severity)
    strange["subject"]["name"] = name
    strange["fields"] = {"floor": name or "?", "people": 1}
    found = read(encode_ticket(strange, SOURCE))
    assert found["headline"] == [as_read((title.strip() or "entrapment")[:160])]
    assert found["areaDesc"][0].endswith(as_read(name))
