"""Battery life of many designs from a year's sums: a band of published models.

A year's sums give the mean stress (SoC, temperature, throughput, depth, current); each model is advanced in
steps of 30 days under it until its health falls below the end of life. The plant's ageing functions, compiled.
For single designs ``ageing.py`` follows the full course instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.sizing.compiled import compiled, kernel
from optimizer.sizing.full import Designs, Equipment, Totals
from optimizer.sizing.inputs import HOURS_A_YEAR, Floats
from sites.plant import ageing
from sites.plant.ageing import AgeState, Stress

STEP_DAYS = 30.0
LIFE_MOST_Y = 25.0
"""No model is followed further: none was fitted to longer tests."""

_calendar_rates = compiled(ageing.calendar_rates)
_advance = compiled(ageing.advance)
_health_frac = compiled(ageing.health_frac)


@dataclass(frozen=True, kw_only=True)
class LifeBand:
    """Years until the end of life by the models of a chemistry, arrays over designs."""

    low_y: Floats
    middle_y: Floats
    high_y: Floats


@kernel
def _life_y(model: int, stress: Floats, end_frac: float, most_y: float, found: Floats) -> None:
    """Write the life of each design; ``stress`` columns: cycles a day, depth, current, SoC, cell temperature."""
    for design in range(stress.shape[0]):
        cycles, depth, current, soc, cell_c = stress[design]
        one, two = _calendar_rates(model, soc, cell_c)
        state = AgeState(0.0, 0.0, 0.0)
        years = 0.0
        while years < most_y:
            health = _health_frac(model, state)
            if health < end_frac:
                break
            step = Stress(30.0, cycles * 30.0, min(1.0, depth / max(health, 0.05)), current, soc, cell_c, one, two)
            state = _advance(model, state, step)
            years += 30.0 / 365.0
        found[design] = years


def life_band(
    chemistry: str, totals: Totals, designs: Designs, kit: Equipment, *, end_frac: float, most_y: float = LIFE_MOST_Y
) -> LifeBand:
    """Return how long each design's battery lasts, at most ``most_y`` years."""
    hours = totals.hours
    into = totals["charge_kwh"] * kit.battery.charge_eff_frac
    out = totals["discharge_kwh"] / kit.battery.discharge_eff_frac
    full_cycles = (into + out) / 2.0 / designs.battery_kwh / hours * 24.0
    depth = totals["depth_square_sum"] / np.maximum(totals["depth_sum"], 1e-9)
    current = (into + out) / designs.battery_kwh / hours
    stress = np.column_stack([full_cycles, depth, current, totals["soc_sum_h"] / hours, totals["cell_sum_h"] / hours])
    models = ageing.LFP_MODELS if chemistry == "lfp" else ageing.NMC_MODELS
    lives = np.empty((len(models), designs.count))
    for row, model in enumerate(models):
        _life_y(model, stress, end_frac, most_y, lives[row])
    return LifeBand(low_y=lives.min(axis=0), middle_y=np.median(lives, axis=0), high_y=lives.max(axis=0))


def per_year(totals: Totals, name: str) -> Floats:
    """Return a sum scaled to a year of 8,760 hours."""
    return totals[name] * (HOURS_A_YEAR / totals.hours)
