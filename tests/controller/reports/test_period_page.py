"""The report about a day: its figures recomputed from the tables, its form, and its text."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import typer
from typer.testing import CliRunner

from controller.cli import report as report_cli
from controller.records.reading import Reader
from controller.records.views import StoredPlan
from controller.reports.after import after_figures
from controller.reports.gather import PeriodReport, gather
from controller.reports.page import TEXT_LIMIT_BYTES, to_html, to_text
from controller.reports.period import day_span
from controller.reports.period_page import period_page
from controller.reports.plan_page import plan_page
from sites.errors import InputError
from sites.load import load_site
from tests.controller.reports.drawing_checks import assert_inside, by_class, told
from tests.controller.reports.measured_day import DAY, LESS_SUN, MIDNIGHT, MORE_IT, store_with_measured_day

SITE = load_site("container")
ZONE = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def day_report(measured: tuple[str, StoredPlan]) -> PeriodReport:
    """The report of the measured day."""
    with Reader(measured[0], "container") as reader:
        return gather(reader, SITE, day_span(DAY, ZONE))


@pytest.fixture
def rows(measured: tuple[str, StoredPlan]) -> Iterator[sqlite3.Cursor]:
    """A cursor on the tables, past all code of ours."""
    with sqlite3.connect(measured[0].removeprefix("sqlite:///")) as connection:
        yield connection.cursor()


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("pv_used_kwh", "pv_kw"),
        ("pv_available_kwh", "pv_available_kw"),
        ("genset_kwh", "genset_kw"),
        ("battery_out_kwh", "max(battery_kw, 0)"),
        ("battery_in_kwh", "max(-battery_kw, 0)"),
        ("load_kwh", "load_kw"),
        ("it_kwh", "it_kw"),
        ("cooling_kwh", "cooling_kw"),
        ("unserved_kwh", "unserved_kw"),
    ],
)
def test_energies_are_those_of_the_table(
    day_report: PeriodReport, rows: sqlite3.Cursor, field: str, column: str
) -> None:
    (total,) = rows.execute(f"select sum({column}) / 12.0 from telemetry").fetchone()
    assert getattr(day_report.energy, field) == pytest.approx(total, rel=1e-9)


def test_the_other_figures_are_those_of_the_tables(day_report: PeriodReport, rows: sqlite3.Cursor) -> None:
    (burnt,) = rows.execute("select max(tank_l) - min(tank_l) from telemetry").fetchone()
    (low,) = rows.execute("select min(soc_frac) from telemetry").fetchone()
    (asked, served) = rows.execute(
        "select sum(rate_rps) * 300, sum(served_rps) * 300 from service_telemetry"
    ).fetchone()
    assert day_report.fuel_l == pytest.approx(burnt)
    assert day_report.soc_low_frac == pytest.approx(low)
    (service,) = day_report.services
    assert (service.asked, service.served) == (pytest.approx(asked), pytest.approx(served))
    assert [(job.name, job.late) for job in day_report.jobs if job.late] == [("satellite-tiles-0115-1", True)]
    assert day_report.energy.residual_kwh == pytest.approx(0.0, abs=1e-6)


def test_planned_plus_deviations_is_what_happened(day_report: PeriodReport) -> None:
    found = day_report.bridge
    terms = {term.name: term for term in found.terms}
    assert found.compared_h == pytest.approx(24.0)
    assert terms["IT"].happened_kwh == pytest.approx(terms["IT"].planned_kwh * MORE_IT, rel=1e-6)
    assert terms["Sun that was there"].happened_kwh == pytest.approx(
        terms["Sun that was there"].planned_kwh * LESS_SUN, rel=1e-6
    )
    assert abs(found.residual_kwh) < 0.005 * found.turnover_kwh
    assert day_report.sun.error_frac == pytest.approx((1 - LESS_SUN) / LESS_SUN, rel=1e-6)


def test_the_page_is_one_file_without_script(day_report: PeriodReport) -> None:
    page = to_html(period_page(day_report, SITE))
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="', page) == []
    assert "container: Wed 15 Jan 2025" in page
    assert "satellite-tiles-0115-1" in page
    assert "Residual" in page
    assert len(page) < 400_000


def test_charts_are_unclipped(day_report: PeriodReport) -> None:
    figures = after_figures(day_report, SITE)
    assert [each.name for each in figures] == ["balance", "power", "soc"]
    for each in figures:
        for drawing in each.drawings:
            assert_inside(drawing)
    planned = by_class(assert_inside(figures[2].drawings[0]), "curve", "planned")
    assert len(planned) == 1


def test_time_that_was_not_measured_is_covered_and_said(tmp_path: Path) -> None:
    url = store_with_measured_day(tmp_path, gap=(60, 120))
    with Reader(url, "container") as reader:
        report = gather(reader, SITE, day_span(DAY, ZONE))
    assert report.energy.measured_h == pytest.approx(24 - 5 + 10 / 60)
    power = after_figures(report, SITE)[1]
    root = assert_inside(power.drawings[1])
    assert len(by_class(root, "unknown")) == 1
    assert sum("not measured" in words for words in told(root)) == 20
    charge = assert_inside(after_figures(report, SITE)[2].drawings[1])
    assert len(by_class(charge, "curve", "battery")) == 2
    page = period_page(report, SITE)
    assert "80\u202f% of the time was measured" in page.subtitle


def test_the_text_fits_a_satellite_message(day_report: PeriodReport) -> None:
    text = to_text(period_page(day_report, SITE))
    assert len(text.encode()) <= TEXT_LIMIT_BYTES
    assert text.isascii()
    assert "Diesel" in text


def test_a_day_that_is_not_over_says_so(measured: tuple[str, StoredPlan]) -> None:
    with Reader(measured[0], "container") as reader:
        tomorrow = gather(reader, SITE, day_span(DAY + timedelta(days=1), ZONE))
    assert tomorrow.until_utc == MIDNIGHT + timedelta(hours=25)
    assert period_page(tomorrow, SITE).title.endswith("so far")
    assert not any(tomorrow.happened)


def test_the_plan_page_has_its_decisions_and_values(measured: tuple[str, StoredPlan]) -> None:
    page = plan_page(measured[1], SITE)
    html = to_html(page)
    assert "genset diesel-1 starts Wed 15 Jan 02:30" in html
    assert [section.title for section in page.sections] == [
        "The next 48 hours",
        "Decisions",
        "Given up",
        "Value and cost",
    ]


def _cli(*arguments: str) -> None:
    app = typer.Typer()
    app.add_typer(report_cli.app, name="report")
    found = CliRunner().invoke(app, ["report", *arguments])
    if found.exception is not None:
        raise found.exception


@pytest.mark.parametrize(
    "arguments", [("day", "--date", "2025-01-15"), ("day",), ("week", "--date", "2025-01-15"), ("plan",)]
)
@pytest.mark.parametrize("suffix", ["html", "txt"])
def test_the_command_writes_a_file(
    measured: tuple[str, StoredPlan], tmp_path: Path, arguments: tuple[str, ...], suffix: str
) -> None:
    out = tmp_path / f"report.{suffix}"
    _cli(*arguments, "--store", measured[0], "--out", str(out))
    assert "container" in out.read_text(encoding="utf-8")


def test_the_data_of_a_day_are_its_intervals(measured: tuple[str, StoredPlan], tmp_path: Path) -> None:
    out = tmp_path / "day.csv"
    _cli("day", "--date", "2025-01-15", "--store", measured[0], "--out", str(out))
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 96
    assert rows[0]["start_utc"] == "2025-01-15T05:00:00+00:00"
    planned, happened = (sum(float(row[f"{kind}_it_kw"]) for row in rows) for kind in ("planned", "happened"))
    assert happened == pytest.approx(planned * MORE_IT, rel=1e-5)
    out = tmp_path / "day.json"
    _cli("day", "--date", "2025-01-15", "--store", measured[0], "--out", str(out))
    assert PeriodReport.model_validate_json(out.read_text()).energy.measured_h == pytest.approx(24.0)


def test_the_data_of_a_plan_are_its_intervals(measured: tuple[str, StoredPlan], tmp_path: Path) -> None:
    out = tmp_path / "plan.csv"
    _cli("plan", "--store", measured[0], "--out", str(out))
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["load_kw"]) for row in rows] == pytest.approx(
        [each.load_kw for each in measured[1].plan.intervals], abs=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("day", "--out", "day.docx"), "--out"),
        (("day", "--date", "yesterday", "--out", "day.html"), "--date"),
        (("day", "--date", "1999-01-01", "--out", "day.html"), "--date"),
        (("plan", "--id", "nothing", "--out", "plan.html"), "store"),
        (("plan", "--store", "sqlite:///nowhere.sqlite", "--out", "plan.html"), "--store"),
    ],
)
def test_bad_input_names_the_option_and_writes_nothing(
    measured: tuple[str, StoredPlan],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    field: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    store = () if "--store" in arguments else ("--store", measured[0])
    with pytest.raises(InputError) as error:
        _cli(*arguments, *store)
    assert error.value.faults[0].source == field
    assert list(tmp_path.iterdir()) == []
