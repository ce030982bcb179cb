"""Computers of which a part is real: who gets which GPU, which program a job may run, and who has the last word."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from controller.capability import capability
from controller.devices.compute.driven import DrivenComputers
from controller.devices.compute.job_desk import JobDesk
from controller.devices.compute.local_runner import LocalRunner
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from controller.devices.compute.parts import Parts, program_of
from controller.devices.compute.placement import Layout, Want, limits_w, placed
from controller.devices.compute.pool_gpus import PoolGpus
from controller.devices.compute.rates import RateCounter
from controller.devices.compute.runner_twin import RunnerTwin
from controller.devices.simulated import SimulatedSite
from controller.setpoints import JobCommand, Setpoints, Verdict
from controller.snapshot import Snapshot
from optimizer.places import IslandShare
from sites.schema.computing import Computing, JobAccess, Program
from sites.schema.equipment import Node
from tests.controller.daemon.prepared import SITE, START, job, world

POOL = SITE.pools[0]
PROGRAMS = (
    Program(job="train", command=("/bin/train",)),
    Program(job="train-big", command=("/bin/big",)),
    Program(job="any", command=("/bin/other",)),
)


@pytest.mark.parametrize(
    ("name", "command"),
    [("train", "train"), ("train-7", "train"), ("train-big-1", "big"), ("trainer", "other"), ("x", "other")],
)
def test_only_listed_programs_run(name: str, command: str) -> None:
    assert program_of(name, PROGRAMS) == (f"/bin/{command}",)
    assert program_of("trainer", PROGRAMS[:2]) is None


def test_who_runs_keeps_its_gpus_and_no_gpu_serves_two() -> None:
    wants = [Want("service", 2, 300.0), Want("a", 1.5, 200.0), Want("none", 0, 100.0)]
    first = placed(wants, tuple(range(5)), {})
    assert first == {"service": (0, 1), "a": (2, 3)}
    second = placed([Want("b", 3, 150.0), *wants[1:]], tuple(range(5)), first)
    assert second["a"] == (2, 3), "a keeps its own although b comes first now"
    assert second["b"] == (0, 1, 4)
    third = placed([Want("c", 4, 150.0), *wants[1:]], tuple(range(5)), second)
    assert third["c"] == (0, 1, 4), "who finds too few gets what is left"
    assert limits_w([Want("b", 3, 150.0)], second) == {0: 150.0, 1: 150.0, 4: 150.0}


def test_rates_need_two_moments_and_never_fall_below_zero() -> None:
    counter = RateCounter()
    assert counter.taken(0, 0, 0.0) is None
    assert counter.taken(10, 8, 5.0) == (2.0, 1.6)
    assert counter.taken(3, 3, 6.0) is None, "the gateway was started anew"
    assert counter.taken(5, 3, 8.0) == (1.0, 0.0)


class Bench:
    """A simulated plant whose jobs run on this host and whose GPUs are told ones."""

    def __init__(self, folder: Path, command: tuple[str, ...], *gpus: ToldGpu) -> None:
        setup = JobAccess(driver="local", programs=(Program(job="job", command=command),), spool=str(folder))
        devices = SITE.devices.model_copy(update={"compute": Computing(jobs=setup), "perturbed": False})
        site = SITE.model_copy(update={"devices": devices})
        self.parts = Parts(folder)
        self.runner = LocalRunner(folder, gpus=64, kill_s=0.5)
        self.parts.desk = JobDesk(self.runner, self.parts.folder, poll_s=0.02)
        library = ToldNvml(*gpus)
        if gpus:
            opened = [NvmlGpu(library, index) for index in range(len(gpus))]
            self.parts.gpus[POOL.name] = PoolGpus(
                POOL.name, lambda: opened, count=len(gpus), safe_limit_w=110.0, period_s=0.02
            )
        pools = capability(site).pools
        self.site = SimulatedSite(
            site, pools, world(), start_utc=START, computers=DrivenComputers(site, pools, self.parts)
        )

    def end(self) -> None:
        """Close as a daemon does; then end the jobs, which would wait for the next daemon."""
        self.site.close()
        for name in self.runner.jobs():
            self.runner.cancel(name)

    def write(self, *commands: JobCommand) -> list[str]:
        """Order jobs and return the texts of what was refused or changed by others."""
        orders = Setpoints(at_utc=START, expires_utc=START + timedelta(days=1), jobs=commands)
        outcomes = self.site.write(orders)
        return [f"{each.verdict.value} {each.what}: {each.text}" for each in outcomes if each.verdict != Verdict.OWN]

    def until(self, true: Callable[[Snapshot], bool]) -> Snapshot:
        deadline_s = time.monotonic() + 30.0
        while True:
            self.site.step(1.0)
            seen = self.site.read()
            if true(seen):
                return seen
            assert time.monotonic() < deadline_s, seen
            time.sleep(0.02)


def state_of(seen: Snapshot, name: str) -> str:
    return next((each.state for each in seen.jobs if each.name == name), "")


def command(name: str = "job-1", gpus: float = 2.0, limit_w: float = 250.0) -> JobCommand:
    return JobCommand(name=name, pool=POOL.name, gpus=gpus, limit_w=limit_w)


def test_a_job_runs_here_says_how_far_it_is_and_ends_when_its_program_does(tmp_path: Path) -> None:
    script = "echo 0.25 > progress; while [ ! -e go ]; do sleep 0.02; done"
    bench = Bench(tmp_path, ("sh", "-c", script))
    try:
        bench.site.submit(job("job-1"))
        bench.until(lambda seen: state_of(seen, "job-1") == "queued")
        assert bench.write(command()) == []
        seen = bench.until(lambda seen: seen.jobs[0].done_frac == 0.25)
        assert state_of(seen, "job-1") == "running"
        bench.write()
        bench.until(lambda seen: state_of(seen, "job-1") == "paused")
        bench.write(command())
        (tmp_path / "job-1" / "go").touch()
        seen = bench.until(lambda seen: state_of(seen, "job-1") == "done")
        assert seen.jobs[0].done_frac == 1.0
    finally:
        bench.end()


def test_a_program_that_fails_is_a_failed_job_and_one_without_a_program_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ("sh", "-c", "exit 4"))
    try:
        for name in ("job-1", "other-1"):
            bench.site.submit(job(name))
        refused = bench.write(command(), command("other-1"))
        assert len(refused) == 1
        assert "no program" in refused[0]
        bench.until(lambda seen: state_of(seen, "job-1") == "failed")
        assert not (tmp_path / "other-1").exists()
    finally:
        bench.end()


def test_limits_reach_the_gpus_of_the_job_and_the_safe_cap_stays_behind(tmp_path: Path) -> None:
    told = [ToldGpu(uuid=f"GPU-{i}", wants_w=200.0) for i in range(3)]
    bench = Bench(tmp_path, ("sh", "-c", "while :; do sleep 0.1; done"), *told)
    try:
        bench.site.submit(job("job-1"))
        bench.write(command(limit_w=250.0))
        bench.until(lambda seen: [each.limit_w for each in told] == [250.0, 250.0, 110.0])
        pool = bench.site._computers._pools[POOL.name]
        drawn_kw = pytest.approx((200 + 200 + 110) / 1000 * pool.wall_factor + pool.host_kw)
        reading = bench.until(lambda seen: seen.pools[0].draw_kw == drawn_kw).pools[0]
        assert (reading.gpus_ok, reading.limit_w) == (3, 250.0)
        told[0].limit_w = 350.0
        bench.until(lambda seen: told[0].limit_w == 250.0)
        found: list[str] = []
        while not found:
            found = [each for each in bench.write(command(limit_w=250.0)) if "somebody else" in each]
        told[1].lost = True
        bench.until(lambda seen: seen.pools[0].gpus_ok == 2 and seen.pools[0].draw_kw is None)
    finally:
        bench.end()
    assert [told[0].limit_w, told[2].limit_w] == [110.0, 110.0]


def test_what_is_only_looked_at_is_not_touched(tmp_path: Path) -> None:
    told = ToldGpu()
    bench = Bench(tmp_path, ("true",), told)
    bench.site.step(1.0)
    bench.site.read()
    time.sleep(0.1)
    assert told.writes_w == []
    bench.site.close()
    assert told.writes_w == []


def share(node: int, island: int, gpus: int) -> IslandShare:
    return IslandShare(node=node, island=island, gpus=gpus)


PAIRS = Layout(node_gpus=4, island_gpus=2)
"""Nodes of four GPUs in pairs: (0, 1), (2, 3) | (4, 5), (6, 7)."""


def test_gpus_follow_the_islands_of_the_plan() -> None:
    wants = [Want("free", 1, 200.0), Want("a", 2, 200.0, (share(1, 1, 2),)), Want("b", 2, 200.0, (share(0, 0, 2),))]
    first = placed(wants, tuple(range(8)), {}, PAIRS)
    assert first == {"free": (2,), "a": (6, 7), "b": (0, 1)}, "who has no island takes what the others leave"
    again = placed(wants, tuple(range(8)), first, PAIRS)
    assert again == first


def test_of_an_island_everybody_keeps_his_own_gpus() -> None:
    before = {"a": (5,), "b": (4,)}
    wants = [Want("a", 1, 200.0, (share(1, 0, 1),)), Want("b", 1, 200.0, (share(1, 0, 1),))]
    assert placed(wants, tuple(range(8)), before, PAIRS) == before


def test_a_plan_moves_who_stands_in_the_way() -> None:
    wants = [Want("old", 2, 200.0), Want("new", 2, 200.0, (share(0, 0, 2),))]
    found = placed(wants, tuple(range(8)), {"old": (0, 1)}, PAIRS)
    assert found == {"old": (2, 3), "new": (0, 1)}


def test_islands_that_this_host_does_not_have_and_cut_commands_are_met_as_far_as_they_go() -> None:
    far = [Want("far", 2, 200.0, (share(5, 0, 2),))]
    assert placed(far, tuple(range(8)), {}, PAIRS) == {"far": (0, 1)}
    cut = [Want("cut", 1, 200.0, (share(1, 0, 2),))]
    assert placed(cut, tuple(range(8)), {}, PAIRS) == {"cut": (4,)}, "a guard left it one GPU of two"
    assert placed([Want("a", 1, 200.0, (share(1, 0, 1),))], tuple(range(8)), {}) == {"a": (0,)}, "no layout, no islands"


def test_without_islands_a_pcie_node_is_one() -> None:
    wants = [Want("a", 3, 200.0, (share(1, 0, 3),))]
    assert placed(wants, tuple(range(8)), {}, Layout(node_gpus=4)) == {"a": (4, 5, 6)}


def test_a_job_is_let_go_for_the_hosts_of_its_order(tmp_path: Path) -> None:
    nodes = tuple(
        Node(name=f"host{n}", pool=POOL.name, driver="redfish", address="http://127.0.0.1:1") for n in range(POOL.nodes)
    )
    devices = SITE.devices.model_copy(update={"compute": Computing(), "nodes": nodes})
    runner, parts = RunnerTwin(), Parts(tmp_path)
    parts.desk = JobDesk(runner, parts.folder, poll_s=0.02)
    layout = Layout(node_gpus=POOL.gpus_per_node, island_gpus=POOL.island_gpus)
    parts.gpus[POOL.name] = PoolGpus(POOL.name, lambda: (), count=POOL.gpus, safe_limit_w=110.0, layout=layout)
    setup = JobAccess(driver="local", programs=(Program(job="job", command=("/bin/true",)),), spool=str(tmp_path))
    devices = devices.model_copy(update={"compute": Computing(jobs=setup)})
    site = SITE.model_copy(update={"devices": devices})
    pools = capability(site).pools
    twin = SimulatedSite(site, pools, world(), start_utc=START, computers=DrivenComputers(site, pools, parts))
    try:
        twin.submit(job("job-1"))
        last = POOL.nodes - 1
        order = command(gpus=1.0).model_copy(update={"islands": (share(last, 0, 1),)})
        twin.write(Setpoints(at_utc=START, expires_utc=START + timedelta(days=1), jobs=(order,)))
        deadline_s = time.monotonic() + 30.0
        while runner.nodes.get("job-1") is None:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        assert runner.nodes["job-1"] == (f"host{last}",)
    finally:
        twin.close()
