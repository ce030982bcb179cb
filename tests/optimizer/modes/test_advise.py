"""The advisor: golden answers a reader of the field would sign, and why each loser loses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.modes.advice import Answer, Conditions, Verdict, Workload
from optimizer.modes.advise import advise
from optimizer.modes.archetypes import workload_of
from sites.catalog.load import load_catalog
from sites.catalog.records import Precision
from sites.errors import InputError
from sites.schema.workload import Pool

LISTED = (
    "h100-sxm5",
    "h100-pcie",
    "l40s",
    "a100-pcie-40gb",
    "a100-pcie-80gb",
    "rtx-6000-ada",
    "jetson-agx-orin",
    "jetson-agx-thor",
)
GOLDEN = {
    "hft": ("l4", 1),
    "vehicle-perception": ("jetson-agx-orin", 1),
    "robot-control": ("jetson-agx-orin", 1),
    "robot-vision": ("jetson-agx-orin", 1),
    "ar-overlay": ("jetson-agx-orin", 1),
    "voice-agent": ("rtx-6000-ada", 1),
    "live-moderation": ("jetson-agx-thor", 1),
    "document-question": ("rtx-pro-6000", 2),
    "code-assistant": ("a100-pcie-40gb", 2),
    "chat-70b": ("a100-pcie-40gb", 8),
    "chat-405b": ("h200-sxm", 4),
    "image-generation": ("rtx-pro-6000", 2),
    "acute-imaging": ("jetson-agx-orin", 1),
    "routine-imaging": ("jetson-agx-orin", 1),
    "satellite-tiles": ("jetson-agx-thor", 1),
    "satellite-continent": ("jetson-agx-thor", 3),
    "risk-run": ("l4", 2),
    "fine-tune-8b": ("jetson-agx-thor", 1),
    "fine-tune-70b": ("jetson-agx-thor", 2),
}
"""Least cost of energy and hardware over the whole catalogue at 25 C: (GPU, how many)."""


def verdicts(answer: Answer) -> dict[str, Verdict]:
    return {each.gpu: each.verdict for each in answer.advice}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_answers(name: str) -> None:
    best = advise(workload_of(name), Conditions()).best
    assert best is not None
    assert best.way is not None
    assert (best.gpu, best.way.gpus) == GOLDEN[name]


def test_every_archetype_has_a_golden_answer() -> None:
    assert set(GOLDEN) == set(load_catalog().archetypes)


MODELS = st.sampled_from(
    ["llama-8b", "qwen3-14b", "qwen3-32b", "llama-70b", "retinanet", "sdxl", "unet3d", "moderation-vit"]
)
PRECISIONS: list[tuple[Precision, ...]] = [("fp8",), ("fp8", "int4"), ("int4",)]
WORKLOADS = st.builds(
    lambda model, precisions, rate, p99, i, o: Workload(
        name="any",
        model=model,
        precisions=precisions,
        rate_rps=rate,
        p99_s=p99,
        latency_class="1-10s",
        input_tokens=i,
        output_tokens=o,
    ),
    MODELS,
    st.sampled_from(PRECISIONS),
    st.sampled_from([0.05, 0.5, 5.0]),
    st.sampled_from([1.0, 5.0, 20.0, 120.0]),
    st.sampled_from([100.0, 1500.0]),
    st.sampled_from([30.0, 300.0]),
)


@settings(max_examples=40, deadline=None)
@given(WORKLOADS)
def test_an_h100_sxm_is_never_recommended_where_an_l40s_or_a_jetson_is_cheaper(workload: Workload) -> None:
    answer = advise(workload, Conditions(), LISTED)
    if answer.best is None or answer.best.gpu != "h100-sxm5":
        return
    assert answer.best.way is not None
    for each in answer.advice:
        if each.gpu in ("l40s", "jetson-agx-orin", "jetson-agx-thor") and each.way is not None:
            assert each.way.usd_per_hour >= answer.best.way.usd_per_hour


@settings(max_examples=40, deadline=None)
@given(WORKLOADS, st.sampled_from(["cost", "energy", "gpus"]))
def test_answers_are_ranked_within_budget_and_every_loser_has_a_reason(workload: Workload, rank: str) -> None:
    conditions = Conditions(rank_by=rank, envelope_w=5000.0, ambient_c=30.0)  # type: ignore[arg-type]
    answer = advise(workload, conditions, LISTED)
    assert sorted(each.gpu for each in answer.advice) == sorted(LISTED)
    ways = [each.way for each in answer.advice if each.way is not None]
    keys = {"cost": "usd_per_hour", "energy": "energy_wh_per_request", "gpus": "gpus"}
    values = [getattr(way, keys[rank]) for way in ways]
    assert values == sorted(values)
    for way in ways:
        assert way.p99_s <= workload.p99_s
        assert way.power_w <= 5000.0
        assert way.rate_max_rps >= workload.rate_rps
        assert way.gpus <= conditions.gpus_max
    for each in answer.advice:
        assert each.reason
        assert (each.way is None) == (each.verdict not in (Verdict.RECOMMENDED, Verdict.COSTS_MORE))
    assert bool(answer.nearest) == (answer.best is None)


def test_405b_at_interactive_speed_needs_the_h100_sxm() -> None:
    answer = advise(workload_of("chat-405b"), Conditions(), LISTED)
    assert answer.best is not None
    assert answer.best.gpu == "h100-sxm5"
    assert answer.best.way is not None
    assert answer.best.way.group == 8
    found = verdicts(answer)
    assert found["h100-pcie"] is Verdict.NEEDS_NVLINK
    assert found["l40s"] is Verdict.DOES_NOT_FIT
    assert found["jetson-agx-orin"] is Verdict.DOES_NOT_FIT


def test_a_voice_agent_fits_only_when_its_stages_stream() -> None:
    workload = workload_of("voice-agent")
    assert workload.elsewhere_s < 0.6 * workload.p99_s
    assert workload.elsewhere_waiting_s >= workload.p99_s
    waiting = replace(workload, elsewhere_s=workload.elsewhere_waiting_s)
    assert advise(waiting, Conditions(), LISTED).best is None


@pytest.mark.parametrize("name", ["hft", "vehicle-perception", "robot-control", "ar-overlay"])
def test_classes_that_no_off_site_service_can_meet_are_pinned_and_never_capped(name: str) -> None:
    answer = advise(workload_of(name), Conditions())
    assert "pinned" in answer.off_site
    assert answer.best is not None
    assert answer.best.way is not None
    assert answer.best.way.limit_w == load_catalog().gpus[answer.best.gpu].max_limit_w.value
    assert answer.best.way.batch == 1


def test_sovereign_data_stays() -> None:
    assert "not leave" in advise(workload_of("acute-imaging"), Conditions()).off_site


def test_a_hot_box_leaves_the_rugged_ones() -> None:
    found = verdicts(advise(workload_of("robot-vision"), Conditions(ambient_c=48.0)))
    assert found["l40s"] is Verdict.TOO_HOT
    assert found["jetson-agx-orin"] is Verdict.RECOMMENDED
    assert verdicts(advise(workload_of("robot-vision"), Conditions(ambient_c=-15.0)))["l4"] is Verdict.TOO_COLD


def test_an_envelope_rules_out_what_draws_more() -> None:
    answer = advise(workload_of("chat-70b"), Conditions(envelope_w=600.0), LISTED)
    assert Verdict.OVER_ENVELOPE in verdicts(answer).values()
    if answer.best is None:
        assert any("kW" in each or " W " in each for each in answer.nearest)


def test_a_rate_no_count_of_gpus_can_serve_is_told_with_what_can() -> None:
    site = (Pool(name="small", gpu="l40s", nodes=1, gpus_per_node=2, host_w=300),)
    answer = advise(replace(workload_of("document-question"), rate_rps=50.0), Conditions(), pools=site)
    assert answer.best is None
    assert answer.advice[0].verdict is Verdict.RATE_TOO_HIGH
    assert "2 GPUs hold at most" in answer.advice[0].reason
    assert any("/s instead of 50/s" in each for each in answer.nearest)


def test_a_model_that_fits_nowhere_is_told_with_a_smaller_weight() -> None:
    workload = replace(workload_of("chat-70b"), precisions=("fp16",))
    site = (Pool(name="one", gpu="h100-pcie", nodes=1, gpus_per_node=1, host_w=300),)
    answer = advise(workload, Conditions(), pools=site)
    assert answer.advice[0].verdict is Verdict.DOES_NOT_FIT
    assert "141 GB" in answer.advice[0].reason or "142 GB" in answer.advice[0].reason
    assert answer.nearest


def test_a_limit_no_gpu_takes_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="jetson-agx-orin takes 15 to 60 W"):
        advise(workload_of("robot-vision"), Conditions(limit_w=5.0))
    with pytest.raises(InputError, match="above 0"):
        advise(replace(workload_of("robot-vision"), rate_rps=0.0), Conditions())
    with pytest.raises(InputError, match="no such model"):
        advise(replace(workload_of("robot-vision"), model="nonsense"), Conditions())


def test_one_limit_for_all_is_used() -> None:
    answer = advise(workload_of("document-question"), Conditions(limit_w=250.0), ("h100-pcie", "l40s"))
    assert {each.way.limit_w for each in answer.advice if each.way is not None} == {250.0}
