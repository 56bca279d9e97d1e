"""Links in messages: what a token allows, and that nobody can make one or bend one to something else."""

import string

from hypothesis import given
from hypothesis import strategies as st

from hub.registry.links import ACTION_OF, ACTIONS, KEY_FILE, Link, LinkKey, load_key

KEY, OTHER = LinkKey(b"k" * 32), LinkKey(b"o" * 32)
LINK = Link(ticket_id=12_345, person_id=67, action="acknowledge", expires_at=1_780_000_000_000)
CHARACTERS = string.ascii_letters + string.digits + "-_"


def test_a_token_says_what_it_was_made_for_and_stands_unescaped_in_a_short_message():
    token = KEY.token(LINK)
    assert KEY.read(token).link == LINK
    assert len(token) < 50
    assert set(token) <= set(CHARACTERS)


@given(st.integers(1, 2**62), st.integers(1, 2**62), st.sampled_from(ACTIONS), st.integers(0, 4_102_444_800))
def test_every_link_comes_back_as_it_was(ticket, person, action, expires_s):
    link = Link(ticket_id=ticket, person_id=person, action=action, expires_at=expires_s * 1000)
    assert KEY.read(KEY.token(link)).link == link


@given(st.data())
def test_one_character_that_is_changed_anywhere_makes_it_worthless(data):
    token = KEY.token(LINK)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([char for char in CHARACTERS if char != token[place]]))
    assert KEY.read(token[:place] + other + token[place + 1 :]) is None


def test_a_token_of_another_installation_is_none():
    assert OTHER.read(KEY.token(LINK)) is None


def test_what_is_no_token_at_all_is_none():
    for text in (
        "",
        "…",
        "1-2-3-0-",
        "a" * 5_000,
        KEY.token(LINK) + "=",
        KEY.token(LINK).upper(),
        "é-1-1-0-" + "a" * 24,
    ):
        assert KEY.read(text) is None


def test_the_key_is_made_once_for_the_hub_alone(tmp_path):
    token = load_key(tmp_path).token(LINK)
    assert load_key(tmp_path).read(token) is not None
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_who_is_sent_says_that_they_come_and_everybody_else_that_they_know():
    assert ACTION_OF["entrapment_technician"] == "firm_answered"
    assert set(ACTION_OF.values()) <= set(ACTIONS)
