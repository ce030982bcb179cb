"""A pool of GPUs that MIG cuts, from the site file to plans and a simulated day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.capability import capability
from controller.checking import check_here
from controller.studies.closed_loop import Study, prepare_study, run_policy
from controller.studies.compare import guards_of
from optimizer.check import Fault, check
from optimizer.plan import Plan
from optimizer.policies import policy
from optimizer.problem import Problem, SolveLimits
from sites.compute.hardware import gpu_spec
from sites.errors import InputError
from sites.load import parse_site
from tests.cut_site import POOL, cut_site, cut_text

START = datetime(2025, 4, 15, 8, tzinfo=UTC)
REAL = "devices:\n  compute:\n    gpus: [{pool: h100, driver: nvml}]\n"
SERVED = "    serving:\n      - {service: dictation, listen: 127.0.0.1:8000, admin_port: 9001, "


def faults_of(pool: str, more: str = "") -> dict[str, str]:
    """Return field -> mend of a site file with this pool."""
    with pytest.raises(InputError) as caught:
        check_here(cut_site(pool, more), source="cut.yaml", folder=Path())
    assert {fault.source for fault in caught.value.faults} == {"cut.yaml"}
    return {fault.field: fault.mend for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("old", "new", "field", "mend"),
    [
        ("mig_parts: 2", "mig_parts: 4", "pools[0].mig_parts", "one of: 2 (of h100-pcie/3g), 3 (of h100-pcie/2g), 7"),
        ("gpu: h100-pcie", "gpu: l40s", "pools[0].mig_parts", "give 1: l40s has no MIG"),
        ("mig_parts: 2", "mig_parts: 0", "pools[0].mig_parts", "greater than or equal to 1"),
        (
            "host_w",
            "interconnect: nvlink, host_w",
            "pools[0].interconnect",
            "leave it out: GPUs in 2 parts cannot talk",
        ),
        ("host_w", "interconnect: nvlink-bridge, host_w", "pools[0].interconnect", "or set mig_parts to 1"),
    ],
)
def test_each_fault_names_its_field_and_mend(old: str, new: str, field: str, mend: str) -> None:
    assert mend in faults_of(POOL.replace(old, new))[field]


def test_a_model_larger_than_a_part_and_a_job_group_have_no_place() -> None:
    text = POOL.replace("mig_parts: 2", "mig_parts: 7")
    assert "no larger than a part of a GPU" in faults_of(text)["services[0].demand.mean_rps"]
    stream = "  - {name: gang, profile: training, pools: [{pool: h100}], work_gpu_h: 4, gpus_min: 2, gpus_max: 2, "
    with pytest.raises(InputError, match="mig_parts") as caught:
        parse_site(
            cut_text().replace("prices:", f"{stream}group_gpus: 2, deadline_h: 9, value_usd: 5}}\nprices:"), source=""
        )
    assert [fault.field for fault in caught.value.faults] == ["batch[2].group_gpus"]


def test_servers_that_cannot_be_told_their_part_are_refused() -> None:
    found = faults_of(POOL, f"{REAL}{SERVED}command: [serve]}}\n")
    assert "bound to its MIG device" in found["devices.compute.serving[0].command"]
    check_here(cut_site(more=f'{REAL}{SERVED}servers: ["http://127.0.0.1:8001"]}}\n'), source="cut.yaml", folder=Path())


def test_parts_stand_in_the_problem_as_gpus_and_power_closes() -> None:
    site = cut_site()
    able, whole = capability(site), gpu_spec("h100-pcie")
    pool = able.pools[0]
    assert (site.pools[0].gpus, pool.gpus, pool.node_gpus, pool.mig_parts, pool.island_gpus) == (8, 8, 4, 2, 1)
    assert pool.gpus * pool.idle_w == pytest.approx(4 * whole.limits.idle_w)
    assert pool.memory_gb == pytest.approx(40.0)
    for profile in pool.levels:
        top = profile.levels[-1]
        assert pool.gpus * top.limit_w == pytest.approx(4 * whole.limits.max_limit_w)
        assert pool.gpus * top.power_w <= 4 * whole.limits.max_limit_w + 1e-6
    for name, modes in able.menus.items():
        served = [mode for mode in modes if mode.gpus]
        assert served, name
        assert all(mode.gpus == mode.replicas for mode in served), "a replica is one part"
        assert all(mode.limit_w <= whole.limits.max_limit_w / 2 for mode in served)


@pytest.fixture(scope="module")
def study() -> Study:
    return prepare_study(cut_site(), start_utc=START, days=1.0, drain_days=0.0)


@pytest.mark.parametrize("name", ["rules", "planner"])
def test_a_day_in_closed_loop_without_a_fault(study: Study, name: str) -> None:
    faults: list[Fault] = []
    missing: list[str] = []

    def planner(problem: Problem) -> Plan:
        plan = policy(name).plan(problem)
        faults.extend(check(problem, plan))
        missing.extend(breach.text for breach in plan.breaches if breach.reason_code == "PLACEMENT")
        if name == "planner":
            assert any(span.tasks for span in plan.placement)
        return plan

    limits = SolveLimits(seconds=1.0)
    guards = guards_of(study.site)
    course = run_policy(study, name, planner, replan_s=7200.0, tick_s=300.0, guards=guards, limits=limits)
    assert faults == []
    assert missing == []
    assert sum(flow.served_rps for step in course.steps for flow in step.services) > 0.0
    assert any(job.done_frac > 0.0 for job in course.site.state.jobs.values())


def test_few_gpus_have_one_limit_that_all_their_parts_may_share() -> None:
    few = POOL.replace("nodes: 2, gpus_per_node: 2", "nodes: 1, gpus_per_node: 2, default_limit_w: 260")
    site = cut_site(few)
    able = capability(site)
    limits = {level.limit_w for profile in able.pools[0].levels for level in profile.levels}
    limits |= {mode.limit_w for modes in able.menus.values() for mode in modes if mode.gpus}
    assert limits == {130.0}
    many = capability(cut_site()).pools[0].levels[0].levels
    assert len(many) > 1
    small = prepare_study(site, start_utc=START, days=0.25, drain_days=0.0)
    missing: list[str] = []

    def planner(problem: Problem) -> Plan:
        plan = policy("planner").plan(problem)
        assert check(problem, plan) == ()
        missing.extend(breach.text for breach in plan.breaches if breach.reason_code == "PLACEMENT")
        return plan

    course = run_policy(small, "planner", planner, tick_s=300.0, limits=SolveLimits(seconds=1.0))
    assert missing == []
    assert any(job.done_frac > 0.0 for job in course.site.state.jobs.values())
