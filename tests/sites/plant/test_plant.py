"""The composed plant: energy closes whatever is asked of it, faults included; and days that must come out right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sites.plant import genset as gen
from sites.plant.battery import BatteryParams, BatteryState
from sites.plant.inverter import InverterParams, InverterState
from sites.plant.site import (
    Ambient,
    Flows,
    GensetCommand,
    Load,
    PlantCommand,
    PlantParams,
    PlantState,
    initial_state,
    perturbed,
    refuelled,
    step,
    stored_kwh,
)
from sites.plant.thermal import ClimateParams
from sites.plant.ups import UpsParams, UpsState

SET = gen.GensetParams(60.0, 3.2, 6.81, 10.98, 14.38, 18.17, block_heater_kw=1.0)
PLANT = PlantParams(
    battery=BatteryParams(1200.0, 300.0, 300.0, self_use_kw=0.4, heater_max_kw=4.0),
    gensets=(SET, SET),
    ups=UpsParams(25.0, 100.0, 5.0, standby_kw=0.1),
    inverter=InverterParams(250.0),
    climate=ClimateParams(110.0, heater_max_kw=5.0),
    tank_capacity_l=4000.0,
)

genset_states = st.builds(
    gen.GensetState,
    state=st.integers(0, 5),
    phase_s=st.floats(0.0, 5.0),
    power_kw=st.floats(0.0, 60.0),
    block_c=st.floats(-30.0, 80.0),
    starter_frac=st.floats(0.0, 1.0),
)
states = st.builds(
    PlantState,
    battery=st.builds(BatteryState, st.floats(0.05, 1.0), st.floats(0.6, 1.0), st.floats(-20.0, 55.0)),
    gensets=st.tuples(genset_states, genset_states),
    ups=st.builds(UpsState, st.floats(0.0, 1.0)),
    inverter=st.builds(InverterState, st.floats(0.0, 1.0)),
    room_c=st.floats(-20.0, 60.0),
    tank_l=st.floats(0.0, 50.0),
)
commands = st.builds(
    PlantCommand,
    loads=st.lists(st.builds(Load, st.floats(0.0, 120.0), st.booleans()), min_size=1, max_size=4).map(tuple),
    gensets=st.tuples(*[st.builds(GensetCommand, st.booleans(), st.floats(0.0, 80.0))] * 2),
    battery_kw=st.floats(-400.0, 400.0),
    pv_limit_kw=st.floats(0.0, 700.0),
    heaters=st.booleans(),
    cooling=st.booleans(),
)
surroundings = st.builds(
    Ambient,
    pv_available_kw=st.floats(0.0, 600.0),
    outdoor_c=st.floats(-35.0, 50.0),
    start_fails=st.tuples(st.booleans(), st.booleans()),
    trips=st.tuples(st.booleans(), st.booleans()),
    battery_online=st.booleans(),
)


def assert_closes(params: PlantParams, before: PlantState, after: PlantState, flows: Flows, dt_s: float) -> None:
    """Equations (1) and (2) of the plant hold to 1e-9 kWh, and nothing is negative that must not be."""
    dt_h = dt_s / 3600.0
    made = flows.pv_used_kw + sum(flows.genset_kw) + flows.battery_kw + flows.ups_kw
    used = sum(flows.served_kw) + flows.cooling_kw + flows.heater_kw
    assert abs((made - used) * dt_h) < 1e-9
    stores = stored_kwh(params, before) - stored_kwh(params, after)
    out = (flows.battery_kw + flows.ups_kw + flows.loss_kw) * dt_h
    assert abs(stores - out) < 1e-9
    assert min(flows.genset_kw) >= -1e-12
    assert -1e-9 <= flows.pv_used_kw <= flows.pv_available_kw + 1e-9
    assert min(flows.served_kw) >= -1e-9
    assert min(flows.unserved_kw) >= 0.0
    assert flows.fuel_l >= 0.0
    assert after.tank_l >= -1e-9


@settings(max_examples=400)
@given(states, commands, surroundings, st.floats(1.0, 3600.0), st.booleans())
def test_energy_closes_whatever_is_asked(
    state: PlantState, command: PlantCommand, ambient: Ambient, dt_s: float, genset_forms: bool
) -> None:
    params = PLANT._replace(genset_forms=genset_forms)
    after, flows = step(params, state, command, ambient, dt_s)
    assert_closes(params, state, after, flows, dt_s)


def run_day(
    params: PlantParams, state: PlantState, command: PlantCommand, pv_kw: float, outdoor_c: float, dt_s: float
) -> tuple[PlantState, list[Flows]]:
    """Hold one command for a day."""
    found = []
    for _ in range(int(86400 / dt_s)):
        before = state
        state, flows = step(params, state, command, Ambient(pv_kw, outdoor_c), dt_s)
        assert_closes(params, before, state, flows, dt_s)
        found.append(flows)
    return state, found


@pytest.mark.parametrize("genset_forms", [False, True])
def test_a_day_is_the_same_in_hours_minutes_and_seconds(genset_forms: bool) -> None:
    params = PLANT._replace(genset_forms=genset_forms)
    command = PlantCommand(loads=(Load(10.0, False), Load(60.0)), gensets=(GensetCommand(True, 50.0), GensetCommand()))
    fuels, socs = [], []
    for dt_s in (3600.0, 900.0, 60.0, 10.0):
        state, found = run_day(params, initial_state(params, 0.5, 1000.0), command, 15.0, 25.0, dt_s)
        fuels.append(sum(flows.fuel_l for flows in found))
        socs.append(state.battery.soc_frac)
    assert fuels == pytest.approx([fuels[-1]] * 4, rel=5e-3)
    assert socs == pytest.approx([socs[-1]] * 4, abs=5e-3)


def test_without_sun_or_fuel_the_critical_load_goes_last() -> None:
    state = initial_state(PLANT, 0.3, 0.0)
    command = PlantCommand(loads=(Load(10.0, False), Load(60.0), Load(30.0)))
    _, found = run_day(PLANT, state, command, 0.0, 20.0, 600.0)
    first_missing = [next(i for i, f in enumerate(found) if f.unserved_kw[load] > 0.0) for load in (0, 1, 2)]
    assert first_missing[0] >= first_missing[1] >= first_missing[2]
    assert found[-1].served_kw == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_ups_bridges_while_the_battery_is_gone_and_a_genset_starts() -> None:
    state = initial_state(PLANT, 0.8, 500.0)
    command = PlantCommand(loads=(Load(40.0, False),), gensets=(GensetCommand(True, 40.0), GensetCommand()))
    for _ in range(150):
        state, flows = step(PLANT, state, command, Ambient(0.0, 15.0, battery_online=False), 1.0)
        assert flows.unserved_kw == pytest.approx((0.0,), abs=1e-9)
    assert flows.genset_kw[0] > 40.0
    assert not flows.dead
    assert state.ups.soc_frac < 0.98


def test_full_battery_and_minimum_load_drive_no_reverse_power() -> None:
    state = initial_state(PLANT, 1.0, 500.0)._replace(
        gensets=(gen.GensetState(state=gen.RUNNING, phase_s=10.0, power_kw=40.0), gen.GensetState())
    )
    command = PlantCommand(loads=(Load(5.0),), gensets=(GensetCommand(True, 40.0), GensetCommand()))
    _, flows = step(PLANT, state, command, Ambient(200.0, 20.0), 60.0)
    assert 0.0 <= flows.genset_kw[0] < 18.0
    assert flows.low_load
    assert flows.pv_used_kw == pytest.approx(0.0, abs=1e-9)


def test_hot_room_throttles_computing_but_not_the_base_load() -> None:
    state = initial_state(PLANT, 0.8, 500.0)._replace(room_c=40.0)
    command = PlantCommand(loads=(Load(5.0, False), Load(60.0)), cooling=False)
    _, flows = step(PLANT, state, command, Ambient(0.0, 45.0), 1.0)
    assert flows.throttle_frac == pytest.approx(0.5)
    assert flows.served_kw == pytest.approx((5.0, 30.0))


def test_cold_battery_is_warmed_before_it_charges() -> None:
    outdoors = PLANT._replace(battery_indoors=False)
    state = initial_state(outdoors, 0.5, 500.0, room_c=15.0)
    state = state._replace(battery=state.battery._replace(cell_c=-10.0))
    command = PlantCommand(loads=(Load(20.0),))
    powers = []
    for _ in range(48):
        state, flows = step(outdoors, state, command, Ambient(300.0, -15.0), 900.0)
        powers.append(flows.battery_kw)
    assert powers[0] >= 0.0
    assert min(powers) < -50.0
    assert state.battery.cell_c > 0.0


def test_perturbed_plant_is_worse_in_every_way() -> None:
    worse = perturbed(PLANT)
    assert worse.battery.usable_kwh == pytest.approx(0.92 * 1200.0)
    command = PlantCommand(loads=(Load(10.0, False), Load(40.0)), gensets=(GensetCommand(True, 40.0),) * 2)
    state = initial_state(PLANT, 0.5, 500.0)
    _, good = step(PLANT, state, command, Ambient(0.0, 20.0), 3600.0)
    _, bad = step(worse, state, command, Ambient(0.0, 20.0), 3600.0)
    assert bad.it_kw == pytest.approx(1.1 * good.it_kw)
    assert bad.fuel_l > good.fuel_l


def test_a_delivery_fills_no_more_than_the_tank() -> None:
    state = initial_state(PLANT, 0.5, 3900.0)
    assert refuelled(PLANT, state, 500.0).tank_l == 4000.0
