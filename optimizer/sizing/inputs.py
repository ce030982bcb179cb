"""What a year kernel reads: the weather and load of a place, and the designs to try there.

Arrays are float64, one value a step, steps of equal length. Nothing here is random and nothing may be NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sites.errors import InputError

Floats = NDArray[np.float64]
HOURS_A_YEAR = 8760.0
LEAST_STEP_H, LONGEST_STEP_H = 1.0 / 12.0, 1.0


@dataclass(frozen=True, kw_only=True)
class YearSeries:
    """Load, sun and temperature of a place over a year (or any other span)."""

    load_kw: Floats
    """Electric load without cooling that depends on the design, shape (steps,)."""
    pv_kw_per_kwp: Floats
    """AC power of a kWp, shape (steps,)."""
    outdoor_c: Floats
    """Outdoor temperature, shape (steps,)."""
    step_h: float
    """Length of a step: 5 minutes to an hour."""

    def __post_init__(self) -> None:
        count = self.load_kw.size
        for name in ("load_kw", "pv_kw_per_kwp", "outdoor_c"):
            values: Floats = getattr(self, name)
            if values.shape != (count,):
                raise InputError.single(
                    source="weather", field=name, found=values.shape, mend=f"give {count} values, as for load_kw"
                )
            bad = int(np.count_nonzero(~np.isfinite(values)))
            if bad:
                first = int(np.flatnonzero(~np.isfinite(values))[0])
                raise InputError.single(
                    source="weather",
                    field=name,
                    found=f"{bad} missing values, the first at step {first}",
                    mend="fill the gaps or choose another year; missing is never read as zero",
                )
        if count == 0 or not LEAST_STEP_H - 1e-9 <= self.step_h <= LONGEST_STEP_H + 1e-9:
            raise InputError.single(
                source="weather", field="step_h", found=self.step_h, mend="use steps of 5 to 60 minutes"
            )

    @property
    def hours(self) -> float:
        """Length of the series."""
        return self.load_kw.size * self.step_h

    def finer(self, parts: int) -> YearSeries:
        """Return the same series with each step cut into ``parts`` equal ones."""
        return YearSeries(
            load_kw=np.repeat(self.load_kw, parts),
            pv_kw_per_kwp=np.repeat(self.pv_kw_per_kwp, parts),
            outdoor_c=np.repeat(self.outdoor_c, parts),
            step_h=self.step_h / parts,
        )


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of many designs, arrays of equal shape (designs,)."""

    genset_kw: Floats
    battery_kwh: Floats
    pv_kw: Floats

    @property
    def count(self) -> int:
        """Number of designs."""
        return int(self.genset_kw.size)

    def take(self, index: NDArray[np.int64] | slice) -> Sizes:
        """Return the designs at ``index``."""
        return Sizes(genset_kw=self.genset_kw[index], battery_kwh=self.battery_kwh[index], pv_kw=self.pv_kw[index])

    @staticmethod
    def grid(genset_kw: Floats, battery_kwh: Floats, pv_kw: Floats) -> Sizes:
        """Return every combination, the last argument varying fastest."""
        made = np.array(list(product(genset_kw, battery_kwh, pv_kw)), dtype=np.float64).reshape(-1, 3)
        return Sizes(
            genset_kw=np.ascontiguousarray(made[:, 0]),
            battery_kwh=np.ascontiguousarray(made[:, 1]),
            pv_kw=np.ascontiguousarray(made[:, 2]),
        )
