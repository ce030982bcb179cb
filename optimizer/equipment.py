"""Equipment of a problem in the plant's own terms: battery parameters, fuel flow, warm-up share, taper pieces.

One physics: the plan check and the rules call the functions of ``sites.plant`` on what this module hands them. Light on
purpose: the control loop imports it.
"""

from __future__ import annotations

from itertools import pairwise

from optimizer.problem import BatteryProblem, GensetProblem, Problem
from sites.plant.battery import BatteryParams, BatteryState


def battery_params(battery: BatteryProblem, step: int) -> BatteryParams:
    """Return the plant's battery for one interval; cold has already narrowed ``charge_limit_frac``.

    The plant knows two cuts a side; a taper of more pieces becomes the chord under it, never more than is allowed.
    """
    cold = battery.charge_limit_frac[step] if battery.charge_limit_frac else 1.0
    (charge_a, charge_b), (discharge_a, discharge_b) = _cuts(battery.charge_taper), _cuts(battery.discharge_taper)
    return BatteryParams(
        usable_kwh=battery.capacity_kwh,
        charge_max_kw=battery.charge_kw * cold,
        discharge_max_kw=battery.discharge_kw,
        charge_eff_frac=battery.charge_efficiency_frac,
        discharge_eff_frac=battery.discharge_efficiency_frac,
        self_use_kw=battery.standby_kw,
        soc_min_frac=battery.soc_min_frac,
        soc_max_frac=battery.soc_max_frac,
        charge_offset_a=charge_a[0],
        charge_slope_a=-charge_a[1],
        charge_offset_b=charge_b[0],
        charge_slope_b=-charge_b[1],
        discharge_offset_a=discharge_a[0],
        discharge_slope_a=discharge_a[1],
        discharge_offset_b=discharge_b[0],
        discharge_slope_b=discharge_b[1],
    )


def battery_state(soc_frac: float) -> BatteryState:
    """Return the plant's state for a SoC of the problem, at a temperature without limits."""
    return BatteryState(soc_frac=soc_frac)


def _cuts(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], tuple[float, float]]:
    lines = taper_pieces(points)
    if len(lines) > 2:
        full = [point for point in points if point[1] >= 1.0 - 1e-9] or [max(points, key=lambda point: point[1])]
        near, far = (full[-1], points[-1]) if points[-1][1] < points[0][1] else (points[0], full[0])
        lines = taper_pieces((near, far))
    flat = (1.0, 0.0)
    return (lines[0] if lines else flat), (lines[1] if len(lines) > 1 else flat)


def start_soc_frac(battery: BatteryProblem) -> float:
    """Return the SoC a plan starts with: what was measured, within 0 and where the charge taper ends.

    A hair above the upper limit is kept: energy that is there is not forgotten.
    """
    ends = [-offset / slope for offset, slope in taper_pieces(battery.charge_taper) if slope < -1e-12]
    return min(max(battery.soc_frac, 0.0), max(battery.soc_max_frac, min([*ends, 1.0])))


def floor_frac(battery: BatteryProblem, step: int) -> float:
    """Return the soft lower limit of the state of charge at the end of an interval: reserve, or what a person asks for."""
    asked = battery.soc_floor_frac[step] if battery.soc_floor_frac else 0.0
    return max(battery.soc_reserve_frac, asked)


def taper_pieces(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Return (offset, slope) of the lines whose minimum is a concave taper; flat lines are dropped where they are 1."""
    lines = []
    for (low, low_share), (high, high_share) in pairwise(points):
        slope = (high_share - low_share) / max(high - low, 1e-12)
        if abs(slope) > 1e-12 or low_share < 1.0 - 1e-12:
            lines.append((low_share - slope * low, slope))
    return tuple(lines)


def fuel_l_per_h(genset: GensetProblem, kw: float) -> float:
    """Return the fuel flow [L/h] of a running genset at ``kw``: linear between its points, extended at both ends."""
    points = genset.fuel_points
    if len(points) == 1:
        return points[0][1]
    chosen = points[:2]
    for low, high in pairwise(points):
        chosen = (low, high)
        if kw <= high[0]:
            break
    (low_kw, low_l), (high_kw, high_l) = chosen
    return max(0.0, low_l + (high_l - low_l) * (kw - low_kw) / max(high_kw - low_kw, 1e-12))


def fuel_lines(genset: GensetProblem) -> tuple[tuple[float, float], ...]:
    """Return (L/h at no load, L/kWh) of the lines whose maximum is the lower convex hull of the fuel points."""
    points = sorted(genset.fuel_points)
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    if len(hull) == 1:
        return ((hull[0][1], 0.0),)
    lines = []
    for (low_kw, low_l), (high_kw, high_l) in pairwise(hull):
        slope = (high_l - low_l) / max(high_kw - low_kw, 1e-12)
        lines.append((low_l - slope * low_kw, slope))
    return tuple(lines)


def _above(low: tuple[float, float], middle: tuple[float, float], high: tuple[float, float]) -> bool:
    return (middle[1] - low[1]) * (high[0] - low[0]) >= (high[1] - low[1]) * (middle[0] - low[0])


def warm_share(genset: GensetProblem, since_start_h: float, step_h: float) -> float:
    """Return the share of a step in which a genset started ``since_start_h`` hours before the step still warms up."""
    return min(1.0, max(0.0, genset.warmup_h - since_start_h) / step_h)


def burns_fuel(problem: Problem) -> bool:
    """Return whether fuel counts at all: a tank is there and some genset burns from it."""
    return problem.tank is not None and any(
        litres > 0 for genset in problem.gensets for _, litres in genset.fuel_points
    )
