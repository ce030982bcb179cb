"""One suite for every way to a GPU's power limit: twin, NVML, the same through the privileged helper, Jetson modes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.devices.compute.gpu_helper import GpuHelper, HeldGpus
from controller.devices.compute.gpu_power import (
    Applied,
    DriverGoneError,
    Failed,
    GpuLostError,
    GpuPower,
    GpuPowerError,
    PartlyApplied,
    Refused,
)
from controller.devices.compute.gpu_remote import HelperLine
from controller.devices.compute.gpu_twin import TwinGpu
from controller.devices.compute.nvml import ERRORS, NvmlGpu
from controller.devices.compute.nvml_twin import ToldError, ToldGpu, ToldNvml
from sites.plant.gpu import CapCurve
from tests.controller.devices.compute.jetson_tree import JetsonTree

Make = Callable[[bool], GpuPower]


@pytest.fixture(params=["twin", "nvml", "helper", "jetson"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Yield a maker of GPUs; with True this user has no rights."""
    with ExitStack() as stack:

        def made(locked: bool) -> GpuPower:
            told = NvmlGpu(ToldNvml(ToldGpu(locked=locked)), 0)
            if request.param == "twin":
                return TwinGpu("l40s", natural_w=340.0, curve=CapCurve(knee_frac=0.62, exponent=1.3), locked=locked)
            if request.param == "nvml":
                return told
            if request.param == "jetson":
                return JetsonTree(tmp_path, locked=locked).module()
            return stack.enter_context(helper(tmp_path, told)).gpus()[0]

        yield made


class helper:  # noqa: N801 - reads as a context manager
    """A helper on a socket of its own, and a line to it."""

    def __init__(self, folder: Path, *gpus: GpuPower, **more: object) -> None:
        self._path = folder / "gpu.sock"
        about = {name: more.pop(name) for name in ("range_w", "safe_limit_w") if name in more}
        given = {"users": frozenset({os.getuid()}), **more}
        self.server = GpuHelper(self._path, HeldGpus(gpus, **about), **given)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> HelperLine:
        self._thread.start()
        self.line = HelperLine(str(self._path))
        return self.line

    def __exit__(self, *_: object) -> None:
        self.line.close()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def test_a_limit_in_range_is_applied_and_read_back(make: Make) -> None:
    gpu = make(False)
    limits = gpu.limit_range()
    asked_w = limits.min_w + (limits.max_w - limits.min_w) / 2
    outcome = gpu.set_limit_w(asked_w)
    assert isinstance(outcome, Applied)
    assert outcome.enforced_w == gpu.enforced_limit_w() == gpu.reading().enforced_w
    assert limits.min_w <= outcome.enforced_w <= asked_w
    assert gpu.power_w() <= outcome.enforced_w
    assert gpu.name()


def test_limits_outside_are_refused_with_the_nearest(make: Make) -> None:
    gpu = make(False)
    limits, before_w = gpu.limit_range(), gpu.enforced_limit_w()
    for asked_w, nearest_w in ((limits.min_w - 1, limits.min_w), (limits.max_w + 1, limits.max_w), (0.0, limits.min_w)):
        outcome = gpu.set_limit_w(asked_w)
        assert isinstance(outcome, Refused)
        assert f"the nearest is {nearest_w:g} W" in outcome.reason
    assert gpu.enforced_limit_w() == before_w


def test_without_rights_nothing_changes_and_reading_goes_on(make: Make) -> None:
    gpu = make(True)
    before_w, low_w = gpu.enforced_limit_w(), gpu.limit_range().min_w
    outcome = gpu.set_limit_w(low_w)
    assert isinstance(outcome, Refused)
    assert "root" in outcome.reason
    assert gpu.reading().enforced_w == before_w


@pytest.mark.parametrize("through_helper", [False, True], ids=["nvml", "helper"])
@pytest.mark.parametrize(
    ("behaves", "outcome_type", "text"),
    [
        ({"meddler_w": 320.0}, PartlyApplied, "something else"),
        ({"also_limited_w": 150.0}, PartlyApplied, "a lower limit holds beside it"),
        ({"lost": True}, Failed, "reset or reseat"),
    ],
)
def test_told_troubles(
    behaves: dict[str, object], outcome_type: type, text: str, through_helper: bool, tmp_path: Path
) -> None:
    told = ToldGpu()
    gpu: GpuPower = NvmlGpu(ToldNvml(told), 0)
    with ExitStack() as stack:
        if through_helper:
            gpu = stack.enter_context(helper(tmp_path, gpu)).gpus()[0]
        for name, value in behaves.items():
            setattr(told, name, value)
        outcome = gpu.set_limit_w(200.0)
    assert isinstance(outcome, outcome_type)
    assert text in outcome.reason  # type: ignore[attr-defined]


def test_a_reading_has_all_the_card_tells_and_none_of_what_it_does_not() -> None:
    told = ToldGpu(ecc=3, mig=(1, 1), throttle_bits=0x20, limit_w=200.0, persistence=1)
    reading = NvmlGpu(ToldNvml(told), 0).reading()
    assert reading.throttle_reasons == ("power-cap", "thermal")
    assert (reading.ecc_uncorrected, reading.slices, reading.persistent) == (3, True, True)
    assert (reading.temperature_c, reading.power_w, reading.enforced_w) == (60, 200.0, 200.0)
    bare = NvmlGpu(ToldNvml(ToldGpu(ecc=None)), 0).reading()
    assert (bare.ecc_uncorrected, bare.slices) == (None, None)


def test_a_driver_that_was_reloaded_is_found_again_by_uuid() -> None:
    library = ToldNvml(ToldGpu(uuid="GPU-a"), ToldGpu(uuid="GPU-b"))
    gpu = NvmlGpu(library, 1)
    library.unload()
    with pytest.raises(DriverGoneError):
        gpu.reading()
    with pytest.raises(DriverGoneError):
        gpu.reopen()
    library.reload()
    library.gpus.reverse()
    gpu.reopen()
    assert gpu.reading().enforced_w == 300.0
    library.gpus = [each for each in library.gpus if each.uuid != "GPU-b"]
    with pytest.raises(GpuLostError):
        gpu.reopen()


def test_every_code_becomes_one_of_few_errors() -> None:
    class Raising(ToldNvml):
        code = 0

        def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int:  # noqa: N802
            raise ToldError(self.code)

    library = Raising()
    gpu = NvmlGpu(library, 0)
    for code in (*range(1, 30), 999):
        library.code = code
        with pytest.raises(ERRORS.get(code, GpuPowerError)):
            gpu.enforced_limit_w()


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(GpuPowerError, match="this host has 1"):
        NvmlGpu(ToldNvml(), 3)
