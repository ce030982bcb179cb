"""Tables of turns: what the desk does at a runner that fails, forgets, restarts or is meddled with."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.devices.compute.bench.slurm_cluster import SlurmCluster
from controller.devices.compute.job_desk import JobDesk, RunOrder
from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import RunnerRefusedError, RunState
from controller.devices.compute.runner_twin import RunnerTwin
from controller.devices.compute.slurm import SlurmRunner
from sites.ports import ManualClock
from tests.controller.devices.compute.slurm_here import slurm
from tests.controller.devices.compute.test_job_runner import WORK, ticket

RUN = {"a": RunOrder(gpus=2, limit_w=200.0)}


class Bench:
    """A desk on a twin, turned by hand."""

    def __init__(self, folder: Path, **more: object) -> None:
        self.runner = RunnerTwin()
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.folder = folder
        self.desk = JobDesk(
            self.runner,
            lambda name: JobFolder(folder, name),
            monotonic_s=self.clock.monotonic_s,
            **more,  # type: ignore[arg-type]
        )

    def turn(self, count: int = 1) -> RunState | None:
        for _ in range(count):
            self.desk.turn()
            self.clock.advance(1.0)
        found = self.desk.seen().get("a")
        return found.state if found else None


def test_a_new_daemon_touches_nothing_before_its_first_orders(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.runner.submit(ticket("a"))
    bench.runner.release("a", 1)
    assert bench.turn(3) is RunState.RUNNING
    bench.desk.submit(ticket("a"))
    assert bench.turn(2) is RunState.RUNNING
    bench.desk.order({})
    assert bench.turn() is RunState.SUSPENDED


def on(*nodes: str) -> dict[str, RunOrder]:
    """Return the order to run on certain hosts."""
    return {"a": replace(RUN["a"], nodes=nodes)}


def test_a_job_that_waits_for_hosts_that_are_not_there_goes_where_there_is_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.runner.down = {"host0"}
    bench.desk.submit(ticket("a"))
    bench.desk.order(on("host0"))
    assert bench.turn(6) is RunState.RUNNING
    assert bench.runner.nodes["a"] == ()


def test_a_job_that_waits_follows_a_plan_that_moves_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.runner.submit(ticket("big", gpus=8))
    bench.runner.release("big", 1)
    bench.desk.submit(ticket("a"))
    bench.desk.order(on("host0"))
    assert bench.turn(4) is RunState.PENDING
    bench.desk.order(on("host1"))
    assert bench.turn(4) is RunState.PENDING
    assert bench.runner.nodes["a"] == ("host1",)
    steps = bench.desk.steps
    bench.turn(5)
    assert bench.desk.steps == steps


def test_a_job_that_the_runner_refuses_is_told_and_left_alone_for_longer_and_longer(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for name, gpus in (("wide", 31), ("a", 2)):
        bench.desk.submit(ticket(name, gpus=gpus))
    bench.desk.order(RUN)
    assert bench.turn(100) is RunState.RUNNING
    assert bench.runner.calls.count("submit") == 1 + 7  # after 0, 1, 3, 7, 15, 31, 63 s
    assert bench.desk.refused() == {"wide": "31 GPUs are more than the 8 here"}
    assert bench.desk.trouble == ""

    bench.desk.cancel("wide")
    bench.turn()
    assert bench.desk.refused() == {}


def test_a_fast_clock_does_not_wait_for_a_job_that_is_refused(tmp_path: Path) -> None:
    desk = JobDesk(RunnerTwin(), lambda name: JobFolder(tmp_path, name))
    for name, gpus in (("wide", 31), ("a", 2)):
        desk.submit(ticket(name, gpus=gpus))
    desk.order({**RUN, "wide": RUN["a"]})
    desk.start()
    try:
        assert desk.settle(20.0)
        assert set(desk.refused()) == {"wide"}
        assert desk.seen()["a"].state is RunState.RUNNING
    finally:
        desk.close()


def test_a_job_that_has_to_wait_is_told_so_on_every_turn_however_often_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.desk.submit(ticket("a"))
    bench.desk.order(RUN)
    assert bench.turn(3) is RunState.RUNNING
    asked: list[str] = []

    def refuse(name: str) -> None:
        asked.append(name)
        raise RunnerRefusedError("in transition")

    monkeypatch.setattr(bench.runner, "suspend", refuse)
    bench.desk.order({})
    bench.turn(10)
    assert asked == ["a"] * 10


def test_a_job_that_was_refused_is_asked_for_at_once_when_its_order_changes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.desk.submit(ticket("wide", gpus=31))
    bench.desk.order({})
    bench.turn(20)
    asked = bench.runner.calls.count("submit")
    bench.desk.order({"wide": RUN["a"]})
    bench.turn()
    assert bench.runner.calls.count("submit") == asked + 1


def test_orders_are_levels(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.desk.submit(ticket("a"))
    assert bench.turn() is RunState.HELD
    bench.desk.order(RUN)
    assert bench.turn(2) is RunState.RUNNING
    assert bench.runner.budget == 401.0, "what is ordered, and a watt for each job that may be suspended"
    steps = bench.desk.steps
    assert bench.turn(10) is RunState.RUNNING
    assert bench.desk.steps == steps, "nothing is done where nothing is missing"
    bench.runner.suspend("a")
    assert bench.turn() is RunState.RUNNING, "a meddler's change does not last"
    bench.desk.order({})
    assert bench.turn() is RunState.SUSPENDED
    bench.desk.cancel("a")
    assert bench.turn() is None


@pytest.mark.parametrize("deaf", [False, True], ids=["not-carried-out", "carried-out"])
def test_a_runner_that_fails_loses_and_doubles_nothing(deaf: bool, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.desk.submit(ticket("a"))
    bench.desk.order(RUN)
    bench.runner.trouble, bench.runner.deaf = "sbatch does not answer", deaf
    bench.turn()
    assert "does not answer" in bench.desk.trouble
    bench.runner.trouble = ""
    assert bench.turn(3) is RunState.RUNNING
    assert bench.desk.trouble == ""
    assert bench.runner.calls.count("submit") == 1


def test_a_checkpoint_is_awaited_but_not_for_ever(tmp_path: Path) -> None:
    for written in (True, False):
        bench = Bench(tmp_path, pause="checkpoint", checkpoint_s=5.0)
        JobFolder(tmp_path, "a").prepare(ticket("a"))
        bench.desk.submit(ticket("a"))
        bench.desk.order(RUN)
        assert bench.turn(2) is RunState.RUNNING
        bench.desk.order({})
        assert bench.turn() is RunState.RUNNING
        if written:
            (tmp_path / "a" / "checkpoint").touch()
            assert bench.turn() is RunState.HELD
            (tmp_path / "a" / "checkpoint").unlink()
        else:
            assert bench.turn(4) is RunState.RUNNING
            assert bench.turn(2) is RunState.HELD
        assert bench.runner.calls.count("checkpoint") == 1


def test_jobs_that_ended_stay_ended(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.desk.submit(ticket("a"))
    bench.desk.order(RUN)
    bench.turn(2)
    bench.runner.end("a", RunState.FAILED, "node failed")
    assert bench.turn(5) is RunState.FAILED
    assert bench.runner.calls.count("submit") == 1


def test_orders_reach_the_program(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    folder = JobFolder(tmp_path, "a")
    folder.prepare(ticket("a"))
    bench.desk.submit(ticket("a"))
    bench.desk.order({"a": RunOrder(gpus=1.0, limit_w=150.0, visible=(3,))})
    bench.turn(2)
    assert (folder.path / "orders").read_text() == "gpus=1 limit_w=150\n"
    assert (folder.path / "visible").read_text() == "3\n"


def test_the_cycle_never_waits_for_a_runner_that_hangs(tmp_path: Path) -> None:
    class Hanging(RunnerTwin):
        def jobs(self) -> dict[str, object]:  # type: ignore[override]
            time.sleep(1.0)
            return {}

    desk = JobDesk(Hanging(), lambda name: JobFolder(tmp_path, name), poll_s=0.01)
    desk.start()
    time.sleep(0.05)
    begin_s = time.monotonic()
    for number in range(200):
        desk.submit(JobTicket(f"job-{number}", WORK, 1))
        desk.order({f"job-{number}": RunOrder(gpus=1, limit_w=100.0)})
        desk.seen()
    assert time.monotonic() - begin_s < 0.9
    desk._stop = True


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with slurm(tmp_path_factory.mktemp("slurm")) as found:
        yield found


def test_a_slurmctld_that_crashes_and_forgets_ends_with_one_job_running(tmp_path: Path, cluster: SlurmCluster) -> None:
    runner = SlurmRunner(tmp_path.name, tmp_path, environment=cluster.environment, timeout_s=4.0)
    desk = JobDesk(runner, lambda name: JobFolder(tmp_path, name), poll_s=0.1)
    desk.start()
    try:
        desk.submit(ticket("a"))
        desk.order(RUN)
        assert desk.settle(20.0)
        cluster.end("slurmctld", crash=True)
        cluster.start_slurmctld()
        cluster.wait_until_up()
        assert desk.settle(60.0)
        wait_for_one(cluster.folder)
        JobFolder(tmp_path, "a").finish()
        deadline_s = time.monotonic() + 20.0
        while desk.seen()["a"].state is not RunState.DONE:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    finally:
        desk.close()


def wait_for_one(folder: Path) -> None:
    """Wait until just one batch script runs on a cluster's node."""
    deadline_s = time.monotonic() + 30.0
    while True:
        listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        if sum(f"{folder}/spool/" in line and "slurm_script" in line for line in listed.splitlines()) == 1:
            return
        assert time.monotonic() < deadline_s, listed
        time.sleep(0.1)
