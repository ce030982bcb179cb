"""A GPU under a power limit: what it draws and how fast it still is.

A limit ``L`` [W] binds only below the job's natural draw ``N`` [W]. With ``u = L / N``, the speed relative to
the unlimited job is

    s(u) = [ (1 + k^(e n)) / (1 + (k / u)^(e n)) ]^(1/n),   s = 1 for u >= 1,                         (1)

flat near ``u = 1`` and falling like ``u^e`` below the knee ``k``; with a large ``k`` it is the pure power law
``u^e``. ``n`` (KNEE_SHARPNESS) sets how round the knee is. LLM decode waits for memory, whose clock a limit
hardly touches, so it has a knee (k about 0.6); prefill, vision and training wait for the cores and follow the
power law.

Draw while busy is ``min(N, L)`` (2): where a limit binds, the measured mean sits on it within 0.1 %. A device
clips a limit to its settable range (3). Below (1) the draw never falls under the idle draw.

Sources: the form (1) and its constants are fitted on the power sweeps of an RTX PRO 6000 (MMBT power sweeps,
MIT) and on audited pairs of throughput at two limits (MLCommons Inference v3.0 and v4.1 closed power,
Apache-2.0); the fits live in ``sites/catalog/curves.yaml``. Plain floats and named tuples only, so that a
compiled kernel can use the same source."""

from __future__ import annotations

from typing import NamedTuple

KNEE_SHARPNESS = 8.0
"""Exponent ``n`` of (1); 8 fits the decode sweeps to a rmse of 0.010."""

MIN_SPEED_FRAC = 1e-3
"""Speed floor, so that work under any limit still ends."""


class CapCurve(NamedTuple):
    """Shape of equation (1) for one power profile."""

    knee_frac: float
    """``k``: limit over natural draw below which speed falls in earnest; 5 or more means a pure power law."""
    exponent: float
    """``e``: slope of log speed over log limit well below the knee."""


class GpuLimits(NamedTuple):
    """What one GPU draws at rest and which limits its driver takes."""

    idle_w: float
    """Draw without work."""
    min_limit_w: float
    """Lowest settable power limit."""
    max_limit_w: float
    """Highest settable power limit."""


def enforced_limit_w(limit_w: float, gpu: GpuLimits) -> float:
    """Return the limit the device enforces when ``limit_w`` [W] is asked for: clipped to its range (3)."""
    if limit_w < gpu.min_limit_w:
        return gpu.min_limit_w
    if limit_w > gpu.max_limit_w:
        return gpu.max_limit_w
    return limit_w


def busy_power_w(limit_w: float, natural_w: float, gpu: GpuLimits) -> float:
    """Return the draw [W] of a busy GPU whose job would draw ``natural_w`` [W] unlimited (2)."""
    drawn_w = min(enforced_limit_w(limit_w, gpu), natural_w)
    return max(drawn_w, gpu.idle_w)


def mean_power_w(busy_frac: float, limit_w: float, natural_w: float, gpu: GpuLimits) -> float:
    """Return the mean draw [W] of a GPU that is busy a share ``busy_frac`` (0..1) of the time."""
    share = min(max(busy_frac, 0.0), 1.0)
    return gpu.idle_w + share * (busy_power_w(limit_w, natural_w, gpu) - gpu.idle_w)


def speed_frac(limit_w: float, natural_w: float, curve: CapCurve, gpu: GpuLimits) -> float:
    """Return the speed relative to the unlimited job, (0, 1], at a requested limit [W] (1)."""
    return speed_at_frac(enforced_limit_w(limit_w, gpu) / natural_w, curve)


def speed_at_frac(limit_over_natural: float, curve: CapCurve) -> float:
    """Return (1) for ``u = limit_over_natural``, without unit."""
    if limit_over_natural >= 1.0:
        return 1.0
    if limit_over_natural <= 0.0:
        return MIN_SPEED_FRAC
    power = curve.exponent * KNEE_SHARPNESS
    top = curve.knee_frac**power
    ratio = (1.0 + top) / (1.0 + top / limit_over_natural**power)
    return max(float(ratio ** (1.0 / KNEE_SHARPNESS)), MIN_SPEED_FRAC)


def limit_for_speed_w(wanted_frac: float, natural_w: float, curve: CapCurve, gpu: GpuLimits) -> float:
    """Return the lowest settable limit [W] that keeps a speed of ``wanted_frac`` (0..1]; the highest if none
    does.

    The inverse of (1): ``u = k / ((1 + k^(en)) / s^n - 1)^(1/(en))``.
    """
    if wanted_frac >= 1.0:
        return enforced_limit_w(natural_w, gpu)
    power = curve.exponent * KNEE_SHARPNESS
    top = curve.knee_frac**power
    below = (1.0 + top) / max(wanted_frac, MIN_SPEED_FRAC) ** KNEE_SHARPNESS - 1.0
    share = curve.knee_frac / below ** (1.0 / power)
    return enforced_limit_w(share * natural_w, gpu)
