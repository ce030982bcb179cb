"""The replay queue against answers known without it."""

from __future__ import annotations

import math

import pytest

from controller.capability import service_menu
from controller.studies.replay import Tick, replay
from sites.schema.workload import Demand, Pool, Request, Service

DAY = 1440


def test_an_idle_service_never_breaches() -> None:
    assert replay([Tick(0.0, 0.0, 4, 1.0, 0.5)] * DAY, tick_s=60.0, budget_s=1.0, seed=1).windows == 0


def test_a_service_that_is_down_breaches_every_window_with_requests() -> None:
    found = replay([Tick(5.0, 0.0, 0, 1.0, 0.0)] * DAY, tick_s=60.0, budget_s=1.0, seed=1)
    assert (found.windows, found.breaches) == (144, 144)


def test_a_fixed_service_time_below_the_budget_is_kept_with_many_slots() -> None:
    found = replay([Tick(5.0, 5.0, 200, 0.9, 0.0)] * DAY, tick_s=60.0, budget_s=1.0, seed=1)
    assert found.breaches == 0
    assert found.late_frac == 0


def test_a_service_time_above_the_budget_is_always_late() -> None:
    found = replay([Tick(5.0, 5.0, 200, 1.1, 0.0)] * DAY, tick_s=60.0, budget_s=1.0, seed=1)
    assert found.late_frac == 1.0


def test_without_waiting_the_late_share_is_the_lognormal_tail() -> None:
    scv, budget = 0.5, 2.0
    sigma = math.sqrt(math.log(1 + scv))
    tail = 0.5 * math.erfc((math.log(budget) + 0.5 * sigma**2) / sigma / math.sqrt(2))
    found = replay([Tick(8.0, 8.0, 400, 1.0, scv)] * DAY, tick_s=60.0, budget_s=budget, seed=3)
    assert abs(found.late_frac - tail) < 0.1 * tail


def test_an_overloaded_queue_breaches_in_the_end() -> None:
    found = replay([Tick(5.0, 5.0, 4, 1.0, 0.5)] * DAY, tick_s=60.0, budget_s=10.0, seed=1)
    assert found.breaches > 100


def test_the_same_seed_gives_the_same_replay() -> None:
    ticks = [Tick(3.0, 3.0, 4, 1.0, 0.5)] * 120
    first = replay(ticks, tick_s=60.0, budget_s=4.0, seed=7)
    assert replay(ticks, tick_s=60.0, budget_s=4.0, seed=7) == first
    assert replay(ticks, tick_s=60.0, budget_s=4.0, seed=8) != first


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_every_mode_of_a_busy_service_keeps_its_promise_at_its_own_rate(share: float) -> None:
    pools = (Pool(name="l40s", gpu="l40s", nodes=2, gpus_per_node=8, host_w=500),)
    busy = Service(
        name="chat",
        latency_class="1-10s",
        p99_s=10.0,
        model="llama-8b",
        precisions=("fp8", "int4"),
        pools=("l40s",),
        request=Request(input_tokens=800, output_tokens=150),
        demand=Demand(mean_rps=20.0),
    )
    for mode in service_menu(busy, pools)[1:]:
        rate = share * mode.rate_rps
        ticks = [Tick(rate, rate, mode.slots, mode.service_s, mode.service_scv)] * 288
        found = replay(ticks, tick_s=300.0, budget_s=busy.p99_s, seed=2)
        assert found.breaches <= 0.02 * found.windows, mode.name
