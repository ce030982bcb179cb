"""Lifecycle cost, battery life bands, autonomy and resampled years."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.sizing import full
from optimizer.sizing.ageing import health_path
from optimizer.sizing.battery_life import life_band, per_year
from optimizer.sizing.economics import cash_flow_usd, discount_factors
from optimizer.sizing.lifecycle import LifePrices, YearFigures, life_cost
from optimizer.sizing.reliability import autonomy
from optimizer.sizing.resample import drawn_days, resampled
from optimizer.sizing.simple import plain_battery
from sites.plant import ageing
from tests.optimizer.sizing.test_full import KIT, around, designs, run


def test_cash_flow_discounts_to_the_net_present_cost() -> None:
    made = designs(6)
    place = around(days=30)
    totals = run(place, made)
    life = life_band("lfp", totals, made, KIT, end_frac=0.7)
    prices = LifePrices(years=20, battery_replacement_frac=1.0)
    served = per_year(totals, "load_kwh") - per_year(totals, "unserved_kwh")
    year = YearFigures(
        fuel_l=per_year(totals, "fuel_l"),
        genset_h=per_year(totals, "genset_h"),
        starts=per_year(totals, "starts"),
        served_kwh=served,
        unserved_kwh=per_year(totals, "unserved_kwh"),
        late_kwh_h=per_year(totals, "late_kwh_h"),
    )
    cost = life_cost(made, year, life, prices)
    assert cost.npc_usd == pytest.approx(sum(part.total_usd for part in cost.parts.values()))
    pv = cost.parts["PV"]
    flow = cash_flow_usd(
        investment_usd=float(pv.investment_usd[0]),
        replacement_usd=float(pv.investment_usd[0]),
        lifetime_y=25.0,
        yearly_usd=15.0 * float(made.pv_kw[0]),
        years=20,
    )
    worth = flow[0] + (flow[1:] * discount_factors(0.07, 20)).sum()
    assert worth == pytest.approx(float(pv.total_usd[0]))
    assert np.all(cost.co2_kg_per_y == pytest.approx(2.70 * year.fuel_l))
    dearer = life_cost(made, year, life, LifePrices(fuel_usd_per_l=3.0, battery_replacement_frac=1.0))
    assert np.all(dearer.npc_usd > cost.npc_usd)


def test_life_from_sums_is_near_the_life_of_the_full_course() -> None:
    made = designs(1, battery_kwh=900.0, pv_kw=400.0)
    place = around(days=365)
    table = full.step_table(place, KIT)
    totals, course = full.simulate(table, 1.0, made, KIT), full.trace(table, 1.0, made, KIT)
    band = life_band("lfp", totals, made, KIT, end_frac=0.8, most_y=25.0)
    lives = [
        health_path(model, course["soc_frac"], course["cell_c"], 1.0, 25, end_frac=0.8).end_of_life_y
        for model in ageing.LFP_MODELS
    ]
    assert band.low_y[0] == pytest.approx(min(lives), rel=0.25)
    assert band.low_y[0] <= band.middle_y[0] <= band.high_y[0]


def test_autonomy_of_a_dark_site_is_its_energy_over_its_load() -> None:
    steps = 240
    found = autonomy(
        critical_kw=np.full(steps, 10.0),
        sun_kw=np.zeros(steps),
        soc_frac=np.full(steps, 0.9),
        cell_c=np.full(steps, 20.0),
        step_h=1.0,
        battery_kwh=100.0,
        unit=plain_battery(0.5, 0.5, 0.95, 1.0, 0.1),
    )
    assert np.all(found.hours == 8.0)
    assert found.survival(np.array([1.0, 8.0, 9.0])) == pytest.approx([1.0, 1.0, 0.0])


def test_resampled_years_keep_season_and_persistence() -> None:
    days = np.array([drawn_days(3, seed=4, year=year) for year in range(40)])
    season = np.abs((days % 365 - np.arange(365) + 182) % 365 - 182)
    assert np.percentile(season, 90) <= 25
    following = np.mean(np.diff(days, axis=1) == 1)
    assert following == pytest.approx(1 - 1 / 5.0, abs=0.03)
    assert np.array_equal(days[7], drawn_days(3, seed=4, year=7))
    assert not np.array_equal(days[7], days[8])
    series = np.arange(3 * 365 * 24.0)
    made = resampled(series, days[0], 24)
    assert made.size == 8760
    assert made[:24] == pytest.approx(series[days[0][0] * 24 : days[0][0] * 24 + 24])
