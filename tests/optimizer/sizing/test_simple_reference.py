"""Simple mode against published answers: five weeks of Microgrids.jl, a container's year and a grid's optimum."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest

from optimizer.sizing.economics import component_cost
from optimizer.sizing.inputs import Sizes, YearSeries
from optimizer.sizing.simple import SimpleBattery, SimplePrices, price, simulate
from optimizer.sizing.simple_trace import statistics, trace
from tests.shared_data import shared_path

NAMES = {
    "served_energy": "served_kwh",
    "shed_energy": "shed_kwh",
    "shed_max": "shed_max_kw",
    "shed_hours": "shed_h",
    "shed_duration_max": "shed_longest_h",
    "shed_rate": "shed_frac",
    "gen_energy": "genset_kwh",
    "gen_hours": "genset_h",
    "gen_fuel": "fuel_l",
    "storage_cycles": "cycles",
    "storage_char_energy": "charge_kwh",
    "storage_dis_energy": "discharge_kwh",
    "storage_loss_energy": "loss_kwh",
    "spilled_energy": "spilled_kwh",
    "spilled_max": "spilled_max_kw",
    "spilled_rate": "spilled_frac",
    "renew_potential_energy": "pv_potential_kwh",
    "renew_energy": "pv_used_kwh",
    "renew_rate": "pv_frac",
}


def load_json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared_path(f"reference/design/{name}").read_text(encoding="utf-8"))
    return found


def one(genset_kw: float, battery_kwh: float, pv_kw: float) -> Sizes:
    return Sizes.grid(np.array([genset_kw]), np.array([battery_kwh]), np.array([pv_kw]))


@pytest.mark.parametrize("variant", ["base", "half_hour", "gen0", "slow_charge", "slow_discharge"])
def test_load_following_week(variant: str) -> None:
    reference = load_json("load_following_week.json")
    changes = reference["variants"][variant]
    step_h = changes.get("dt_h", 1.0)
    t_h = np.arange(0.0, 7 * 24.0, step_h)
    series = YearSeries(
        load_kw=1000.0 * (1.0 - t_h / 24.0 / 7.0),
        pv_kw_per_kwp=0.5 * (1.0 - np.cos(2.0 * np.pi * t_h / 24.0)),
        outdoor_c=np.full(t_h.size, 20.0),
        step_h=step_h,
    )
    kind = SimpleBattery(
        charge_per_h=changes.get("charge_rate_per_h", 1.0),
        discharge_per_h=changes.get("discharge_rate_per_h", 1.0),
        soc_min_frac=1 / 6,
        soc_initial_frac=1 / 3,
    )
    sizes = one(500.0, 6000.0, 1000.0)
    course = trace(series, sizes, 0, kind)
    found = statistics(
        series,
        sizes,
        0,
        course,
        fuel_intercept_l_per_h_kw=changes.get("fuel_intercept", 0.05),
        fuel_slope_l_per_kwh=0.24,
    )
    expected = reference["expected"][variant]
    assert set(expected) == set(NAMES)
    for theirs, ours in NAMES.items():
        assert getattr(found, ours) == pytest.approx(expected[theirs], rel=1e-9, abs=1e-9), ours
    if variant == "base":
        assert course.stored_kwh == pytest.approx(reference["base_battery_kwh_trajectory_169"], rel=1e-9)
    totals = simulate(series, sizes, kind)
    assert totals.genset_kwh[0] == pytest.approx(expected["gen_energy"], rel=1e-9)
    assert totals.genset_h[0] == pytest.approx(expected["gen_hours"], rel=1e-9)
    assert totals.shed_kwh[0] == pytest.approx(expected["shed_energy"], rel=1e-9)
    assert totals.charge_kwh[0] == pytest.approx(expected["storage_char_energy"], rel=1e-9)
    assert totals.discharge_kwh[0] == pytest.approx(expected["storage_dis_energy"], rel=1e-9)


def container_year() -> YearSeries:
    with shared_path("reference/design/mdc_year_inputs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return YearSeries(
        load_kw=np.array([float(row["load_kw"]) for row in rows]),
        pv_kw_per_kwp=np.array([float(row["pv_ac_kw_per_kwp"]) for row in rows]),
        outdoor_c=np.array([float(row["temp_air_c"]) for row in rows]),
        step_h=1.0,
    )


@pytest.mark.parametrize("case", ["mdc_gen150_bat1500_pv600", "mdc_gen80_bat1500_pv600", "mdc_gen150_bat0.001_pv0.001"])
def test_container_year(case: str) -> None:
    reference = load_json("mdc_year_results.json")[case]
    size = reference["sizing"]
    series, sizes = container_year(), one(size["gen_kw"], size["bat_kwh"], size["pv_kw"])
    totals = simulate(series, sizes, SimpleBattery())
    cost = price(series, sizes, totals, SimplePrices())
    stats = reference["out"]["stats"]
    assert totals.genset_h[0] == pytest.approx(stats["gen_hours"], rel=1e-9)
    assert totals.genset_kwh[0] == pytest.approx(stats["gen_energy"], rel=1e-9)
    assert totals.shed_kwh[0] == pytest.approx(stats["shed_energy"], rel=1e-9, abs=1e-9)
    assert cost.fuel_l[0] == pytest.approx(stats["gen_fuel"], rel=1e-9)
    assert cost.npc_usd[0] == pytest.approx(reference["out"]["npc"], rel=1e-9)
    assert cost.lcoe_usd_per_kwh[0] == pytest.approx(reference["out"]["lcoe"], rel=1e-9)
    for part, name in ((cost.genset, "Generator"), (cost.battery, "Storage"), (cost.pv, "PV")):
        theirs = reference["out"]["costs"][name]
        assert part.replacement_usd[0] == pytest.approx(theirs["Replacement"], rel=1e-9, abs=1e-9)
        assert part.salvage_usd[0] == pytest.approx(theirs["Salvage"], rel=1e-9, abs=1e-9)
        assert part.total_usd[0] == pytest.approx(theirs["Total by component"], rel=1e-9)
    if sizes.battery_kwh[0] > 1.0:
        course = statistics(
            series,
            sizes,
            0,
            trace(series, sizes, 0, SimpleBattery()),
            fuel_intercept_l_per_h_kw=0.0274,
            fuel_slope_l_per_kwh=0.2461,
        )
        for theirs_name, ours in NAMES.items():
            assert getattr(course, ours) == pytest.approx(stats[theirs_name], rel=1e-9, abs=1e-9), ours


def test_grid_optima() -> None:
    reference = load_json("mdc_year_grid_optima.json")
    series = container_year()
    sizes = Sizes.grid(
        np.array([0.001, *np.arange(10.0, 161.0, 10.0)]),
        np.array([0.001, *np.arange(100.0, 6001.0, 100.0)]),
        np.array([0.001, *np.arange(25.0, 1501.0, 25.0)]),
    )
    assert sizes.count == reference["grid"]["n"]
    cost = price(series, sizes, simulate(series, sizes, SimpleBattery()), SimplePrices())
    for optimum in reference["optima"]:
        allowed = cost.shed_frac <= optimum["max_shed_rate"] + 1e-12
        best = int(np.argmin(np.where(allowed, cost.npc_usd, np.inf)))
        assert sizes.genset_kw[best] == optimum["gen_kw"]
        assert sizes.battery_kwh[best] == optimum["bat_kwh"]
        assert sizes.pv_kw[best] == optimum["pv_kw"]
        assert cost.npc_usd[best] == pytest.approx(optimum["npc"], rel=1e-9)
        assert cost.lcoe_usd_per_kwh[best] == pytest.approx(optimum["lcoe"], rel=1e-9)
        assert cost.fuel_l[best] == pytest.approx(optimum["fuel_l"], rel=1e-9)
        assert cost.shed_frac[best] == pytest.approx(optimum["shed_rate"], rel=1e-9, abs=1e-12)


def test_homer_genset_example() -> None:
    example = load_json("economics_example.json")
    given = example["inputs"]
    cost = component_cost(
        investment_usd=np.array(given["capital"]),
        replacement_usd=np.array(given["replacement"]),
        lifetime_y=np.array(given["lifetime_y"]),
        om_usd_per_y=np.array(given["om_per_y"]),
        fuel_usd_per_y=np.array(given["fuel_per_y"]),
        rate_frac=given["rate"],
        years=given["years"],
    )
    assert float(cost.total_usd) == pytest.approx(example["homer_doc_genset_npc_usd"], rel=1e-5)
    assert float(cost.total_usd) == pytest.approx(example["our_formula_same_inputs"], abs=0.01)
