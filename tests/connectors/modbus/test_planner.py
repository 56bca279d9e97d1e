"""Reads cover what is needed, and touch nothing that is forbidden."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_profile import Period
from connectors.modbus.planner import Limits, Point, Read, merge, remerge, split


@st.composite
def worlds(draw):
    """Points, limits and forbidden ranges that no point touches."""
    limits = draw(st.integers(4, 20)), draw(st.integers(0, 10))
    forbidden = tuple(
        (first, first + draw(st.integers(0, 3))) for first in draw(st.lists(st.integers(0, 60), max_size=3))
    )
    apart = tuple(Span(3, addr, 2) for addr in draw(st.lists(st.integers(0, 60), max_size=2)))
    points = []
    for number in range(draw(st.integers(0, 30))):
        span = Span(draw(st.sampled_from([3, 3, 3, 4])), draw(st.integers(0, 60)), draw(st.sampled_from([1, 2, 4])))
        if any(span.addr <= last and first < span.end for first, last in forbidden):
            continue
        period = draw(st.sampled_from([Period.SLOW, Period.SLOW, Period.FAST]))
        points.append(Point(span, period, (f"p{number}",)))
    return points, Limits(max_registers=limits[0], merge_gap=limits[1], forbidden=forbidden, apart=apart)


def addresses(span):
    return {(span.fc, addr) for addr in range(span.addr, span.end)}


@given(worlds())
def test_every_point_is_read_whole_in_one_read_of_its_period(world):
    points, limits = world
    reads = merge(points, limits)
    for point in points:
        home = [read for read in reads if point in read.points]
        assert len(home) == 1
        assert addresses(point.span) <= addresses(home[0].span)
        assert home[0].period is point.period


@given(worlds())
def test_no_read_is_longer_than_allowed_or_touches_a_forbidden_register(world):
    points, limits = world
    for read in merge(points, limits):
        assert read.span.count <= limits.max_registers
        for first, last in limits.forbidden:
            assert not any(first <= addr <= last for _, addr in addresses(read.span))


@given(worlds())
def test_nothing_is_merged_across_what_is_not_a_row_of_registers(world):
    points, limits = world
    for read in merge(points, limits):
        touched = [span for span in limits.apart if addresses(span) & addresses(read.span)]
        assert not touched or len(read.points) == 1


@given(worlds())
def test_gaps_are_never_wider_than_allowed(world):
    points, limits = world
    for read in merge(points, limits):
        end = read.span.addr
        for point in sorted(read.points, key=lambda each: each.span):
            assert point.span.addr - end <= limits.merge_gap
            end = max(end, point.span.end)


@given(worlds())
def test_a_split_read_asks_for_each_of_its_points_alone_and_then_for_nothing_new(world):
    points, limits = world
    for read in merge(points, limits):
        parts = split(read)
        if parts:
            covered = set().union(*(addresses(part.span) for part in parts))
            assert covered == set().union(*(addresses(point.span) for point in read.points))
            assert all(split(part) == () for part in parts), "split once"


@given(worlds(), st.randoms(use_true_random=False))
def test_what_is_merged_again_touches_no_register_that_nobody_asked_for(world, chance):
    points, limits = world
    kept = [point for point in points if chance.random() < 0.7]
    wanted = set().union(*(addresses(point.span) for point in kept)) if kept else set()
    read = set().union(*(addresses(each.span) for each in remerge(kept, limits)), set())
    assert read == wanted


def test_merging_saves_requests():
    """Ten 2-register reads cost 10 × 75 ms of line, one block 115 ms (domain/meters.md 5.1)."""
    points = [Point(Span(3, 0x300 + 2 * n, 2), Period.SLOW, (str(n),)) for n in range(10)]
    assert [read.span for read in merge(points, Limits(max_registers=48, merge_gap=8))] == [Span(3, 0x300, 20)]


def test_an_explicit_block_of_several_points_can_be_split():
    point = Point(Span(3, 2, 1), Period.SLOW, ("a",))
    assert split(Read(Span(3, 0, 10), Period.SLOW, (point,))) == (Read(point.span, Period.SLOW, (point,)),)


def test_a_row_of_points_is_cut_where_the_device_has_enough():
    points = [Point(Span(3, 2 * n, 2), Period.SLOW, (str(n),)) for n in range(10)]
    lengths = [read.span.count for read in merge(points, Limits(max_registers=8, merge_gap=8))]
    assert lengths == [8, 8, 4]


def test_records_stay_alone_between_their_neighbours():
    points = [Point(Span(3, addr, 1), Period.SLOW, (str(addr),)) for addr in (0, 1, 2, 3, 4)]
    limits = Limits(max_registers=48, merge_gap=8, apart=(Span(3, 2, 1),))
    assert [read.span for read in merge(points, limits)] == [Span(3, 0, 2), Span(3, 2, 1), Span(3, 3, 2)]
