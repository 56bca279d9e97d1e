"""`hub check --connect` for boards: one that answers, one that is silent, and another one at its address."""

from __future__ import annotations

from connectors.access.check import check_boards
from simulators.boards import Board
from support.boards import BoardWire, entries


def test_boards_are_asked_and_a_swapped_one_is_named():
    with BoardWire([Board(405419896)]) as wire:
        there, swapped = check_boards(entries(wire.port), {"uhppote"}, timeout_s=0.2)
        assert there.ok
        assert there.target == "lakeside/gate-1"
        assert "board 405419896: 0 cards, newest event 0" in there.text
        assert not swapped.ok
        assert "there is board 405419896, the site file says 303986753" in swapped.text
    assert [each.ok for each in check_boards(entries(wire.port), {"uhppote"}, timeout_s=0.1)] == [False, False]
    assert check_boards([], {"uhppote"}) == []
