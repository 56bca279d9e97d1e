"""A message to staff carries its recipient's own link; what the hub keeps of it does not."""

from __future__ import annotations

import re
import shutil
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from hub.notices.letters import Links, SiteNotices
from hub.notices.texts import FOLDER, parameters, shipped
from hub.registry.links import Link, LinkKey
from hub.store.database import open_store
from hub.store.schema import tickets
from hub.vocabulary.decisions import Audience, TicketKind, Urgency
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import HOUR_MS, SECOND_MS
from support.notices import NoticeRig, gateway
from support.rig import SITE

KEY = LinkKey(b"k" * 32)


@pytest.fixture
def rig(migrated_sqlite, tmp_path, far_side):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    rig = NoticeRig(store, {"sms": gateway(far_side, "sms")})
    values: dict[str, Any] = dict.fromkeys(("state", "severity", "reason", "title", "place", "subject_name"), "x")
    values |= dict.fromkeys(("occurred_at", "opened_at", "updated_at"), rig.now)
    values |= {"kind": "entrapment", "site": SITE, "subject_type": "device", "subject_id": "m-0101", "active": True}
    with store.write() as connection:
        extra = {"number": "T-1", "count": 1, "fields_json": "{}", "drill": False, "revision": 1}
        optional = {"maintenance": False} if "maintenance" in tickets.c else {}
        connection.execute(insert(tickets).values(values | extra | optional))
    yield rig
    store.close()


def linked(rig: NoticeRig) -> NoticeRig:
    site: SiteNotices = rig.sites[SITE]
    rig.sites[SITE] = msgspec.structs.replace(site, links=Links(KEY, "https://hub.example/ack"))
    rig.post = rig.new_post()
    return rig


def order(rig: NoticeRig, template: str = "entrapment_opened", audience: Audience = Audience.DUTY_SUPERVISOR) -> None:
    rig.order(
        template,
        audience=audience,
        template=template,
        params={"place": "1栋"},
        urgency=Urgency.CRITICAL,
        kind=TicketKind.ENTRAPMENT,
        subject=Subject(SITE, SubjectType.DEVICE, "m-0101"),
    )
    rig.run()


def token(body: str) -> str:
    (found,) = re.findall(r"https://hub\.example/ack/(\S+)", body)
    return str(found)


def test_each_recipient_has_a_link_of_their_own_and_the_hub_shows_none(rig, far_side):
    linked(rig)
    ids = {name: rig.person(name, f"sms:{name}", role="duty_supervisor") for name in ("chen", "zhao")}
    order(rig)
    for name, person in ids.items():
        link = KEY.read(token(far_side.expect("sms", "1栋", to=name).body)).link
        assert link == Link(
            ticket_id=1,
            person_id=person,
            action="acknowledge",
            expires_at=(rig.now + 12 * HOUR_MS) // SECOND_MS * SECOND_MS,
        )
    assert {token(row.body) for row in rig.rows()} == {"…"}


def test_every_attempt_of_a_notice_carries_the_same_link(rig, far_side):
    linked(rig)
    rig.person("chen", "sms:chen", role="duty_supervisor")
    far_side.script("sms", 503)
    order(rig)
    rig.pass_time(5 * SECOND_MS)
    assert len({token(each.body) for each in far_side.requests}) == 1
    assert len(far_side.requests) == 2
    far_side.expect("sms", "1栋")


def test_who_is_sent_gets_a_link_that_says_they_come(rig, far_side):
    linked(rig)
    rig.person("wang", "sms:wang", role="technician")
    order(rig, "entrapment_technician", Audience.TECHNICIAN)
    assert KEY.read(token(far_side.expect("sms", "1栋").body)).link.action == "firm_answered"


def test_without_a_public_address_the_part_is_left_out(rig, far_side):
    rig.person("chen", "sms:chen", role="duty_supervisor")
    order(rig)
    assert "/ack" not in far_side.expect("sms", "1栋").body


def test_no_text_to_a_household_may_carry_a_link():
    power = [name for name, each in parameters().items() if each.power]
    assert len(power) > 5
    assert not any("ack_url" in parameters()[name].known for name in power)


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_the_shipped_texts_to_those_who_have_to_act_ask_for_it(locale):
    assert (FOLDER / f"{locale}.yaml").is_file()
    asking = {name for name, text in shipped(locale).items() if "{ack_url}" in text.body}
    assert {"entrapment_opened", "entrapment_technician", "ticket_unacknowledged"} <= asking
