"""The menu of serving modes: within budget, non-dominated, ascending, the same alone and together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.modes.menu import menu, menus
from optimizer.modes.options import demanded
from sites.compute.bursts import rate_cv2_at
from sites.compute.hardware import gpu_spec
from sites.compute.queueing import response_tail, swing_factor
from sites.compute.records import ServingMode
from sites.errors import InputError
from sites.schema.workload import Demand, Pool, Request, Service, Stage

POOLS = (
    Pool(name="h100", gpu="h100-pcie", nodes=2, gpus_per_node=4, interconnect="nvlink-bridge", host_w=600),
    Pool(name="l40s", gpu="l40s", nodes=1, gpus_per_node=8, host_w=500),
    Pool(name="orin", gpu="jetson-agx-orin", nodes=4, gpus_per_node=1, host_w=6),
)


def service(name: str = "chat", **changes: object) -> Service:
    """Return a chat service with some fields changed."""
    fields: dict[str, object] = {
        "name": name,
        "latency_class": "1-10s",
        "p99_s": 10.0,
        "model": "llama-8b",
        "precisions": ("fp8", "int4"),
        "pools": ("h100", "l40s", "orin"),
        "request": Request(input_tokens=800, output_tokens=150),
        "demand": Demand(mean_rps=2.0),
    }
    return Service.model_validate({**fields, **changes})


def changed(changes: dict[str, object]) -> Service:
    """Return the chat service with some fields changed."""
    return service().model_copy(update=changes)


SERVICES = st.builds(
    lambda model, p99, i, o, speculative: service(
        model=model,
        p99_s=p99,
        latency_class="1-10s" if p99 <= 10 else "over-10s",
        request=Request(input_tokens=i, output_tokens=o),
        speculative=speculative,
    ),
    st.sampled_from(["llama-8b", "qwen3-14b", "llama-70b", "qwen3-30b-a3b", "retinanet", "sdxl"]),
    st.sampled_from([2.0, 8.0, 20.0, 60.0]),
    st.sampled_from([50.0, 500.0, 3000.0]),
    st.sampled_from([20.0, 200.0, 600.0]),
    st.booleans(),
)


def worse(mode: ServingMode, other: ServingMode) -> bool:
    """Return whether ``other`` does at least as much for no more, and something strictly better."""
    at_least = (
        other.rate_rps >= mode.rate_rps
        and other.busy_w <= mode.busy_w
        and other.idle_w <= mode.idle_w
        and other.quality >= mode.quality
        and other.service_s <= mode.service_s
    )
    return at_least and (other.rate_rps > mode.rate_rps or other.busy_w < mode.busy_w)


@settings(max_examples=40, deadline=None)
@given(SERVICES)
def test_every_mode_is_sound(asked: Service) -> None:
    pools = {pool.name: pool for pool in POOLS}
    modes = menu(asked, POOLS)
    assert modes[0].gpus == 0
    assert modes[0].power_w(5.0) == 0.0
    for mode in modes[1:]:
        pool = pools[mode.pool]
        limits = gpu_spec(pool.gpu).limits
        assert limits.min_limit_w <= mode.limit_w <= limits.max_limit_w
        assert 0 < mode.gpus <= pool.gpus
        assert mode.replicas <= asked.replicas_max
        assert mode.precision in asked.precisions
        assert 0.0 < mode.p99_s <= asked.p99_s
        assert mode.service_s < asked.p99_s
        assert mode.idle_w < mode.busy_w <= mode.gpus * mode.limit_w + 1e-6
        assert mode.idle_w < mode.single_w
    assert [mode.rate_rps for mode in modes] == sorted(mode.rate_rps for mode in modes)
    assert len({mode.name for mode in modes}) == len(modes)


@settings(max_examples=40, deadline=None)
@given(SERVICES)
def test_no_mode_is_dominated(asked: Service) -> None:
    modes = menu(asked, POOLS, modes_max=60)[1:]
    for mode in modes:
        assert not any(worse(mode, other) for other in modes)


@settings(max_examples=40, deadline=None)
@given(SERVICES)
def test_the_promise_covers_a_swing_of_the_rate_as_strong_as_a_stream_of_that_rate_has(asked: Service) -> None:
    for mode in menu(asked, POOLS)[1:]:
        v = rate_cv2_at(mode.rate_rps)
        load = mode.rate_rps * mode.service_s / mode.slots * float(swing_factor(asked.p99_s, v))
        late = float(response_tail(mode.slots, mode.service_s, mode.service_scv, load, asked.p99_s, v))
        assert late <= demanded(asked).tail + 1e-9


@settings(max_examples=20, deadline=None)
@given(SERVICES, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_draw_rises_with_the_rate_and_steeply_at_first(asked: Service, a: float, b: float) -> None:
    low, high = sorted((a, b))
    for mode in menu(asked, POOLS)[1:]:
        drawn = [mode.power_w(share * mode.rate_rps) for share in (0.0, low, high, 1.0)]
        assert drawn == sorted(drawn)
        assert drawn[0] == pytest.approx(mode.idle_w)
        assert drawn[-1] == pytest.approx(mode.busy_w)
        halfway = mode.power_w(0.5 * mode.rate_rps)
        assert halfway >= 0.5 * (mode.idle_w + mode.busy_w) - 1e-6


def test_alone_and_together_are_the_same() -> None:
    both = (service("one"), service("two", model="llama-70b", p99_s=30.0, latency_class="over-10s"))
    together = menus(both, POOLS)
    assert together == {each.name: menu(each, POOLS) for each in both}


def test_equal_inputs_give_equal_menus_and_other_pools_are_left_alone() -> None:
    only = service(pools=("l40s",))
    assert menu(only, POOLS) == menu(only, POOLS)
    assert {mode.pool for mode in menu(only, POOLS)} == {"", "l40s"}


def test_burstier_traffic_sustains_less() -> None:
    calm, wild = (menu(service(), POOLS, rate_cv2=v, modes_max=60)[-1] for v in (0.0, 0.2))
    assert wild.rate_rps < calm.rate_rps


def test_a_lower_ceiling_is_kept() -> None:
    modes = menu(service(pools=("h100",)), POOLS, max_limit_w={"h100": 250.0})
    assert max(mode.limit_w for mode in modes) <= 250.0


def test_the_tightest_class_is_promised_p99_9() -> None:
    asked = service(model="retinanet", precisions=("int8",), p99_s=0.02, latency_class="under-100ms")
    usual = service(model="retinanet", precisions=("int8",), p99_s=0.02, latency_class="100-1000ms")
    assert menu(asked, POOLS)[-1].rate_rps < menu(usual, POOLS)[-1].rate_rps


@pytest.mark.parametrize("changes", [{"model": "llama-405b"}, {"p99_s": 0.001, "latency_class": "under-100ms"}])
def test_nothing_but_off_when_nothing_fits_or_is_fast_enough(changes: dict[str, object]) -> None:
    assert [mode.name for mode in menu(changed(changes), POOLS)] == ["off"]
    assert menu(changed(changes), POOLS, with_off=False) == ()


def test_unknown_hardware_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match="l40s"):
        menu(service(), (Pool(name="h100", gpu="l40x", nodes=1, gpus_per_node=1, host_w=1),))
    with pytest.raises(InputError, match="llama-8b"):
        menu(service(model="lama-8b"), POOLS)


def test_other_stages_leave_the_model_less_time_and_count_in_the_promise() -> None:
    stages = (Stage(name="speech", median_s=0.1, p99_s=0.2), Stage(name="network", median_s=0.05, p99_s=0.2))
    alone = service(p99_s=6.0)
    chained = service(p99_s=6.0, stages=stages)
    assert 5.5 < chained.model_p99_s < 5.6
    assert menu(chained, POOLS)[-1].rate_rps < menu(alone, POOLS)[-1].rate_rps
    for mode in menu(chained, POOLS)[1:]:
        assert 6.0 - chained.model_p99_s < mode.p99_s <= 6.0 + 1e-9
    with pytest.raises(ValueError, match=r"take 0\.4"):
        service(p99_s=0.3, latency_class="100-1000ms", stages=stages)
    with pytest.raises(ValueError, match="below median_s"):
        Stage(name="speech", median_s=0.3, p99_s=0.2)
