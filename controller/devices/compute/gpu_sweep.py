"""A power sweep on a live GPU: set a limit, wait, meter the job and the draw, next.

The limit found at first is put back whatever happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from controller.devices.compute.gpu_power import Applied, Failed, GpuPower, GpuPowerError, PartlyApplied, Refused
from sites.compute.calibrate import Row
from sites.ports import Clock

SAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """What a sweep measured and whether the GPU is back where it was."""

    rows: tuple[Row, ...]
    limit_before_w: float
    limit_after_w: float
    skipped: tuple[str, ...]
    """Limits that were not taken, with the reason."""


def sweep(
    gpu: GpuPower,
    meter: Callable[[], float],
    limits_w: Sequence[float],
    *,
    clock: Clock,
    settle_s: float = 10.0,
    sample_s: float = 0.5,
) -> SweepRun:
    """Return throughput and mean draw at each limit [W].

    ``meter`` returns the throughput of the job that runs meanwhile, in any unit. Draw is sampled before and after it.

    Raises:
        GpuPowerError: no limit was taken at all, or the first limit could not be put back.
    """
    before_w = gpu.enforced_limit_w()
    rows: list[Row] = []
    skipped: list[str] = []
    try:
        for limit_w in sorted(limits_w, reverse=True):
            outcome = gpu.set_limit_w(limit_w)
            match outcome:
                case Applied():
                    clock.sleep(settle_s)
                    rows.append(_measured(gpu, meter, outcome.enforced_w, clock, sample_s))
                case PartlyApplied() | Refused() | Failed():
                    skipped.append(outcome.reason)
                case _:
                    assert_never(outcome)
    finally:
        _put_back(gpu, before_w)
    if not rows:
        raise GpuPowerError(f"{gpu.name()} took no limit: {skipped[0] if skipped else 'none was asked for'}")
    return SweepRun(
        rows=tuple(rows), limit_before_w=before_w, limit_after_w=gpu.enforced_limit_w(), skipped=tuple(skipped)
    )


def _put_back(gpu: GpuPower, before_w: float) -> None:
    """Set the limit that was there, whatever happened since; no write where it still stands."""
    if gpu.enforced_limit_w() == before_w:
        return
    restored = gpu.set_limit_w(before_w)
    if not isinstance(restored, Applied):
        raise GpuPowerError(f"{gpu.name()} was left at {gpu.enforced_limit_w():g} W: {restored.reason}")


def _measured(gpu: GpuPower, meter: Callable[[], float], limit_w: float, clock: Clock, sample_s: float) -> Row:
    watts = [_sampled(gpu, clock, sample_s) for _ in range(SAMPLES)]
    throughput = meter()
    watts += [_sampled(gpu, clock, sample_s) for _ in range(SAMPLES)]
    nothing = math.nan
    return Row(limit_w, throughput, sum(watts) / len(watts), nothing, nothing, nothing, nothing)


def _sampled(gpu: GpuPower, clock: Clock, sample_s: float) -> float:
    clock.sleep(sample_s)
    return gpu.power_w()
