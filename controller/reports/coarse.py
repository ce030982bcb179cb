"""Longer intervals for charts of long spans, cut at local midnights; an interval that was not measured stays unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from optimizer.plan import GensetInterval, Interval
from sites.times import TimeGrid

FEW = 180
"""Intervals that a chart shows without being made coarser."""
MEANS = (
    "pv_available_kw",
    "pv_used_kw",
    "battery_kw",
    "load_kw",
    "it_kw",
    "cooling_kw",
    "shed_kw",
    "reserve_kw",
    "price_usd_per_kwh",
)


def coarse_groups(grid: TimeGrid, zone: ZoneInfo, hours: float) -> tuple[tuple[int, ...], ...]:
    """Return the indices of intervals that belong together: as many of one local day as make up ``hours``."""
    groups: list[list[int]] = []
    filled, day = 0.0, None
    for index, (start, length) in enumerate(zip(grid.starts_utc, grid.hours, strict=True)):
        today = start.astimezone(zone).date()
        if today != day or filled + 1e-9 >= hours:
            groups.append([])
            filled, day = 0.0, today
        groups[-1].append(index)
        filled += length
    return tuple(tuple(group) for group in groups)


def coarse_grid(grid: TimeGrid, groups: Sequence[Sequence[int]]) -> TimeGrid:
    """Return the grid of the groups."""
    return TimeGrid(start_utc=grid.start_utc, hours=tuple(sum(grid.hours[i] for i in group) for group in groups))


def coarse(
    intervals: Sequence[Interval | None], groups: Sequence[Sequence[int]], grid: TimeGrid
) -> tuple[Interval | None, ...]:
    """Return one interval a group: means over what is known of it, none where nothing is."""
    return tuple(_merged(intervals, groups, grid))


def _merged(
    intervals: Sequence[Interval | None], groups: Sequence[Sequence[int]], grid: TimeGrid
) -> Iterator[Interval | None]:
    starts = grid.starts_utc
    for group in groups:
        known = [each for index in group if (each := intervals[index]) is not None]
        if not known:
            yield None
            continue
        hours = sum(each.hours for each in known)
        means = {name: sum(getattr(each, name) * each.hours for each in known) / hours for name in MEANS}
        engine_kw = sum(genset.kw * each.hours for each in known for genset in each.gensets) / hours
        yield Interval(
            start_utc=starts[group[0]],
            hours=sum(grid.hours[index] for index in group),
            soc_end_frac=known[-1].soc_end_frac,
            gensets=(GensetInterval(name="gensets", on=engine_kw > 0, kw=engine_kw),),
            **means,
        )
