"""The power sweep, which must leave the GPU as it found it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from controller.devices.compute.gpu_power import GpuPower, GpuPowerError
from controller.devices.compute.gpu_sweep import sweep
from controller.devices.compute.gpu_twin import TwinGpu
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from sites.compute.calibrate import fit_sweep
from sites.plant.gpu import CapCurve
from sites.ports import ManualClock

CURVE = CapCurve(knee_frac=0.62, exponent=1.3)


def twin(locked: bool = False) -> GpuPower:
    return TwinGpu("l40s", natural_w=340.0, curve=CURVE, locked=locked)


def nvml(locked: bool = False) -> GpuPower:
    return NvmlGpu(ToldNvml(ToldGpu(default_w=350.0, limit_w=350.0, locked=locked)), 0)


MAKERS = pytest.mark.parametrize("make", [twin, nvml], ids=["twin", "nvml"])


@MAKERS
def test_without_rights_no_limit_is_taken(make: Callable[..., GpuPower]) -> None:
    with pytest.raises(GpuPowerError, match="took no limit"):
        sweep(make(True), lambda: 1.0, [150.0, 200.0, 250.0], clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))


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
