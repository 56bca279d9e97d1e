"""Points of a profile → reads: few requests, each within what the device allows.

Points of one function code and period are merged over small gaps; never across a forbidden or non-linear range, never
beyond `max_registers`. When a device refuses an address, its read is split into its points once; what is refused alone is
unsupported, and the rest is merged again without gaps, so that the same refusal cannot come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_profile import ModbusProfile, Period


class Point(msgspec.Struct, frozen=True, gc=False):
    """Registers that belong together and the names of what needs them (fields, `limits.…`, `identity`)."""

    span: Span
    period: Period
    names: tuple[str, ...]


class Read(msgspec.Struct, frozen=True, gc=False):
    """One request, and the points that it answers."""

    span: Span
    period: Period
    points: tuple[Point, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that this read serves."""
        return tuple(dict.fromkeys(name for point in self.points for name in point.names))


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a device allows. `forbidden` are first and last addresses; `apart` are spans that nothing may be merged with or across."""

    max_registers: int
    merge_gap: int
    forbidden: tuple[tuple[int, int], ...] = ()
    apart: tuple[Span, ...] = ()


def limits_of(profile: ModbusProfile) -> Limits:
    """The profile's limits; its non-linear blocks are kept apart."""
    return Limits(
        max_registers=profile.max_registers,
        merge_gap=profile.merge_gap,
        forbidden=profile.forbidden,
        apart=tuple(block.span for block in profile.blocks.values() if not block.linear),
    )


def points_of(profile: ModbusProfile) -> tuple[Point, ...]:
    """Each span that something needs, once, with the names that need it."""
    names: dict[tuple[Span, Period], list[str]] = {}
    for name, spans in profile.points().items():
        for span in spans:
            names.setdefault((span, profile.period_of(name, span)), []).append(name)
    return tuple(Point(span, period, tuple(wanted)) for (span, period), wanted in names.items())


def plan(profile: ModbusProfile) -> tuple[Read, ...]:
    """Reads of a profile: its explicit blocks as they are, all other points merged."""
    points = points_of(profile)
    reads = []
    placed: set[Point] = set()
    for block in profile.blocks.values():
        inside = tuple(p for p in points if p.period == block.period and _inside(p.span, block.span))
        if inside:
            reads.append(Read(block.span, block.period, inside))
            placed.update(inside)
    reads += merge([point for point in points if point not in placed], limits_of(profile))
    return tuple(sorted(reads, key=lambda read: (read.period, read.span)))


def merge(points: Iterable[Point], limits: Limits) -> list[Read]:
    """Reads that answer all points. A point is never divided."""
    reads: list[Read] = []
    for point in sorted(points, key=lambda each: (each.period, each.span.fc, each.span.addr, each.span.count)):
        last = reads[-1] if reads else None
        joined = _joined(last, point, limits) if last else None
        if last and joined:
            reads[-1] = Read(joined, last.period, (*last.points, point))
        else:
            reads.append(Read(point.span, point.period, (point,)))
    return reads


def split(read: Read) -> tuple[Read, ...]:
    """Each point of a refused read on its own; empty when there is nothing left to split."""
    if len(read.points) == 1 and read.points[0].span == read.span:
        return ()
    return tuple(Read(point.span, point.period, (point,)) for point in _distinct(read.points))


def remerge(supported: Iterable[Point], limits: Limits) -> list[Read]:
    """What the device does answer, merged without reading a single register beside it."""
    return merge(supported, msgspec.structs.replace(limits, merge_gap=0))


def ambiguous(reads: Sequence[Read]) -> tuple[tuple[Read, Read], ...]:
    """Pairs whose replies look alike in RTU framing: same function code, same length."""
    seen: dict[tuple[int, int], Read] = {}
    pairs = []
    for read in reads:
        other = seen.setdefault((read.span.fc, read.span.count), read)
        if other is not read:
            pairs.append((other, read))
    return tuple(pairs)


def by_period(reads: Iterable[Read]) -> Mapping[Period, tuple[Read, ...]]:
    """Reads by period; every period is there."""
    reads = tuple(reads)
    return {period: tuple(read for read in reads if read.period is period) for period in Period}


def _joined(read: Read, point: Point, limits: Limits) -> Span | None:
    span, other = read.span, point.span
    if read.period is not point.period or span.fc != other.fc:
        return None
    if other.addr - span.end > limits.merge_gap:
        return None
    joined = Span(span.fc, span.addr, max(span.end, other.end) - span.addr)
    if joined.count > limits.max_registers:
        return None
    if any(joined.addr <= last and first < joined.end for first, last in limits.forbidden):
        return None
    if any(joined.fc == each.fc and joined.addr < each.end and each.addr < joined.end for each in limits.apart):
        return None
    return joined


def _distinct(points: Sequence[Point]) -> list[Point]:
    """Points without those that lie inside another."""
    return [p for p in points if not any(q is not p and q.span != p.span and _inside(p.span, q.span) for q in points)]


def _inside(inner: Span, outer: Span) -> bool:
    return inner.fc == outer.fc and outer.addr <= inner.addr and inner.end <= outer.end
