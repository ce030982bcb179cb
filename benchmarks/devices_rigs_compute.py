"""Jobs, servers and GPUs behind commands, ports and libraries that can be spoilt."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.devices_bench import TIMEOUT_S
from benchmarks.devices_rig import LATE_S, LOSS_FRAC, POLL_S, Rig, free_port, proxy_of, spoiler, wait_for
from controller.devices.compute import jetson
from controller.devices.compute.gpu_power import GpuPower
from controller.devices.compute.jetson import JetsonModule
from controller.devices.compute.job_desk import JobDesk, RunOrder
from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.nvml import NvmlGpu
from controller.devices.compute.nvml_twin import ToldError, ToldNvml
from controller.devices.compute.placement import Want
from controller.devices.compute.pool_gpus import PoolGpus
from controller.devices.compute.serving.fleet import ServiceSetup
from controller.devices.compute.serving.server_desk import ServerDesk
from controller.devices.compute.slurm import SlurmRunner
from controller.devices.power.bench.fault_proxy import LineFault

SQUEUE = """#!/bin/sh
case "$(cat {fault})" in
late) sleep {late} ;;
half-open) sleep 60 ;;
lossy) [ $(($(od -An -N1 -tu1 /dev/urandom) % 5)) -ne 0 ] || {{ echo "Unable to contact slurm controller" >&2; exit 1; }} ;;
short) printf '1|mdc-be' && exit 0 ;;
wrong) echo "Invalid partition" >&2; exit 1 ;;
esac
printf '1|mdc-bench|RUNNING|None|1:00|mdc:bench\\n'
"""


def slurm_rig(folder: Path) -> Rig:
    """Return a desk of jobs whose commands are spoilt; what Slurm itself takes is in benchmarks.compute_devices."""
    fault, tool = folder / "fault", folder / "squeue"
    fault.write_text("none")
    tool.write_text(SQUEUE.format(fault=fault, late=LATE_S))
    tool.chmod(0o755)
    for name, said in (("scontrol", "LicenseName=watts Total=1000"), ("sbatch", "1"), ("scancel", "")):
        (folder / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    runner = SlurmRunner("bench", folder, environment=environment, timeout_s=TIMEOUT_S)
    desk = JobDesk(runner, lambda name: JobFolder(folder, name), poll_s=POLL_S)
    desk.start()
    order = {"bench": RunOrder(gpus=1.0, limit_w=100.0)}
    desk.submit(JobTicket("bench", ("true",), 1))
    desk.order(order)

    def known() -> bool:
        return not desk.trouble and "bench" in desk.seen()

    return Rig(
        "Slurm's commands",
        runner.jobs,
        lambda: (desk.order(order), desk.seen()),
        known,
        lambda kind: (fault.write_text(kind.value), None)[1],
        lambda on: (fault.write_text("wrong" if on else "none"), None)[1],
        desk.close,
    )


def gateway_rig(folder: Path) -> Rig:
    """Return the desk of a service whose gateway's admin port is spoilt."""
    listen, admin = free_port(), free_port()
    words = ["--port", str(listen), "--admin-port", str(admin)]
    gateway = subprocess.Popen([sys.executable, "-m", "controller.devices.compute.serving.gateway", *words])
    wait_for(admin)
    proxy = proxy_of(admin)

    class Desk(ServerDesk):
        """A desk whose gateway was started beforehand, behind the proxy."""

        def _see_to_gateway(self) -> None:
            return

    desk = Desk(
        ServiceSetup("bench", f"127.0.0.1:{listen}", proxy.port, (), ("http://127.0.0.1:1",)), folder, poll_s=POLL_S
    )
    desk.start()

    def close() -> None:
        desk.close()
        proxy.close()
        gateway.terminate()
        gateway.wait()

    return Rig(
        "gateway's admin port",
        lambda: desk._ask("GET", "/admin/state?rows=1"),
        lambda: desk.want(None),
        lambda: desk.state is not None and not desk.trouble,
        spoiler(proxy),
        None,
        close,
    )


class SpoiltCalls:
    """Stands between a driver and what it calls on its own host: late, failing, or not coming back."""

    def __init__(self, lost: Callable[[], Exception]) -> None:
        self.fault: LineFault = LineFault.NONE
        self._lost, self._chance = lost, random.Random(0)

    def __call__(self) -> None:
        if self.fault in (LineFault.LATE, LineFault.HALF_OPEN):
            end_s = time.monotonic() + (LATE_S if self.fault is LineFault.LATE else 60.0)
            while time.monotonic() < end_s and not self._mended():
                time.sleep(0.05)
        if self.fault is LineFault.SHORT or (self.fault is LineFault.LOSSY and self._chance.random() < LOSS_FRAC):
            raise self._lost()

    def _mended(self) -> bool:
        return self.fault is LineFault.NONE

    def spoil(self, fault: LineFault) -> None:
        self.fault = fault


def pool_rig(name: str, gpu: GpuPower, calls: SpoiltCalls) -> Rig:
    """Return a pool of one GPU."""
    pool = PoolGpus("bench", lambda: (gpu,), count=1, safe_limit_w=None, period_s=POLL_S)
    pool.start()

    def known() -> bool:
        poller = pool._poller
        assert poller is not None
        try:
            return not any(each.lost for each in poller.latest(2.0)) and pool.ok() == 1
        except TimeoutError:
            return False

    want = Want("a", 1, 30.0)
    cycle = lambda: (pool.order([want]), pool.draw_w(), pool.ok(), pool.outcomes())  # noqa: E731
    return Rig(name, gpu.reading, cycle, known, calls.spoil, None, pool.close)


def nvml_rig() -> Rig:
    """Return a GPU whose library is spoilt."""
    calls = SpoiltCalls(lambda: ToldError(15))

    class Library(ToldNvml):
        """A library that is late, fails or hangs where it reads the limit."""

        def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int:  # noqa: N802
            calls()
            return super().nvmlDeviceGetEnforcedPowerLimit(handle)

    return pool_rig("NVML, told library", NvmlGpu(Library(), 0), calls)


NVPMODEL = "< POWER_MODEL ID=0 NAME=MODE_15W >\n< POWER_MODEL ID=1 NAME=MODE_30W >\n< PM_CONFIG DEFAULT=1 >\n"


def jetson_rig(folder: Path) -> Rig:
    """Return a module whose command is spoilt; a command that hangs is ended, as the driver ends it."""
    (folder / "nvpmodel.conf").write_text(NVPMODEL)
    fault, tool = folder / "fault", folder / "nvpmodel"
    fault.write_text("none")
    script = SQUEUE.rpartition("printf")[0] + 'echo "NV Power Mode: ANY"\necho 1\n'
    tool.write_text(script.format(fault=fault, late=LATE_S))
    tool.chmod(0o755)
    jetson.TIMEOUT_S = TIMEOUT_S

    def ask(words: Any) -> str:
        return jetson.asked([str(tool), *words[1:]])

    module = JetsonModule(most_w=36.0, conf=folder / "nvpmodel.conf", hwmon=folder, ask=ask)
    rig = pool_rig("Jetson's nvpmodel", module, SpoiltCalls(RuntimeError))
    return rig._replace(
        spoil=lambda kind: (fault.write_text(kind.value), None)[1],
        wrong=lambda on: (fault.write_text("wrong" if on else "none"), None)[1],
    )
