"""Staff notices go to those on duty; a gap in the roster, or people who cannot be reached, never mean silence."""

from __future__ import annotations

import shutil
from datetime import date
from typing import Any

import msgspec
import pytest

from hub.notices.chain import following
from hub.notices.letters import SiteNotices
from hub.registry import people as registry
from hub.registry import roster_rows
from hub.registry.roster import OverrideKind
from hub.registry.roster_rows import AssignmentEdit, OverrideEdit
from hub.settings.duty import DEFAULT
from hub.store.database import open_store
from hub.store.schema import duty_assignments, events, notice_orders, people, problems
from hub.vocabulary.decisions import Audience, Urgency
from hub.vocabulary.instants import HOUR_MS, SECOND_MS, parse_iso
from support.notices import NoticeRig, gateway
from support.rig import SITE

ENTRAPMENT: dict[str, Any] = {
    "audience": Audience.TECHNICIAN,
    "template": "entrapment_technician",
    "params": {"place": "1栋"},
    "urgency": Urgency.CRITICAL,
}


@pytest.fixture
def rig(migrated_sqlite, tmp_path, far_side):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield NoticeRig(store, {name: gateway(far_side, name) for name in ("sms", "chat")})
    store.close()


def chained(rig: NoticeRig, chain: dict[str, str]) -> NoticeRig:
    site: SiteNotices = rig.sites[SITE]
    rig.sites[SITE] = msgspec.structs.replace(site, chain=chain)
    rig.post = rig.new_post()
    return rig


def staff(rig: NoticeRig, name: str, role: str = "technician", **other: Any) -> int:
    return rig.person(name, f"sms:{name}", role=role, **other)


def assign(rig: NoticeRig, person: int, shift: str = "A", role: str = "technician", zone: tuple[str, ...] = ()) -> None:
    edit = AssignmentEdit(person_id=person, role=role, shift=shift, zone=zone, valid_from=date(2026, 1, 1))
    with rig.store.write() as connection:
        roster_rows.assign(connection, SITE, edit, "test", rig.now)


def told(rig: NoticeRig, key: str = "1", **other: Any) -> list[str]:
    """Who is told of one order."""
    before = len(rig.rows())
    rig.order(key, **(ENTRAPMENT | other))
    rig.run()
    return sorted(row.recipient for row in rig.rows()[before:])


@pytest.fixture
def two(rig, far_side):
    """Wang in shift A, Li in shift B; it is noon."""
    ids = {name: staff(rig, name) for name in ("wang", "li")}
    assign(rig, ids["wang"])
    assign(rig, ids["li"], "B")
    yield ids
    with far_side.lock:
        far_side._arrived.clear()


def test_without_a_roster_everybody_of_the_role_is_told(rig, far_side):
    for name in ("wang", "li"):
        staff(rig, name)
    assert told(rig) == ["li", "wang"]
    far_side._arrived.clear()


def test_who_is_on_duty_is_told_and_the_others_are_left_alone(rig, two):
    assert told(rig, "1") == ["wang"]
    rig.now = parse_iso("2026-06-01T14:00:00+08:00")
    assert told(rig, "2") == ["li", "wang"]
    rig.now = parse_iso("2026-06-01T17:00:00+08:00")
    assert told(rig, "3") == ["li"]


def test_when_the_roster_names_nobody_everybody_of_the_role_is_told(rig, two):
    rig.now = parse_iso("2026-06-01T23:00:00+08:00")
    assert told(rig) == ["li", "wang"]


def test_a_roster_of_one_role_says_nothing_of_another(rig, two):
    staff(rig, "chen", "security")
    assert told(rig, audience=Audience.SECURITY, template="entrapment_guard") == ["chen"]


def test_on_call_is_by_building(rig, two):
    stranger = staff(rig, "zhao")
    assign(rig, stranger, "round_the_clock", zone=("b9",))
    assert told(rig) == ["wang"]


def test_the_roster_says_where_somebody_is_and_as_what_whatever_their_own_zone_and_role(rig, two):
    stand_in = staff(rig, "zhao", "security", zone="b9")
    with rig.store.write() as connection:
        edit = OverrideEdit(
            kind=OverrideKind.REPLACE,
            person_id=two["wang"],
            by_person_id=stand_in,
            from_at=rig.now - HOUR_MS,
            until_at=rig.now + HOUR_MS,
        )
        roster_rows.put_override(connection, SITE, edit, "test", rig.now)
    assert told(rig) == ["zhao"]


def test_when_nobody_on_duty_has_a_way_that_is_open_everybody_of_the_role_is_told(rig, two):
    with rig.store.write() as connection:
        registry.change(
            connection,
            two["wang"],
            registry.PersonEdit(code="wang", name="wang", role="technician"),
            rig.now,
        )
    assert told(rig) == ["li"]


def test_a_notice_that_is_tried_again_after_the_end_of_the_shift_still_goes_to_whom_it_was_for(rig, two, far_side):
    rig.now = parse_iso("2026-06-01T15:59:58+08:00")
    with rig.store.write() as connection:
        connection.execute(duty_assignments.update().where(duty_assignments.c.id == 2).values(ended_at=rig.now))
    far_side.script("sms", 503)
    assert told(rig) == ["wang"]
    rig.pass_time(5 * SECOND_MS)
    assert rig.states() == [("sms", "sent")]


def test_a_housekeeper_s_notice_survives_the_end_of_the_shift_as_well(rig, far_side):
    keeper = staff(rig, "zhou", "housekeeper")
    assign(rig, keeper, "A", "housekeeper")
    staff(rig, "wu", "housekeeper")
    rig.now = parse_iso("2026-06-01T15:59:58+08:00")
    far_side.script("sms", 503)
    rig.order("1", audience=Audience.HOUSEKEEPER, template="low_balance_housekeeper")
    rig.run()
    assert [(row.recipient, row.channel) for row in rig.rows()] == [
        ("zhou", "sms"),
        ("housekeeper_list", "housekeeper_list"),
    ]
    rig.pass_time(20 * SECOND_MS)
    assert rig.states() == [("sms", "sent"), ("housekeeper_list", "delivered")]
    far_side.expect("sms", to="zhou")


# --- a list is no call ------------------------------------------------------------------------------------


def listed(rig: NoticeRig, name: str, *ways: str, role: str = "technician") -> int:
    site: SiteNotices = rig.sites[SITE]
    rig.sites[SITE] = msgspec.structs.replace(site, notifiers=site.notifiers | {"housekeeper_list"})
    rig.post = rig.new_post()
    return rig.person(name, f"housekeeper_list:{name}", *ways, role=role)


def test_a_critical_notice_that_only_stands_on_a_list_has_reached_nobody_and_the_next_role_is_called(rig, far_side):
    chained(rig, {"technician": "duty_supervisor"})
    listed(rig, "wang")
    staff(rig, "chen", "duty_supervisor")
    assert told(rig) == ["chen", "wang"], "it still stands on the list"
    assert rig.order_states() == ["nobody", "sent"]
    assert unreachable(rig) == [("technician", "duty_supervisor")]
    far_side.expect("sms", "1栋", to="chen")


def test_what_is_urgent_may_be_read_from_a_list_by_whoever_chose_it(rig):
    chained(rig, {"technician": "duty_supervisor"})
    listed(rig, "wang")
    assert told(rig, urgency=Urgency.URGENT) == ["wang"]
    assert (rig.order_states(), rig.open_problems()) == (["delivered"], [])


def test_for_what_is_critical_the_list_comes_after_every_way_that_calls(rig, far_side):
    chained(rig, {"technician": "duty_supervisor"})
    listed(rig, "wang", "sms:wang", "chat:wang")
    far_side.script("sms", 400)
    assert told(rig) == ["wang", "wang"]
    assert rig.states() == [("sms", "failed"), ("chat", "sent")]
    assert rig.order_states() == ["sent"]
    far_side.expect("chat", "1栋", to="wang")


def test_while_somebody_is_still_being_called_a_line_on_the_list_does_not_end_the_order(rig, far_side):
    chained(rig, {"technician": "duty_supervisor"})
    listed(rig, "wang")
    staff(rig, "li")
    staff(rig, "chen", "duty_supervisor")
    far_side.script("sms", 503)
    assert told(rig) == ["li", "wang"]
    assert rig.order_states() == ["sending"]
    rig.pass_time(5 * SECOND_MS)
    assert rig.order_states() == ["sent"]
    far_side.expect("sms", "1栋", to="li")


def test_who_is_on_duty_and_has_only_the_list_leaves_the_call_to_everybody_of_the_role(rig, far_side):
    assign(rig, listed(rig, "wang"))
    assign(rig, staff(rig, "li"), "B")
    assert told(rig) == ["li", "wang"]
    far_side.expect("sms", "1栋", to="li")


def test_a_notice_to_somebody_who_has_left_is_not_sent(rig, two, far_side):
    far_side.script("sms", 503)
    assert told(rig) == ["wang"]
    with rig.store.write() as connection:
        connection.execute(people.update().where(people.c.id == two["wang"]).values(retired_at=rig.now))
    rig.pass_time(5 * SECOND_MS)
    assert rig.states() == [("sms", "withdrawn")]


# --- chains -----------------------------------------------------------------------------------------------


def audiences(rig: NoticeRig) -> list[str]:
    return [row.audience for row in rig.rows(notice_orders)]


def unreachable(rig: NoticeRig) -> list[tuple[str, Any]]:
    rows = [row for row in rig.rows(problems) if row.active and row.code == "role_unreachable"]
    return [(detail["roles"], detail["told"]) for row in rows for detail in [msgspec.json.decode(row.detail_json)]]


def test_when_nobody_of_a_role_is_there_the_next_role_is_told_and_it_is_a_problem(rig, far_side):
    chained(rig, dict(DEFAULT))
    staff(rig, "chen", "department_manager")
    assert told(rig) == ["chen"]
    assert audiences(rig) == ["technician", "duty_supervisor", "department_manager"]
    assert rig.order_states() == ["nobody", "nobody", "sent"]
    assert unreachable(rig) == [("duty_supervisor, technician", "department_manager")]
    far_side.expect("sms", "1栋", to="chen")


def test_empty_roles_are_passed_in_the_round_in_which_the_first_is_found_empty_and_rules_hear_of_each(rig, far_side):
    """Somebody is trapped: whoever is there is not told later by a round for each role without anybody."""
    chained(rig, dict(DEFAULT))
    staff(rig, "chen", "department_manager")
    rig.order("1", **ENTRAPMENT)
    rig.post.cycle()
    assert rig.order_states() == ["nobody", "nobody", "waiting"]
    heard = [msgspec.json.decode(row.body_json) for row in rig.rows(events) if row.kind == "NoticeSettled"]
    assert [(each["key"], each["outcome"]) for each in heard] == [("1", "nobody"), ("1@tried:technician", "nobody")]
    assert unreachable(rig) == [("duty_supervisor, technician", "department_manager")]
    rig.run()
    far_side.expect("sms", to="chen")


def test_the_last_role_of_a_chain_is_asked_in_its_own_turn_although_it_was_empty_too(rig):
    """Somebody may have come on duty meanwhile; and that nobody at all is there is found as it always was."""
    chained(rig, {"technician": "security", "security": "duty_supervisor"})
    rig.order("1", **ENTRAPMENT)
    rig.post.cycle()
    assert (audiences(rig), rig.order_states()) == (
        ["technician", "security", "duty_supervisor"],
        ["nobody", "nobody", "waiting"],
    )
    rig.run()
    assert rig.order_states() == ["nobody"] * 3
    assert unreachable(rig) == [("security, technician", "duty_supervisor")]


def test_when_every_way_to_a_role_has_failed_the_next_role_is_told(rig, far_side):
    chained(rig, {"technician": "duty_supervisor"})
    staff(rig, "wang")
    staff(rig, "chen", "duty_supervisor")
    far_side.script("sms", 400)
    assert told(rig) == ["chen", "wang"]
    assert rig.order_states() == ["undelivered", "sent"]
    far_side.expect("sms", "1栋", to="chen")


def test_a_chain_that_leads_back_to_itself_tells_each_role_once(rig):
    chained(rig, {"technician": "security", "security": "duty_supervisor", "duty_supervisor": "technician"})
    assert told(rig) == []
    assert audiences(rig) == ["technician", "security", "duty_supervisor"]
    assert "nobody_reached" in rig.open_problems()


def test_a_role_that_is_reached_again_is_a_problem_no_more_and_the_others_stay_one(rig, far_side):
    chained(rig, {"technician": "duty_supervisor", "security": "duty_supervisor"})
    staff(rig, "chen", "duty_supervisor")
    told(rig, "1")
    told(rig, "2", audience=Audience.SECURITY, template="entrapment_guard")
    assert unreachable(rig) == [("security, technician", "duty_supervisor")]
    staff(rig, "wang")
    assert told(rig, "3") == ["wang"]
    assert unreachable(rig) == [("security", None)]
    staff(rig, "li", "security")
    told(rig, "4", audience=Audience.SECURITY, template="entrapment_guard")
    assert unreachable(rig) == []
    far_side._arrived.clear()


def test_what_is_withdrawn_is_withdrawn_for_the_next_role_as_well(rig, far_side):
    chained(rig, {"technician": "duty_supervisor"})
    staff(rig, "chen", "duty_supervisor")
    far_side.script("sms", 503)
    told(rig, "t1/clock@5/technician")
    rig.withdraw("t1/clock@")
    rig.pass_time(5 * SECOND_MS)
    assert rig.states() == [("sms", "withdrawn")]


def test_without_a_chain_nobody_else_is_told(rig):
    assert told(rig) == []
    assert audiences(rig) == ["technician"]


def test_the_key_of_what_is_handed_on_names_the_roles_that_were_tried():
    first = following(DEFAULT, "technician", "t1/opened/technician")
    assert (first.audience, first.key) == ("duty_supervisor", "t1/opened/technician@tried:technician")
    second = following(DEFAULT, first.audience, first.key)
    assert second.key == "t1/opened/technician@tried:technician,duty_supervisor"
    assert following({"a": "b", "b": "a"}, "b", "k@tried:a") is None
    assert following({}, "a", "k") is None


def test_the_default_chain_reaches_every_role_of_it_from_everywhere_and_ends():
    for start in DEFAULT:
        audience, key, seen = str(start), "k", [str(start)]
        while (after := following(DEFAULT, audience, key)) is not None:
            audience, key = after.audience, after.key
            seen.append(audience)
        assert len(seen) == len(set(seen)) >= 4
