"""One suite for every way to a GPU's power limit, and the sweep that must leave the GPU as it found it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from controller.devices.gpu_power import GpuPower, GpuPowerError, LimitApplied, LimitRefused
from controller.devices.gpu_power_twin import TwinGpu
from controller.devices.gpu_sweep import sweep
from controller.devices.nvml import NvmlGpu
from sites.compute.calibrate import fit_sweep
from sites.plant.gpu import CapCurve
from sites.ports import ManualClock

CURVE = CapCurve(knee_frac=0.62, exponent=1.3)


class FakeNvmlError(Exception):
    """Stands for the vendor's error."""


class FakeNvml:
    """NVML of a host with one L40S, in milliwatts."""

    NVMLError: type[Exception] = FakeNvmlError

    def __init__(self, *, locked: bool = False, meddler_w: float | None = None) -> None:
        self.limit_mw, self.locked, self.meddler_w = 350_000, locked, meddler_w

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:  # noqa: N802
        return b"NVIDIA L40S"

    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: object) -> list[int]:  # noqa: N802
        return [100_000, 350_000]

    def nvmlDeviceGetPowerManagementDefaultLimit(self, handle: object) -> int:  # noqa: N802
        return 350_000

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int:  # noqa: N802
        return self.limit_mw if self.meddler_w is None else round(self.meddler_w * 1000)

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:  # noqa: N802
        return min(340_000, self.limit_mw)

    def nvmlDeviceSetPowerManagementLimit(self, handle: object, limit_mw: int) -> None:  # noqa: N802
        if self.locked:
            raise FakeNvmlError("Insufficient Permissions")
        self.limit_mw = limit_mw


def twin(locked: bool = False) -> GpuPower:
    return TwinGpu("l40s", natural_w=340.0, curve=CURVE, locked=locked)


def nvml(locked: bool = False) -> GpuPower:
    return NvmlGpu(FakeNvml(locked=locked), 0)


MAKERS = pytest.mark.parametrize("make", [twin, nvml], ids=["twin", "nvml"])


@MAKERS
def test_a_limit_in_range_is_applied_and_read_back(make: Callable[..., GpuPower]) -> None:
    gpu = make()
    limits = gpu.limit_range()
    assert (limits.min_w, limits.default_w, limits.max_w) == (100.0, 350.0, 350.0)
    assert gpu.set_limit_w(200.0) == LimitApplied(enforced_w=200.0)
    assert gpu.enforced_limit_w() == 200.0
    assert gpu.power_w() <= 200.0
    assert "l40s" in gpu.name().lower()


@MAKERS
@pytest.mark.parametrize(("asked", "nearest"), [(50.0, "100 W"), (500.0, "350 W")])
def test_a_limit_outside_is_refused_with_the_nearest(make: Callable[..., GpuPower], asked: float, nearest: str) -> None:
    gpu = make()
    outcome = gpu.set_limit_w(asked)
    assert isinstance(outcome, LimitRefused)
    assert nearest in outcome.reason
    assert gpu.enforced_limit_w() == 350.0


@MAKERS
def test_without_rights_nothing_changes(make: Callable[..., GpuPower]) -> None:
    gpu = make(locked=True)
    outcome = gpu.set_limit_w(200.0)
    assert isinstance(outcome, LimitRefused)
    assert "root" in outcome.reason
    with pytest.raises(GpuPowerError, match="took no limit"):
        sweep(gpu, lambda: 1.0, [150.0, 200.0, 250.0], clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_limit_that_something_else_sets_is_no_success() -> None:
    outcome = NvmlGpu(FakeNvml(meddler_w=300.0), 0).set_limit_w(200.0)
    assert isinstance(outcome, LimitRefused)
    assert "something else" in outcome.reason


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(GpuPowerError, match="this host has 1"):
        NvmlGpu(FakeNvml(), 3)


def test_a_sweep_finds_the_curve_and_puts_the_limit_back() -> None:
    gpu = TwinGpu("l40s", natural_w=340.0, curve=CURVE, throughput=500.0)
    gpu.set_limit_w(320.0)
    run = sweep(
        gpu, gpu.throughput, [80, 120, 160, 200, 250, 300, 350], clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert run.limit_before_w == run.limit_after_w == gpu.enforced_limit_w() == 320.0
    assert len(run.skipped) == 1
    found = fit_sweep(run.rows, "l40s", "decode")
    assert found.natural_w == pytest.approx(340.0)
    assert found.fit.rmse < 0.01


@MAKERS
def test_a_meter_that_fails_leaves_the_limit_as_it_was(make: Callable[..., GpuPower]) -> None:
    gpu = make()
    seen = iter([900.0, 800.0])

    def meter() -> float:
        return next(seen, None) or _broken()

    with pytest.raises(ZeroDivisionError):
        sweep(gpu, meter, [150.0, 200.0, 250.0, 300.0], clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    assert gpu.enforced_limit_w() == 350.0


def test_a_meter_that_fails_at_once_leaves_the_limit_as_it_was() -> None:
    gpu = TwinGpu("l40s", natural_w=340.0, curve=CURVE)
    gpu.set_limit_w(320.0)
    with pytest.raises(ZeroDivisionError):
        sweep(gpu, _broken, [150.0, 250.0], clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    assert gpu.enforced_limit_w() == 320.0


def _broken() -> float:
    raise ZeroDivisionError
