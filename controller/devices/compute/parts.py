"""The real parts of a site's computers, made from the site file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller.devices.compute.freezer import find_freezer
from controller.devices.compute.gpu_power import GpuPower, GpuPowerError
from controller.devices.compute.gpu_remote import HelperGpu, HelperLine
from controller.devices.compute.job_desk import JobDesk
from controller.devices.compute.job_folder import NAME, JobFolder
from controller.devices.compute.job_runner import JobRunner
from controller.devices.compute.local_runner import LocalRunner
from controller.devices.compute.placement import Layout
from controller.devices.compute.pool_gpus import PoolGpus
from controller.devices.compute.serving.fleet import ServiceSetup
from controller.devices.compute.serving.server_desk import ServerDesk
from controller.devices.compute.slurm import SlurmRunner
from sites.compute.pool_gpu import pool_gpu
from sites.schema.computing import GpuAccess, Program, ServiceAccess
from sites.schema.site import Site

ANY = "any"
UNLIMITED_FACTOR = 1.2
"""What a module draws in a mode without watts, over its highest mode with: MAXN of an AGX Orin 64 GB, 60 W beside 50 W."""


@dataclass
class Parts:
    """What of the computers is real."""

    spool: Path
    desk: JobDesk | None = None
    gpus: dict[str, PoolGpus] = field(default_factory=dict)
    servers: dict[str, ServerDesk] = field(default_factory=dict)

    def folder(self, name: str) -> JobFolder:
        """Return the folder of a job."""
        return JobFolder(self.spool, name)

    def name_fits(self, name: str) -> bool:
        """Return whether a job's name may be a folder's."""
        return NAME.fullmatch(name) is not None

    def start(self) -> None:
        """Begin to steer."""
        for gpus in self.gpus.values():
            gpus.start()
        if self.desk is not None:
            self.desk.start()
        for server in self.servers.values():
            server.start()

    def close(self) -> None:
        """Let jobs wait, leave GPUs at their safe cap; gateways and servers go on."""
        if self.desk is not None:
            self.desk.close()
        for server in self.servers.values():
            server.close()
        for gpus in self.gpus.values():
            gpus.close()


def program_of(job: str, programs: Sequence[Program]) -> tuple[str, ...] | None:
    """Return the command of a job: of the longest name that is the job's, or its beginning up to a dash; else ``any``."""
    fitting = [each for each in programs if each.job != ANY and (job == each.job or job.startswith(f"{each.job}-"))]
    others = [each for each in programs if each.job == ANY]
    best = max(fitting, key=lambda each: len(each.job), default=others[0] if others else None)
    return None if best is None else best.command


def make_parts(site: Site) -> Parts:
    """Return the real parts of a site's computers; nothing is touched yet."""
    setup = site.devices.compute.jobs
    spool = Path(setup.spool)
    parts = Parts(spool)
    runner = _runner(site, spool)
    if runner is not None:
        parts.desk = JobDesk(
            runner,
            parts.folder,
            pause=setup.pause,
            checkpoint_s=setup.checkpoint_s,
            poll_s=0.2 if setup.settle_s > 0.0 else 1.0,
        )
    parts.gpus = {each.pool: _pool_gpus(site, each) for each in site.devices.compute.gpus}
    serving = Path(site.devices.compute.serving_spool)
    parts.servers = {each.service: _server(site, each, serving, parts) for each in site.devices.compute.serving}
    return parts


def _runner(site: Site, spool: Path) -> JobRunner | None:
    setup = site.devices.compute.jobs
    if setup.driver == "slurm":
        return SlurmRunner(site.name, spool, partition=setup.partition, timeout_s=setup.timeout_s)
    if setup.driver == "local":
        gpus = sum(pool.gpus for pool in site.pools)
        return LocalRunner(spool, gpus=gpus, freezer=find_freezer(f"mdc-{site.name}"))
    return None


def _pool_gpus(site: Site, access: GpuAccess) -> PoolGpus:
    pool = next(each for each in site.pools if each.name == access.pool)
    count = len(access.indices) or pool.nodes * pool.gpus_per_node
    each = pool.gpus_per_node
    return PoolGpus(
        access.pool,
        lambda: opened(access, each),
        count=count,
        safe_limit_w=pool.safe_limit_w,
        layout=Layout(node_gpus=pool.node_gpus, island_gpus=pool.island_gpus, mig_parts=pool.mig_parts),
        part_idle_w=pool_gpu(pool).limits.idle_w,
    )


def helper_lines(access: GpuAccess) -> tuple[HelperLine, ...]:
    """Return a line to each helper of a pool, not yet opened."""
    folder = Path(access.certificates) if access.certificates else None
    return tuple(HelperLine(address, certificates=folder) for address in access.helper)


def opened(access: GpuAccess, gpus_per_node: int) -> tuple[GpuPower, ...]:
    """Return the GPUs of a pool, host by host; of several hosts one that does not answer has them all the same.

    Raises:
        GpuPowerError: the driver or the helper does not answer, or has not these GPUs.
    """
    lines = helper_lines(access)
    found: tuple[GpuPower, ...]
    if len(lines) > 1:
        found = tuple(HelperGpu(line, index) for line in lines for index in range(gpus_per_node))
    else:
        found = lines[0].gpus() if lines else local_gpus(access.driver)
    wrong = [index for index in access.indices if index >= len(found)]
    if wrong or not found:
        raise GpuPowerError(f"pool {access.pool} has GPUs {wrong or 'none'}, this host has {len(found)}")
    return tuple(found[index] for index in access.indices) if access.indices else found


def local_gpus(driver: str) -> tuple[GpuPower, ...]:
    """Return this host's GPUs, set by this process itself.

    Raises:
        GpuPowerError: none answer.
    """
    if driver == "jetson":
        from controller.devices.compute.jetson import CONF, JetsonModule, read_modes

        watts = [mode.nominal_w for mode in read_modes(CONF).modes if mode.nominal_w is not None]
        return (JetsonModule(most_w=UNLIMITED_FACTOR * max(watts, default=15.0)),)
    from controller.devices.compute.nvml import NvmlGpu, nvml_library

    library = nvml_library()
    return tuple(NvmlGpu(library, index) for index in range(library.nvmlDeviceGetCount()))


def _server(site: Site, access: ServiceAccess, spool: Path, parts: Parts) -> ServerDesk:
    service = next(each for each in site.services if each.name == access.service)

    def draw_w() -> float | None:
        """Return the mean draw of a GPU of the pools that the service runs on."""
        drawn = [gpus for name, gpus in parts.gpus.items() if name in service.pools]
        watts = [gpus.draw_w() for gpus in drawn]
        count = sum(gpus.ok() for gpus in drawn)
        return sum(each for each in watts if each is not None) / count if count and None not in watts else None

    setup = ServiceSetup(
        name=access.service,
        listen=access.listen,
        admin_port=access.admin_port,
        command=access.command,
        servers=access.servers,
        first_port=access.first_port,
        health_path=access.health_path,
        drain_s=access.drain_s,
        room_beside=access.room_beside,
    )
    return ServerDesk(setup, spool, gpu_draw_w=draw_w)
