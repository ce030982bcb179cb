"""Past runs put together: nothing from the future, half a day ahead where there is such a run, gaps stay gaps."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from forecasting.nwp import NwpRun
from forecasting.nwp_archive import known_runs, restored, stored
from forecasting.records import StoredPrediction
from sites.series import TimeSeries

NOW = datetime(2025, 6, 10, 12, tzinfo=UTC)


def run(issued: datetime, value: float, *, hours: int = 48, source: str = "a") -> NwpRun:
    series = TimeSeries(start_utc=issued, step_s=3600.0, values=(value,) * hours)
    return NwpRun(source=source, issued_utc=issued, ghi_w_m2=series)


def test_each_time_has_what_had_been_predicted_for_it() -> None:
    runs = [run(NOW - timedelta(hours=h), float(h)) for h in (30, 24, 18, 6)]
    future = run(NOW + timedelta(hours=1), 999.0)
    (known,) = known_runs([*runs, future], now=NOW)
    ghi = known.ghi_w_m2
    assert known.issued_utc == NOW - timedelta(hours=6)
    # before a run is half a day old the first one counts, then the newest that is
    assert ghi.at(NOW - timedelta(hours=28)) == 30.0
    assert ghi.at(NOW - timedelta(hours=17)) == 30.0
    assert ghi.at(NOW - timedelta(hours=7)) == 24.0
    assert ghi.at(NOW - timedelta(hours=2)) == 18.0
    # what is to come is the newest run's
    assert ghi.at(NOW + timedelta(hours=2)) == 6.0


def test_a_run_issued_later_changes_nothing_before_it() -> None:
    earlier = [run(NOW - timedelta(hours=h), float(h)) for h in (30, 20)]
    later = run(NOW - timedelta(hours=3), 3.0)
    moment = NOW - timedelta(hours=4)
    without = known_runs(earlier, now=moment)
    assert known_runs([*earlier, later], now=moment) == without


def test_sources_stay_apart_and_old_runs_go() -> None:
    old = run(NOW - timedelta(days=90), 1.0)
    found = known_runs([run(NOW, 1.0), run(NOW, 2.0, source="b"), old], now=NOW)
    assert [(each.source, each.ghi_w_m2.start_utc) for each in found] == [("a", NOW), ("b", NOW)]


def test_a_run_comes_back_from_its_document_with_its_gaps() -> None:
    air = TimeSeries(start_utc=NOW + timedelta(hours=1), step_s=3600.0, values=(5.0, math.nan, 7.0))
    values = (0.0, math.nan, 300.0, 1.0)
    whole = TimeSeries(start_utc=NOW, step_s=3600.0, values=values)
    before = NwpRun(source="a", issued_utc=NOW, ghi_w_m2=whole, temp_air_c=air)
    text = stored(before).model_dump_json()
    after = restored(StoredPrediction.model_validate_json(text))
    assert after.ghi_w_m2.values == pytest.approx(values, nan_ok=True)
    assert after.temp_air_c is not None
    assert after.temp_air_c.values == pytest.approx((math.nan, 5.0, math.nan, 7.0), nan_ok=True)
    assert after.dni_w_m2 is None


def test_runs_that_follow_close_on_each_other_are_thinned_but_the_newest_counts() -> None:
    runs = [run(NOW - timedelta(minutes=10 * i), float(i)) for i in range(12)]
    (known,) = known_runs(runs, now=NOW)
    assert known.issued_utc == NOW
    assert known.ghi_w_m2.at(NOW + timedelta(hours=1)) == 0.0
    assert known.ghi_w_m2.at(NOW - timedelta(minutes=30)) == 11.0
