"""What the examples of ``--help`` are about: files, equipment, brokers and daemons that a reader would have, made for a test."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from sites.load import find_site
from tests.controller.devices.power.bench_site import EQUIPMENT, UNITS
from tests.controller.web.container_day import container_day

PATIENCE_S = 400.0
MDC = "from controller.cli.main import main; main()"
WITH_GPUS_TOLD = (
    "from controller.devices.compute import parts;"
    "from controller.devices.compute.nvml import NvmlGpu;"
    "from controller.devices.compute.nvml_twin import ToldGpu, ToldNvml;"
    "parts.local_gpus = lambda driver: [NvmlGpu(ToldNvml(ToldGpu()), 0)];"
)
"""Puts a GPU that behaves as told in place of this host's."""
STUDY = """\
version: 1
name: small
base: container
vary:
  pv_kwp: {start: 500, stop: 600, step: 100}
prices: {years: 10, pv_usd_per_kwp: 900}
limits: {loss_of_load_frac: 0.05}
reliability: {draws: 0}
"""


def write_files(folder: Path) -> None:
    """Write the files that examples name: a sweep, a study, a meter's record, a problem."""
    sweep = ["limit_w,throughput,power_w", *(f"{w},{(w / 300) ** 0.4:.4f},{w * 0.97:.1f}" for w in range(120, 301, 30))]
    (folder / "sweep.csv").write_text("\n".join(sweep) + "\n")
    (folder / "studies").mkdir()
    (folder / "studies" / "container.yaml").write_text(STUDY)
    start = datetime(2025, 3, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=step) for step in range(24 * 40)]
    meter = [f"{each.isoformat()},{max(0.0, 300.0 - 45.0 * abs(each.hour - 17)):.1f}" for each in hours]
    (folder / "meter.csv").write_text("\n".join(["time_utc,ac_kw", *meter]) + "\n")
    problem = container_day().problem
    jobs = tuple(job.model_copy(update={"name": "risk-run-1"}) for job in problem.jobs if job.name.startswith("risk"))
    (folder / "problem.json").write_text(problem.model_copy(update={"jobs": jobs}).model_dump_json())


def write_site(folder: Path, example: str = "container", **devices: Any) -> None:
    """Write ``site.yaml``: an example site with sections of its own."""
    document = yaml.safe_load(find_site(example).read_text(encoding="utf-8"))
    (folder / "site.yaml").write_text(yaml.safe_dump({**document, **devices}), encoding="utf-8")


def bench_devices(address: str) -> dict[str, Any]:
    """Return the section ``devices`` of a site whose equipment is a bench's."""
    listed = [each.model_copy(update={"address": address, "unit": UNITS[each.name]}) for each in EQUIPMENT]
    rows = [each.model_dump(mode="json", exclude_defaults=True) for each in listed]
    return {"driver": "real", "equipment": rows}


@contextmanager
def running(example: str, folder: Path, *, first: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run an example that goes on until it is stopped, as systemd would stop it; it has to end well."""
    words = shlex.split(example)[1:]
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    log = folder / "example.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", first + MDC, *words], cwd=folder, env=environment, stdout=out, stderr=out
        )
    try:
        yield process
        assert process.poll() is None, log.read_text(encoding="utf-8")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text(encoding="utf-8")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def until(there: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a running example has done what it is for."""
    end_s = time.monotonic() + PATIENCE_S
    while not there():
        log = (folder / "example.log").read_text(encoding="utf-8")
        assert process.poll() is None, log
        assert time.monotonic() < end_s, log
        time.sleep(0.1)
