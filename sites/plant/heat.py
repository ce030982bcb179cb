"""One lumped thermal mass: the equation that batteries, engine blocks and containers share.

    C dT/dt = Q - UA (T - T_amb)

    C      heat capacity          kWh/K
    UA     heat loss coefficient  kW/K
    Q      heat put in            kW (negative when cooled)

The step is implicit (backward) Euler, ``T1 = (T0 + dt/C (Q + UA T_amb)) / (1 + dt UA/C)``: stable and free of
overshoot for any step from a second to an hour, and linear in Q, so that the heat needed to end a step at a
given temperature has a closed form. Source: textbook lumped-capacitance model, e.g. Incropera & DeWitt,
*Fundamentals of Heat and Mass Transfer*, chapter 5. No state, no clock, no import: numba compiles these
functions as they stand.
"""

from __future__ import annotations


def temperature_after(
    temp_c: float, ambient_c: float, heat_kw: float, capacity_kwh_per_k: float, ua_kw_per_k: float, dt_h: float
) -> float:
    """Return the temperature [C] of a thermal mass after ``dt_h`` hours with ``heat_kw`` put in."""
    gain = dt_h / capacity_kwh_per_k
    return (temp_c + gain * (heat_kw + ua_kw_per_k * ambient_c)) / (1.0 + gain * ua_kw_per_k)


def heat_to_reach_kw(
    temp_c: float, ambient_c: float, target_c: float, capacity_kwh_per_k: float, ua_kw_per_k: float, dt_h: float
) -> float:
    """Return the heat [kW] that ends a step of ``dt_h`` hours at ``target_c``; negative means cooling."""
    return capacity_kwh_per_k * (target_c - temp_c) / dt_h + ua_kw_per_k * (target_c - ambient_c)
