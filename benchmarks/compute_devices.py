"""Time of a poll and of a write for each compute driver: ``python -m benchmarks.compute_devices [--quick]``.

Slurm, the local runner, the helper, gateway and stand-in server are real processes started here; NVML and the Jetson are
told ones, so theirs is the time of our own code without a driver's. One figure more: what a look and an order cost the
control cycle while the desk's runner hangs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from controller.devices.compute.bench.slurm_cluster import SlurmCluster, missing_tools
from controller.devices.compute.gpu_helper import GpuHelper, HeldGpus
from controller.devices.compute.gpu_power import GpuPower
from controller.devices.compute.gpu_remote import HelperLine
from controller.devices.compute.job_desk import JobDesk, RunOrder
from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import JobRunner, RunnerJob, RunState
from controller.devices.compute.local_runner import LocalRunner
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml
from controller.devices.compute.runner_twin import RunnerTwin
from controller.devices.compute.serving.fleet import ServiceSetup
from controller.devices.compute.serving.server_desk import ServerDesk
from controller.devices.compute.slurm import SlurmRunner
from sites.compute.records import ServingMode

WORK = ("sh", "-c", "while [ ! -e finish ]; do sleep 0.2; done")


class Line(NamedTuple):
    """A row of the table."""

    what: str
    poll_ms: list[float]
    write_ms: list[float]


def timed_ms(call: Callable[[], object], times: int) -> list[float]:
    """Return how long each of some calls took, ms."""
    found = []
    for _ in range(times):
        begin_s = time.perf_counter()
        call()
        found.append(1e3 * (time.perf_counter() - begin_s))
    return found


def gpu_line(what: str, gpu: GpuPower, times: int) -> Line:
    """Time one GPU."""
    limits = gpu.limit_range()
    span = iter([limits.min_w + (index % 2) * 20.0 for index in range(times)])
    return Line(what, timed_ms(gpu.reading, times), timed_ms(lambda: gpu.set_limit_w(next(span)), times))


@contextmanager
def helped(folder: Path, gpu: GpuPower) -> Iterator[GpuPower]:
    """Yield a GPU through a helper."""
    server = GpuHelper(folder / "gpu.sock", HeldGpus([gpu]), users=frozenset({os.getuid()}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    line = HelperLine(str(folder / "gpu.sock"))
    try:
        yield line.gpus()[0]
    finally:
        line.close()
        server.shutdown()
        server.server_close()


def runner_line(what: str, runner: JobRunner, times: int) -> Line:
    """Time a runner with one running job, suspended and resumed."""
    runner.submit(JobTicket("bench", WORK, 1, 200.0))
    runner.jobs()
    runner.release("bench", 200)
    while runner.jobs()["bench"].state is not RunState.RUNNING:
        time.sleep(0.05)
    polls = timed_ms(runner.jobs, times)
    writes = []
    for _ in range(times // 2 + 1):
        writes += timed_ms(lambda: runner.suspend("bench"), 1)
        writes += timed_ms(lambda: runner.resume("bench"), 1)
    runner.cancel("bench")
    return Line(what, polls, writes)


def serving_line(folder: Path, times: int) -> Line:
    """Time the desk of one service: a look at its gateway, and a change of the admitted rate."""
    stand_in = (sys.executable, "-m", "controller.devices.compute.bench.stand_in_server", "--port", "{port}")
    desk = ServerDesk(ServiceSetup("bench", "127.0.0.1:18431", 18432, stand_in, first_port=18440), folder)
    mode = ServingMode(
        name="0",
        pool="l40s",
        profile="decode",
        precision="fp8",
        replicas=1,
        gpus=1,
        limit_w=300.0,
        slots=8,
        service_s=1.0,
        service_scv=0.5,
        rate_rps=50.0,
        idle_w=60.0,
        busy_w=250.0,
        p99_s=8.0,
    )
    try:
        desk.want(mode)
        while desk.mode != mode.name:
            desk.turn()
            time.sleep(0.1)
        polls = timed_ms(desk.turn, times)
        rates = iter(range(1, times + 1))

        def change() -> None:
            desk.want(mode.model_copy(update={"rate_rps": float(next(rates))}))
            desk.turn()

        return Line("serving: gateway and a stand-in", polls, timed_ms(change, times))
    finally:
        desk.end()


def hanging_line(folder: Path) -> Line:
    """Time the cycle's side of a desk whose runner hangs."""

    class Hanging(RunnerTwin):
        def jobs(self) -> dict[str, RunnerJob]:
            time.sleep(2.0)
            return {}

    desk = JobDesk(Hanging(), lambda name: JobFolder(folder, name), poll_s=0.01)
    desk.start()
    numbers = iter(range(10_000))
    polls = timed_ms(desk.seen, 500)
    writes = timed_ms(lambda: desk.order({"a": RunOrder(gpus=1.0, limit_w=100.0 + next(numbers))}), 500)
    return Line("cycle's side while the runner hangs", polls, writes)


def measured(folder: Path, times: int) -> list[Line]:
    """Return all rows."""
    gpu = NvmlGpu(ToldNvml(ToldGpu()), 0)
    lines = [gpu_line("GPU: NVML adapter, told library", gpu, 10 * times)]
    with helped(folder, NvmlGpu(ToldNvml(ToldGpu()), 0)) as through:
        lines.append(gpu_line("GPU: the same through the helper", through, 10 * times))
    lines.append(runner_line("jobs: local runner", LocalRunner(folder / "local", gpus=8, kill_s=0.5), times))
    lines.append(hanging_line(folder))
    if missing_tools() or os.getuid() != 0:
        sys.stderr.write("no Slurm here: apt-get install slurm-wlm munge, and run as root\n")
    else:
        cluster = SlurmCluster(folder / "cluster")
        try:
            cluster.start()
            slurm = SlurmRunner("bench", folder / "slurm", environment=cluster.environment)
            lines.append(runner_line("jobs: Slurm on loopback", slurm, times))
        finally:
            cluster.stop()
    lines.append(serving_line(folder / "serving", times))
    return lines


def shown(values: list[float]) -> str:
    """Return median and 95th percentile."""
    rising = sorted(values)
    return f"{statistics.median(rising):9.3f} {rising[int(0.95 * (len(rising) - 1))]:9.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    times = 10 if parser.parse_args().quick else 60
    with tempfile.TemporaryDirectory() as folder:
        lines = measured(Path(folder), times)
    print(f"{'':38}{'poll ms':>10}{'':>10}{'write ms':>10}\n{'':38}{'median':>9} {'95 %':>9} {'median':>9} {'95 %':>9}")
    for line in lines:
        print(f"{line.what:38}{shown(line.poll_ms)} {shown(line.write_ms)}")


if __name__ == "__main__":
    main()
