"""The simulated computers: hosts, services and jobs under the orders of the controller, and what they draw.

Loads are given in the order in which they are served and shed from its end: critical tiers, hosts and idle GPUs,
critical services, other tiers, other services, batch jobs. Whatever feeds them says what each load got
(:class:`Supply`): a simulated plant in the same process, or one behind a wire.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from controller.devices.simulated_hosts import Hosts, PoolHosts, advance, all_up, gpus_ready
from controller.devices.simulated_plant import Sensors
from controller.devices.simulated_work import (
    JobState,
    SimulatedJob,
    accepted_commands,
    job_rate,
    ordered,
    progressed,
)
from controller.setpoints import JobCommand, Outcome, ServiceCommand, Setpoints, Verdict
from controller.snapshot import JobReading, PoolReading, ServiceReading
from optimizer.problem import JobProblem, PoolProblem
from sites.plant.site import Flows, Load
from sites.schema.site import Site


class ServiceFlow(NamedTuple):
    """One service in one step."""

    name: str
    mode: str
    rate_rps: float
    """Requests that came."""
    served_rps: float
    """Requests that were let in and got power."""


class Loads(NamedTuple):
    """Loads in the order in which they are served, and where each group lies."""

    loads: tuple[Load, ...]
    tiers: tuple[tuple[int, int], ...]
    """(index of the tier in the site file, index of its load)."""
    services: tuple[tuple[int, int], ...]
    """(index of the service command, index of its load)."""
    batch: int
    """Index of the load that holds all batch jobs."""


class Supply(NamedTuple):
    """What the loads of a step got."""

    served_kw: tuple[float, ...]
    unserved_kw: tuple[float, ...]
    throttle_frac: float = 1.0
    """Share of its power that computing could use."""

    @classmethod
    def of(cls, flows: Flows) -> Supply:
        """Return the supply out of a plant's flows."""
        return cls(flows.served_kw, flows.unserved_kw, flows.throttle_frac)

    def share(self, at: int) -> float:
        """Return the share of a load that was served, throttling included, against what was commanded."""
        wanted_kw = self.served_kw[at] + self.unserved_kw[at]
        return self.throttle_frac * (self.served_kw[at] / wanted_kw if wanted_kw > 1e-12 else 1.0)


class SimulatedComputers:
    """The computers of a site, without the site's power."""

    def __init__(self, site: Site, pools: tuple[PoolProblem, ...]) -> None:
        self._site = site
        self._pools = {pool.name: pool for pool in pools}
        self.jobs: dict[str, SimulatedJob] = {}
        self.services: tuple[ServiceCommand, ...] = ()
        self.hosts: Hosts = all_up(site)
        self.commands: dict[str, JobCommand] = {}
        """Jobs that run."""
        self.shed_tiers: frozenset[str] = frozenset()
        self._nodes_on: dict[str, int] | None = None
        self._up: dict[str, PoolHosts] = {}
        self.flows: tuple[ServiceFlow, ...] = ()
        """Services in the last step."""

    def write(self, setpoints: Setpoints, now: datetime) -> tuple[Outcome, ...]:
        """Take setpoints over and say which jobs were accepted."""
        accepted, refused = accepted_commands(self.jobs, setpoints.services, setpoints.jobs, self._ready_pools(), now)
        self.services, self._nodes_on = setpoints.services, setpoints.nodes_on
        self.shed_tiers = frozenset(setpoints.shed_tiers)
        self.order_jobs(accepted, now)
        taken = [
            Outcome(
                device=command.pool, what=f"job {name}", asked=command.gpus, found=command.gpus, verdict=Verdict.OWN
            )
            for name, command in accepted.items()
        ]
        not_taken = [
            Outcome(device="runner", what=f"job {name}", asked=True, found=False, verdict=Verdict.REFUSED, text=why)
            for name, why in refused.items()
        ]
        return (*taken, *not_taken)

    def order_jobs(self, commands: dict[str, JobCommand], now: datetime) -> None:
        """Let the jobs with a command run and pause the others."""
        self.jobs = {name: ordered(job, commands.get(name), now) for name, job in self.jobs.items()}
        self.commands = commands

    def submit(self, job: JobProblem) -> None:
        """Take a job into the queue; a name already known is left as it is."""
        self.jobs.setdefault(job.name, SimulatedJob(job=job))

    def cancel(self, job_name: str) -> None:
        """Stop a job and forget it."""
        self.jobs.pop(job_name, None)
        self.commands.pop(job_name, None)

    def close(self, now: datetime) -> None:
        """Let all jobs wait; services stay as they are at the safe cap."""
        self.order_jobs({}, now)

    def boot(self, dt_s: float) -> None:
        """Let hosts go on and off for ``dt_s`` seconds; before :meth:`loads` of the same step."""
        self.hosts, self._up = advance(self._site, self.hosts, self._nodes_on, dt_s)

    def loads(self, rates: dict[str, float]) -> Loads:
        """Return what the site draws at these request rates."""
        loads: list[Load] = []
        tiers: list[tuple[int, int]] = []
        services: list[tuple[int, int]] = []

        def add_tiers(critical: bool) -> None:
            for index, tier in enumerate(self._site.tiers):
                if tier.critical is critical and tier.name not in self.shed_tiers:
                    tiers.append((index, len(loads)))
                    loads.append(Load(tier.kw, it=False))

        def add_services(critical: bool) -> None:
            for index, command in enumerate(self.services):
                if self._is_critical(command.name) is critical and self._has_gpus(index):
                    wall = self._pools[command.mode.pool].wall_factor
                    services.append((index, len(loads)))
                    loads.append(Load(command.mode.power_w(rates.get(command.name, 0.0)) / 1000.0 * wall))

        add_tiers(True)
        loads.append(Load(sum(self._idle_kw(pool) for pool in self._pools.values())))
        add_services(True)
        add_tiers(False)
        add_services(False)
        batch = len(loads)
        loads.append(Load(sum(self._job_kw(name) for name in self.commands)))
        return Loads(tuple(loads), tuple(tiers), tuple(services), batch)

    def settle(self, rates: dict[str, float], loads: Loads, supply: Supply, dt_h: float, end: datetime) -> None:
        """Serve and work for a step with what the loads got."""
        powered = {index: supply.share(at) for index, at in loads.services}
        modes = {command.name: (command.mode, powered.get(i, 0.0)) for i, command in enumerate(self.services)}
        flows = []
        for name, rate_rps in rates.items():
            mode, share = modes.get(name, (None, 0.0))
            served_rps = min(rate_rps, mode.rate_rps * share) if mode else 0.0
            flows.append(ServiceFlow(name, mode.name if mode else "", rate_rps, served_rps))
        self.flows = tuple(flows)
        share, jobs = supply.share(loads.batch), dict(self.jobs)
        for name, command in self.commands.items():
            rate = job_rate(jobs[name].job, command, self._pools[command.pool])
            jobs[name] = progressed(jobs[name], rate.work_per_h * share, dt_h, end)
        self.commands = {name: order for name, order in self.commands.items() if jobs[name].state is JobState.RUNNING}
        self.jobs = jobs

    def ordered_off_kw(self) -> float:
        """Return the tier load that is switched off on purpose."""
        return sum(tier.kw for tier in self._site.tiers if tier.name in self.shed_tiers)

    def tiers_unserved_kw(self, loads: Loads, supply: Supply) -> tuple[float, ...]:
        """Return what each tier of the site file did not get, ordered off or missed."""
        missed = [tier.kw if tier.name in self.shed_tiers else 0.0 for tier in self._site.tiers]
        for index, at in loads.tiers:
            missed[index] += supply.unserved_kw[at]
        return tuple(missed)

    def service_readings(self) -> tuple[ServiceReading, ...]:
        """Return the services of the last step."""
        return tuple(
            ServiceReading(name=each.name, mode=each.mode, rate_rps=each.rate_rps, served_rps=each.served_rps)
            for each in self.flows
        )

    def job_readings(self) -> tuple[JobReading, ...]:
        """Return every job at the runner."""
        return tuple(
            JobReading(
                name=name,
                state=job.state.value,
                pool=job.command.pool if job.command else "",
                gpus=job.command.gpus if job.command else 0.0,
                limit_w=job.command.limit_w if job.command else 0.0,
                done_frac=job.done_frac,
            )
            for name, job in self.jobs.items()
        )

    def pool_readings(self, sensors: Sensors, draw_factor: float = 1.0) -> tuple[PoolReading, ...]:
        """Return the pools; ``draw_factor`` is what is really drawn per watt commanded."""
        readings = []
        for pool in self._site.pools:
            held = self._pools[pool.name]
            limits = [command.limit_w for command in self.commands.values() if command.pool == pool.name]
            limits += [command.mode.limit_w for command in self.services if command.mode.pool == pool.name]
            services_w = sum(
                command.mode.power_w(self._rate(command.name))
                for command in self.services
                if command.mode.pool == pool.name
            )
            jobs_kw = sum(self._job_kw(name) for name, order in self.commands.items() if order.pool == pool.name)
            draw_kw = self._idle_kw(held) + services_w / 1000.0 * held.wall_factor + jobs_kw
            readings.append(
                PoolReading(
                    name=pool.name,
                    gpus_ok=gpus_ready(pool, self.hosts[pool.name]),
                    draw_kw=sensors.power(draw_kw * draw_factor),
                    limit_w=max(limits, default=None),
                    nodes_on=sum(host.powered for host in self.hosts[pool.name]),
                )
            )
        return tuple(readings)

    def _ready_pools(self) -> dict[str, PoolProblem]:
        """Return the pools with the GPUs of hosts that are up."""
        return {
            pool.name: self._pools[pool.name].model_copy(
                update={"gpus": float(gpus_ready(pool, self.hosts[pool.name]))}
            )
            for pool in self._site.pools
        }

    def _is_critical(self, service: str) -> bool:
        return any(each.critical for each in self._site.services if each.name == service)

    def _has_gpus(self, index: int) -> bool:
        """Return whether the hosts that are up hold the GPUs of a service, those before it served first."""
        command = self.services[index]
        up = self._up.get(command.mode.pool)
        if up is None:
            return False
        described = next(each for each in self._site.pools if each.name == command.mode.pool)
        held = sum(each.mode.gpus for each in self.services[: index + 1] if each.mode.pool == command.mode.pool)
        return held <= up.ready * described.node_gpus

    def _idle_kw(self, pool: PoolProblem) -> float:
        """Return the draw of the pool's hosts and of GPUs that are powered and have nothing to do."""
        described = next(each for each in self._site.pools if each.name == pool.name)
        up = self._up.get(pool.name)
        powered = up.powered if up else described.nodes
        taken: float = sum(command.mode.gpus for command in self.services if command.mode.pool == pool.name)
        taken += sum(command.gpus for command in self.commands.values() if command.pool == pool.name)
        idle = max(powered * described.node_gpus - taken, 0.0)
        hosts_kw = up.power_kw if up else pool.host_kw
        return hosts_kw + idle * pool.idle_w / 1000.0 * pool.wall_factor

    def _job_kw(self, name: str) -> float:
        command = self.commands[name]
        pool = self._pools[command.pool]
        return job_rate(self.jobs[name].job, command, pool).gpu_kw * pool.wall_factor

    def _rate(self, service: str) -> float:
        return next((each.rate_rps for each in self.flows if each.name == service), 0.0)
