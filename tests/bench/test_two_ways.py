"""An alarm counts for the way that held when it left."""

from bench.two_ways import SECOND_NS, by_way


def test_alarms_are_counted_by_the_way_of_the_moment_in_which_they_left():
    left = [second * SECOND_NS for second in (0, 2, 3, 5, 6, 9)]
    assert by_way(left, [10, 11, 12, 13, 14, 15]) == {0: [10, 11, 14], 1: [12, 13, 15]}
