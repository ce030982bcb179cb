"""Tables of turns: what the keeper does about lost GPUs, meddlers, leaks and drivers that come and go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.devices.compute.gpu_keeper import LEAK_TURNS, GpuKeeper, release
from controller.devices.compute.gpu_power import Applied, Failed, PartlyApplied, Refused
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from sites.ports import ManualClock


class Bench:
    """A keeper of told GPUs on a clock that moves when told."""

    def __init__(self, *gpus: ToldGpu, safe_limit_w: float | None = 120.0) -> None:
        self.library = ToldNvml(*gpus)
        self.gpus = [NvmlGpu(self.library, index) for index in range(len(gpus))]
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.keeper = GpuKeeper(self.gpus, safe_limit_w=safe_limit_w, monotonic_s=self.clock.monotonic_s)

    def turns(self, count: int, every_s: float = 1.0) -> None:
        for _ in range(count):
            self.keeper.turn()
            self.clock.advance(every_s)


def test_gpus_are_capped_before_anybody_orders_anything() -> None:
    told = ToldGpu()
    bench = Bench(told)
    bench.turns(1)
    assert told.limit_w == 120.0
    assert told.persistence == 1


def test_an_order_is_written_once_and_stands() -> None:
    told = ToldGpu()
    bench = Bench(told)
    bench.keeper.want({0: 200.0})
    bench.turns(20)
    assert told.writes_w == [200.0]
    assert bench.keeper.standings[0].external == 0


def test_another_program_is_overruled_every_turn_and_counted() -> None:
    told = ToldGpu()
    bench = Bench(told)
    bench.keeper.want({0: 200.0})
    bench.turns(2)
    for _ in range(5):
        told.limit_w = 350.0
        bench.turns(1)
        assert told.limit_w == 200.0
    assert bench.keeper.standings[0].external == 5
    bench.keeper.want({0: 250.0})
    bench.turns(2)
    assert bench.keeper.standings[0].external == 5, "an order of our own is nobody else's"


def test_a_meddler_that_wins_leaves_the_outcome_partly_applied() -> None:
    told = ToldGpu(meddler_w=320.0)
    bench = Bench(told)
    bench.keeper.want({0: 200.0})
    bench.turns(4)
    assert len(told.writes_w) == 4
    assert isinstance(bench.keeper.standings[0].outcome, PartlyApplied)


def test_a_cap_that_leaks_is_lowered_by_what_leaks() -> None:
    told = ToldGpu(leak_w=25.0)
    bench = Bench(told)
    bench.keeper.want({0: 200.0})
    bench.turns(LEAK_TURNS + 3)
    standing = bench.keeper.standings[0]
    assert standing.leaks >= 1
    assert told.limit_w + told.leak_w <= 200.0 + 1.0
    assert standing.wanted_w == 200.0
    calm = ToldGpu(leak_w=3.0)
    quiet = Bench(calm)
    quiet.keeper.want({0: 200.0})
    quiet.turns(LEAK_TURNS + 3)
    assert calm.limit_w == 200.0, "a watt or two of overshoot is no leak"


def test_a_lost_gpu_leaves_the_others_be_and_is_asked_ever_less_often() -> None:
    lost, well = ToldGpu(uuid="GPU-0"), ToldGpu(uuid="GPU-1")
    bench = Bench(lost, well)
    bench.keeper.want({0: 200.0, 1: 180.0})
    bench.turns(2)
    lost.lost = True
    bench.turns(3)
    first, second = bench.keeper.standings
    assert first.lost
    assert "reset or reseat" in first.trouble
    assert isinstance(first.outcome, Failed)
    assert (second.lost, well.limit_w) == (False, 180.0)
    lost.lost, lost.limit_w = False, 300.0
    bench.turns(60)
    assert not bench.keeper.standings[0].lost
    assert lost.limit_w == 200.0


def test_a_driver_reload_puts_the_caps_back() -> None:
    told = ToldGpu()
    bench = Bench(told)
    bench.keeper.want({0: 200.0})
    bench.turns(2)
    bench.library.unload()
    bench.turns(2)
    assert bench.keeper.standings[0].lost
    bench.library.reload()
    assert (told.limit_w, told.persistence) == (300.0, 0)
    bench.turns(5)
    assert (told.limit_w, told.persistence) == (200.0, 1)


def test_without_rights_it_goes_on_reading_and_says_what_would_mend_it() -> None:
    bench = Bench(ToldGpu(locked=True))
    bench.keeper.want({0: 200.0})
    bench.turns(3)
    standing = bench.keeper.standings[0]
    assert isinstance(standing.outcome, Refused)
    assert "run as root" in standing.outcome.reason
    assert standing.reading is not None
    assert standing.reading.persistent is False


@pytest.mark.parametrize(("wanted_w", "asked_w"), [(10.0, 100.0), (900.0, 350.0)])
def test_orders_outside_the_range_come_to_its_end(wanted_w: float, asked_w: float) -> None:
    told = ToldGpu()
    bench = Bench(told)
    bench.keeper.want({0: wanted_w})
    bench.turns(1)
    assert told.limit_w == bench.keeper.standings[0].asked_w == asked_w


def test_after_the_end_the_safe_cap_stays_until_it_is_released() -> None:
    told = ToldGpu()
    bench = Bench(told)
    bench.keeper.want({0: 280.0})
    bench.turns(2)
    bench.keeper.leave()
    assert told.limit_w == 120.0
    assert release(bench.gpus) == (Applied(enforced_w=300.0),)
    assert told.limit_w == told.default_w != told.max_w


def test_mig_slices_share_one_limit_and_are_told() -> None:
    bench = Bench(ToldGpu(mig=(1, 1)))
    bench.turns(1)
    reading = bench.keeper.standings[0].reading
    assert reading is not None
    assert reading.slices is True
