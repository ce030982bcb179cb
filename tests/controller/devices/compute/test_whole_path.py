"""The daemon's own loop with its jobs on a real Slurm and the plant simulated: the same outcome as on twins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from controller.daemon.loop import Loop, LoopOptions
from controller.devices.compute.bench.slurm_cluster import SlurmCluster
from controller.devices.compute.slurm import SlurmRunner
from controller.records.reading import Reader
from controller.snapshot import Snapshot
from sites.ports import SystemClock
from sites.schema.computing import Computing, JobAccess, Program
from sites.schema.site import Site
from tests.controller.daemon.prepared import SITE, START
from tests.controller.devices.compute.slurm_here import slurm

PLAYED = ("sh", "-c", "while [ ! -e finish ]; do sleep 0.05; done")
DUSK = START + timedelta(hours=9)
"""No sun: what the jobs draw shows in the battery."""
CYCLES = 150


class Day(NamedTuple):
    """How a run ended."""

    last: Snapshot
    done: frozenset[str]
    worked_jobs: float
    """Jobs done, and the shares of those begun."""


def run(site: Site, folder: Path) -> Day:
    options = LoopOptions(
        site=site,
        site_file="container",
        url=f"sqlite:///{folder / 'mdc.sqlite'}",
        speed=3600.0,
        start_utc=DUSK,
        port=None,
        worker_memory_mb=2048,
        worker_module="tests.controller.daemon.stub_worker",
    )
    loop = Loop(options, host=SystemClock())
    try:
        for _ in range(120):
            if loop._twin is not None:
                break
            loop._turn()
        assert loop._twin is not None
        while (loop._twin.state.at_utc - DUSK).total_seconds() < 60 * CYCLES:
            loop._turn()
        last = loop._twin.read()
        at_work = {name: job.done_frac for name, job in loop._twin.state.jobs.items()}
    finally:
        loop.close()
    with Reader(options.url, site.name) as reader:
        jobs = reader.jobs()
    done = frozenset(job.name for job in jobs if job.state == "done")
    return Day(last, done, sum(1.0 if job.name in done else at_work.get(job.name, 0.0) for job in jobs))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with slurm(tmp_path_factory.mktemp("slurm")) as found:
        yield found


def test_a_day_on_slurm_ends_as_on_twins(
    tmp_path: Path, cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SLURM_CONF", str(cluster.conf))
    access = JobAccess(
        driver="slurm",
        programs=(Program(job="any", command=PLAYED),),
        spool=str(tmp_path / "jobs"),
        work="played",
        settle_s=20.0,
    )
    devices = SITE.devices.model_copy(update={"compute": Computing(jobs=access)})
    on_twins, on_slurm = tmp_path / "twins", tmp_path / "slurm"
    on_twins.mkdir()
    on_slurm.mkdir()
    simulated = run(SITE, on_twins)
    real = run(SITE.model_copy(update={"devices": devices}), on_slurm)
    assert simulated.done
    assert len(real.done ^ simulated.done) <= 1, "a job may end a cycle later than on twins"
    assert real.worked_jobs == pytest.approx(simulated.worked_jobs, rel=0.01)
    assert real.last.battery is not None
    assert simulated.last.battery is not None
    assert simulated.last.battery.soc_frac is not None
    assert 0.1 < simulated.last.battery.soc_frac < 0.95, "a battery that is full or empty compares nothing"
    assert real.last.battery.soc_frac == pytest.approx(simulated.last.battery.soc_frac, abs=0.01)
    assert real.last.tank_l == pytest.approx(simulated.last.tank_l, rel=0.01)
    for name in real.done:
        assert (tmp_path / "jobs" / name / "starts").read_text() == "start\n", "each ran once"
    left = SlurmRunner(SITE.name, tmp_path / "jobs", environment=cluster.environment).jobs()
    assert not [job for job in left.values() if job.state.value == "running"], "a stopped daemon leaves no job running"
