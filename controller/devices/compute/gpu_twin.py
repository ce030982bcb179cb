"""Simulated twin of one GPU: takes limits like a driver and draws like the plant model under a given job."""

from __future__ import annotations

from controller.devices.compute.gpu_power import Applied, GpuReading, LimitOutcome, LimitRange, Refused, outside
from sites.compute.hardware import gpu_spec
from sites.plant.gpu import CapCurve, busy_power_w, speed_frac


class TwinGpu:
    """A GPU of the catalogue with one job on it.

    ``natural_w`` is the job's draw without a limit, ``curve`` its speed under one, ``throughput`` its speed without.
    With ``locked`` every write is refused, as for a user without rights.
    """

    def __init__(
        self, gpu: str, *, natural_w: float, curve: CapCurve, throughput: float = 1.0, locked: bool = False
    ) -> None:
        self._spec = gpu_spec(gpu)
        self._natural_w, self._curve, self._throughput, self._locked = natural_w, curve, throughput, locked
        self._limit_w = self._spec.default_limit_w

    def name(self) -> str:
        return f"{self._spec.key} (simulated twin)"

    def limit_range(self) -> LimitRange:
        limits = self._spec.limits
        return LimitRange(min_w=limits.min_limit_w, default_w=self._spec.default_limit_w, max_w=limits.max_limit_w)

    def enforced_limit_w(self) -> float:
        return self._limit_w

    def power_w(self) -> float:
        return busy_power_w(self._limit_w, self._natural_w, self._spec.limits)

    def reading(self) -> GpuReading:
        return GpuReading(enforced_w=self._limit_w, power_w=self.power_w(), persistent=True)

    def keep_settings(self) -> None:
        return

    def reopen(self) -> None:
        return

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        refused = outside(limit_w, self.limit_range())
        if refused is not None:
            return refused
        if self._locked:
            return Refused(reason="no right to set the limit; run as root or grant it")
        self._limit_w = limit_w
        return Applied(enforced_w=limit_w)

    def throughput(self) -> float:
        """Return what the job gets done a second at the present limit."""
        return self._throughput * speed_frac(self._limit_w, self._natural_w, self._curve, self._spec.limits)
