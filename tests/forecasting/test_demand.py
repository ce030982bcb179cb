"""Demand: the week's shape, its outlook, the seeded actual world."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from forecasting.demand.arrivals import actual_rate_rps, batch_arrivals
from forecasting.demand.outlook import RateSample, forecast_demand
from forecasting.demand.shape import demand_shape, shape_rate_rps
from sites.schema.site import Site
from sites.schema.workload import Demand, Service
from sites.times import uniform_grid

ZONE = "America/New_York"
START = datetime(2025, 6, 2, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def service(container: Site) -> Service:
    return container.services[0]


@pytest.mark.parametrize("name", ["chat", "flat", "office", "clinic"])
def test_shapes_have_mean_one(name: str) -> None:
    shape = demand_shape(name)
    assert len(shape.hourly) == 168
    assert np.mean(shape.hourly) == pytest.approx(1.0)
    assert min(shape.hourly) > 0.0


def test_a_week_of_any_intervals_has_the_mean_rate() -> None:
    demand = Demand(shape="chat", mean_rps=3.0)
    for hours in (0.25, 1.0, 6.0):
        grid = uniform_grid(START, hours=hours, steps=round(168 / hours))
        rate = shape_rate_rps(demand, grid.starts_utc, grid.hours, zone=ZONE)
        assert rate.mean() == pytest.approx(3.0, rel=1e-6)


def test_shape_follows_local_clocks_across_a_clock_change() -> None:
    demand = Demand(shape="office", mean_rps=1.0)
    # clocks go forward in New York on 9 March 2025: nine o'clock on Friday and on Monday
    before = shape_rate_rps(demand, (datetime(2025, 3, 7, 14, tzinfo=UTC),), (1.0,), zone=ZONE)
    after = shape_rate_rps(demand, (datetime(2025, 3, 10, 13, tzinfo=UTC),), (1.0,), zone=ZONE)
    assert before == pytest.approx(after)


def test_growth_and_days_off() -> None:
    demand = Demand(shape="office", mean_rps=1.0, growth_per_year_frac=0.5)
    noon = datetime(2025, 6, 4, 16, tzinfo=UTC)
    grown = shape_rate_rps(demand, (noon,), (1.0,), zone=ZONE, since_utc=noon - timedelta(days=365.25))
    assert grown == pytest.approx(1.5 * shape_rate_rps(demand, (noon,), (1.0,), zone=ZONE))
    off = shape_rate_rps(demand, (noon,), (1.0,), zone=ZONE, days_off={date(2025, 6, 4)})
    assert off < 0.3 * shape_rate_rps(demand, (noon,), (1.0,), zone=ZONE)


def test_actual_rates_have_the_measured_spread(service: Service) -> None:
    series = actual_rate_rps(service, start_utc=START, end_utc=START + timedelta(days=120), zone=ZONE, seed=3)
    rate = np.array(series.values)
    starts = tuple(series.start_utc + timedelta(seconds=600 * i) for i in range(len(rate)))
    expected = shape_rate_rps(service.demand, starts, (1 / 6,) * len(rate), zone=ZONE)
    stray = np.log(rate / expected)
    shape = demand_shape(service.demand.shape)
    assert rate.mean() == pytest.approx(expected.mean(), rel=0.1)
    assert stray.std() == pytest.approx(np.hypot(shape.slow_sd_log, shape.fast_sd_log), rel=0.1)
    assert 0.6 < np.corrcoef(stray[:-1], stray[1:])[0, 1] < 0.95


def test_actual_world_does_not_depend_on_the_window(service: Service) -> None:
    long = actual_rate_rps(service, start_utc=START, end_utc=START + timedelta(days=9), zone=ZONE, seed=1)
    short = actual_rate_rps(
        service, start_utc=START + timedelta(days=5), end_utc=START + timedelta(days=6), zone=ZONE, seed=1
    )
    same = long.values[5 * 144 : 6 * 144]
    # the slow part forgets its start within the three days of run-in
    np.testing.assert_allclose(short.values, same, rtol=1e-3)


def test_batch_arrivals(container: Site) -> None:
    for stream in container.batch:
        whole = batch_arrivals(stream, start_utc=START, end_utc=START + timedelta(days=100), zone=ZONE, seed=5)
        assert len(whole) == pytest.approx(100 * stream.per_day, rel=0.3)
        assert len({job.job for job in whole}) == len(whole)
        assert all(job.release_utc < job.deadline_utc for job in whole)
        assert np.mean([job.work_gpu_h for job in whole]) == pytest.approx(stream.work_gpu_h, rel=0.25)
        part = batch_arrivals(
            stream, start_utc=START + timedelta(days=40), end_utc=START + timedelta(days=50), zone=ZONE, seed=5
        )
        assert set(part) <= set(whole)


def test_outlook_covers_and_uses_the_present(service: Service) -> None:
    series = actual_rate_rps(service, start_utc=START, end_utc=START + timedelta(days=60), zone=ZONE, seed=8)
    rate = np.array(series.values)
    inside, near, far = [], [], []
    for day in range(10, 58):
        issued = START + timedelta(days=day, hours=(day * 7) % 24)
        now = int((issued - START) / timedelta(minutes=10))
        samples = [
            RateSample(start_utc=START + timedelta(minutes=10 * i), hours=1 / 6, rate_rps=float(rate[i]))
            for i in range(now - 1000, now)
        ]
        grid = uniform_grid(issued, hours=1.0, steps=24)
        outlook = forecast_demand(service, samples, issued_utc=issued, grid=grid, levels=LEVELS, zone=ZONE)
        actual = rate[now : now + 144].reshape(24, 6).mean(axis=1)
        inside.append((actual >= outlook.quantiles_rps[0]) & (actual <= outlook.quantiles_rps[2]))
        expected = shape_rate_rps(service.demand, grid.starts_utc, grid.hours, zone=ZONE)
        near.append(np.abs(np.log(actual[0] / outlook.quantiles_rps[1][0])))
        far.append(np.abs(np.log(actual[0] / expected[0])))
    assert 0.72 < np.mean(inside) < 0.88
    assert np.mean(near) < 0.85 * np.mean(far)


def test_outlook_does_not_see_the_future(service: Service) -> None:
    grid = uniform_grid(START, hours=1.0, steps=12)
    past = [RateSample(start_utc=START - timedelta(hours=i), hours=1.0, rate_rps=10.0) for i in range(48, 0, -1)]
    future = [RateSample(start_utc=START + timedelta(hours=i), hours=1.0, rate_rps=1e6) for i in range(5)]
    ask = {"issued_utc": START, "grid": grid, "levels": LEVELS, "zone": ZONE}
    assert forecast_demand(service, past, **ask) == forecast_demand(service, [*past, *future], **ask)  # type: ignore[arg-type]
