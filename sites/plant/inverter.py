"""Battery inverter as grid-forming source: AC ceiling, overload for seconds.

A forming inverter gives its rating for ever and more for a while. The overload curve is four points a, b, c,
d (ratio of the rating, seconds it can be held), falling; between points the ratio is linear in seconds. How
much of the overload budget is used is a state ``used_frac``: a step at ratio r for dt uses dt / seconds(r);
below the rating it recovers in ``recovery_s``. Typical data sheets (e.g. Victron Quattro, SMA Sunny Island):
110 % for 30 minutes, 150 % for half a minute, 200 % for some seconds; the site file holds the figures of the
site.
"""

from __future__ import annotations

from typing import NamedTuple


class InverterParams(NamedTuple):
    """What a forming inverter is; ``ratio_*`` and ``seconds_*`` are the overload curve, short and high first."""

    rated_kw: float
    ratio_a: float = 2.0
    seconds_a: float = 0.5
    ratio_b: float = 1.5
    seconds_b: float = 10.0
    ratio_c: float = 1.25
    seconds_c: float = 60.0
    ratio_d: float = 1.0
    seconds_d: float = 3600.0
    recovery_s: float = 600.0


class InverterState(NamedTuple):
    """How much of the overload budget is used, 0..1."""

    used_frac: float = 0.0


def overload_ratio(params: InverterParams, seconds: float) -> float:
    """Return the highest ratio of the rating that can be held for ``seconds`` from a rested state; 1 for ever."""
    if seconds <= params.seconds_a:
        return params.ratio_a
    if seconds <= params.seconds_b:
        share = (seconds - params.seconds_a) / (params.seconds_b - params.seconds_a)
        return params.ratio_a + share * (params.ratio_b - params.ratio_a)
    if seconds <= params.seconds_c:
        share = (seconds - params.seconds_b) / (params.seconds_c - params.seconds_b)
        return params.ratio_b + share * (params.ratio_c - params.ratio_b)
    if seconds <= params.seconds_d:
        share = (seconds - params.seconds_c) / (params.seconds_d - params.seconds_c)
        return params.ratio_c + share * (params.ratio_d - params.ratio_c)
    return 1.0


def overload_seconds(params: InverterParams, ratio: float) -> float:
    """Return the seconds a ratio of the rating can be held when rested; 0 above the curve, 1e12 up to 1."""
    if ratio <= 1.0:
        return 1e12
    if ratio <= params.ratio_d:
        return params.seconds_d
    if ratio <= params.ratio_c:
        share = (ratio - params.ratio_d) / (params.ratio_c - params.ratio_d)
        return params.seconds_d + share * (params.seconds_c - params.seconds_d)
    if ratio <= params.ratio_b:
        share = (ratio - params.ratio_c) / (params.ratio_b - params.ratio_c)
        return params.seconds_c + share * (params.seconds_b - params.seconds_c)
    if ratio <= params.ratio_a:
        share = (ratio - params.ratio_b) / (params.ratio_a - params.ratio_b)
        return params.seconds_b + share * (params.seconds_a - params.seconds_b)
    return 0.0


def ceiling_kw(params: InverterParams, state: InverterState, dt_s: float) -> float:
    """Return the highest power [kW] that can be held for ``dt_s`` seconds with the budget that is left."""
    left_frac = 1.0 - state.used_frac
    if left_frac <= 0.0:
        return params.rated_kw
    return params.rated_kw * overload_ratio(params, dt_s / left_frac)


def step(params: InverterParams, state: InverterState, power_kw: float, dt_s: float) -> InverterState:
    """Return the state after ``power_kw`` (either sign) was held for ``dt_s`` seconds."""
    ratio = abs(power_kw) / params.rated_kw if params.rated_kw > 0.0 else 0.0
    if ratio > 1.0 + 1e-9:
        return InverterState(min(1.0, state.used_frac + dt_s / max(overload_seconds(params, ratio), 1e-9)))
    return InverterState(max(0.0, state.used_frac - dt_s / params.recovery_s))
