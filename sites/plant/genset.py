"""Genset: state machine, fuel curve from data-sheet points, derating, limits, cold starts, tank.

States and what moves them (all times in seconds, consumed in order inside one step, so that a step of an hour
passes through as many states as one-second steps would):

    OFF -> CRANKING          asked to run, rested, not barred (cold, gelled fuel, empty tank, flat starter)
    CRANKING -> WARM_UP      after ``crank_s``; if the start fails OFF, and LOCKED_OUT after ``attempts_max``
    WARM_UP -> RUNNING       after ``warm_up_s``
    COOL_DOWN -> RUNNING     asked to run again
    RUNNING -> COOL_DOWN     asked to stop and ``min_run_s`` have passed since the load was taken
    COOL_DOWN -> OFF         after ``cool_down_s``
    any -> LOCKED_OUT        a trip; only a reset brings it back to OFF

Load is carried in RUNNING only; WARM_UP and COOL_DOWN burn fuel at no load. Fuel is piecewise linear through
the consumption [L/h] at 0, 25, 50, 75 and 100 % of the rating (data sheets give the last four; the first is
the extrapolation, never below zero). Derating: ``derate_per_100m_frac`` for each 100 m above
``derate_above_m`` and ``derate_per_k_frac`` for each kelvin above ``derate_above_c`` (ISO 8528-1 and ISO
3046-1 leave the figures to the maker; typical diesel sheets give about 1 % per 100 m above 1000 m and 1 % per
5 K above 40 C). Minimum load: below about 30 % of the rating a diesel wet-stacks (glazing, unburnt fuel), a
limit every maker states. Load steps: ISO 8528-5 limits the share of the rating taken at once; the next step
may follow when the speed has recovered, ``load_step_recover_s`` later.
"""

from __future__ import annotations

from typing import NamedTuple

from sites.plant.heat import heat_to_reach_kw, temperature_after

OFF = 0
CRANKING = 1
WARM_UP = 2
RUNNING = 3
COOL_DOWN = 4
LOCKED_OUT = 5
STATE_NAMES = ("off", "cranking", "warm_up", "running", "cool_down", "locked_out")


class GensetParams(NamedTuple):
    """What a genset is. Fuel points are litres per hour at 0, 25, 50, 75 and 100 % of the rating."""

    rating_kw: float
    fuel_0_l_per_h: float
    fuel_25_l_per_h: float
    fuel_50_l_per_h: float
    fuel_75_l_per_h: float
    fuel_100_l_per_h: float
    min_load_frac: float = 0.3
    crank_s: float = 10.0
    warm_up_s: float = 120.0
    cool_down_s: float = 180.0
    min_run_s: float = 1800.0
    min_down_s: float = 300.0
    attempts_max: float = 3.0
    load_step_frac: float = 1.0
    load_step_recover_s: float = 5.0
    altitude_m: float = 0.0
    derate_above_m: float = 1000.0
    derate_per_100m_frac: float = 0.01
    derate_above_c: float = 40.0
    derate_per_k_frac: float = 0.002
    start_min_c: float = -15.0
    fuel_gel_c: float = -20.0
    block_heater_kw: float = 0.0
    block_target_c: float = 10.0
    block_capacity_kwh_per_k: float = 0.08
    block_ua_kw_per_k: float = 0.03
    block_running_c: float = 85.0
    starter_per_crank_frac: float = 0.1
    starter_refill_per_h_frac: float = 0.5
    starter_min_frac: float = 0.3
    service_every_h: float = 500.0


class GensetState(NamedTuple):
    """What a genset is now. ``phase_s`` is the time spent in the present state."""

    state: int = OFF
    phase_s: float = 1e9
    power_kw: float = 0.0
    attempts: float = 0.0
    run_h: float = 0.0
    starts: float = 0.0
    since_service_h: float = 0.0
    block_c: float = 20.0
    starter_frac: float = 1.0


class GensetStep(NamedTuple):
    """What a step did to a genset, before the bus says how much load it carries."""

    state: GensetState
    carry_s: float
    """Seconds in which it can carry load."""
    no_load_s: float
    """Seconds in which it turns at no load (warm-up, cool-down)."""
    started: float
    """1 when a start succeeded in this step."""


def rated_now_kw(params: GensetParams, outdoor_c: float) -> float:
    """Return the rating [kW] left after altitude and heat."""
    high = max(0.0, params.altitude_m - params.derate_above_m) / 100.0 * params.derate_per_100m_frac
    hot = max(0.0, outdoor_c - params.derate_above_c) * params.derate_per_k_frac
    return params.rating_kw * max(0.0, (1.0 - high)) * max(0.0, (1.0 - hot))


def start_delay_h(params: GensetParams) -> float:
    """Return the hours between the request to a rested genset and its carrying load."""
    return (params.crank_s + params.warm_up_s) / 3600.0


def fuel_l_per_h(params: GensetParams, power_kw: float) -> float:
    """Return the fuel flow [L/h] at an electric power [kW]; the last segment is extended past 100 %."""
    load = power_kw / params.rating_kw * 4.0
    if load < 1.0:
        return params.fuel_0_l_per_h + load * (params.fuel_25_l_per_h - params.fuel_0_l_per_h)
    if load < 2.0:
        return params.fuel_25_l_per_h + (load - 1.0) * (params.fuel_50_l_per_h - params.fuel_25_l_per_h)
    if load < 3.0:
        return params.fuel_50_l_per_h + (load - 2.0) * (params.fuel_75_l_per_h - params.fuel_50_l_per_h)
    return params.fuel_75_l_per_h + (load - 3.0) * (params.fuel_100_l_per_h - params.fuel_75_l_per_h)


def power_for_fuel_kw(params: GensetParams, flow_l_per_h: float) -> float:
    """Return the power [kW] that burns a fuel flow [L/h]; 0 where it does not cover turning at no load."""
    quarter_kw = params.rating_kw / 4.0
    low_l, low_kw, high_l = params.fuel_0_l_per_h, 0.0, params.fuel_25_l_per_h
    if flow_l_per_h > params.fuel_25_l_per_h:
        low_l, low_kw, high_l = params.fuel_25_l_per_h, quarter_kw, params.fuel_50_l_per_h
    if flow_l_per_h > params.fuel_50_l_per_h:
        low_l, low_kw, high_l = params.fuel_50_l_per_h, 2.0 * quarter_kw, params.fuel_75_l_per_h
    if flow_l_per_h > params.fuel_75_l_per_h:
        low_l, low_kw, high_l = params.fuel_75_l_per_h, 3.0 * quarter_kw, params.fuel_100_l_per_h
    return max(0.0, low_kw + (flow_l_per_h - low_l) / max(high_l - low_l, 1e-12) * quarter_kw)


def start_barred(params: GensetParams, state: GensetState, outdoor_c: float, tank_l: float) -> bool:
    """Return whether something other than a short rest bars a start: cold, gelled fuel, empty tank, flat starter."""
    cold = state.block_c < params.start_min_c or outdoor_c < params.fuel_gel_c
    return cold or state.starter_frac < params.starter_min_frac or tank_l <= 0.0


def start_blocked(params: GensetParams, state: GensetState, outdoor_c: float, tank_l: float) -> bool:
    """Return whether a start would be refused right now: barred, or too short a rest since the last stop."""
    return start_barred(params, state, outdoor_c, tank_l) or state.phase_s < params.min_down_s


def advance(
    params: GensetParams,
    state: GensetState,
    run: bool,
    start_fails: bool,
    outdoor_c: float,
    tank_l: float,
    dt_s: float,
) -> GensetStep:
    """Move the state machine by ``dt_s`` seconds and return the time it can carry load and turns at no load.

    ``run`` is the request; ``start_fails`` says whether a crank that ends in this step fails. One pass
    through the cycle a step: a genset that stops in a step does not start again within it.
    """
    left_s, carry_s, no_load_s, started = dt_s, 0.0, 0.0, 0.0
    now, phase_s, attempts, starter = state.state, state.phase_s, state.attempts, state.starter_frac
    block_start_c = state.block_c
    if now >= WARM_UP and now <= COOL_DOWN and tank_l <= 0.0:
        now, phase_s = OFF, 0.0
    rest_s = max(0.0, params.min_down_s - phase_s)
    if now == OFF and run and rest_s < left_s and not start_barred(params, state, outdoor_c, tank_l):
        now, phase_s, left_s = CRANKING, 0.0, left_s - rest_s
        starter = starter - params.starter_per_crank_frac
    if now == COOL_DOWN and run:
        now, phase_s = RUNNING, 0.0
    if now == CRANKING:
        used_s = min(left_s, params.crank_s - phase_s)
        left_s, phase_s = left_s - used_s, phase_s + used_s
        if phase_s >= params.crank_s:
            if start_fails:
                attempts = attempts + 1.0
                now = LOCKED_OUT if attempts >= params.attempts_max else OFF
                phase_s = params.min_down_s
            else:
                now, phase_s, attempts, started = WARM_UP, 0.0, 0.0, 1.0
    if now == WARM_UP:
        used_s = min(left_s, params.warm_up_s - phase_s)
        left_s, phase_s, no_load_s = left_s - used_s, phase_s + used_s, no_load_s + used_s
        if phase_s >= params.warm_up_s:
            now, phase_s = RUNNING, 0.0
    if now == RUNNING:
        used_s = left_s if run else min(left_s, max(0.0, params.min_run_s - phase_s))
        left_s, phase_s, carry_s = left_s - used_s, phase_s + used_s, used_s
        if not run and left_s > 0.0:
            now, phase_s = COOL_DOWN, 0.0
    if now == COOL_DOWN:
        used_s = min(left_s, params.cool_down_s - phase_s)
        left_s, phase_s, no_load_s = left_s - used_s, phase_s + used_s, no_load_s + used_s
        if phase_s >= params.cool_down_s:
            now, phase_s = OFF, 0.0
    turning_h = (carry_s + no_load_s) / 3600.0
    starter = min(1.0, starter + params.starter_refill_per_h_frac * dt_s / 3600.0)
    after = GensetState(
        now,
        phase_s + left_s,
        state.power_kw,
        attempts,
        state.run_h + turning_h,
        state.starts + started,
        state.since_service_h + turning_h,
        block_start_c,
        starter,
    )
    return GensetStep(after, carry_s, no_load_s, started)


def trip(state: GensetState) -> GensetState:
    """Return the state after a trip: locked out, carrying nothing."""
    return GensetState(
        LOCKED_OUT,
        0.0,
        0.0,
        state.attempts,
        state.run_h,
        state.starts,
        state.since_service_h,
        state.block_c,
        state.starter_frac,
    )


def reset(state: GensetState) -> GensetState:
    """Return the state after a person has reset the lock-out; without effect in any other state."""
    if state.state != LOCKED_OUT:
        return state
    return GensetState(
        OFF,
        1e9,
        0.0,
        0.0,
        state.run_h,
        state.starts,
        state.since_service_h,
        state.block_c,
        state.starter_frac,
    )


def power_max_kw(
    params: GensetParams,
    before: GensetState,
    carry_s: float,
    no_load_s: float,
    outdoor_c: float,
    tank_l: float,
    dt_s: float,
) -> float:
    """Return the largest power [kW], averaged over the step, that rating, load step and the fuel in the tank allow."""
    if carry_s <= 0.0:
        return 0.0
    rated_kw = rated_now_kw(params, outdoor_c)
    steps = max(1.0, dt_s / params.load_step_recover_s)
    stepped_kw = before.power_kw + params.rating_kw * params.load_step_frac * steps
    fuel_left_l = tank_l - params.fuel_0_l_per_h * no_load_s / 3600.0
    fuelled_kw = power_for_fuel_kw(params, fuel_left_l / (carry_s / 3600.0))
    return max(0.0, min(rated_kw, stepped_kw, fuelled_kw)) * carry_s / dt_s


def power_min_kw(params: GensetParams, carry_s: float, dt_s: float) -> float:
    """Return the minimum load [kW], averaged over the step."""
    return params.rating_kw * params.min_load_frac * carry_s / dt_s


def fuel_burnt_l(
    params: GensetParams, power_kw: float, carry_s: float, no_load_s: float, tank_l: float, dt_s: float
) -> float:
    """Return the litres burnt in a step whose average power is ``power_kw``; never more than the tank holds."""
    carrying_kw = power_kw * dt_s / max(carry_s, 1e-9)
    loaded_l = fuel_l_per_h(params, carrying_kw) * carry_s / 3600.0 if carry_s > 0.0 else 0.0
    return min(tank_l, loaded_l + params.fuel_0_l_per_h * no_load_s / 3600.0)


def block_heater_demand_kw(params: GensetParams, state: GensetState, outdoor_c: float, dt_h: float) -> float:
    """Return the block-heater power [kW] wanted over a step; none while the engine turns."""
    if state.state >= WARM_UP and state.state <= COOL_DOWN:
        return 0.0
    wanted_kw = heat_to_reach_kw(
        state.block_c,
        outdoor_c,
        params.block_target_c,
        params.block_capacity_kwh_per_k,
        params.block_ua_kw_per_k,
        dt_h,
    )
    return min(params.block_heater_kw, max(0.0, wanted_kw))


def settle(
    params: GensetParams, state: GensetState, power_kw: float, heater_kw: float, outdoor_c: float, dt_h: float
) -> GensetState:
    """Return the state at the end of a step, with the power it carried and its block temperature."""
    block_c = temperature_after(
        state.block_c, outdoor_c, heater_kw, params.block_capacity_kwh_per_k, params.block_ua_kw_per_k, dt_h
    )
    if state.state >= WARM_UP and state.state <= COOL_DOWN:
        block_c = params.block_running_c
    return GensetState(
        state.state,
        state.phase_s,
        power_kw,
        state.attempts,
        state.run_h,
        state.starts,
        state.since_service_h,
        block_c,
        state.starter_frac,
    )
