"""UPS: a small store that carries the critical load between the loss of the bus and a genset that has taken the load.

    E1 = E0 + charge * eta_c * dt - discharge / eta_d * dt - standby * dt      0 <= E <= usable_kwh

Powers at the UPS output, positive into the bus. It recharges at ``charge_kw`` from the bus when there is
room. Usual sizing: 15 minutes of the critical load (IEEE 446 gives 5 to 15 minutes for the transfer to
standby power).
"""

from __future__ import annotations

from typing import NamedTuple


class UpsParams(NamedTuple):
    """What a UPS is."""

    usable_kwh: float = 0.0
    power_max_kw: float = 0.0
    charge_kw: float = 0.0
    charge_eff_frac: float = 0.93
    discharge_eff_frac: float = 0.95
    standby_kw: float = 0.0


class UpsState(NamedTuple):
    """What a UPS holds now, as a fraction of its usable energy."""

    soc_frac: float = 1.0


def charge_demand_kw(params: UpsParams, state: UpsState, dt_h: float) -> float:
    """Return the power [kW, >= 0] it wants from the bus over a step, standby losses included."""
    room_kwh = (1.0 - state.soc_frac) * params.usable_kwh + params.standby_kw * dt_h
    return max(0.0, min(params.charge_kw, room_kwh / (params.charge_eff_frac * dt_h)))


def bridge_limit_kw(params: UpsParams, state: UpsState, dt_h: float) -> float:
    """Return the power [kW, >= 0] it can hold over a step of ``dt_h`` hours."""
    left_kwh = state.soc_frac * params.usable_kwh - params.standby_kw * dt_h
    return max(0.0, min(params.power_max_kw, left_kwh * params.discharge_eff_frac / dt_h))


def bridge_minutes(params: UpsParams, state: UpsState, load_kw: float) -> float:
    """Return the minutes it can carry a load [kW]; 0 when the load is above its rating."""
    if load_kw > params.power_max_kw or load_kw <= 0.0:
        return 0.0
    return state.soc_frac * params.usable_kwh / (load_kw / params.discharge_eff_frac + params.standby_kw) * 60.0


def step(params: UpsParams, state: UpsState, power_kw: float, dt_h: float) -> tuple[UpsState, float]:
    """Exchange ``power_kw`` (+ into the bus; already within limits) and return the new state and the loss [kWh]."""
    before_kwh = state.soc_frac * params.usable_kwh
    into_kwh = max(-power_kw, 0.0) * params.charge_eff_frac * dt_h
    out_kwh = max(power_kw, 0.0) / params.discharge_eff_frac * dt_h
    left_kwh = before_kwh + into_kwh - out_kwh
    after_kwh = left_kwh - min(params.standby_kw * dt_h, max(left_kwh, 0.0))
    loss_kwh = before_kwh - after_kwh - power_kw * dt_h
    return UpsState(after_kwh / params.usable_kwh if params.usable_kwh > 0.0 else state.soc_frac), loss_kwh
