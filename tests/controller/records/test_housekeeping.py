"""Roll-ups, retention and export."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from controller.records.exporting import export_lines, table_names
from controller.records.housekeeping import prune_store, roll_up
from controller.records.reading import Reader
from controller.records.rollups import average
from controller.records.store import check_sqlite, open_engine
from controller.records.views import TelemetryPoint
from sites.errors import InputError
from tests.controller.records.samples import SITE, START, decision, fresh_url, open_recorder, plan_entry, telemetry

DAY = timedelta(days=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with six hours of telemetry every ten seconds, SoC rising from 0 to 1, and two plans."""
    address = fresh_url(tmp_path)
    recorder = open_recorder(address, tmp_path)
    count = 6 * 360
    for i in range(count):
        recorder.post(telemetry(10.0 * i, soc=i / count, pv_kw=None if i % 2 else 10.0))
    used, idle = plan_entry("a" * 32), plan_entry("b" * 32)
    recorder.commit([used, idle, decision(plan_id=used.id)], timeout_s=10.0)
    recorder.close()
    return address


def test_means_are_over_what_was_read(url: str) -> None:
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        assert roll_up(session, SITE.name, START + timedelta(hours=6)) == 72 + 6
        assert roll_up(session, SITE.name, START + timedelta(hours=6)) == 0
        session.commit()
        from controller.records.measured_tables import RollupRow

        hour = session.get_one(RollupRow, (SITE.name, 3600, START + timedelta(hours=1)))
        assert hour.samples == 360
        assert hour.pv_kw == pytest.approx(10.0)
        assert hour.soc_frac == pytest.approx((360 + 719) / 2 / 2160)
        assert (hour.soc_min_frac, hour.soc_max_frac) == (pytest.approx(360 / 2160), pytest.approx(719 / 2160))
        assert hour.inlet_c is None
    engine.dispose()


def test_pruning_keeps_means_decisions_and_what_decided(url: str) -> None:
    with Reader(url, SITE.name) as reader:
        before = reader.telemetry(START, START + DAY, max_points=10_000)
    gone = prune_store(url, SITE.name, START + timedelta(hours=5))
    assert gone["telemetry"] == 5 * 360
    assert gone["plans"] == 1
    assert gone["problems"] == 1
    assert gone["forecasts"] == 1
    assert check_sqlite(url) == ()
    with Reader(url, SITE.name) as reader:
        assert [head.id for head in reader.plans(START, START + DAY)] == ["a" * 32]
        assert len(reader.decisions(START, START + DAY)) == 1
        after = reader.telemetry(START, START + DAY, max_points=10_000)
    assert len(after) == 60 + 360
    five_minutes = list(average(before[:1800], start_utc=START, step_s=300))
    assert [point.soc_frac for point in after[:60]] == pytest.approx([point.soc_frac for point in five_minutes])


def test_long_spans_come_averaged(url: str) -> None:
    with Reader(url, SITE.name) as reader:
        points = reader.telemetry(START, START + timedelta(hours=6), max_points=36)
    assert len(points) == 36
    assert points[1].at_utc - points[0].at_utc == timedelta(minutes=10)
    socs = [point.soc_frac or 0.0 for point in points]
    assert socs == sorted(socs)


def test_a_value_read_in_no_sample_stays_missing() -> None:
    points = [TelemetryPoint(at_utc=START), TelemetryPoint(at_utc=START + timedelta(seconds=5), pv_kw=4.0)]
    (mean,) = average(points, start_utc=START, step_s=60)
    assert (mean.pv_kw, mean.load_kw) == (4.0, None)


def test_export_names_its_tables_and_holds_every_row(url: str) -> None:
    rows = [json.loads(line) for line in export_lines(url)]
    assert {row["table"] for row in rows} <= set(table_names())
    assert sum(row["table"] == "telemetry" for row in rows) == 2160
    assert next(row for row in rows if row["table"] == "telemetry")["at_utc"] == "2026-06-01T06:00:00Z"
    assert {json.loads(line)["table"] for line in export_lines(url, ("plans",))} == {"plans"}
    with pytest.raises(InputError, match="name one of: "):
        list(export_lines(url, ("secrets",)))
