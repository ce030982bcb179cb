"""Battery: energy, one-way efficiencies, limits that taper with SoC and cold, self-consumption, cell temperature.

State of charge ``s`` is a fraction of the usable capacity at the current health, ``E = s * usable_kwh *
health``. Powers are taken at the site bus, positive when the battery discharges into the bus. Over a step of
``dt`` hours

    charging  with c kW:   E1 = E0 + c * eta_c * dt        - self * dt
    discharging with d kW: E1 = E0 - d / eta_d * dt        - self * dt

Limits hold at both ends of a step, so that one long step never promises more than many short ones. With the
tapers given as the lower of two straight lines in the SoC (``1`` and one or two cuts ``offset - slope * s``),
the end of the step has a closed form:

    charge     c <= C_max * cold(T) * min(1, offset - slope * s),   at s0 and at s1(c),   s1(c) <= s_max
    discharge  d <= D_max * cold(T) * min(1, offset + slope * s),   at s0 and at s1(d),   s1(d) >= s_min

Cold: three points (cell temperature, share), held flat outside; LFP takes no charge at and below 0 C (lithium
plating). Heat mirrors it with two points. Sources: the constant-power energy bookkeeping is the one of HOMER,
SAM and Microgrids.jl; no charge of LFP below 0 C stands in every cell maker's data sheet (e.g. EVE LF280K:
charge 0..60 C, discharge -30..60 C). The numbers are parameters and belong to the site file.
"""

from __future__ import annotations

from typing import NamedTuple

from sites.plant.heat import heat_to_reach_kw, temperature_after


class BatteryParams(NamedTuple):
    """What a battery is. All powers at the site bus."""

    usable_kwh: float
    charge_max_kw: float
    discharge_max_kw: float
    charge_eff_frac: float = 0.96
    discharge_eff_frac: float = 0.96
    self_use_kw: float = 0.0
    soc_min_frac: float = 0.1
    soc_max_frac: float = 1.0
    charge_offset_a: float = 9.1
    charge_slope_a: float = 9.0
    charge_offset_b: float = 1.0
    charge_slope_b: float = 0.0
    discharge_offset_a: float = 0.2
    discharge_slope_a: float = 8.0
    discharge_offset_b: float = 1.0
    discharge_slope_b: float = 0.0
    cold_a_c: float = 0.0
    cold_a_frac: float = 0.0
    cold_b_c: float = 10.0
    cold_b_frac: float = 0.5
    cold_c_c: float = 20.0
    cold_c_frac: float = 1.0
    discharge_zero_c: float = -30.0
    discharge_full_c: float = -10.0
    hot_full_c: float = 50.0
    hot_zero_c: float = 60.0
    heat_capacity_kwh_per_k: float = 0.5
    ua_kw_per_k: float = 0.05
    heater_max_kw: float = 0.0
    heater_target_c: float = 5.0


class BatteryState(NamedTuple):
    """What a battery is now."""

    soc_frac: float
    health_frac: float = 1.0
    cell_c: float = 20.0


class BatteryLimits(NamedTuple):
    """Largest powers a battery can hold constant over a step; both non-negative, at the bus."""

    charge_kw: float
    discharge_kw: float


def capacity_kwh(params: BatteryParams, state: BatteryState) -> float:
    """Return the usable capacity [kWh] at the current health."""
    return params.usable_kwh * state.health_frac


def stored_kwh(params: BatteryParams, state: BatteryState) -> float:
    """Return the energy stored [kWh] above SoC 0."""
    return state.soc_frac * params.usable_kwh * state.health_frac


def ramp_frac(value: float, zero_at: float, full_at: float) -> float:
    """Return 0 on the far side of ``zero_at``, 1 on the far side of ``full_at``, linear between; rises either way."""
    width = full_at - zero_at
    share = (value - zero_at) / (width if width != 0.0 else 1e-9)
    return min(1.0, max(0.0, share))


def charge_derating_frac(params: BatteryParams, cell_c: float) -> float:
    """Return the share of the charge limit left at a cell temperature [C]; LFP gives 0 at and below 0 C."""
    low = params.cold_a_frac + (params.cold_b_frac - params.cold_a_frac) * ramp_frac(
        cell_c, params.cold_a_c, params.cold_b_c
    )
    high = (params.cold_c_frac - params.cold_b_frac) * ramp_frac(cell_c, params.cold_b_c, params.cold_c_c)
    return min(low + high, ramp_frac(cell_c, params.hot_zero_c, params.hot_full_c))


def discharge_derating_frac(params: BatteryParams, cell_c: float) -> float:
    """Return the share of the discharge limit left at a cell temperature [C]."""
    cold = ramp_frac(cell_c, params.discharge_zero_c, params.discharge_full_c)
    return min(cold, ramp_frac(cell_c, params.hot_zero_c, params.hot_full_c))


def cut_kw(rated_kw: float, share: float, slope: float, soc_per_kw: float) -> float:
    """Return the largest constant power [kW] under one taper cut at both ends of a step.

    ``share`` is the cut's value at the start, ``slope`` its fall per unit of SoC moved (where it rises, only
    the start binds), ``soc_per_kw`` the SoC moved by a kW held over the step.
    """
    return rated_kw * share / (1.0 + rated_kw * max(0.0, slope) * soc_per_kw)


def charge_limit_kw(params: BatteryParams, state: BatteryState, dt_h: float) -> float:
    """Return the largest power [kW, >= 0] the battery can take from the bus, constant over ``dt_h`` hours."""
    full_kwh = params.usable_kwh * state.health_frac
    rated_kw = params.charge_max_kw * charge_derating_frac(params, state.cell_c)
    per_kw_kwh = params.charge_eff_frac * dt_h
    soc_per_kw = per_kw_kwh / max(full_kwh, 1e-12)
    room_kwh = (params.soc_max_frac - state.soc_frac) * full_kwh + params.self_use_kw * dt_h
    share_a = params.charge_offset_a - params.charge_slope_a * state.soc_frac
    share_b = params.charge_offset_b - params.charge_slope_b * state.soc_frac
    taper_kw = min(
        cut_kw(rated_kw, share_a, params.charge_slope_a, soc_per_kw),
        cut_kw(rated_kw, share_b, params.charge_slope_b, soc_per_kw),
    )
    return max(0.0, min(rated_kw, taper_kw, room_kwh / per_kw_kwh))


def discharge_limit_kw(params: BatteryParams, state: BatteryState, dt_h: float) -> float:
    """Return the largest power [kW, >= 0] the battery can give to the bus, constant over ``dt_h`` hours."""
    full_kwh = params.usable_kwh * state.health_frac
    rated_kw = params.discharge_max_kw * discharge_derating_frac(params, state.cell_c)
    per_kw_kwh = dt_h / params.discharge_eff_frac
    soc_per_kw = per_kw_kwh / max(full_kwh, 1e-12)
    room_kwh = (state.soc_frac - params.soc_min_frac) * full_kwh - params.self_use_kw * dt_h
    share_a = params.discharge_offset_a + params.discharge_slope_a * state.soc_frac
    share_b = params.discharge_offset_b + params.discharge_slope_b * state.soc_frac
    taper_kw = min(
        cut_kw(rated_kw, share_a, params.discharge_slope_a, soc_per_kw),
        cut_kw(rated_kw, share_b, params.discharge_slope_b, soc_per_kw),
    )
    return max(0.0, min(rated_kw, taper_kw, room_kwh / per_kw_kwh))


def limits(params: BatteryParams, state: BatteryState, dt_h: float) -> BatteryLimits:
    """Return both limits of a step, see ``charge_limit_kw`` and ``discharge_limit_kw``."""
    return BatteryLimits(charge_limit_kw(params, state, dt_h), discharge_limit_kw(params, state, dt_h))


def soc_after_frac(params: BatteryParams, state: BatteryState, power_kw: float, dt_h: float) -> float:
    """Return the SoC after ``power_kw`` (+ discharge) held for ``dt_h`` hours; unlimited, but not below 0."""
    return soc_after_flows_frac(params, state, max(-power_kw, 0.0), max(power_kw, 0.0), dt_h)


def soc_after_flows_frac(
    params: BatteryParams, state: BatteryState, charge_kw: float, discharge_kw: float, dt_h: float
) -> float:
    """Return the SoC after a step in which parts were charged and parts discharged; both are means over the step."""
    full_kwh = params.usable_kwh * state.health_frac
    into_kwh = charge_kw * params.charge_eff_frac * dt_h
    out_kwh = discharge_kw / params.discharge_eff_frac * dt_h
    left_kwh = state.soc_frac * full_kwh + into_kwh - out_kwh
    self_kwh = min(params.self_use_kw * dt_h, max(left_kwh, 0.0))
    return (left_kwh - self_kwh) / max(full_kwh, 1e-12)


def power_to_reach_kw(params: BatteryParams, state: BatteryState, soc_frac: float, dt_h: float) -> float:
    """Return the bus power [kW, + discharge] that ends a step of ``dt_h`` hours at ``soc_frac``; no limit applied."""
    full_kwh = params.usable_kwh * state.health_frac
    down_kwh = (state.soc_frac - soc_frac) * full_kwh - params.self_use_kw * dt_h
    if down_kwh > 0.0:
        return down_kwh * params.discharge_eff_frac / dt_h
    return down_kwh / (params.charge_eff_frac * dt_h)


def hours_to_soc(params: BatteryParams, state: BatteryState, power_kw: float, soc_frac: float) -> float:
    """Return the hours until ``soc_frac`` at a constant bus power (+ discharge); 1e9 when it is never reached."""
    full_kwh = params.usable_kwh * state.health_frac
    rate_kw = max(power_kw, 0.0) / params.discharge_eff_frac - max(-power_kw, 0.0) * params.charge_eff_frac
    rate_kw = rate_kw + params.self_use_kw
    change_kwh = (state.soc_frac - soc_frac) * full_kwh
    if change_kwh * rate_kw <= 0.0:
        return 0.0 if change_kwh == 0.0 else 1e9
    return change_kwh / rate_kw


def step(
    params: BatteryParams, state: BatteryState, requested_kw: float, env_c: float, dt_h: float, heater_kw: float = 0.0
) -> tuple[BatteryState, float, float]:
    """Hold ``requested_kw`` (+ discharge) for ``dt_h`` hours, narrowed to what the battery can do.

    ``env_c`` is the air around the cells, ``heater_kw`` heat put in by the heater over the step (drawn from
    the bus by the caller). Returns the new state, the power really exchanged with the bus [kW] and the energy
    lost [kWh] (conversion and self-consumption), so that ``stored_after = stored_before - actual_kw * dt_h -
    loss_kwh``.
    """
    actual_kw = max(-charge_limit_kw(params, state, dt_h), min(requested_kw, discharge_limit_kw(params, state, dt_h)))
    after, loss_kwh = hold(params, state, max(-actual_kw, 0.0), max(actual_kw, 0.0), env_c, dt_h, heater_kw)
    return after, actual_kw, loss_kwh


def hold(
    params: BatteryParams,
    state: BatteryState,
    charge_kw: float,
    discharge_kw: float,
    env_c: float,
    dt_h: float,
    heater_kw: float,
) -> tuple[BatteryState, float]:
    """Return the state after mean flows that are within the limits, and the energy lost [kWh]; see ``step``."""
    soc_frac = soc_after_flows_frac(params, state, charge_kw, discharge_kw, dt_h)
    moved_kwh = (state.soc_frac - soc_frac) * params.usable_kwh * state.health_frac
    loss_kwh = moved_kwh - (discharge_kw - charge_kw) * dt_h
    cell_c = temperature_after(
        state.cell_c,
        env_c,
        loss_kwh / dt_h + heater_kw,
        params.heat_capacity_kwh_per_k,
        params.ua_kw_per_k,
        dt_h,
    )
    return BatteryState(soc_frac, state.health_frac, cell_c), loss_kwh


def heater_demand_kw(params: BatteryParams, state: BatteryState, env_c: float, dt_h: float) -> float:
    """Return the heater power [kW] that brings the cells to their target within the step, if it can."""
    wanted_kw = heat_to_reach_kw(
        state.cell_c, env_c, params.heater_target_c, params.heat_capacity_kwh_per_k, params.ua_kw_per_k, dt_h
    )
    return min(params.heater_max_kw, max(0.0, wanted_kw))
