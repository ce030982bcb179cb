"""The full model: energy closes, halved steps agree, faults bite, work moves to the sun."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.rules.deferral import DeferralParams
from optimizer.rules.dispatch import CYCLE_CHARGING, LOAD_FOLLOWING, RuleParams
from optimizer.sizing import full
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Sizes, YearSeries
from optimizer.sizing.simple import SimpleBattery, plain_battery
from optimizer.sizing.simple import simulate as simulate_simple
from sites.plant.battery import BatteryParams
from sites.plant.genset import GensetParams
from sites.plant.thermal import ClimateParams

BATTERY = BatteryParams(1.0, 0.4, 0.4, self_use_kw=0.0003, heat_capacity_kwh_per_k=0.003, ua_kw_per_k=2e-4)
ENGINE = GensetParams(1.0, 0.04, 0.1, 0.16, 0.217, 0.279, warm_up_s=60.0, crank_s=15.0)
KIT = full.Equipment(
    battery=BATTERY,
    engine=ENGINE,
    climate=ClimateParams(100.0),
)


def weather(days: int, step_h: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Sun per kWp and outdoor temperature of a made-up year with cloudy spells."""
    t = np.arange(0.0, 24.0 * days, step_h)
    season = 0.5 - 0.5 * np.cos(2 * np.pi * t / 8760.0)
    cloud = 0.55 + 0.45 * np.sin(2 * np.pi * t / 24 / 5.3)
    sun = np.maximum(0.0, np.sin(2 * np.pi * (t / 24.0 - 0.25))) * (0.35 + 0.5 * season) * cloud
    return sun, 5.0 + 20.0 * season + 6.0 * np.sin(2 * np.pi * (t / 24.0 - 0.35))


def around(days: int = 60, wait_h: float = 0.0, work_kw: float = 20.0, step_h: float = 1.0) -> full.Surroundings:
    sun, outdoor = weather(days, step_h)
    return full.Surroundings(
        house_kw=np.full(sun.size, 5.0),
        service_kw=np.full(sun.size, 25.0),
        works=(full.Work(kw=np.full(sun.size, work_kw), wait_h=wait_h),),
        pv_kw_per_kwp=sun,
        outdoor_c=outdoor,
        step_h=step_h,
    )


def designs(count: int = 70, **changes: float) -> full.Designs:
    """A fan of designs; more than one block."""
    rng = np.random.default_rng(5)
    given = {
        "genset_kw": np.full(count, 60.0),
        "genset_count": np.full(count, 2.0),
        "battery_kwh": rng.uniform(300.0, 2000.0, count),
        "pv_kw": rng.uniform(50.0, 600.0, count),
        "batch_kw": np.full(count, 60.0),
        "cooling_kw": np.full(count, 150.0),
        "service_scale": np.ones(count),
        "tank_l": np.full(count, 1e9),
    }
    return full.Designs(**{**given, **{name: np.full(count, value) for name, value in changes.items()}})


def run(
    place: full.Surroundings, made: full.Designs, kit: full.Equipment = KIT, draw: int | None = None
) -> full.Totals:
    return full.simulate(full.step_table(place, kit, seed=7, draw=draw), place.step_h, made, kit)


def test_energy_closes_over_the_series() -> None:
    place, made = around(), designs()
    sums = run(place, made)
    sun_kwh = place.pv_kw_per_kwp.sum() * made.pv_kw
    made_kwh = sun_kwh - sums["spilled_kwh"] + sums["genset_kwh"] + sums["discharge_kwh"] - sums["charge_kwh"]
    used_kwh = sums["load_kwh"] - sums["unserved_kwh"] - sums["batch_shed_kwh"]
    assert made_kwh == pytest.approx(used_kwh, rel=1e-9)
    stored = (sums.soc_end_frac - KIT.soc_initial_frac) * made.battery_kwh
    self_use = BATTERY.self_use_kw * made.battery_kwh * place.hours
    into = sums["charge_kwh"] * BATTERY.charge_eff_frac - sums["discharge_kwh"] / BATTERY.discharge_eff_frac
    drained = sums.soc_end_frac < BATTERY.soc_min_frac
    assert stored[~drained] == pytest.approx((into - self_use)[~drained], abs=1e-6)
    assert np.count_nonzero(~drained) > 20
    arrived = place.work_kw.sum()
    assert sums["work_kwh"] + sums.backlog_kwh == pytest.approx(arrived, rel=1e-9)


def test_a_design_gives_the_same_bits_in_any_block() -> None:
    place, made = around(days=20), designs(130)
    whole = run(place, made)
    for index in (0, 63, 64, 129):
        one = full.Designs(**{name: getattr(made, name)[[index]] for name in made.__dataclass_fields__})
        alone = run(place, one)
        for name, values in whole.sums.items():
            assert alone[name][0] == values[index], name


def test_stripped_down_it_is_the_simple_mode() -> None:
    sun, outdoor = weather(120)
    load = 30.0 + 10.0 * np.sin(np.arange(sun.size) / 24.0 * 2 * np.pi)
    kind = SimpleBattery()
    kit = full.Equipment(
        battery=kind.unit(),
        engine=GensetParams(1.0, 0.03, 0.09, 0.15, 0.21, 0.27, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, attempts_max=3.0),
        climate=ClimateParams(1e6, fan_frac=0.0, free_below_c=99.0, inlet_max_c=99.0),
        shared=FullParams(0.0, 0.0, part_steps=0.0),
        soc_initial_frac=kind.soc_initial_frac,
    )
    place = full.Surroundings(
        house_kw=load,
        service_kw=np.zeros(sun.size),
        works=(),
        pv_kw_per_kwp=sun,
        outdoor_c=outdoor,
        step_h=1.0,
    )
    made = designs(40, genset_count=1.0)
    found = run(place, made, kit)
    simple = simulate_simple(
        YearSeries(load_kw=load, pv_kw_per_kwp=sun, outdoor_c=outdoor, step_h=1.0),
        Sizes(genset_kw=made.genset_kw, battery_kwh=made.battery_kwh, pv_kw=made.pv_kw),
        kind,
    )
    assert found["genset_kwh"] == pytest.approx(simple.genset_kwh, rel=1e-9, abs=1e-6)
    assert found["genset_h"] == pytest.approx(simple.genset_h, rel=1e-9)
    assert found["unserved_kwh"] == pytest.approx(simple.shed_kwh, rel=1e-9, abs=1e-6)
    assert kind.unit() == plain_battery(0.5, 0.5, 0.95, 1 / 1.05, 0.1)


FOLLOW = RuleParams(LOAD_FOLLOWING, False, 0.2, 0.3)
CYCLE = RuleParams(CYCLE_CHARGING, False, 0.2, 0.8)


@pytest.mark.parametrize(("rule", "low", "high"), [(FOLLOW, 0.4, 0.8), (CYCLE, 0.8, 1.0)])
@pytest.mark.parametrize("wait_h", [0.0, 24.0])
def test_halving_the_step_changes_fuel_little(rule: RuleParams, low: float, high: float, wait_h: float) -> None:
    kit = replace(KIT, rule=rule, deferral=DeferralParams(0.6, 0.8, low, high))
    place, made = around(days=365, wait_h=wait_h), designs(16)
    hourly, halved = run(place, made, kit)["fuel_l"], run(place.finer(2), made, kit)["fuel_l"]
    assert halved.sum() == pytest.approx(hourly.sum(), rel=0.001)
    change = np.abs(halved / hourly - 1.0)
    assert np.median(change) < 0.001
    assert change.max() < 0.008


@pytest.mark.parametrize("parts", [2, 12])
def test_a_start_delay_lies_across_steps(parts: int) -> None:
    slow = replace(KIT, rule=FOLLOW, engine=ENGINE._replace(warm_up_s=900.0))
    place, made = around(days=30), designs(8, pv_kw=1.0, battery_kwh=400.0)
    hourly, fine = run(place, made, slow), run(place.finer(parts), made, slow)
    assert fine["genset_h"] == pytest.approx(hourly["genset_h"], rel=0.003)
    assert fine["starts"] == pytest.approx(hourly["starts"])


def test_waiting_work_saves_fuel_and_is_still_done() -> None:
    made = designs(40)
    kit = full.Equipment(
        battery=BATTERY,
        engine=ENGINE,
        climate=ClimateParams(100.0),
        rule=KIT.rule,
        deferral=DeferralParams(eco_power_frac=0.6, eco_speed_frac=0.8),
    )
    fixed = run(around(days=120, wait_h=0.0), made)
    waiting = run(around(days=120, wait_h=48.0), made)
    capped = run(around(days=120, wait_h=48.0), made, kit)
    assert np.all(waiting["late_kwh_h"] <= 1e-6)
    assert waiting["fuel_l"].sum() < 0.97 * fixed["fuel_l"].sum()
    assert capped["fuel_l"].sum() < waiting["fuel_l"].sum()


def test_cycle_charging_runs_fewer_hours_at_higher_load() -> None:
    made = designs(40)
    cycle = full.Equipment(
        battery=BATTERY,
        engine=ENGINE,
        climate=ClimateParams(100.0),
        rule=RuleParams(CYCLE_CHARGING, True, 0.3, 0.8),
    )
    follow, charge = run(around(), made), run(around(), made, cycle)
    load = [sums["genset_kwh"].sum() / sums["genset_h"].sum() for sums in (follow, charge)]
    assert load[1] > load[0]


def test_minimum_load_is_held() -> None:
    made = designs(20)
    sums = run(around(), made)
    assert np.all(sums["genset_kwh"] >= 0.3 * 60.0 * sums["genset_h"] * 0.97)


def test_failures_cost_load_and_are_the_same_dice_for_all() -> None:
    made = designs(30, genset_count=1.0, battery_kwh=200.0)
    weak = full.Equipment(
        battery=BATTERY,
        engine=ENGINE,
        climate=ClimateParams(100.0),
        rule=KIT.rule,
        shared=FullParams(mttf_h=100.0, repair_h=48.0),
    )
    sound, failing = run(around(days=120), made), run(around(days=120), made, weak, draw=3)
    assert failing["trips"].sum() > 0
    assert failing["unserved_kwh"].sum() > sound["unserved_kwh"].sum()
    again = run(around(days=120), made, weak, draw=3)
    assert np.array_equal(again["unserved_kwh"], failing["unserved_kwh"])
    other = run(around(days=120), made, weak, draw=4)
    assert not np.array_equal(other["unserved_kwh"], failing["unserved_kwh"])


def test_cold_battery_outdoors_takes_no_charge() -> None:
    place = around(days=30)
    cold = full.Surroundings(
        house_kw=place.house_kw,
        service_kw=place.service_kw,
        works=place.works,
        pv_kw_per_kwp=place.pv_kw_per_kwp,
        outdoor_c=np.full(place.house_kw.size, -25.0),
        step_h=1.0,
    )
    outdoors = full.Equipment(
        battery=BATTERY, engine=ENGINE, climate=ClimateParams(100.0), rule=KIT.rule, battery_indoors=False
    )
    made = designs(10)
    assert run(cold, made, outdoors)["charge_kwh"].sum() < 0.2 * run(cold, made)["charge_kwh"].sum()
    gelled = run(cold, made, outdoors)
    assert gelled["starts"].sum() == 0.0


def test_a_small_tank_runs_dry_and_deliveries_help() -> None:
    place = around(days=60)
    dry = run(place, designs(20, tank_l=300.0, pv_kw=50.0))
    fuel = np.zeros(place.house_kw.size)
    fuel[24 * 3 :: 24 * 3] = 300.0
    supplied = full.Surroundings(
        house_kw=place.house_kw,
        service_kw=place.service_kw,
        works=place.works,
        pv_kw_per_kwp=place.pv_kw_per_kwp,
        outdoor_c=place.outdoor_c,
        step_h=1.0,
        delivery_l=fuel,
    )
    fed = run(supplied, designs(20, tank_l=300.0, pv_kw=50.0))
    assert np.all(dry["fuel_l"] <= 300.0 + 1e-9)
    assert fed["unserved_kwh"].sum() < dry["unserved_kwh"].sum()


def test_too_little_cooling_loses_work() -> None:
    place = around(days=30)
    weak = run(place, designs(5, cooling_kw=20.0))
    assert np.all(weak["heat_lost_kwh"] > 0.0)
    assert np.all(run(place, designs(5))["heat_lost_kwh"] == 0.0)


def test_a_trace_adds_up_to_the_sums_bit_by_bit() -> None:
    place, made = around(days=10), designs(3)
    table = full.step_table(place, KIT, seed=7)
    whole, course = full.simulate(table, 1.0, made, KIT), full.trace(table, 1.0, made, KIT)
    assert course["soc_frac"][-1] == whole.soc_end_frac[0]
    for name in whole.sums:
        assert course[name].sum() == pytest.approx(whole[name][0], rel=1e-12, abs=1e-9)
