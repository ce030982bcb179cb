"""Weather years that could have been: days drawn anew, keeping their season and their persistence.

Stationary bootstrap (Politis & Romano 1994, doi 10.1080/01621459.1994.10476870): a made-up year is a chain of
runs of consecutive measured days; a run ends with probability ``1 / mean_run_days`` each day, and the next
begins at a measured day of any year within ``window_days`` of the same day of the year. Sun and temperature of
a day stay together. Dice are keyed by (seed, year), so a year is the same wherever and in whatever order it is
made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DAYS = 365
MEAN_RUN_DAYS = 5.0
WINDOW_DAYS = 15


def drawn_days(
    source_years: int,
    *,
    seed: int,
    year: int,
    mean_run_days: float = MEAN_RUN_DAYS,
    window_days: int = WINDOW_DAYS,
) -> NDArray[np.int64]:
    """Return the source day of each day of a made-up year, shape (365,).

    Source days are numbered through all source years, 365 a year.
    """
    dice = np.random.Generator(np.random.Philox(key=[seed, 1_000_000 + year]))
    total = source_years * DAYS
    found = np.empty(DAYS, dtype=np.int64)
    now = -1
    for day in range(DAYS):
        if now < 0 or dice.random() < 1.0 / mean_run_days:
            shift = int(dice.integers(-window_days, window_days + 1))
            now = int(dice.integers(source_years)) * DAYS + (day + shift) % DAYS
        else:
            now = (now + 1) % total
        found[day] = now
    return found


def resampled(values: NDArray[np.float64], days: NDArray[np.int64], steps_a_day: int) -> NDArray[np.float64]:
    """Return a made-up year of a series of whole source years, shape (365 * steps_a_day,)."""
    return np.ascontiguousarray(values.reshape(-1, steps_a_day)[days].reshape(-1))
