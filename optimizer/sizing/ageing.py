"""Health over the years of a battery that lives the same year again and again.

A year's course of SoC and cell temperature is cut into days, each a step later in the day than the last. As the
battery ages the same energy is moved, so each day's swing is stretched by one over the health from where it
begins, held to 0..1 (as BLAST-Lite does); the moving cut keeps the stretching from leaning to one side. The
laws are the plant's (``sites/plant/ageing.py``), compiled; each model gives one path, and the paths of a
chemistry are its band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.sizing.compiled import compiled, kernel
from optimizer.sizing.inputs import Floats
from sites.plant import ageing
from sites.plant.ageing import AgeState, Stress

END_OF_LIFE_FRAC = 0.7
"""Health at which a stationary battery is replaced unless the study says otherwise."""

_calendar_rates = compiled(ageing.calendar_rates)
_advance = compiled(ageing.advance)
_health_frac = compiled(ageing.health_frac)


@kernel
def _live(model: int, soc: Floats, cell_c: Floats, steps_a_day: int, step_h: float, days: int, health: Floats) -> None:
    """Write the health after each day into ``health``, shape (days + 1,)."""
    state = AgeState(0.0, 0.0, 0.0)
    count = soc.shape[0]
    course_days = count // steps_a_day
    swing = np.empty(steps_a_day + 1)
    health[0] = 1.0
    for day in range(days):
        begin = (day % course_days) * steps_a_day + day % steps_a_day
        left = health[day]
        swing[0] = soc[begin % count]
        for step in range(1, steps_a_day + 1):
            change = soc[(begin + step) % count] - soc[(begin + step - 1) % count]
            swing[step] = swing[step - 1] + change / max(left, 0.05)
        moved, current, rate_a, rate_b, soc_sum, cell_sum = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        low, high = 1.0, 0.0
        before = min(1.0, max(0.0, swing[0]))
        first, second = _calendar_rates(model, before, cell_c[begin % count])
        for step in range(steps_a_day):
            here = min(1.0, max(0.0, swing[step + 1]))
            change = abs(here - before)
            moved += change
            current += change / step_h if change / step_h >= 1e-2 else 0.0
            one, two = _calendar_rates(model, here, cell_c[(begin + step) % count])
            rate_a += 0.5 * (one + first)
            rate_b += 0.5 * (two + second)
            first, second = one, two
            soc_sum += 0.5 * (here + before)
            cell_sum += cell_c[(begin + step) % count]
            low, high = min(low, here), max(high, here)
            before = here
        stress = Stress(
            steps_a_day * step_h / 24.0,
            0.5 * moved * left,
            max(0.0, high - low),
            current / steps_a_day * left,
            soc_sum / steps_a_day,
            cell_sum / steps_a_day,
            rate_a / steps_a_day,
            rate_b / steps_a_day,
        )
        state = _advance(model, state, stress)
        health[day + 1] = _health_frac(model, state)


@dataclass(frozen=True, kw_only=True)
class HealthPath:
    """Health by one model."""

    model: int
    name: str
    by_year_frac: Floats
    """Health at the end of each year, the first entry is 1, shape (years + 1,)."""
    end_of_life_y: float
    """When the health falls below the end of life; the length of the path if it never does."""


def health_path(
    model: int, soc: Floats, cell_c: Floats, step_h: float, years: int, *, end_frac: float = END_OF_LIFE_FRAC
) -> HealthPath:
    """Return the health over ``years`` of a battery that repeats a course of SoC and cell temperature [C]."""
    steps_a_day = round(24.0 / step_h)
    days = 365 * years
    daily = np.empty(days + 1)
    _live(model, soc, cell_c, steps_a_day, step_h, days, daily)
    below = np.flatnonzero(daily < end_frac)
    return HealthPath(
        model=model,
        name=ageing.MODEL_NAMES[model],
        by_year_frac=daily[::365].copy(),
        end_of_life_y=float(below[0]) / 365.0 if below.size else float(years),
    )


def band(
    chemistry: str, soc: Floats, cell_c: Floats, step_h: float, years: int, *, end_frac: float = END_OF_LIFE_FRAC
) -> tuple[HealthPath, ...]:
    """Return the paths of all models of a chemistry (``lfp`` or ``nmc``): the band."""
    models = ageing.LFP_MODELS if chemistry == "lfp" else ageing.NMC_MODELS
    return tuple(health_path(model, soc, cell_c, step_h, years, end_frac=end_frac) for model in models)
