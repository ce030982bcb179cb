"""Power-limit levels that a pool offers to batch work of one power profile."""

from __future__ import annotations

from functools import lru_cache

from sites.catalog.records import CurveName
from sites.compute.hardware import GpuSpec, curve, gpu_spec
from sites.compute.point import mig_part
from sites.compute.records import CapLevel, PowerProfile
from sites.plant.gpu import busy_power_w, speed_frac

_CURVES: dict[PowerProfile, CurveName] = {
    "decode": "decode-saturated",
    "prefill": "prefill",
    "vision": "vision",
    "training": "training",
}


@lru_cache(maxsize=256)
def limit_steps_w(gpu: GpuSpec, n_levels: int, max_limit_w: float | None = None) -> tuple[float, ...]:
    """Return up to ``n_levels`` limits [W] over the settable range, ascending, on whole 5 W where they fit.

    Where the GPU knows only clock modes, those, at most ``n_levels`` of them, the highest kept.
    """
    low = gpu.limits.min_limit_w
    high = min(gpu.limits.max_limit_w, max_limit_w) if max_limit_w else gpu.limits.max_limit_w
    modes = tuple(mode for mode in gpu.modes_w if mode <= high)
    if modes:
        return modes[-n_levels:]
    if n_levels < 2 or high <= low:
        return (max(high, low),)
    grain = 5.0 if high - low >= 5.0 * n_levels else 1.0
    steps = [low + (high - low) * i / (n_levels - 1) for i in range(n_levels)]
    inner = [round(step / grain) * grain for step in steps[1:-1]]
    return tuple(dict.fromkeys((low, *inner, high)))


@lru_cache(maxsize=256)
def cap_levels(
    gpu: str, profile: PowerProfile, n_levels: int = 5, max_limit_w: float | None = None, *, mig_parts: int = 1
) -> tuple[CapLevel, ...]:
    """Return the levels of one GPU, or of one of its ``mig_parts`` parts, ascending in limit; those worse in speed and in
    speed per watt are dropped.

    ``gpu`` is a catalogue name; ``max_limit_w`` [W] caps the range (default: the highest settable limit).
    ``speed_frac`` is relative to the highest level returned.

    Raises:
        InputError: no such GPU, or one that is not cut into so many parts.
    """
    spec = mig_part(gpu_spec(gpu), mig_parts)
    shape = curve(_CURVES[profile], spec.key)
    limits = limit_steps_w(spec, n_levels, max_limit_w)
    full = speed_frac(limits[-1], spec.saturated_w, shape, spec.limits)
    levels = [
        CapLevel(
            limit_w=limit,
            power_w=busy_power_w(limit, spec.saturated_w, spec.limits),
            idle_w=spec.limits.idle_w,
            speed_frac=min(speed_frac(limit, spec.saturated_w, shape, spec.limits) / full, 1.0),
        )
        for limit in limits
    ]
    return tuple(level for i, level in enumerate(levels) if not _worse(level, levels[:i], levels[i + 1 :]))


def _worse(level: CapLevel, lower: list[CapLevel], higher: list[CapLevel]) -> bool:
    """Return whether a lower limit does the same, or another has more speed and more speed a watt."""
    return any(other.speed_frac >= level.speed_frac and other.power_w <= level.power_w for other in lower) or any(
        other.speed_frac > level.speed_frac and other.speed_frac / other.power_w >= level.speed_frac / level.power_w
        for other in higher
    )
