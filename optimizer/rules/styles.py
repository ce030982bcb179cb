"""The rule-based policies, each as a handful of choices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from optimizer.problem import Problem
from optimizer.rules.dispatch import CYCLE_CHARGING, LOAD_FOLLOWING, RuleParams


class Order(StrEnum):
    """Who gets GPUs first."""

    ARRIVAL = "arrival"
    DENSITY = "density"


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a rule-based policy behaves."""

    policy: str
    strategy: int = LOAD_FOLLOWING
    order: Order = Order.DENSITY
    full_modes: bool = False
    """Whether services are provisioned for their peak at full power instead of the leanest mode that holds the budget."""
    waits_for_sun: bool = True
    """Whether a job that is not urgent waits for surplus sun or a well-filled battery."""
    idle: bool = False
    """Whether no work is done at all: the safe state."""
    set_point_frac: float = 0.8
    """SoC at which a cycle-charging run ends."""


STYLES = {
    style.policy: style
    for style in (
        Style(policy="rules"),
        Style(policy="cycle_charging", strategy=CYCLE_CHARGING),
        Style(policy="fifo", order=Order.ARRIVAL, full_modes=True, waits_for_sun=False),
        Style(policy="greedy", waits_for_sun=False),
        Style(policy="safe_state", idle=True),
    )
}


def rule_params(problem: Problem, style: Style) -> RuleParams:
    """Return when gensets start and stop: at the reserve SoC, and a tenth above it or at the set point."""
    battery = problem.battery
    if battery is None:
        return RuleParams(strategy=style.strategy, battery_first=False)
    start = max(battery.soc_min_frac, battery.soc_reserve_frac)
    stop = min(start + 0.1, battery.soc_max_frac)
    if style.strategy == CYCLE_CHARGING:
        stop = min(max(style.set_point_frac, start), battery.soc_max_frac)
    return RuleParams(strategy=style.strategy, battery_first=False, start_soc_frac=start, stop_soc_frac=stop)
