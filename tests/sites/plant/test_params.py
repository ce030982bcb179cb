"""From schema to plant: every figure arrives, and a curve that does not fit is refused by name."""

from __future__ import annotations

import pytest

from sites.errors import InputError
from sites.plant import genset as gen
from sites.plant import inverter
from sites.plant.battery import BatteryState, charge_limit_kw, discharge_limit_kw
from sites.plant.params import (
    battery_params,
    climate_params,
    cold_points,
    genset_params,
    inverter_params,
    taper_cuts,
    ups_params,
)
from sites.plant.ups import UpsState, bridge_minutes
from sites.schema.energy import Battery, Bus, Genset, Ups
from sites.schema.place import Cooling

SECOND_H = 1 / 3600


def test_tapers_arrive_as_cuts() -> None:
    battery = Battery(
        capacity_kwh=1200,
        charge_kw=300,
        discharge_kw=240,
        soc_min_frac=0.05,
        charge_taper=((0.0, 1.0), (0.8, 1.0), (0.9, 0.6), (1.0, 0.1)),
        discharge_taper=((0.0, 0.1), (0.2, 1.0), (1.0, 1.0)),
    )
    params = battery_params(battery)
    for soc, share in ((0.5, 1.0), (0.8, 1.0), (0.85, 0.8), (0.9, 0.6), (0.95, 0.35)):
        assert charge_limit_kw(params, BatteryState(soc), SECOND_H) == pytest.approx(300 * share, rel=1e-3)
    for soc, share in ((0.1, 0.55), (0.2, 1.0), (0.7, 1.0)):
        assert discharge_limit_kw(params, BatteryState(soc), SECOND_H) == pytest.approx(240 * share, rel=1e-3)


@pytest.mark.parametrize(
    "points",
    [
        ((0.0, 1.0), (0.5, 0.5), (1.0, 0.4)),
        ((0.0, 0.9), (0.3, 0.8), (0.6, 0.5), (1.0, 0.0)),
    ],
)
def test_a_taper_that_does_not_fit_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InputError, match=r"battery\.charge_taper"):
        taper_cuts(points, "battery.charge_taper")


def test_cold_curves_of_two_and_three_points() -> None:
    assert len(cold_points(((0.0, 0.0), (10.0, 1.0)), "x")) == 3
    with pytest.raises(InputError, match="two or three"):
        cold_points(((0.0, 0.0), (5.0, 0.2), (10.0, 0.7), (20.0, 1.0)), "x")


def test_genset_fuel_points_scale_with_the_rating() -> None:
    params = genset_params(Genset(name="a", rating_kw=60), altitude_m=1500.0, fuel_gels_below_c=-20.0)
    assert gen.fuel_l_per_h(params, 60.0) == pytest.approx(0.279 * 60)
    assert gen.fuel_l_per_h(params, 22.5) == pytest.approx(0.130 * 60)
    assert gen.fuel_l_per_h(params, 0.0) == pytest.approx(0.040 * 60)
    assert gen.rated_now_kw(params, 20.0) == pytest.approx(60 * 0.95)


def test_inverter_and_ups_do_what_the_site_file_says() -> None:
    params = inverter_params(Bus(inverter_kw=150))
    assert inverter.overload_ratio(params, 60.0) == pytest.approx(1.25)
    assert inverter.overload_ratio(inverter_params(Bus(inverter_kw=10, overload=((1, 600), (2, 1)))), 1) == 2
    assert bridge_minutes(ups_params(Ups(kw=40, minutes=15)), UpsState(), 40.0) == pytest.approx(15.0)
    with pytest.raises(InputError, match="overload"):
        inverter_params(Bus(inverter_kw=10, overload=((1, 60), (2, 90))))


def test_rugged_gear_bears_more_heat() -> None:
    assert climate_params(Cooling(capacity_kw=50)).inlet_max_c == 35.0
    assert climate_params(Cooling(capacity_kw=50, climate_class="rugged")).inlet_max_c == 60.0
