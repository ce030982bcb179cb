"""Figures of a report worked out again from the tables and their JSON alone, and from the data files beside the page."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from controller.cli.main import app
from controller.records.views import StoredPlan
from controller.reports.gather import PeriodReport
from tests.controller.reports.measured_day import MIDNIGHT
from tests.controller.reports.test_period_page import day_report as day_report

END = MIDNIGHT + timedelta(days=1)
NUMBER = r"[−+]?[\d\u202f]+(?:\.\d+)?"


@pytest.fixture
def tables(measured: tuple[str, StoredPlan]) -> Iterator[sqlite3.Connection]:
    """The tables, past all code of ours."""
    with sqlite3.connect(measured[0].removeprefix("sqlite:///")) as connection:
        yield connection


def planned_kwh(tables: sqlite3.Connection, field: str) -> float:
    """Return the energy of a field of the stored plan within the day, from its JSON."""
    ((document,),) = tables.execute("select document from plans").fetchall()
    total = 0.0
    for row in json.loads(document)["intervals"]:
        start = datetime.fromisoformat(row["start_utc"])
        end = start + timedelta(hours=row["hours"])
        hours = (min(end, END) - max(start, MIDNIGHT)).total_seconds() / 3600.0
        kw = sum(each["kw"] for each in row["gensets"]) if field == "gensets" else row[field]
        total += kw * max(hours, 0.0)
    return total


def happened_kwh(tables: sqlite3.Connection, column: str) -> float:
    """Return the energy of a column of five-minute samples."""
    (total,) = tables.execute(f"select sum({column}) / 12.0 from telemetry").fetchone()
    return float(total)


TERMS = [
    ("IT", 1, "it_kw", "it_kw"),
    ("Cooling", 1, "cooling_kw", "cooling_kw"),
    ("Sun that was there", -1, "pv_available_kw", "pv_available_kw"),
    ("Battery, out less in", -1, "battery_kw", "battery_kw"),
]


@pytest.mark.parametrize(("name", "sign", "field", "column"), TERMS)
def test_terms_of_the_bridge(
    day_report: PeriodReport, tables: sqlite3.Connection, name: str, sign: int, field: str, column: str
) -> None:
    term = next(each for each in day_report.bridge.terms if each.name == name)
    was, now = planned_kwh(tables, field), happened_kwh(tables, column)
    assert (term.planned_kwh, term.happened_kwh) == (pytest.approx(was), pytest.approx(now))
    assert term.effect_kwh == pytest.approx(sign * (now - was))


def test_the_residual_is_what_the_named_deviations_leave(day_report: PeriodReport, tables: sqlite3.Connection) -> None:
    def other(of: str) -> float:
        read = planned_kwh if of == "planned" else happened_kwh
        return read(tables, "load_kw") - read(tables, "it_kw") - read(tables, "cooling_kw")

    def unused(of: str) -> float:
        if of == "planned":
            return planned_kwh(tables, "pv_available_kw") - planned_kwh(tables, "pv_used_kw")
        return happened_kwh(tables, "pv_available_kw") - happened_kwh(tables, "pv_kw")

    named = sum(sign * (happened_kwh(tables, c) - planned_kwh(tables, f)) for _, sign, f, c in TERMS)
    named += other("happened") - other("planned") + unused("happened") - unused("planned")
    moved = happened_kwh(tables, "genset_kw") - planned_kwh(tables, "gensets")
    supplied = happened_kwh(tables, "genset_kw + pv_kw + max(battery_kw, 0)")
    assert day_report.bridge.residual_kwh == pytest.approx(moved - named, abs=1e-6)
    assert abs(moved - named) < 0.005 * supplied


def test_machines_and_jobs(day_report: PeriodReport, tables: sqlite3.Connection) -> None:
    rows = [kw for (kw,) in tables.execute("select genset_kw from telemetry order by at_utc")]
    assert day_report.genset_h == pytest.approx(sum(kw >= 0.1 for kw in rows) / 12.0)
    assert day_report.genset_starts == sum(b >= 0.1 > a for a, b in pairwise(rows))
    assert day_report.cycles == pytest.approx(happened_kwh(tables, "max(battery_kw, 0)") / 1200.0)
    done = {name for (name,) in tables.execute("select name from jobs where state = 'done'")}
    assert {job.name for job in day_report.jobs if job.state == "done"} == done


@pytest.fixture(scope="module")
def files(measured: tuple[str, StoredPlan], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same day in every form."""
    folder = tmp_path_factory.mktemp("forms")
    for form in ("html", "csv", "ndjson", "parquet"):
        out = ["--store", measured[0], "--date", "2025-01-15", "--out", str(folder / f"day.{form}")]
        assert CliRunner().invoke(app, ["report", "day", *out]).exit_code == 0
    return folder


def rows_of(file: Path) -> list[dict[str, float]]:
    """Return the rows of a data file by column, numbers as numbers."""
    if file.suffix == ".parquet":
        return [dict(row) for row in parquet.read_table(file).to_pylist()]
    if file.suffix == ".ndjson":
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    with file.open(encoding="utf-8") as lines:
        return [{k: float(v) for k, v in row.items() if k != "start_utc" and v} for row in csv.DictReader(lines)]


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_the_page_says_what_its_data_say(files: Path, form: str) -> None:
    rows = rows_of(files / f"day.{form}")
    page = (files / "day.html").read_text(encoding="utf-8")

    def energy(column: str) -> float:
        return sum(row[column] * row["hours"] for row in rows)

    def shown(pattern: str) -> tuple[float, ...]:
        found = re.search(pattern, page)
        assert found, pattern
        return tuple(float(each.replace("\u202f", "").replace("−", "-")) for each in found.groups())

    (load,) = shown(rf"Load served</h3><p class=\"value\">({NUMBER})\u202fkWh")
    assert load == pytest.approx(energy("happened_load_kw"), abs=0.6)
    it = shown(rf"<td>IT</td><td class=\"num\"[^>]*>({NUMBER})\u202fkWh</td><td class=\"num\"[^>]*>({NUMBER})\u202fkWh")
    assert it == pytest.approx((energy("planned_it_kw"), energy("happened_it_kw")), abs=0.6)
    (sun,) = shown(rf"Sun ({NUMBER})\u202fkWh")
    assert sun == pytest.approx(energy("happened_pv_used_kw"), abs=0.6)
