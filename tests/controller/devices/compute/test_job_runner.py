"""One suite for all runners: twin, local (signals, and frozen control group), and a real Slurm; the same steps, the same ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from controller.devices.compute.bench.slurm_cluster import NODE, SlurmCluster
from controller.devices.compute.freezer import find_freezer
from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import JobRunner, RunnerError, RunState
from controller.devices.compute.local_runner import LocalRunner
from controller.devices.compute.runner_twin import RunnerTwin
from controller.devices.compute.slurm import SlurmRunner
from controller.devices.nodes.slurm_drain import SlurmDrain
from tests.controller.devices.compute.slurm_here import slurm

WORK = (
    "sh",
    "-c",
    "trap 'touch checkpoint' USR1; while [ ! -e finish ]; do echo tick; echo 0.5 > progress; sleep 0.05; done",
)
KINDS = ["twin", "signals", "frozen", "slurm"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with slurm(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runner(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[JobRunner]:
    if kind == "twin":
        yield RunnerTwin()
        return
    freezer = find_freezer(f"mdc-test-{tmp_path.name}") if kind == "frozen" else None
    if kind == "frozen" and freezer is None:
        pytest.skip("no control group can be frozen here")
    made: JobRunner
    if kind == "slurm":
        cluster = request.getfixturevalue("cluster")
        made = SlurmRunner(tmp_path.name, tmp_path, environment=cluster.environment)
    else:
        made = LocalRunner(tmp_path, gpus=8, freezer=freezer, kill_s=0.5)
    yield made
    for name in made.jobs():
        made.cancel(name)
    made.set_budget(None)
    if freezer:
        freezer.remove("")


def until(runner: JobRunner, name: str, *states: RunState) -> None:
    deadline_s = time.monotonic() + 30.0
    while (job := runner.jobs().get(name)) is None or job.state not in states:
        assert time.monotonic() < deadline_s, f"{name} is {job}"
        time.sleep(0.05)


def finish(runner: JobRunner, tmp_path: Path, name: str) -> None:
    if isinstance(runner, RunnerTwin):
        runner.end(name)
    else:
        JobFolder(tmp_path, name).finish()


def ticket(name: str, gpus: int = 2, command: tuple[str, ...] = WORK) -> JobTicket:
    return JobTicket(name, command, gpus, 200.0)


def test_a_job_waits_runs_stops_goes_on_and_ends(runner: JobRunner, tmp_path: Path) -> None:
    runner.submit(ticket("a"))
    until(runner, "a", RunState.HELD)
    runner.release("a", 400)
    until(runner, "a", RunState.RUNNING)
    runner.suspend("a")
    until(runner, "a", RunState.SUSPENDED)
    runner.resume("a")
    until(runner, "a", RunState.RUNNING)
    finish(runner, tmp_path, "a")
    until(runner, "a", RunState.DONE)


def test_a_pending_job_can_be_held_again_and_the_budget_keeps_it_from_starting(runner: JobRunner) -> None:
    runner.set_budget(500.0)
    for name in ("a", "b"):
        runner.submit(ticket(name))
        runner.release(name, 400)
        until(runner, name, RunState.RUNNING, RunState.PENDING)
    until(runner, "a", RunState.RUNNING)
    assert runner.jobs()["b"].state is RunState.PENDING
    runner.hold("b")
    until(runner, "b", RunState.HELD)
    runner.set_budget(900.0)
    runner.release("b", 400)
    until(runner, "b", RunState.RUNNING)


def test_requeued_it_waits_and_starts_again(runner: JobRunner) -> None:
    runner.submit(ticket("a"))
    runner.release("a", 400)
    until(runner, "a", RunState.RUNNING)
    runner.checkpoint("a")
    runner.requeue("a")
    until(runner, "a", RunState.HELD)
    runner.release("a", 300)
    until(runner, "a", RunState.RUNNING)


def test_a_job_runs_on_the_hosts_asked_for_and_elsewhere_where_there_are_none_such(
    runner: JobRunner, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for name, nodes in (("known", (NODE,)), ("unknown", ("no-such-host",)), ("free", ())):
        runner.submit(ticket(name, gpus=1))
        until(runner, name, RunState.HELD)
        runner.release(name, 100, nodes)
        until(runner, name, RunState.RUNNING)
    if kind == "slurm":
        cluster = request.getfixturevalue("cluster")
        words = ["scontrol", "--oneliner", "show", "job"]
        said = subprocess.run(words, env=cluster.environment, capture_output=True, text=True, check=True).stdout
        asked = [line for line in said.splitlines() if f"ReqNodeList={NODE}" in line and f"mdc:{tmp_path.name}" in line]
        assert len(asked) == 1
        assert "JobName=mdc-known" in asked[0]
    for name in ("known", "unknown", "free"):
        runner.cancel(name)


def test_to_submit_twice_is_to_submit_once_and_to_cancel_what_is_not_there_is_no_error(runner: JobRunner) -> None:
    runner.submit(ticket("a"))
    runner.submit(ticket("a"))
    until(runner, "a", RunState.HELD)
    assert list(runner.jobs()) == ["a"]
    runner.cancel("a")
    runner.cancel("never-seen")
    runner.jobs()
    with pytest.raises(RunnerError):
        runner.release("never-seen", 1)


def test_a_program_that_fails_has_failed(kind: str, runner: JobRunner) -> None:
    runner.submit(ticket("bad", command=("sh", "-c", "exit 7")))
    runner.release("bad", 400)
    until(runner, "bad", RunState.RUNNING, RunState.FAILED)
    if isinstance(runner, RunnerTwin):
        runner.end("bad", RunState.FAILED, "exit code 7")
    until(runner, "bad", RunState.FAILED)


def made_local(tmp_path: Path, **more: object) -> LocalRunner:
    return LocalRunner(tmp_path, gpus=8, kill_s=0.5, **more)  # type: ignore[arg-type]


def test_a_job_is_adopted_by_the_next_daemon(tmp_path: Path) -> None:
    first = made_local(tmp_path)
    first.submit(ticket("a"))
    first.release("a", 400)
    until(first, "a", RunState.RUNNING)
    second = made_local(tmp_path)
    assert second.jobs()["a"].state is RunState.RUNNING
    second.submit(ticket("a"))
    JobFolder(tmp_path, "a").finish()
    until(second, "a", RunState.DONE)
    assert (tmp_path / "a" / "starts").read_text().count("start") == 1
    for child in first._children.values():
        child.wait()


def test_a_process_that_got_the_same_number_is_not_ours(tmp_path: Path) -> None:
    import json
    import os

    runner = made_local(tmp_path)
    runner.submit(ticket("a"))
    run = json.loads((tmp_path / "a" / "run.json").read_text())
    (tmp_path / "a" / "run.json").write_text(json.dumps({**run, "pid": os.getpid(), "born": 1, "order": "released"}))
    assert runner.jobs()["a"].state is RunState.FAILED
    runner.cancel("a")


def test_output_is_bounded(tmp_path: Path) -> None:
    runner = made_local(tmp_path)
    folder = JobFolder(tmp_path, "a")
    runner.submit(ticket("a", command=("sh", "-c", "while [ ! -e finish ]; do head -c 9999 /dev/zero; done")))
    runner.release("a", 400)
    until(runner, "a", RunState.RUNNING)
    deadline_s = time.monotonic() + 20.0
    while not (folder.path / "output.1").exists():
        folder.bound_output(100_000)
        assert time.monotonic() < deadline_s
    assert (folder.path / "output.1").stat().st_size <= 50_000
    folder.finish()
    until(runner, "a", RunState.DONE)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-rf", "a b", "x" * 200, "a\nb", "ü"])
def test_names_that_are_no_file_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name for a job"):
        JobFolder(tmp_path, name)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    runner = made_local(tmp_path)
    runner.submit(ticket("a"))
    folder = JobFolder(tmp_path, "a")
    for text, found in (("0.25", 0.25), ("", None), ("nan", None), ("2", None), ("x" * 500, None), ("-1", None)):
        (folder.path / "progress").write_text(text)
        assert folder.done_frac == found
    (folder.path / "exit").write_text("not a number")
    assert folder.exit_code is None
    (folder.path / "run.json").write_text("{")
    with pytest.raises(RunnerError, match=r"run\.json"):
        runner.jobs()


def test_slurmctld_restarts_lose_and_double_nothing(tmp_path: Path, cluster: SlurmCluster) -> None:
    runner = SlurmRunner(tmp_path.name, tmp_path, environment=cluster.environment, timeout_s=4.0)
    for name in ("a", "b"):
        runner.submit(ticket(name))
    runner.release("a", 400)
    until(runner, "a", RunState.RUNNING)
    cluster.end("slurmctld")
    with pytest.raises(RunnerError):
        runner.jobs()
    cluster.start_slurmctld()
    cluster.wait_until_up()
    again = SlurmRunner(tmp_path.name, tmp_path, environment=cluster.environment)
    assert {name: job.state for name, job in again.jobs().items()} == {"a": RunState.RUNNING, "b": RunState.HELD}
    for name in ("a", "b"):
        again.cancel(name)


def test_a_job_submitted_twice_in_the_dark_is_one_again_and_others_jobs_are_left_alone(
    tmp_path: Path, cluster: SlurmCluster
) -> None:
    runner = SlurmRunner(tmp_path.name, tmp_path, environment=cluster.environment)
    stranger = SlurmRunner("somewhere-else", tmp_path / "other", environment=cluster.environment)
    for each in (stranger, runner, runner):
        each.submit(ticket("a"))
    assert waiting(runner) == 3
    runner.jobs()
    deadline_s = time.monotonic() + 10
    while waiting(runner) != 2:
        assert time.monotonic() < deadline_s
    assert stranger.jobs()["a"].state is RunState.HELD
    runner.cancel("a")
    stranger.cancel("a")


def waiting(runner: SlurmRunner) -> int:
    """Return how many jobs of the name wait in Slurm, whoever's they are."""
    return len(runner._run("squeue", "-h", "-t", "pending", "-o", "%i", "-n", "mdc-a").split())


def test_a_node_is_emptied_before_its_power_goes_and_a_persons_drain_stays(
    tmp_path: Path, cluster: SlurmCluster
) -> None:
    runner = SlurmRunner(tmp_path.name, tmp_path, environment=cluster.environment)

    def run(words: Sequence[str]) -> str:
        return subprocess.run(words, env=cluster.environment, capture_output=True, text=True, check=True).stdout

    (node,) = run(["sinfo", "--noheader", "--Node", "--format", "%N"]).split()
    drain = SlurmDrain(run)
    runner.submit(ticket("a"))
    runner.release("a", 400)
    until(runner, "a", RunState.RUNNING)
    assert not drain.emptied(node), "its job still runs"
    assert runner.jobs()["a"].state is RunState.RUNNING
    runner.cancel("a")
    deadline_s = time.monotonic() + 20
    while not drain.emptied(node):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    drain.lift(node)
    assert "drain" not in run(["sinfo", "--noheader", "--nodes", node, "--Format", "StateComplete:60"])
    run(["scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=broken fan"])
    drain.lift(node)
    assert "drain" in run(["sinfo", "--noheader", "--nodes", node, "--Format", "StateComplete:60"])
    run(["scontrol", "update", f"NodeName={node}", "State=RESUME"])


@pytest.mark.parametrize(
    ("environment", "text"),
    [({"PATH": "/nowhere"}, "install Slurm"), ({"PATH": "/usr/bin:/bin", "SLURM_CONF": "/nowhere"}, "squeue")],
)
def test_no_slurm_here(environment: dict[str, str], text: str, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=text):
        SlurmRunner("site", tmp_path, environment=environment, timeout_s=0.5).jobs()


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    slow = tmp_path / "squeue"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    begin_s = time.monotonic()
    with pytest.raises(RunnerError, match="does not answer within"):
        SlurmRunner("site", tmp_path, environment={"PATH": f"{tmp_path}:/bin:/usr/bin"}, timeout_s=0.2).jobs()
    assert time.monotonic() - begin_s < 15.0
