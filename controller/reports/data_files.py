"""The data beside a report: intervals as CSV, times in UTC, units in the heads; an empty cell is unknown."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from controller.reports.gather import PeriodReport
from optimizer.records import Interval, Plan
from sites.times import HOUR

FLOWS = ("pv_available_kw", "pv_used_kw", "battery_kw", "soc_end_frac", "load_kw", "it_kw", "cooling_kw", "shed_kw")


def period_csv(report: PeriodReport) -> str:
    """Return what was planned and what happened in each interval of a span."""
    names = (*FLOWS, "gensets_kw")
    heads = ["start_utc", "hours", *(f"planned_{name}" for name in names), *(f"happened_{name}" for name in names)]
    grid = report.grid
    starts = [grid.start_utc + offset * HOUR for offset in grid.offsets_h]
    rows = (
        [start.isoformat(), hours, *_flows(planned), *_flows(happened)]
        for start, hours, planned, happened in zip(starts, grid.hours, report.planned, report.happened, strict=False)
    )
    return _text(heads, rows)


def plan_csv(plan: Plan) -> str:
    """Return the intervals of a plan, its price of energy included."""
    heads = ["start_utc", "hours", *FLOWS, "gensets_kw", "price_usd_per_kwh"]
    rows = (
        [each.start_utc.isoformat(), each.hours, *_flows(each), round(each.price_usd_per_kwh, 6)]
        for each in plan.intervals
    )
    return _text(heads, rows)


def _flows(interval: Interval | None) -> list[object]:
    if interval is None:
        return [""] * (len(FLOWS) + 1)
    gensets = sum(genset.kw for genset in interval.gensets)
    return [*(round(float(getattr(interval, name)), 6) for name in FLOWS), round(gensets, 6)]


def _text(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return out.getvalue()
