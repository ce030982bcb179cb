"""Container climate: room temperature, cooling power against outdoor temperature, heaters, inlet limits.

The room is one thermal mass (``heat.py``). Cooling takes out what is needed to end a step at ``cool_to_c``,
as far as the machine reaches; heating likewise at ``heat_to_c``. Cooling draws, per kW of heat removed,

    fan_frac + compressor_share(T) / COP(T)                                                          (1)

T the outdoor temperature [C], COP linear between four points and held flat outside, compressor_share 0 up to
``free_below_c`` (fans alone do it) and 1 from ``free_blend_k`` above it. Capacity falls with the outdoor
temperature as

    capacity(T) = cooling_max * (1.384899 - 0.01121965 T + 5.06985e-6 T^2)     1 at 35 C               (2)

and where only a COP at 35 C is known, its shape is

    COP(T) = COP_35 / EIR(T),  EIR(T) = 0.784466 - 0.00914797 T + 0.000437971 T^2                    (3)

(2) and (3) are the EnergyPlus air-cooled DX coil curves (Engineering Reference,
*Coil:Cooling:DX:SingleSpeed*) at a constant indoor wet bulb: within 4e-5 and 6e-6 of the tabulated points
from 18 to 45 C; EIR is held at its minimum below 10.4 C. Inlet limits: ASHRAE TC 9.9 class A2 allows 10..35
C; rugged gear -20..60 C (makers' sheets). Above the limit hardware throttles, linearly to nothing over
``throttle_width_k``.
"""

from __future__ import annotations

from typing import NamedTuple

from sites.plant.heat import heat_to_reach_kw, temperature_after

STANDARD_INLET_MIN_C = 10.0
STANDARD_INLET_MAX_C = 35.0
RUGGED_INLET_MIN_C = -20.0
RUGGED_INLET_MAX_C = 60.0
EIR_LOWEST_AT_C = 10.44


class ClimateParams(NamedTuple):
    """What the container and its cooling and heating are. ``cooling_max_kw`` is heat removed at 35 C outdoors."""

    cooling_max_kw: float
    cop_t1_c: float = 15.0
    cop_1: float = 5.2
    cop_t2_c: float = 25.0
    cop_2: float = 4.0
    cop_t3_c: float = 35.0
    cop_3: float = 3.0
    cop_t4_c: float = 45.0
    cop_4: float = 2.2
    fan_frac: float = 0.04
    free_below_c: float = 18.0
    free_blend_k: float = 2.0
    cool_to_c: float = 25.0
    heat_to_c: float = 12.0
    heater_max_kw: float = 0.0
    heat_capacity_kwh_per_k: float = 2.0
    ua_kw_per_k: float = 0.15
    inlet_min_c: float = STANDARD_INLET_MIN_C
    inlet_max_c: float = STANDARD_INLET_MAX_C
    throttle_width_k: float = 10.0


class ClimateStep(NamedTuple):
    """What the climate system draws from the bus over a step."""

    cooling_kw: float
    heater_kw: float
    removed_kw: float
    """Heat taken out of the room [kW]."""


def capacity_factor(outdoor_c: float) -> float:
    """Return cooling capacity at an outdoor temperature relative to 35 C."""
    held_c = max(-10.0, min(55.0, outdoor_c))
    return 1.384899 - 0.01121965 * held_c + 5.06985e-6 * held_c * held_c


def eir_factor(outdoor_c: float) -> float:
    """Return electric input per unit of cooling at an outdoor temperature relative to 35 C."""
    held_c = max(EIR_LOWEST_AT_C, min(55.0, outdoor_c))
    return 0.784466 - 0.00914797 * held_c + 0.000437971 * held_c * held_c


def dx_cop(cop_35: float, outdoor_c: float) -> float:
    """Return the COP of a DX machine at an outdoor temperature from its COP at 35 C, equation (3)."""
    return cop_35 / eir_factor(outdoor_c)


def compressor_cop(params: ClimateParams, outdoor_c: float) -> float:
    """Return the compressor's COP at an outdoor temperature, linear between its four points."""
    share_12 = (outdoor_c - params.cop_t1_c) / (params.cop_t2_c - params.cop_t1_c)
    share_23 = (outdoor_c - params.cop_t2_c) / (params.cop_t3_c - params.cop_t2_c)
    share_34 = (outdoor_c - params.cop_t3_c) / (params.cop_t4_c - params.cop_t3_c)
    return (
        params.cop_1
        + (params.cop_2 - params.cop_1) * max(0.0, min(1.0, share_12))
        + (params.cop_3 - params.cop_2) * max(0.0, min(1.0, share_23))
        + (params.cop_4 - params.cop_3) * max(0.0, min(1.0, share_34))
    )


def cooling_kw_per_heat_kw(params: ClimateParams, outdoor_c: float) -> float:
    """Return the electric power drawn per kW of heat removed, equation (1)."""
    share = max(0.0, min(1.0, (outdoor_c - params.free_below_c) / params.free_blend_k))
    return params.fan_frac + share / compressor_cop(params, outdoor_c)


def cooling_kw_for_heat(params: ClimateParams, heat_kw: float, outdoor_c: float) -> float:
    """Return the electric power [kW] that removes ``heat_kw`` for ever, within the capacity; for planning."""
    removed_kw = min(max(0.0, heat_kw), params.cooling_max_kw * capacity_factor(outdoor_c))
    return removed_kw * cooling_kw_per_heat_kw(params, outdoor_c)


def wall_heat_kw(params: ClimateParams, outdoor_c: float) -> float:
    """Return the heat [kW] that leaves through the walls with the air at the inlet limit; negative in greater heat."""
    return params.ua_kw_per_k * (params.inlet_max_c - outdoor_c)


def demand(params: ClimateParams, room_c: float, heat_kw: float, outdoor_c: float, dt_h: float) -> ClimateStep:
    """Return what cooling and heating draw over a step in which ``heat_kw`` is set free in the room."""
    to_cool_kw = heat_kw - heat_to_reach_kw(
        room_c, outdoor_c, params.cool_to_c, params.heat_capacity_kwh_per_k, params.ua_kw_per_k, dt_h
    )
    removed_kw = min(max(0.0, to_cool_kw), params.cooling_max_kw * capacity_factor(outdoor_c))
    to_heat_kw = (
        heat_to_reach_kw(room_c, outdoor_c, params.heat_to_c, params.heat_capacity_kwh_per_k, params.ua_kw_per_k, dt_h)
        - heat_kw
    )
    heater_kw = min(params.heater_max_kw, max(0.0, to_heat_kw))
    return ClimateStep(removed_kw * cooling_kw_per_heat_kw(params, outdoor_c), heater_kw, removed_kw)


def room_after_c(
    params: ClimateParams, room_c: float, heat_kw: float, removed_kw: float, outdoor_c: float, dt_h: float
) -> float:
    """Return the room temperature [C] after a step."""
    return temperature_after(
        room_c, outdoor_c, heat_kw - removed_kw, params.heat_capacity_kwh_per_k, params.ua_kw_per_k, dt_h
    )


def throttle_frac(params: ClimateParams, inlet_c: float) -> float:
    """Return the share of their power that computers can use at an inlet temperature: 1 within the limit."""
    return max(0.0, min(1.0, 1.0 - (inlet_c - params.inlet_max_c) / params.throttle_width_k))
