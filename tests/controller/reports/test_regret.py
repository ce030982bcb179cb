"""Regret: a day with all known costs no more than it did, and each cause is the step that took its freedom away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.records.reading import Reader
from controller.reports.gather import gather
from controller.reports.hindsight import hindsight
from controller.reports.period import day_span
from controller.reports.regret import Fed, priced, steps_usd
from optimizer.policies import policy
from sites.load import load_site
from tests.controller.reports.measured_day import DAY, MORE_IT, store_with_measured_day

SITE = load_site("container")
ZONE = ZoneInfo("America/New_York")


def test_each_quantity_has_its_price() -> None:
    fed = Fed(
        fuel_l=10,
        genset_starts=2,
        genset_h=3,
        battery_out_kwh=100,
        unserved_kwh=2,
        unserved_requests={"voice-agent": 1000},
        lateness_usd=5,
        stored_kwh=20,
    )
    terms = priced(SITE, fed, stored_usd_per_kwh=0.3)
    assert terms == pytest.approx(
        {
            "fuel": 16.0,
            "genset_starts": 4.0,
            "genset_hours": 0.0,
            "battery_wear": 4.0,
            "unserved_load": 2.0,
            "unserved_requests": 0.22,
            "lateness": 5.0,
            "stored_energy": -6.0,
        }
    )


def test_steps_add_up_to_the_regret() -> None:
    costs = {"hindsight": 10.0, "faults": 12.0, "overrides": 12.5, "forecast": 20.0, "plant": 23.5}
    assert steps_usd(costs, 26.0) == (2.0, 0.5, 7.5, 3.5, 2.5)


def test_hindsight_feeds_the_same_work_for_less(tmp_path: Path) -> None:
    url = store_with_measured_day(tmp_path)
    with Reader(url, "container") as reader:
        report = gather(reader, SITE, day_span(DAY, ZONE))
        found = hindsight(reader, SITE, report, policy("planner").plan)
    assert found is not None
    assert found.happened_terms_usd["fuel"] == pytest.approx((report.fuel_l or 0.0) * SITE.prices.diesel_usd_per_l)
    assert found.hindsight_usd <= found.happened_usd + found.gap_usd
    assert found.faults_usd == found.overrides_usd == 0.0
    assert found.forecast_usd >= -found.gap_usd - 0.5
    assert found.load_factor == pytest.approx(
        report.energy.load_kwh / sum(p.load_kw * p.hours for p in report.planned if p)
    )
    assert 1.0 < found.load_factor < MORE_IT
    assert found.plant_usd > 0


def test_a_day_that_was_hardly_measured_has_no_hindsight(tmp_path: Path) -> None:
    url = store_with_measured_day(tmp_path, gap=(60, 120))
    with Reader(url, "container") as reader:
        report = gather(reader, SITE, day_span(DAY, ZONE))
        assert hindsight(reader, SITE, report, policy("rules").plan) is None
        before = gather(reader, SITE, day_span(DAY - timedelta(days=3), ZONE))
        assert hindsight(reader, SITE, before, policy("rules").plan) is None
