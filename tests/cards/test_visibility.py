"""Role × field: the whole table, written by hand, and what a mask leaves."""

from __future__ import annotations

import pytest

from hub.cards.visibility import Field, Sight, masked, shown, sight
from hub.vocabulary.roles import Role

H, M, F = Sight.HIDDEN, Sight.MASKED, Sight.FULL
NOTHING = (H, H, H, H, H, H)
#                        name phone id credential money papers
EXPECTED = {
    Role.CONTROL_ROOM: NOTHING,
    Role.DUTY_SUPERVISOR: NOTHING,
    Role.DEPARTMENT_MANAGER: NOTHING,
    Role.TECHNICIAN: NOTHING,
    Role.SECURITY: NOTHING,
    Role.FRONT_DESK: (M, M, M, F, F, F),
    Role.CARD_CUSTODIAN: (F, F, M, F, F, F),
    Role.HOUSEKEEPER: NOTHING,
    Role.FINANCE: (H, H, H, H, F, H),
    Role.MANAGER: (F, M, M, F, F, F),
    Role.INTEGRATOR: NOTHING,
    Role.ADMIN: (M, M, M, F, F, F),
}


def test_every_role_sees_what_the_table_says() -> None:
    assert set(EXPECTED) == set(Role)
    assert {role: tuple(sight({role}, field) for field in Field) for role in Role} == EXPECTED


def test_nobody_sees_an_identity_number_in_full_without_a_reason() -> None:
    assert max(sight(set(Role), Field.ID_NUMBER), M) is M


def test_several_roles_see_what_the_widest_of_them_sees() -> None:
    assert sight({Role.SECURITY, Role.CARD_CUSTODIAN}, Field.NAME) is F
    assert sight({Role.FINANCE, Role.FRONT_DESK}, Field.NAME) is M
    assert sight(set(), Field.MONEY) is H


def test_a_child_is_shown_in_full_to_the_custodian_alone() -> None:
    assert [sight({role}, Field.NAME, minor=True) for role in (Role.MANAGER, Role.CARD_CUSTODIAN)] == [M, F]
    assert sight({Role.MANAGER}, Field.MONEY, minor=True) is F


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        ("张三", Field.NAME, "张*"),
        ("欧阳小明", Field.NAME, "欧***"),
        ("王", Field.NAME, "王*"),
        ("Alexandria", Field.NAME, "A***"),
        ("13800001234", Field.PHONE, "138****1234"),
        ("12345", Field.PHONE, "***"),
        ("1234", Field.ID_NUMBER, "***1234"),
        ("11010119900307123X", Field.ID_NUMBER, "***123X"),
        ("10058400", Field.CREDENTIAL, "***"),
    ],
)
def test_a_mask_leaves_enough_to_ask_and_too_little_to_know(value: str, field: Field, expected: str) -> None:
    assert masked(value, field) == expected
    assert shown(value, field, M) == expected
    assert (shown(value, field, F), shown(value, field, H), shown(None, field, F)) == (value, None, None)
