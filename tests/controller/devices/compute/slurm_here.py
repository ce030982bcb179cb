"""Slurm for tests: one cluster a module, or a skip that says why; with ``CI=true`` it fails instead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.devices.compute.bench.slurm_cluster import SlurmCluster, missing_tools


@contextmanager
def slurm(folder: Path, *, cpus: int = 64) -> Iterator[SlurmCluster]:
    """Yield a running cluster."""
    missing = missing_tools()
    why = f"{', '.join(missing)} not here; install with: apt-get install slurm-wlm munge" if missing else ""
    if not why and os.getuid() != 0:
        why = "Slurm's daemons are started as root here, and this user is not"
    if why:
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    cluster = SlurmCluster(folder, cpus=cpus)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
