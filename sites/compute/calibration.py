"""Fits of catalogue constants to measurements: cap curve, token time, draw. Used by the catalogue's own fits
and by ``mdc calibrate``.

All fits are least squares with bounds, deterministic, and say their root mean square error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sites.plant.gpu import CapCurve, speed_at_frac

Floats = npt.NDArray[np.float64]

POWER_LAW_KNEE = 5.0
"""Knee at which the cap curve is a pure power law."""
POINTS_FOR_KNEE = 4
"""Fewer points than this below the natural draw can't tell a knee from a power law."""


class CapFit(NamedTuple):
    """A cap curve and how well it fits."""

    curve: CapCurve
    rmse: float
    """Root mean square error of the speed ratio."""
    points: int


class LineFit(NamedTuple):
    """``y = base + slope x + step hit`` with non-negative coefficients."""

    base: float
    slope: float
    step: float
    rmse: float


class PowerFit(NamedTuple):
    """Draw as a logistic in log2 of the batch."""

    low_w: float
    span_w: float
    mid_log2: float
    width_log2: float
    rmse_w: float

    def power_w(self, batch: float) -> float:
        """Return the draw [W] at a batch."""
        turn = (np.log2(max(batch, 1.0)) - self.mid_log2) / self.width_log2
        return float(self.low_w + self.span_w / (1.0 + np.exp(-turn)))


def fit_cap_curve(limit_over_natural: Sequence[float], speed: Sequence[float], *, knee: bool | None = None) -> CapFit:
    """Return the cap curve through points (limit / natural draw, speed relative to no limit).

    ``knee`` forces a knee or a pure power law; by default the better one, a knee needing at least four points
    that bind."""
    u = np.asarray(limit_over_natural, dtype=np.float64)
    s = np.asarray(speed, dtype=np.float64)
    if u.size == 0 or not np.all(np.isfinite(u)) or not np.all(np.isfinite(s)):
        raise ValueError("a cap curve needs at least one finite point")

    def of(p: Floats, sharp: bool) -> Floats:
        shape = CapCurve(knee_frac=float(p[1]) if sharp else POWER_LAW_KNEE, exponent=float(p[0]))
        return np.array([speed_at_frac(float(x), shape) for x in u]) - s

    fits: list[CapFit] = []
    if knee is not True:
        law = _solve(lambda p: of(p, False), [0.6], [0.02], [3.0])
        fits.append(CapFit(CapCurve(knee_frac=POWER_LAW_KNEE, exponent=float(law[0])), _rmse(of(law, False)), u.size))
    if knee is True or (knee is None and int(np.sum(u < 1.0)) >= POINTS_FOR_KNEE):
        bent = _solve(lambda p: of(p, True), [1.0, 0.65], [0.2, 0.3], [4.0, 2.0])
        fits.append(CapFit(CapCurve(knee_frac=float(bent[1]), exponent=float(bent[0])), _rmse(of(bent, True)), u.size))
    return min(fits, key=lambda fit: fit.rmse)


def fit_itl(batch: Sequence[float], itl_ms: Sequence[float], experts_hit: Sequence[float] | None = None) -> LineFit:
    """Return ITL [ms] = base + slope x batch (+ step x share of experts hit), coefficients >= 0."""
    from scipy.optimize import nnls

    b, y = np.asarray(batch, dtype=np.float64), np.asarray(itl_ms, dtype=np.float64)
    columns = [np.ones_like(b), b]
    if experts_hit is not None:
        columns.append(np.asarray(experts_hit, dtype=np.float64))
    matrix = np.stack(columns, axis=1)
    weights, _ = nnls(matrix, y)
    step = float(weights[2]) if experts_hit is not None else 0.0
    return LineFit(float(weights[0]), float(weights[1]), step, _rmse(matrix @ weights - y))


def fit_power(batch: Sequence[float], power_w: Sequence[float]) -> PowerFit:
    """Return the draw [W] of one GPU as a logistic in log2 of the batch; flat with fewer than four points."""
    x, y = np.log2(np.asarray(batch, dtype=np.float64)), np.asarray(power_w, dtype=np.float64)
    if x.size < 4:
        slope, base = np.polyfit(x, y, 1) if x.size > 1 else (0.0, y[0])
        span = max(float(slope), 0.0) * 8.0
        middle = float(x.mean())
        return PowerFit(float(y.mean()) - span / 2.0, span, middle, 2.0, _rmse(base + slope * x - y))

    def of(p: Floats) -> Floats:
        return np.asarray(p[0] + p[1] / (1.0 + np.exp(-(x - p[2]) / p[3])) - y)

    low, high = float(y.min()), float(y.max())
    start = [low * 0.95, max(high - low, 1.0), float(np.median(x)), 1.2]
    best = _solve(of, start, [low * 0.5, 0.0, -2.0, 0.4], [high, 2.0 * high, 12.0, 4.0])
    return PowerFit(float(best[0]), float(best[1]), float(best[2]), float(best[3]), _rmse(of(best)))


def _solve(
    residual: Callable[[Floats], Floats], start: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> Floats:
    from scipy.optimize import least_squares

    inside = np.clip(np.asarray(start), np.asarray(low) + 1e-9, np.asarray(high) - 1e-9)
    return np.asarray(least_squares(residual, inside, bounds=(low, high)).x)


def _rmse(error: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(error))))
