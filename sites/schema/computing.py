"""How the computers of a site are reached: power limits of GPUs, the runner of jobs, the servers of services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from sites.errors import InputFault, shorten
from sites.schema.base import Name, Positive, Section


class GpuAccess(Section):
    """The GPUs of one pool."""

    pool: Name
    driver: Literal["nvml", "jetson"]
    """``nvml`` for NVIDIA cards, ``jetson`` for a module with power modes."""
    helper: tuple[str, ...] = ()
    """Privileged helpers (``mdc devices helper``), one or one a host: a socket, or ``tls://HOST:PORT``; none = this process."""
    certificates: str = ""
    """Folder with ``ca.pem cert.pem key.pem`` of the daemon, for helpers over TLS."""
    indices: tuple[int, ...] = ()
    """GPUs that belong to the pool, counted from 0 over all its hosts; empty = all."""

    @field_validator("helper", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) and value else value or ()

    @model_validator(mode="after")
    def _with_certificates(self) -> GpuAccess:
        far = [each for each in self.helper if each.startswith("tls://")]
        if far and not self.certificates:
            raise ValueError("helpers over TLS need certificates: the folder of ca.pem, cert.pem and key.pem")
        if any(not urlsplit(each).hostname or not urlsplit(each).port for each in far):
            raise ValueError("write tls://HOST:PORT")
        return self

    @field_validator("indices")
    @classmethod
    def _counted(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(index < 0 for index in value) or len(set(value)) != len(value):
            raise ValueError("give each GPU once, counted from 0")
        return value


class Program(Section):
    """A command that jobs may run."""

    job: Name
    """Name of a batch stream, or of jobs up to a dash; ``any`` = all others."""
    command: tuple[str, ...] = Field(min_length=1)
    """Program and arguments; no shell reads them."""

    @field_validator("command")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0].strip():
            raise ValueError("the command has no program")
        return value


class JobAccess(Section):
    """Who runs batch jobs, and what may be run."""

    driver: Literal["simulated", "slurm", "local"] = "simulated"
    programs: tuple[Program, ...] = ()
    """What may be run. A job without a program here is refused."""
    spool: str = "var/jobs"
    """Folder of the jobs' folders; with Slurm one that its nodes share."""
    pause: Literal["suspend", "checkpoint"] = "suspend"
    """``suspend`` stops a job where it stands; ``checkpoint`` lets it write one (SIGUSR1) and ends it until it goes on."""
    checkpoint_s: Positive = 60.0
    """How long a job may take to write a checkpoint before it is ended."""
    partition: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]*$")
    """Partition of Slurm; empty = its default."""
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    """How long a command of Slurm may take."""
    work: Literal["real", "played"] = "real"
    """``real``: programs say how far they are; ``played``: they wait until the simulated work is done, for trying out."""
    settle_s: float = Field(default=0.0, ge=0, le=120)
    """How long each step of a fast clock waits for the runner to follow; leave it at 0 on a live site."""

    @model_validator(mode="after")
    def _runs_something(self) -> JobAccess:
        if self.driver != "simulated" and not self.programs:
            raise ValueError("name the programs that may be run, e.g. [{job: any, command: [/opt/jobs/run.sh]}]")
        if len({each.job for each in self.programs}) < len(self.programs):
            raise ValueError("give each job's program once")
        return self


class ServiceAccess(Section):
    """How one service is served on this host."""

    service: Name
    listen: str = Field(pattern=r"^[A-Za-z0-9_.:\[\]-]+:\d{1,5}$")
    """Host and port of the gateway that clients talk to."""
    admin_port: int = Field(ge=1024, le=65535)
    """Port on loopback over which the daemon talks to the gateway."""
    command: tuple[str, ...] = ()
    """Starts one server; knows {port} {precision} {gpus} {limit_w} {speculative}. Empty = others run the ``servers``."""
    servers: tuple[str, ...] = ()
    """Addresses of OpenAI-compatible servers that others run, e.g. ["http://127.0.0.1:8000"]."""
    first_port: int = Field(default=9100, ge=1024, le=65000)
    """Ports of servers that are started here, from this one up."""
    health_path: str = Field(default="/health", pattern=r"^/")
    """``/health`` for vLLM, ``/v2/health/ready`` for Triton."""
    drain_s: Positive = 30.0
    """How long requests in flight may take to end before their server does."""
    room_beside: bool = False
    """Whether a new server fits into memory beside the one it takes over from."""

    @field_validator("servers")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(each.startswith(("http://", "https://")) and not each.endswith("/") for each in value):
            raise ValueError("write http://HOST:PORT, without a slash at the end")
        return value

    @model_validator(mode="after")
    def _served(self) -> ServiceAccess:
        if bool(self.command) == bool(self.servers):
            raise ValueError("give either the command that starts a server, or servers that others run")
        return self


class Computing(Section):
    """Drivers of the computers; what is not named here is simulated."""

    gpus: tuple[GpuAccess, ...] = ()
    jobs: JobAccess = Field(default=JobAccess())
    serving: tuple[ServiceAccess, ...] = ()
    serving_spool: str = "var/serving"
    """Folder of gateways, servers and what was measured."""

    @property
    def real(self) -> bool:
        """Whether anything of it is."""
        return bool(self.gpus or self.serving or self.jobs.driver != "simulated")


def computing_faults(
    computing: Computing,
    *,
    pools: Mapping[str, int],
    services: tuple[str, ...],
    source: str,
    cut: Mapping[str, str],
) -> Iterator[InputFault]:
    """Yield names that point nowhere or twice, ports that are taken twice, hosts without a helper, and servers on parts of GPUs.

    ``pools`` has the number of nodes of each pool, ``cut`` a pool whose GPUs are cut for each service that may run on one.
    """
    for index, server in enumerate(computing.serving):
        if server.command and server.service in cut:
            mend = f"a server started here is not told which part of a GPU of {cut[server.service]} is its own: list servers "
            mend += "that others run, each bound to its MIG device, or give that pool mig_parts 1"
            field = f"devices.compute.serving[{index}].command"
            yield InputFault(source=source, field=field, found=shorten(server.command), mend=mend)
    for index, access in enumerate(computing.gpus):
        nodes, count = pools.get(access.pool), len(access.helper)
        if nodes is not None and count > 1 and count != nodes:
            mend = f"pool {access.pool} has {nodes} nodes: name one helper or one a host: {nodes}"
            field = f"devices.compute.gpus[{index}].helper"
            yield InputFault(source=source, field=field, found=f"{count} helpers", mend=mend)
    uses = [(f"gpus[{i}].pool", each.pool, tuple(pools)) for i, each in enumerate(computing.gpus)]
    uses += [(f"serving[{i}].service", each.service, services) for i, each in enumerate(computing.serving)]
    for field, name, known in uses:
        if name not in known:
            mend = f"name one of: {', '.join(known) or 'none is described'}"
            yield InputFault(source=source, field=f"devices.compute.{field}", found=shorten(name), mend=mend)
    for (place, name), count in Counter((field.split("[")[0], name) for field, name, _ in uses).items():
        if count > 1:
            found = f"{name!r} {count} times"
            yield InputFault(source=source, field=f"devices.compute.{place}", found=found, mend="describe it once")
    ports = Counter(port for each in computing.serving for port in (each.admin_port, int(each.listen.split(":")[-1])))
    for port, count in ports.items():
        if count > 1:
            mend = "give each gateway ports of its own"
            yield InputFault(source=source, field="devices.compute.serving", found=f"port {port} twice", mend=mend)
