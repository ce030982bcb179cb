"""The whole plant, one step: every piece of equipment composed on the island's bus.

Order within a step of ``dt_s`` seconds (1 s to 1 h):

    1 gensets move their state machines           -> time to carry load, limits    (genset.py)
    2 heaters and cooling say what they need      -> house load                    (battery.py, genset.py, thermal.py)
    3 limits of battery, inverter and UPS         -> what the bus may ask for      (battery.py, inverter.py, ups.py)
    4 the bus balances                            -> flows                         (bus.py)
    5 the UPS bridges, the rest is shed           -> served and unserved, least important load first
    6 stores, tank and temperatures follow        -> new state

Energy closes in every step, to rounding:

    pv_used + sum(genset) + battery + ups = sum(served) + cooling + heaters                                       (1)
    stored_before - stored_after = (battery + ups) * dt + losses                                                  (2)

Signs: into the bus is positive; battery and UPS are positive when they discharge. Pure: no clock, no
randomness; faults (a start that fails, a trip, an open battery contactor) are passed in with the
surroundings.
"""

from __future__ import annotations

from typing import NamedTuple

from sites.plant import battery as bat
from sites.plant import bus, inverter, thermal, ups
from sites.plant import genset as gen


class Load(NamedTuple):
    """One load of the list that is shed from its end."""

    kw: float
    it: bool = True
    """Whether it is computing: it throttles when hot, and a perturbed plant draws more than commanded."""


class GensetCommand(NamedTuple):
    """What a genset is asked for."""

    run: bool = False
    power_kw: float = 0.0
    """Set power while the battery forms the grid; ignored while a genset forms it."""
    reset: bool = False
    """Clears a lock-out (a person's order)."""


class PlantCommand(NamedTuple):
    """What the controller asks of the plant for a step."""

    loads: tuple[Load, ...]
    """Most important first."""
    gensets: tuple[GensetCommand, ...] = ()
    battery_kw: float = 0.0
    """Set power (+ discharge) while a genset forms the grid; ignored otherwise: the battery takes what is left."""
    pv_limit_kw: float = 1e9
    heaters: bool = True
    cooling: bool = True


class Ambient(NamedTuple):
    """Surroundings of a step, faults included."""

    pv_available_kw: float
    outdoor_c: float
    start_fails: tuple[bool, ...] = ()
    """Whether a crank that ends in this step fails, a genset each; empty = none."""
    trips: tuple[bool, ...] = ()
    """Whether a genset trips and locks out, a genset each; empty = none."""
    battery_online: bool = True
    """False while the BMS holds the contactor open."""


class PlantParams(NamedTuple):
    """What the plant is. A site without battery has ``battery.usable_kwh`` 0, one without UPS ``ups.usable_kwh`` 0."""

    battery: bat.BatteryParams
    gensets: tuple[gen.GensetParams, ...]
    ups: ups.UpsParams
    inverter: inverter.InverterParams
    climate: thermal.ClimateParams
    genset_forms: bool = False
    """Whether a running genset forms the grid (else the battery does)."""
    battery_indoors: bool = True
    tank_capacity_l: float = 0.0
    it_draw_factor: float = 1.0
    """Watts really drawn per watt commanded for computing."""


class PlantState(NamedTuple):
    """What the plant is now."""

    battery: bat.BatteryState
    gensets: tuple[gen.GensetState, ...]
    ups: ups.UpsState
    inverter: inverter.InverterState
    room_c: float
    tank_l: float


class Flows(NamedTuple):
    """What happened in a step: powers [kW] averaged over it."""

    pv_available_kw: float
    pv_used_kw: float
    battery_kw: float
    genset_kw: tuple[float, ...]
    genset_starts: tuple[float, ...]
    genset_turning_s: tuple[float, ...]
    ups_kw: float
    served_kw: tuple[float, ...]
    """Loads in the order of the command."""
    unserved_kw: tuple[float, ...]
    it_kw: float
    """Part of ``served_kw`` that is computing."""
    cooling_kw: float
    heater_kw: float
    house_unserved_kw: float
    """Cooling and heating that was wanted and not served."""
    fuel_l: float
    battery_loss_kw: float
    ups_loss_kw: float
    throttle_frac: float
    """Share of its power that computing could use; below 1 above the inlet limit."""
    low_load: bool
    """Whether a genset carried less than its minimum load."""
    battery_forms: bool
    dead: bool
    """Whether no source could form the grid."""

    @property
    def pv_curtailed_kw(self) -> float:
        """PV that was there and not used."""
        return self.pv_available_kw - self.pv_used_kw

    @property
    def loss_kw(self) -> float:
        """Losses of the stores."""
        return self.battery_loss_kw + self.ups_loss_kw


def initial_state(params: PlantParams, soc_frac: float, tank_l: float, room_c: float = 20.0) -> PlantState:
    """Return a rested plant: gensets off, UPS full, everything at room temperature."""
    return PlantState(
        battery=bat.BatteryState(soc_frac, 1.0, room_c),
        gensets=tuple(gen.GensetState(block_c=room_c) for _ in params.gensets),
        ups=ups.UpsState(1.0),
        inverter=inverter.InverterState(0.0),
        room_c=room_c,
        tank_l=tank_l,
    )


def stored_kwh(params: PlantParams, state: PlantState) -> float:
    """Return the energy in battery and UPS [kWh]."""
    return bat.stored_kwh(params.battery, state.battery) + state.ups.soc_frac * params.ups.usable_kwh


def refuelled(params: PlantParams, state: PlantState, litres: float) -> PlantState:
    """Return the state after a delivery; the tank takes what fits."""
    return state._replace(tank_l=min(params.tank_capacity_l, state.tank_l + litres))


def battery_limits(params: PlantParams, state: PlantState, dt_s: float, online: bool = True) -> bat.BatteryLimits:
    """Return what battery and inverter together can exchange with the bus over a step."""
    if not online or params.battery.usable_kwh <= 0.0:
        return bat.BatteryLimits(0.0, 0.0)
    own = bat.limits(params.battery, state.battery, dt_s / 3600.0)
    ceiling_kw = inverter.ceiling_kw(params.inverter, state.inverter, dt_s)
    return bat.BatteryLimits(min(own.charge_kw, ceiling_kw), min(own.discharge_kw, ceiling_kw))


class _Gensets(NamedTuple):
    steps: tuple[gen.GensetStep, ...]
    low_kw: tuple[float, ...]
    high_kw: tuple[float, ...]
    set_kw: float
    heater_kw: tuple[float, ...]


def _advance_gensets(
    params: PlantParams, state: PlantState, command: PlantCommand, ambient: Ambient, dt_s: float
) -> _Gensets:
    steps, low_kw, high_kw, heater_kw, set_kw = [], [], [], [], 0.0
    tank_share_l = state.tank_l / max(len(params.gensets), 1)
    for index, (machine, before) in enumerate(zip(params.gensets, state.gensets, strict=True)):
        order = command.gensets[index] if command.gensets else GensetCommand()
        start = gen.reset(before) if order.reset else before
        if ambient.trips and ambient.trips[index]:
            start = gen.trip(start)
        fails = bool(ambient.start_fails) and ambient.start_fails[index]
        moved = gen.advance(machine, start, order.run, fails, ambient.outdoor_c, state.tank_l, dt_s)
        high = gen.power_max_kw(machine, start, moved.carry_s, moved.no_load_s, ambient.outdoor_c, tank_share_l, dt_s)
        steps.append(moved)
        high_kw.append(high)
        low_kw.append(min(high, gen.power_min_kw(machine, moved.carry_s, dt_s)))
        set_kw += min(high, order.power_kw)
        wanted = gen.block_heater_demand_kw(machine, before, ambient.outdoor_c, dt_s / 3600.0)
        heater_kw.append(wanted if command.heaters else 0.0)
    return _Gensets(tuple(steps), tuple(low_kw), tuple(high_kw), set_kw, tuple(heater_kw))


def _balance(
    params: PlantParams,
    command: PlantCommand,
    load_kw: float,
    pv_kw: float,
    sets: _Gensets,
    limits: bat.BatteryLimits,
    battery_can_form: bool,
) -> tuple[bus.BusFlows, bool]:
    """Return the bus flows and whether the battery formed the grid."""
    low_kw, high_kw = sum(sets.low_kw), sum(sets.high_kw)
    if high_kw > 0.0 and (params.genset_forms or not battery_can_form):
        flows = bus.genset_forms(
            load_kw, pv_kw, command.battery_kw, low_kw, high_kw, limits.charge_kw, limits.discharge_kw
        )
        return flows, False
    if battery_can_form:
        flows = bus.battery_forms(load_kw, pv_kw, sets.set_kw, low_kw, high_kw, limits.charge_kw, limits.discharge_kw)
        return flows, True
    return bus.nothing_forms(load_kw), False


def _shed(wanted_kw: tuple[float, ...], missing_kw: float) -> tuple[tuple[float, ...], float]:
    """Return what each load misses, last load first, and what is left missing beyond all loads."""
    missed = [0.0] * len(wanted_kw)
    for index in range(len(wanted_kw) - 1, -1, -1):
        missed[index] = min(wanted_kw[index], missing_kw)
        missing_kw -= missed[index]
    return tuple(missed), max(0.0, missing_kw)


class _Demand(NamedTuple):
    wanted_kw: tuple[float, ...]
    throttle_frac: float
    cooling_kw: float
    removed_kw: float
    battery_heat_kw: float
    room_heat_kw: float
    cells_heat_kw: float
    ups_charge_kw: float


def _demand(params: PlantParams, state: PlantState, command: PlantCommand, outdoor_c: float, dt_h: float) -> _Demand:
    """Return what loads, cooling, heaters and UPS want over the step."""
    throttle = thermal.throttle_frac(params.climate, state.room_c)
    factor = params.it_draw_factor * throttle
    wanted_kw = tuple(load.kw * factor if load.it else load.kw for load in command.loads)
    env_c = state.room_c if params.battery_indoors else outdoor_c
    cells_kw = params.battery.ua_kw_per_k * (state.battery.cell_c - env_c) if params.battery_indoors else 0.0
    air = thermal.demand(params.climate, state.room_c, sum(wanted_kw) + cells_kw, outdoor_c, dt_h)
    heater_kw = bat.heater_demand_kw(params.battery, state.battery, env_c, dt_h)
    return _Demand(
        wanted_kw=wanted_kw,
        throttle_frac=throttle,
        cooling_kw=air.cooling_kw if command.cooling else 0.0,
        removed_kw=air.removed_kw if command.cooling else 0.0,
        battery_heat_kw=heater_kw if command.heaters else 0.0,
        room_heat_kw=air.heater_kw if command.heaters else 0.0,
        cells_heat_kw=cells_kw,
        ups_charge_kw=ups.charge_demand_kw(params.ups, state.ups, dt_h),
    )


def step(
    params: PlantParams, state: PlantState, command: PlantCommand, ambient: Ambient, dt_s: float
) -> tuple[PlantState, Flows]:
    """Move the plant by ``dt_s`` seconds and return the new state and the flows."""
    dt_h = dt_s / 3600.0
    sets = _advance_gensets(params, state, command, ambient, dt_s)
    want = _demand(params, state, command, ambient.outdoor_c, dt_h)
    limits = battery_limits(params, state, dt_s, ambient.battery_online)
    can_form = ambient.battery_online and params.battery.usable_kwh > 0.0
    heat_kw = want.battery_heat_kw + want.room_heat_kw + sum(sets.heater_kw)
    load_kw = sum(want.wanted_kw) + want.cooling_kw + heat_kw + want.ups_charge_kw
    pv_kw = min(ambient.pv_available_kw, max(0.0, command.pv_limit_kw))
    flows, battery_forms = _balance(params, command, load_kw, pv_kw, sets, limits, can_form)

    not_charged_kw = min(want.ups_charge_kw, flows.unserved_kw)
    missing_kw = flows.unserved_kw - not_charged_kw
    bridge_kw = min(missing_kw, ups.bridge_limit_kw(params.ups, state.ups, dt_h), sum(want.wanted_kw))
    ups_kw = bridge_kw if bridge_kw > 0.0 else -(want.ups_charge_kw - not_charged_kw)
    missed_kw, house_missing_kw = _shed(want.wanted_kw, missing_kw - bridge_kw)
    served_kw = tuple(load - miss for load, miss in zip(want.wanted_kw, missed_kw, strict=True))
    house_kw = want.cooling_kw + heat_kw
    house_frac = max(0.0, 1.0 - house_missing_kw / house_kw) if house_kw > 0.0 else 1.0

    env_c = state.room_c if params.battery_indoors else ambient.outdoor_c
    battery_after, battery_kw, battery_loss_kwh = bat.step(
        params.battery, state.battery, flows.battery_kw, env_c, dt_h, want.battery_heat_kw * house_frac
    )
    ups_after, ups_loss_kwh = ups.step(params.ups, state.ups, ups_kw, dt_h)
    gensets, parts_kw, fuel_l = _settle_gensets(params, state, sets, flows.genset_kw, house_frac, ambient, dt_s)
    warm_kw = sum(served_kw) + want.room_heat_kw * house_frac + want.cells_heat_kw
    room_c = thermal.room_after_c(
        params.climate, state.room_c, warm_kw, want.removed_kw * house_frac, ambient.outdoor_c, dt_h
    )
    after = PlantState(
        battery_after,
        gensets,
        ups_after,
        inverter.step(params.inverter, state.inverter, battery_kw, dt_s),
        room_c,
        state.tank_l - fuel_l,
    )
    return after, Flows(
        pv_available_kw=ambient.pv_available_kw,
        pv_used_kw=flows.pv_used_kw,
        battery_kw=battery_kw,
        genset_kw=parts_kw,
        genset_starts=tuple(moved.started for moved in sets.steps),
        genset_turning_s=tuple(moved.carry_s + moved.no_load_s for moved in sets.steps),
        ups_kw=ups_kw,
        served_kw=served_kw,
        unserved_kw=missed_kw,
        it_kw=sum(served for served, load in zip(served_kw, command.loads, strict=True) if load.it),
        cooling_kw=want.cooling_kw * house_frac,
        heater_kw=heat_kw * house_frac,
        house_unserved_kw=house_kw * (1.0 - house_frac),
        fuel_l=fuel_l,
        battery_loss_kw=battery_loss_kwh / dt_h,
        ups_loss_kw=ups_loss_kwh / dt_h,
        throttle_frac=want.throttle_frac,
        low_load=any(part < low - 1e-9 for part, low in zip(parts_kw, sets.low_kw, strict=True)),
        battery_forms=battery_forms,
        dead=not battery_forms and sum(sets.high_kw) <= 0.0,
    )


def _settle_gensets(
    params: PlantParams,
    state: PlantState,
    sets: _Gensets,
    total_kw: float,
    house_frac: float,
    ambient: Ambient,
    dt_s: float,
) -> tuple[tuple[gen.GensetState, ...], tuple[float, ...], float]:
    """Return the gensets' states, the power of each [kW] and the fuel burnt [L]."""
    after, parts, fuel_l = [], [], 0.0
    all_low_kw, all_high_kw = sum(sets.low_kw), sum(sets.high_kw)
    for machine, moved, low_kw, high_kw, heater_kw in zip(
        params.gensets, sets.steps, sets.low_kw, sets.high_kw, sets.heater_kw, strict=True
    ):
        part_kw = bus.share_kw(total_kw, low_kw, high_kw, all_low_kw, all_high_kw)
        parts.append(part_kw)
        fuel_l += gen.fuel_burnt_l(machine, part_kw, moved.carry_s, moved.no_load_s, state.tank_l - fuel_l, dt_s)
        after.append(
            gen.settle(machine, moved.state, part_kw, heater_kw * house_frac, ambient.outdoor_c, dt_s / 3600.0)
        )
    return tuple(after), tuple(parts), fuel_l


def perturbed(
    params: PlantParams,
    *,
    capacity_frac: float = 0.92,
    it_draw_factor: float = 1.10,
    efficiency_frac: float = 0.99,
    fuel_frac: float = 1.03,
) -> PlantParams:
    """Return the plant as it may really be: less battery, hungrier computers, lower efficiencies, a thirstier engine.

    Worth and fault runs use it, so that a planner is never graded on its own model.
    """
    battery = params.battery._replace(
        usable_kwh=params.battery.usable_kwh * capacity_frac,
        charge_eff_frac=params.battery.charge_eff_frac * efficiency_frac,
        discharge_eff_frac=params.battery.discharge_eff_frac * efficiency_frac,
    )
    gensets = tuple(
        machine._replace(
            fuel_0_l_per_h=machine.fuel_0_l_per_h * fuel_frac,
            fuel_25_l_per_h=machine.fuel_25_l_per_h * fuel_frac,
            fuel_50_l_per_h=machine.fuel_50_l_per_h * fuel_frac,
            fuel_75_l_per_h=machine.fuel_75_l_per_h * fuel_frac,
            fuel_100_l_per_h=machine.fuel_100_l_per_h * fuel_frac,
        )
        for machine in params.gensets
    )
    return params._replace(battery=battery, gensets=gensets, it_draw_factor=params.it_draw_factor * it_draw_factor)
