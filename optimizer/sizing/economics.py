"""Life-cycle economics of a design: net present cost, levelised cost, replacements, salvage, cash flow by year.

For a component with price ``I``, replacement price ``R``, lifetime ``L`` years, yearly cost ``A`` (operation,
fuel) in a project of ``T`` years at discount rate ``r``:

    n   = ceil(T / L) - 1                                      replacements, at years L, 2 L, .., n L        (1)
    NPC = I + R sum_k (1+r)^-(k L) + A sum_{y=1..T} (1+r)^-y - R ((n+1) L - T) / L (1+r)^-T                 (2)
    CRF = r / (1 - (1+r)^-T);   LCOE = NPC * CRF / energy served in a year                                  (3)

the last term of (2) is the salvage value, linear in the life that is left. A genset's lifetime is its hours of
life over its hours in a year, a battery's the shorter of its calendar and its cycle life. Sources: HOMER Pro
help, "Net Present Cost", "Salvage Value", "Replacement Cost"; the same equations are in the microgrids package.
All functions take floats or arrays and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOREVER_Y = 1e6


def discount_factors(rate_frac: float, years: int) -> Floats:
    """Return the present worth of a dollar at the end of each project year, shape (years,)."""
    return np.asarray((1.0 + rate_frac) ** -np.arange(1.0, years + 1.0), dtype=np.float64)


def recovery_factor(rate_frac: float, years: int) -> float:
    """Return the capital recovery factor, equation (3)."""
    return float(1.0 / discount_factors(rate_frac, years).sum())


def replacement_count(lifetime_y: Floats, years: int) -> Floats:
    """Return how often a component is replaced within the project, equation (1)."""
    return np.maximum(np.ceil(years / lifetime_y) - 1.0, 0.0)


def replacement_factor(lifetime_y: Floats, rate_frac: float, years: int) -> Floats:
    """Return the present worth of all replacements of a component whose replacement costs a dollar."""
    count = replacement_count(lifetime_y, years)
    once = (1.0 + rate_frac) ** -lifetime_y
    safe = np.where(once < 1.0, once, 0.5)
    series = safe * (1.0 - safe**count) / (1.0 - safe)
    return np.where(once < 1.0, series, count)


def salvage_factor(lifetime_y: Floats, rate_frac: float, years: int) -> Floats:
    """Return the present worth of the life left at the end, for a component whose replacement costs a dollar."""
    count = replacement_count(lifetime_y, years)
    left_frac = (1.0 + count) - years / lifetime_y
    return np.asarray(left_frac * (1.0 + rate_frac) ** -float(years), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class ComponentCost:
    """Present worth of a component's costs [USD], each an array over designs."""

    investment_usd: Floats
    replacement_usd: Floats
    om_usd: Floats
    fuel_usd: Floats
    salvage_usd: Floats
    """Negative: a credit."""

    @property
    def total_usd(self) -> Floats:
        """Net present cost, equation (2)."""
        return self.investment_usd + self.replacement_usd + self.om_usd + self.fuel_usd + self.salvage_usd


def component_cost(
    *,
    investment_usd: Floats,
    replacement_usd: Floats,
    lifetime_y: Floats,
    om_usd_per_y: Floats,
    fuel_usd_per_y: Floats,
    rate_frac: float,
    years: int,
) -> ComponentCost:
    """Return the present worth of a component, equation (2). Lifetimes in years, costs in USD."""
    lifetime_y = np.clip(np.asarray(lifetime_y, dtype=np.float64), 1e-9, FOREVER_Y)
    annuity = float(discount_factors(rate_frac, years).sum())
    return ComponentCost(
        investment_usd=np.asarray(investment_usd, dtype=np.float64),
        replacement_usd=replacement_usd * replacement_factor(lifetime_y, rate_frac, years),
        om_usd=om_usd_per_y * annuity,
        fuel_usd=fuel_usd_per_y * annuity,
        salvage_usd=-replacement_usd * salvage_factor(lifetime_y, rate_frac, years),
    )


def cash_flow_usd(
    *,
    investment_usd: float,
    replacement_usd: float,
    lifetime_y: float,
    yearly_usd: float,
    years: int,
) -> Floats:
    """Return the undiscounted cost of each year [USD], shape (years + 1,); year 0 is the investment.

    A replacement falls into the year in which the life ends; the salvage is a credit in the last year.
    """
    flow = np.zeros(years + 1)
    flow[0] = investment_usd
    flow[1:] += yearly_usd
    life = min(max(lifetime_y, 1e-9), FOREVER_Y)
    count = int(replacement_count(np.array(life), years))
    for number in range(1, count + 1):
        flow[min(years, int(np.ceil(number * life)))] += replacement_usd
    flow[years] -= replacement_usd * ((1 + count) - years / life)
    return flow


def levelised_usd_per_kwh(npc_usd: Floats, served_kwh_per_y: Floats, rate_frac: float, years: int) -> Floats:
    """Return the levelised cost of the energy served, equation (3); infinite where nothing is served."""
    yearly = npc_usd * recovery_factor(rate_frac, years)
    return np.where(served_kwh_per_y > 0.0, yearly / np.maximum(served_kwh_per_y, 1e-300), np.inf)
