"""Changes of the feed as CloudEvents 1.0."""

import re
from zoneinfo import ZoneInfo

import msgspec
import pytest

from connectors.codecs.cloudevents import CONTENT_TYPE, Source, encode, event_id, subject_of
from hub.vocabulary.ports import PublicChange

SOURCE = Source(hub="hub-1", zone=ZoneInfo("Asia/Shanghai"))
AT = 1_780_000_000_123


def change(type_="ticket_opened", seq=42, at=AT, **body):
    body = {"id": 12, "kind": "entrapment", "drill": False} | body
    return PublicChange(seq=seq, site="lakeside", at=at, type=type_, body=body)


def decoded(each):
    return msgspec.json.decode(encode(each, SOURCE))


def test_a_ticket_s_change_with_every_required_attribute():
    assert decoded(change()) == {
        "specversion": "1.0",
        "id": f"42-{AT}",
        "source": "urn:property-hub:hub-1:lakeside",
        "type": "property-hub.ticket_opened",
        "time": "2026-05-29T04:26:40.123+08:00",
        "datacontenttype": "application/json",
        "subject": "tickets/12",
        "site": "lakeside",
        "sequence": "00000000000000000042",
        "ticketkind": "entrapment",
        "drill": False,
        "data": {"id": 12, "kind": "entrapment", "drill": False},
    }
    assert CONTENT_TYPE.startswith("application/cloudevents+json")


def test_attribute_names_are_those_that_every_binding_can_carry():
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in decoded(change()))


def test_a_drill_is_marked_where_a_router_can_see_it():
    assert decoded(change(drill=True))["drill"] is True


def test_one_change_has_one_id_and_a_restored_hub_that_counts_the_same_number_again_another_one():
    assert event_id(change()) == event_id(change(title="x"))
    assert event_id(change()) != event_id(change(at=AT + 1))
    assert event_id(change()) != event_id(change(seq=43))


def test_sequences_order_as_text():
    numbers = [1, 9, 10, 99, 1_000_000, 2**62]
    texts = [decoded(change(seq=seq))["sequence"] for seq in numbers]
    assert texts == sorted(texts)


@pytest.mark.parametrize(
    ("type_", "body", "subject"),
    [
        ("ticket_changed", {"id": 7}, "tickets/7"),
        ("problem_raised", {"subject": {"site": "s", "type": "gateway", "id": "mqtt"}}, "gateway/mqtt"),
        ("rejected", {"id": 3, "device": "b1-e1"}, "rejected/3"),
        ("something_new", {}, None),
    ],
)
def test_the_subject_says_what_it_is_about(type_, body, subject):
    each = PublicChange(seq=1, site="s", at=AT, type=type_, body=body)
    assert subject_of(each) == subject
    assert decoded(each).get("subject") == subject
