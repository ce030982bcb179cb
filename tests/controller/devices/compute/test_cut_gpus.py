"""GPUs that MIG cuts, at the driver: parts as units of work, one limit a GPU, and what is not cut as the file says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from controller.devices.compute.placement import Layout, Want, limits_w, placed, whole_limits_w
from controller.devices.compute.pool_gpus import PoolGpus
from controller.setpoints import Verdict
from optimizer.places import IslandShare

CUT = Layout(node_gpus=4, mig_parts=2)


def told(number: int, devices: int = 2, mig: tuple[int, int] | None = (1, 1)) -> ToldGpu:
    """A GPU of 200..350 W in parts."""
    uuids = tuple(f"MIG-{number}-{part}" for part in range(devices))
    return ToldGpu(uuid=f"GPU-{number}", min_w=200.0, limit_w=350.0, mig=mig, mig_devices=uuids)


@contextmanager
def kept(*gpus: ToldGpu, layout: Layout = CUT) -> Iterator[PoolGpus]:
    library = ToldNvml(*gpus)
    opened = [NvmlGpu(library, index) for index in range(len(gpus))]
    pool = PoolGpus(
        "h100", lambda: opened, count=len(gpus), safe_limit_w=200.0, period_s=0.02, layout=layout, part_idle_w=30.0
    )
    pool.start()
    try:
        yield pool
    finally:
        pool.close()


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 15.0
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_nvml_tells_the_parts_of_a_gpu() -> None:
    reading = NvmlGpu(ToldNvml(told(0, devices=3)), 0).reading()
    assert (reading.slices, reading.mig_devices) == (True, ("MIG-0-0", "MIG-0-1", "MIG-0-2"))
    whole = NvmlGpu(ToldNvml(told(0, mig=(0, 0))), 0).reading()
    assert (whole.slices, whole.mig_devices) == (False, ())


@pytest.mark.parametrize(
    ("limits", "whole"),
    [
        ({0: 150.0, 1: 150.0}, {0: 300.0}),
        ({0: 150.0}, {0: 180.0}),
        ({1: 150.0, 2: 100.0, 3: 100.0}, {0: 180.0, 1: 200.0}),
        ({0: 150.0, 1: 100.0}, {0: 250.0}),
        ({}, {}),
    ],
)
def test_a_gpu_has_the_limits_of_its_parts_together(limits: dict[int, float], whole: dict[int, float]) -> None:
    assert whole_limits_w(limits, 2, 30.0) == whole


def test_whole_gpus_have_their_own_limits() -> None:
    assert whole_limits_w({0: 150.0, 3: 250.0}, 1, 30.0) == {0: 150.0, 3: 250.0}


def test_who_is_new_goes_where_no_other_limit_is() -> None:
    wants = [Want("a", 1, 100.0), Want("b", 1, 150.0), Want("c", 1, 100.0), Want("d", 1, 175.0)]
    assert placed(wants, tuple(range(4)), {}, CUT) == {"a": (0,), "b": (2,), "c": (1,), "d": (3,)}


def test_a_plans_gpu_is_followed() -> None:
    want = Want("a", 3, 100.0, (IslandShare(node=0, island=1, gpus=2), IslandShare(node=1, island=0, gpus=1)))
    assert placed([want], tuple(range(8)), {}, CUT) == {"a": (2, 3, 4)}
    assert limits_w([want], {"a": (2, 3, 4)}) == {2: 100.0, 3: 100.0, 4: 100.0}


def test_a_limit_is_written_once_a_gpu_and_jobs_know_their_parts() -> None:
    gpus = [told(0), told(1)]
    with kept(*gpus) as pool:
        until(lambda: pool.ok() == 4 and [each.limit_w for each in gpus] == [200.0, 200.0])
        wants = [Want("a", 2, 150.0), Want("b", 1, 175.0)]
        assert pool.order(wants) == {"a": ("MIG-0-0", "MIG-0-1"), "b": ("MIG-1-0",)}
        until(lambda: [each.limit_w for each in gpus] == [300.0, 205.0])
        assert [each.writes_w for each in gpus] == [[200.0, 300.0], [200.0, 205.0]]
        assert pool.outcomes() == ()
        assert pool.limit_w() == pytest.approx(150.0)


@pytest.mark.parametrize(
    ("gpu", "layout", "ok", "text"),
    [
        (told(0, mig=(0, 0)), CUT, 0, "it has MIG off, the site file says pools: mig_parts 2; cut it so"),
        (told(0, mig=None), CUT, 0, "it has MIG off"),
        (told(0, devices=3), CUT, 0, "it has 3 MIG devices, the site file says pools: mig_parts 2"),
        (
            told(0),
            Layout(node_gpus=1),
            1,
            "it has 2 MIG devices, the site file says pools: mig_parts 1; switch MIG off",
        ),
    ],
)
def test_a_gpu_that_is_not_cut_as_the_site_file_says_is_told(gpu: ToldGpu, layout: Layout, ok: int, text: str) -> None:
    with kept(gpu, layout=layout) as pool:
        until(lambda: len(pool.standings()) == 1 and pool.standings()[0].reading is not None)
        assert pool.ok() == ok
        assert [(each.what, each.verdict) for each in pool.outcomes()] == [("gpu 0 parts", Verdict.REFUSED)]
        assert text in pool.outcomes()[0].text
        assert pool.order([Want("a", 1, 150.0)]) == {"a": () if ok == 0 else (0,)}
