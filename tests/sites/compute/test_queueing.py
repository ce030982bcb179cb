"""Queues: exact cases, bounds, monotony, and the replay of a real trace."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.compute.bursts import rate_cv2_at
from sites.compute.chain import chain_bound_s
from sites.compute.queueing import (
    RATE_CV2,
    erlang_c,
    normal_cdf,
    rate_cv2_of,
    response_bound_s,
    response_tail,
    sustained_rate_rps,
    swing_cv2,
    swing_factor,
)
from tests.shared_data import shared_path

SLOTS = st.integers(1, 256)
LOADS = st.floats(0.05, 0.93)


def exact_erlang_c(servers: int, load: float) -> float:
    """By the recursion of Erlang's B."""
    offered, blocked = servers * load, 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1.0 - load * (1.0 - blocked))


@given(SLOTS, LOADS)
def test_erlang_c_is_close_and_not_too_low(servers: int, load: float) -> None:
    close, exact = float(erlang_c(servers, load)), exact_erlang_c(servers, load)
    assert close == pytest.approx(exact, rel=0.04 if servers < 8 else 0.012, abs=0.002)
    assert close >= 0.99 * exact - 0.001


@pytest.mark.parametrize("x", [-3.0, -1.0, 0.0, 0.5, 2.0])
def test_normal_distribution(x: float) -> None:
    assert float(normal_cdf(x)) == pytest.approx(0.5 * math.erfc(-x / math.sqrt(2.0)), abs=2e-7)


@given(SLOTS, LOADS, st.floats(0.05, 2.0), st.floats(1.0, 20.0))
def test_more_load_less_time_and_more_bursts_are_late_more_often(
    slots: int, load: float, scv: float, at_s: float
) -> None:
    def late(rho: float, t: float, v: float) -> float:
        return float(response_tail(slots, 1.0, scv, rho, t, v))

    assert late(load, at_s, 0.05) <= late(min(load + 0.05, 0.99), at_s, 0.05) + 1e-9
    assert late(load, at_s, 0.05) >= late(load, at_s * 1.2, 0.05) - 1e-9
    assert late(load, at_s, 0.0) <= late(load, at_s, 0.1) + 1e-9
    assert 0.0 <= late(load, at_s, 0.05) <= 1.0


@given(st.sampled_from([1, 4, 32]), st.floats(0.1, 0.9), st.floats(0.1, 1.0))
def test_bound_is_the_time_at_which_the_tail_is_met(slots: int, load: float, scv: float) -> None:
    bound = float(response_bound_s(slots, 2.0, scv, load))
    assert float(response_tail(slots, 2.0, scv, load, bound)) <= 0.01 + 1e-9
    assert float(response_tail(slots, 2.0, scv, load, 0.97 * bound)) > 0.01 - 1e-3


@pytest.mark.parametrize(("slots", "load"), [(1, 0.5), (4, 0.7), (16, 0.85)])
def test_upper_bound_of_a_simulated_poisson_queue(slots: int, load: float) -> None:
    chance = random.Random(7)
    sigma = math.sqrt(math.log(1.6))
    free, now, responses = [0.0] * slots, 0.0, []
    for _ in range(40_000):
        now += chance.expovariate(slots * load)
        work = math.exp(chance.gauss(-0.5 * sigma**2, sigma))
        first = min(range(slots), key=free.__getitem__)
        free[first] = max(now, free[first]) + work
        responses.append(free[first] - now)
    seen = float(np.quantile(responses, 0.99))
    bound = float(response_bound_s(slots, 1.0, 0.6, load, rate_cv2=0.0))
    assert seen <= 1.03 * bound
    assert bound <= 1.4 * seen


@given(SLOTS, st.floats(3.0, 30.0), st.floats(0.1, 1.0))
def test_sustained_rate_keeps_the_budget_through_a_swing(slots: int, budget: float, scv: float) -> None:
    rate = float(sustained_rate_rps(slots, 1.0, scv, budget))
    swing = float(swing_factor(budget))
    assert rate * swing < slots
    if rate > 0.0:
        assert float(response_tail(slots, 1.0, scv, rate * swing / slots, budget)) <= 0.01 + 1e-9


@given(SLOTS, st.floats(3.0, 30.0))
def test_burstier_traffic_and_smaller_budgets_sustain_less(slots: int, budget: float) -> None:
    calm = float(sustained_rate_rps(slots, 1.0, 0.5, budget, rate_cv2=0.0))
    real = float(sustained_rate_rps(slots, 1.0, 0.5, budget, rate_cv2=RATE_CV2))
    assert real <= calm
    assert float(sustained_rate_rps(slots, 1.0, 0.5, 0.8 * budget)) <= real + 1e-9
    assert float(sustained_rate_rps(slots, 1.0, 0.5, budget, 0.001)) <= real + 1e-9
    clocked = float(sustained_rate_rps(slots, 1.0, 0.5, budget, arrival_scv=0.2))
    assert clocked >= real


@given(SLOTS, st.floats(3.0, 30.0))
def test_bursts_are_taken_at_the_rate_found(slots: int, budget: float) -> None:
    rate = float(sustained_rate_rps(slots, 2.0, 0.5, budget, rate_cv2=rate_cv2_at, steps=16))
    fixed = float(sustained_rate_rps(slots, 2.0, 0.5, budget, rate_cv2=float(rate_cv2_at(rate)), steps=16))
    assert rate == pytest.approx(fixed, rel=1e-3, abs=1e-3)
    busy = float(sustained_rate_rps(slots, 2.0, 0.5, budget, rate_cv2=float(rate_cv2_at(1000.0))))
    assert rate <= busy + 1e-9


@pytest.mark.parametrize(("budget_s", "able"), [(3.6, False), (3.85, False), (4.3, True)])
def test_a_budget_that_the_service_alone_breaks_sustains_nothing(budget_s: float, able: bool) -> None:
    """Lognormal of scv 0.6, mean 1 s: 1 % above 3.9 s."""
    rate = float(sustained_rate_rps(64, 1.0, 0.6, budget_s))
    assert (rate > 0.0) is able


def test_a_trickle_is_burstier_than_a_stream() -> None:
    assert rate_cv2_at(np.array([0.0, 0.1, 5.5, 55.0])) == pytest.approx([1.0, 1.0, 0.31 / 5.5, 0.31 / 55.0])


def test_a_budget_of_minutes_rides_out_what_seconds_can_not() -> None:
    assert float(swing_cv2(600.0)) < float(swing_cv2(60.0)) < float(swing_cv2(5.0)) <= RATE_CV2


def test_variability_of_counts() -> None:
    assert rate_cv2_of([100] * 50) == 0.0
    assert rate_cv2_of([]) == 0.0
    random_state = np.random.default_rng(3)
    assert rate_cv2_of(random_state.poisson(500.0, 4000).astype(np.float64)) < 0.001
    moved = random_state.poisson(500.0 * (1 + 0.3 * np.sin(np.arange(4000))))
    assert rate_cv2_of(moved.astype(np.float64)) == pytest.approx(0.045, rel=0.1)


@given(st.lists(st.tuples(st.floats(0.02, 1.0), st.floats(1.1, 6.0)), min_size=1, max_size=4))
def test_chain_bound_holds_even_for_stages_that_are_late_together(stages: list[tuple[float, float]]) -> None:
    parts = [(median, median * factor) for median, factor in stages]
    together = sum(p99 for _, p99 in parts)
    bound = chain_bound_s(parts)
    assert bound >= together * (1 - 1e-9)
    assert bound <= sum(median * factor**1.6 for median, factor in stages) + 1e-9
    assert chain_bound_s([]) == 0.0


def test_trace_measures_the_variability_that_is_committed() -> None:
    """Azure LLM inference trace 2023, conversation: index of dispersion 4.0 over 10 s at 5.5 req/s."""
    shared_path("data/demand/azure_llm_2023_conv.csv")
    from benchmarks.queueing import conversation, measured_cv2

    trace = conversation()
    counts = np.bincount((trace.arrival_s // 10.0).astype(int)).astype(np.float64)
    assert float(counts.var() / counts.mean()) == pytest.approx(4.0, abs=0.1)
    assert measured_cv2(trace, 2.0) == pytest.approx(RATE_CV2, rel=0.1)


@pytest.mark.parametrize("burst", [0.5, 1.0, 2.0])
def test_promise_holds_in_the_replayed_trace_and_poisson_does_not(burst: float) -> None:
    """At least 95 % of 10-minute windows keep the P99; at most a third of the rate that would is given away."""
    shared_path("data/demand/azure_llm_2023_conv.csv")
    from benchmarks.queueing import conversation, kept

    trace = conversation()
    scv = float(np.var(trace.work))
    rate = float(sustained_rate_rps(16, 2.0, scv, 16.0, rate_cv2=RATE_CV2 * burst**2))
    poisson = float(sustained_rate_rps(16, 2.0, scv, 16.0, rate_cv2=0.0))
    assert kept(trace, rate, burst, 16, 2.0, 16.0, 2) >= 0.95
    assert kept(trace, rate * 1.5, burst, 16, 2.0, 16.0, 2) < 0.95
    assert kept(trace, poisson, burst, 16, 2.0, 16.0, 2) < 0.95
