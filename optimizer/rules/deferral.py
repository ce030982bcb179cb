"""Work that can wait: when batch work runs and at which power, as scalar decisions.

A pool that runs its work at full power draws ``full_kw`` and does work at rate 1. Under the economical power
limit it draws the share ``e`` of that and works at the rate ``s > e``. GPUs may be split between the two
limits, so the power for a work rate ``w`` is convex and piecewise linear:

    P(w) = w e / s                            w <= s        all at the economical limit, some GPUs idle      (1)
    P(w) = e + (w - s) (1 - e) / (1 - s)      w >  s        some at full power                               (2)

With ``s = e = 1`` power is proportional to work: no limits in use.

Work done in a step (3): what falls due within it, and beyond that as much of the backlog as the sun's surplus
carries or the battery's state of charge allows, whichever is more; the battery allows the share ``(soc - low) /
(high - low)`` of full power, and nothing while a genset runs: diesel makes no work that can wait. So work moves
to the sun, and power limits follow the battery. The state of charge is the one in the middle of the step that
surplus and work themselves bring about,

    soc = soc_0 + r (surplus - level full),   level = (soc - low) / (high - low)
    level = (soc_0 + r surplus - low) / (high - low + r full)        r: SoC moved by a kW in half a step      (4)

so that the length of a step matters little. Never more than the backlog, than the pool, or than the heat that can
be removed.

Own rule; the shape of (1), (2) is the upper hull of two points of the power-limit curve in
``sites/plant/gpu.py``. Plain floats only: the site-design kernel compiles these functions as they stand.
"""

from __future__ import annotations

from typing import NamedTuple


class DeferralParams(NamedTuple):
    """How batch work follows sun and battery."""

    eco_power_frac: float = 1.0
    """Share of full power drawn at the economical limit."""
    eco_speed_frac: float = 1.0
    """Share of full speed at that limit."""
    soc_low_frac: float = 0.4
    """At and below it the battery gives nothing to work that can wait."""
    soc_high_frac: float = 0.8
    """At and above it work may draw full power."""


def power_for_work_kw(params: DeferralParams, work_kw: float, full_kw: float) -> float:
    """Return the power [kW] for a work rate in kW of full-power work, (1) and (2)."""
    eco_work_kw = params.eco_speed_frac * full_kw
    slow_kw = min(work_kw, eco_work_kw) * (params.eco_power_frac / params.eco_speed_frac)
    rest_speed = 1.0 - params.eco_speed_frac
    slope = (1.0 - params.eco_power_frac) / (rest_speed if rest_speed > 0.0 else 1.0)
    return slow_kw + max(0.0, work_kw - eco_work_kw) * slope


def work_for_power_kw(params: DeferralParams, power_kw: float, full_kw: float) -> float:
    """Return the work rate in kW of full-power work that a power [kW] can do; the inverse of (1) and (2)."""
    eco_kw = params.eco_power_frac * full_kw
    slow_kw = min(power_kw, eco_kw) * (params.eco_speed_frac / params.eco_power_frac)
    rest_power = 1.0 - params.eco_power_frac
    slope = (1.0 - params.eco_speed_frac) / (rest_power if rest_power > 0.0 else 1.0)
    return slow_kw + max(0.0, power_kw - eco_kw) * slope


def battery_share(
    params: DeferralParams, soc_frac: float, soc_per_kw: float, surplus_kw: float, full_kw: float
) -> float:
    """Return the share of full power that the battery allows work that can wait, rule (4).

    ``soc_frac`` is the SoC at the begin of the step, ``soc_per_kw`` the SoC moved by a kW in half of it.
    """
    width = params.soc_high_frac - params.soc_low_frac + soc_per_kw * full_kw
    level = (soc_frac + soc_per_kw * surplus_kw - params.soc_low_frac) / (width if width > 0.0 else 1e-9)
    return max(0.0, min(1.0, level))


def work_kw(
    params: DeferralParams,
    battery_kw: float,
    surplus_kw: float,
    full_kw: float,
    heat_room_kw: float,
    backlog_kw: float,
    due_kw: float,
) -> float:
    """Return the work rate of a step in kW of full-power work, rule (3).

    ``battery_kw`` is what the battery allows, ``surplus_kw`` the sun beyond the load that cannot wait, ``full_kw`` the
    pool's power, ``heat_room_kw`` the computing power that cooling can still bear; ``backlog_kw`` and ``due_kw`` are
    the work waiting and the work falling due, over the length of the step.
    """
    spare_kw = max(0.0, min(max(surplus_kw, battery_kw), full_kw))
    wanted_kw = max(due_kw, work_for_power_kw(params, spare_kw, full_kw))
    bearable_kw = work_for_power_kw(params, max(0.0, min(full_kw, heat_room_kw)), full_kw)
    return max(0.0, min(wanted_kw, backlog_kw, bearable_kw))
