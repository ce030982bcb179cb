"""The data beside a report: intervals as CSV, Parquet or NDJSON, times in UTC, units in the heads; empty = unknown."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path

from controller.reports.gather import PeriodReport
from optimizer.plan import Interval, Plan

FLOWS = ("pv_available_kw", "pv_used_kw", "battery_kw", "soc_end_frac", "load_kw", "it_kw", "cooling_kw", "shed_kw")


Cell = str | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class DataTable:
    """Rows under heads; the first column is a time, the others are numbers or unknown."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def period_data(report: PeriodReport) -> DataTable:
    """Return what was planned and what happened in each interval of a span."""
    names = (*FLOWS, "gensets_kw")
    heads = ("start_utc", "hours", *(f"planned_{name}" for name in names), *(f"happened_{name}" for name in names))
    grid = report.grid
    return DataTable(
        heads=heads,
        rows=tuple(
            (start, hours, *_flows(planned), *_flows(happened))
            for start, hours, planned, happened in zip(
                grid.starts_utc, grid.hours, report.planned, report.happened, strict=True
            )
        ),
    )


def plan_data(plan: Plan) -> DataTable:
    """Return the intervals of a plan, its price of energy included."""
    return DataTable(
        heads=("start_utc", "hours", *FLOWS, "gensets_kw", "price_usd_per_kwh"),
        rows=tuple(
            (each.start_utc, each.hours, *_flows(each), round(each.price_usd_per_kwh, 6)) for each in plan.intervals
        ),
    )


def to_csv(table: DataTable) -> str:
    """Return the table as CSV."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.heads)
    writer.writerows([_text(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def to_ndjson(table: DataTable) -> str:
    """Return the table as one JSON object a line; unknown is null."""
    plain = ([_text(cell) if isinstance(cell, datetime) else cell for cell in row] for row in table.rows)
    return "".join(json.dumps(dict(zip(table.heads, row, strict=True))) + "\n" for row in plain)


def write_parquet(table: DataTable, out: Path) -> None:
    """Write the table as Parquet: times in UTC microseconds, numbers as doubles, unknown as null."""
    import pyarrow
    from pyarrow import parquet

    columns = list(zip(*table.rows, strict=True))
    kinds = [pyarrow.timestamp("us", tz="UTC"), *(pyarrow.float64() for _ in table.heads[1:])]
    arrays = [pyarrow.array(column, type=kind) for column, kind in zip(columns, kinds, strict=True)]
    parquet.write_table(pyarrow.table(dict(zip(table.heads, arrays, strict=True))), out, compression="zstd")


def _text(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return cell.isoformat()
    return "" if cell is None else cell


def _flows(interval: Interval | None) -> tuple[Cell, ...]:
    if interval is None:
        return (None,) * (len(FLOWS) + 1)
    gensets = sum(genset.kw for genset in interval.gensets)
    return (*(round(float(getattr(interval, name)), 6) for name in FLOWS), round(gensets, 6))
