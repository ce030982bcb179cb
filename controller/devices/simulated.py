"""The simulated site: the plant's own physics, simulated computers and the prepared world behind the device port.

It stands in for hardware in studies and in ``mdc run`` with ``devices: simulated``. It moves only when told
(:meth:`SimulatedSite.step`), so that the same class serves the live clock, the fast clock and a closed-loop study.
Loads are served in this order and shed from its end: critical tiers, hosts and idle GPUs, critical services, other
tiers, other services, batch jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from controller.devices.simulated_hosts import Hosts, PoolHosts, advance, all_up, gpus_ready
from controller.devices.simulated_work import (
    JobState,
    SimulatedJob,
    accepted_commands,
    job_rate,
    ordered,
    progressed,
)
from controller.setpoints import JobCommand, Outcome, ServiceCommand, Setpoints, Verdict
from controller.snapshot import (
    BatteryReading,
    GensetPhase,
    GensetReading,
    JobReading,
    PoolReading,
    ServiceReading,
    Snapshot,
)
from optimizer.records import JobProblem, PoolProblem
from sites.plant import genset as gen
from sites.plant.params import plant_params, plant_start
from sites.plant.site import (
    Ambient,
    Flows,
    GensetCommand,
    Load,
    PlantCommand,
    PlantParams,
    PlantState,
    battery_limits,
    perturbed,
)
from sites.plant.site import step as plant_step
from sites.ports import random_stream
from sites.schema.site import Site
from sites.world import World

PHASES = {
    gen.OFF: GensetPhase.OFF,
    gen.CRANKING: GensetPhase.CRANKING,
    gen.WARM_UP: GensetPhase.WARMUP,
    gen.RUNNING: GensetPhase.RUNNING,
    gen.COOL_DOWN: GensetPhase.COOLDOWN,
    gen.LOCKED_OUT: GensetPhase.LOCKED_OUT,
}
SOC_NOISE_FRAC = 0.003
"""Standard deviation of the measured SoC on a perturbed site; good BMS state within 1 %."""
POWER_NOISE_FRAC = 0.005
"""Standard deviation of measured powers on a perturbed site: class 0.5 meters."""


@dataclass(frozen=True, kw_only=True)
class SiteState:
    """Everything that changes on a simulated site; enough to continue after a restart."""

    at_utc: datetime
    plant: PlantState
    jobs: dict[str, SimulatedJob]
    services: tuple[ServiceCommand, ...] = ()
    hosts: Hosts = field(default_factory=dict)


class ServiceFlow(NamedTuple):
    """One service in one step."""

    name: str
    mode: str
    rate_rps: float
    """Requests that came."""
    served_rps: float
    """Requests that were let in and got power."""


class SiteStep(NamedTuple):
    """What happened on the site in one step."""

    start_utc: datetime
    dt_s: float
    flows: Flows
    shed_by_order_kw: float
    """Tier load that was switched off on purpose."""
    services: tuple[ServiceFlow, ...]
    jobs_running: tuple[JobCommand, ...]
    tiers_unserved_kw: tuple[float, ...]
    """Unserved power of each tier of the site file, ordered off or missed."""


class _Loads(NamedTuple):
    """Loads in the order in which they are served, and where each group lies."""

    loads: tuple[Load, ...]
    tiers: tuple[tuple[int, int], ...]
    """(index of the tier in the site file, index of its load)."""
    services: tuple[tuple[int, int], ...]
    """(index of the service command, index of its load)."""
    batch: int
    """Index of the load that holds all batch jobs."""
    hosts: int


class SimulatedSite:
    """A site without hardware, behind the device port."""

    def __init__(
        self,
        site: Site,
        pools: tuple[PoolProblem, ...],
        world: World,
        *,
        start_utc: datetime,
        seed: int = 0,
        perturb: bool | None = None,
        state: SiteState | None = None,
    ) -> None:
        """Create a site at rest at ``start_utc``, or go on from ``state``.

        ``perturb`` overrides the site file's choice whether the plant differs from its data sheets.
        """
        self._site = site
        self._pools = {pool.name: pool for pool in pools}
        self._perturbed = site.devices.perturbed if perturb is None else perturb
        nominal = plant_params(site)
        self.params: PlantParams = perturbed(nominal) if self._perturbed else nominal
        self._noise = random_stream(seed, "sensors", site.name)
        self._world = world
        self._setpoints = Setpoints(at_utc=start_utc, expires_utc=start_utc)
        self._commands: dict[str, JobCommand] = {}
        self.state = state or SiteState(
            at_utc=start_utc, plant=plant_start(site, self.params), jobs={}, hosts=all_up(site)
        )
        self._last: SiteStep | None = None
        self._up: dict[str, PoolHosts] = {}
        self.start_fails: tuple[bool, ...] = ()
        """Injected fault: whether a crank of each genset fails."""
        self.battery_online = True
        """Injected fault: False while the BMS holds its contactor open."""

    def extend(self, world: World) -> None:
        """Go on in a world that reaches further."""
        self._world = world

    @property
    def world_end_utc(self) -> datetime:
        """The moment after which the prepared world ends."""
        return self._world.end_utc

    def submit(self, job: JobProblem) -> None:
        """Take a job into the queue; a name already known is left as it is."""
        self.state.jobs.setdefault(job.name, SimulatedJob(job=job))

    def cancel(self, job_name: str) -> None:
        """Stop a job and forget it."""
        self.state.jobs.pop(job_name, None)
        self._commands.pop(job_name, None)

    def close(self) -> None:
        """Pause all jobs; services stay as they are at the safe cap."""
        self._order_jobs({})

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Take setpoints over and say what was accepted."""
        accepted, refused = accepted_commands(
            self.state.jobs, setpoints.services, setpoints.jobs, self._ready_pools(), self.state.at_utc
        )
        self._setpoints = setpoints
        self.state = replace(self.state, services=setpoints.services)
        self._order_jobs(accepted)
        outcomes = [
            Outcome(device=each.name, what="run", asked=each.run, found=each.run, verdict=Verdict.OWN)
            for each in setpoints.gensets
        ]
        outcomes += [
            Outcome(
                device=command.pool, what=f"job {name}", asked=command.gpus, found=command.gpus, verdict=Verdict.OWN
            )
            for name, command in accepted.items()
        ]
        outcomes += [
            Outcome(device="runner", what=f"job {name}", asked=True, found=False, verdict=Verdict.REFUSED, text=why)
            for name, why in refused.items()
        ]
        return tuple(outcomes)

    def _ready_pools(self) -> dict[str, PoolProblem]:
        """Return the pools with the GPUs of hosts that are up."""
        return {
            pool.name: self._pools[pool.name].model_copy(
                update={"gpus": float(gpus_ready(pool, self.state.hosts[pool.name]))}
            )
            for pool in self._site.pools
        }

    def _order_jobs(self, commands: dict[str, JobCommand]) -> None:
        now = self.state.at_utc
        jobs = {name: ordered(job, commands.get(name), now) for name, job in self.state.jobs.items()}
        self._commands = commands
        self.state = replace(self.state, jobs=jobs)

    def step(self, dt_s: float) -> SiteStep:
        """Move the site by ``dt_s`` seconds under the last setpoints and return what happened.

        Raises:
            IndexError: the prepared world ends before the step does.
        """
        start = self.state.at_utc
        end = start + timedelta(seconds=dt_s)
        rates = {name: series.mean(start, end) for name, series in self._world.rate_rps.items()}
        hosts, self._up = advance(self._site, self.state.hosts, self._setpoints.nodes_on, dt_s)
        loads = self._loads(rates)
        ambient = Ambient(
            pv_available_kw=self._world.pv_available_kw.mean(start, end),
            outdoor_c=self._world.outdoor_c.mean(start, end),
            start_fails=self.start_fails,
            battery_online=self.battery_online,
        )
        limit = self._setpoints.pv_limit_kw
        orders = {order.name: order for order in self._setpoints.gensets}
        command = PlantCommand(
            loads=loads.loads,
            gensets=tuple(
                GensetCommand(run=orders[genset.name].run, power_kw=orders[genset.name].kw)
                if genset.name in orders
                else GensetCommand()
                for genset in self._site.gensets
            ),
            pv_limit_kw=1e9 if limit is None else limit,
        )
        plant, flows = plant_step(self.params, self.state.plant, command, ambient, dt_s)
        services = self._serve(rates, loads, flows)
        jobs = self._work(loads, flows, dt_s / 3600.0, end)
        running = tuple(self._commands.values())
        self._commands = {name: order for name, order in self._commands.items() if jobs[name].state is JobState.RUNNING}
        self.state = replace(self.state, at_utc=end, plant=plant, jobs=jobs, hosts=hosts)
        self._last = SiteStep(
            start, dt_s, flows, self._ordered_off_kw(), services, running, self._tiers_unserved_kw(loads, flows)
        )
        return self._last

    def _loads(self, rates: dict[str, float]) -> _Loads:
        loads: list[Load] = []
        tiers: list[tuple[int, int]] = []
        services: list[tuple[int, int]] = []
        off = set(self._setpoints.shed_tiers)

        def add_tiers(critical: bool) -> None:
            for index, tier in enumerate(self._site.tiers):
                if tier.critical is critical and tier.name not in off:
                    tiers.append((index, len(loads)))
                    loads.append(Load(tier.kw, it=False))

        def add_services(critical: bool) -> None:
            for index, command in enumerate(self.state.services):
                if self._is_critical(command.name) is critical and self._has_gpus(index):
                    wall = self._pools[command.mode.pool].wall_factor
                    services.append((index, len(loads)))
                    loads.append(Load(command.mode.power_w(rates.get(command.name, 0.0)) / 1000.0 * wall))

        add_tiers(True)
        hosts = len(loads)
        loads.append(Load(sum(self._idle_kw(pool) for pool in self._pools.values())))
        add_services(True)
        add_tiers(False)
        add_services(False)
        batch = len(loads)
        loads.append(Load(sum(self._job_kw(name) for name in self._commands)))
        return _Loads(tuple(loads), tuple(tiers), tuple(services), batch, hosts)

    def _is_critical(self, service: str) -> bool:
        return any(each.critical for each in self._site.services if each.name == service)

    def _has_gpus(self, index: int) -> bool:
        """Return whether the hosts that are up hold the GPUs of a service, those before it served first."""
        command = self.state.services[index]
        up = self._up.get(command.mode.pool)
        if up is None:
            return False
        described = next(each for each in self._site.pools if each.name == command.mode.pool)
        held = sum(each.mode.gpus for each in self.state.services[: index + 1] if each.mode.pool == command.mode.pool)
        return held <= up.ready * described.gpus_per_node

    def _idle_kw(self, pool: PoolProblem) -> float:
        """Return the draw of the pool's hosts and of GPUs that are powered and have nothing to do."""
        described = next(each for each in self._site.pools if each.name == pool.name)
        up = self._up.get(pool.name)
        powered = up.powered if up else described.nodes
        taken: float = sum(command.mode.gpus for command in self.state.services if command.mode.pool == pool.name)
        taken += sum(command.gpus for command in self._commands.values() if command.pool == pool.name)
        idle = max(powered * described.gpus_per_node - taken, 0.0)
        hosts_kw = up.power_kw if up else pool.host_kw
        return hosts_kw + idle * pool.idle_w / 1000.0 * pool.wall_factor

    def _job_kw(self, name: str) -> float:
        command = self._commands[name]
        pool = self._pools[command.pool]
        return job_rate(self.state.jobs[name].job, command, pool).gpu_kw * pool.wall_factor

    def _serve(self, rates: dict[str, float], loads: _Loads, flows: Flows) -> tuple[ServiceFlow, ...]:
        powered = {index: _served_frac(loads, flows, at) for index, at in loads.services}
        modes = {command.name: (command.mode, powered.get(i, 0.0)) for i, command in enumerate(self.state.services)}
        result = []
        for name, rate_rps in rates.items():
            mode, share = modes.get(name, (None, 0.0))
            served_rps = min(rate_rps, mode.rate_rps * share) if mode else 0.0
            result.append(ServiceFlow(name, mode.name if mode else "", rate_rps, served_rps))
        return tuple(result)

    def _work(self, loads: _Loads, flows: Flows, dt_h: float, end: datetime) -> dict[str, SimulatedJob]:
        share = _served_frac(loads, flows, loads.batch)
        jobs = dict(self.state.jobs)
        for name, command in self._commands.items():
            rate = job_rate(jobs[name].job, command, self._pools[command.pool])
            jobs[name] = progressed(jobs[name], rate.work_per_h * share, dt_h, end)
        return jobs

    def _ordered_off_kw(self) -> float:
        return sum(tier.kw for tier in self._site.tiers if tier.name in self._setpoints.shed_tiers)

    def _tiers_unserved_kw(self, loads: _Loads, flows: Flows) -> tuple[float, ...]:
        missed = [tier.kw if tier.name in self._setpoints.shed_tiers else 0.0 for tier in self._site.tiers]
        for index, at in loads.tiers:
            missed[index] += flows.unserved_kw[at]
        return tuple(missed)

    def read(self) -> Snapshot:
        """Return the process image: the state and the last step's means, with the noise of real sensors."""
        plant, last = self.state.plant, self._last
        flows = last.flows if last else None
        limits = battery_limits(self.params, plant, 60.0, self.battery_online)
        battery = None
        if self._site.battery is not None:
            battery = BatteryReading(
                soc_frac=min(max(self._noisy(plant.battery.soc_frac, SOC_NOISE_FRAC), 0.0), 1.0),
                power_kw=self._scaled(flows.battery_kw) if flows else None,
                temperature_c=plant.battery.cell_c,
                charge_limit_kw=limits.charge_kw,
                discharge_limit_kw=limits.discharge_kw,
                contactor_closed=self.battery_online,
            )
        now = self.state.at_utc
        inside = self._world.pv_available_kw.start_utc <= now < self._world.end_utc
        return Snapshot(
            at_utc=now,
            battery=battery,
            gensets=self._genset_readings(flows),
            pv_kw=self._scaled(flows.pv_used_kw) if flows else None,
            pv_available_kw=self._scaled(flows.pv_available_kw) if flows else None,
            tank_l=plant.tank_l if self._site.tank else None,
            load_kw=self._scaled(_bus_load_kw(flows)) if flows else None,
            it_kw=self._scaled(flows.it_kw) if flows else None,
            cooling_kw=self._scaled(flows.cooling_kw) if flows else None,
            unserved_kw=sum(flows.unserved_kw) if flows else 0.0,
            ups_soc_frac=plant.ups.soc_frac if self._site.ups else None,
            outdoor_c=self._world.outdoor_c.at(now) if inside else None,
            inlet_c=plant.room_c,
            services=tuple(
                ServiceReading(name=each.name, mode=each.mode, rate_rps=each.rate_rps, served_rps=each.served_rps)
                for each in (last.services if last else ())
            ),
            jobs=self._job_readings(),
            pools=self._pool_readings(),
        )

    def _genset_readings(self, flows: Flows | None) -> tuple[GensetReading, ...]:
        return tuple(
            GensetReading(
                name=genset.name,
                phase=PHASES[state.state],
                power_kw=self._scaled(flows.genset_kw[index]) if flows else 0.0,
                phase_s=state.phase_s,
                run_h=state.run_h,
                starts=int(state.starts),
                failed_starts=int(state.attempts),
            )
            for index, (genset, state) in enumerate(zip(self._site.gensets, self.state.plant.gensets, strict=True))
        )

    def _job_readings(self) -> tuple[JobReading, ...]:
        return tuple(
            JobReading(
                name=name,
                state=job.state.value,
                pool=job.command.pool if job.command else "",
                gpus=job.command.gpus if job.command else 0.0,
                limit_w=job.command.limit_w if job.command else 0.0,
                done_frac=job.done_frac,
            )
            for name, job in self.state.jobs.items()
        )

    def _pool_readings(self) -> tuple[PoolReading, ...]:
        readings = []
        for pool in self._site.pools:
            held = self._pools[pool.name]
            limits = [command.limit_w for command in self._commands.values() if command.pool == pool.name]
            limits += [command.mode.limit_w for command in self.state.services if command.mode.pool == pool.name]
            services_w = sum(
                command.mode.power_w(self._rate(command.name))
                for command in self.state.services
                if command.mode.pool == pool.name
            )
            jobs_kw = sum(self._job_kw(name) for name, order in self._commands.items() if order.pool == pool.name)
            draw_kw = self._idle_kw(held) + services_w / 1000.0 * held.wall_factor + jobs_kw
            readings.append(
                PoolReading(
                    name=pool.name,
                    gpus_ok=gpus_ready(pool, self.state.hosts[pool.name]),
                    draw_kw=self._scaled(draw_kw * self.params.it_draw_factor),
                    limit_w=max(limits, default=None),
                    nodes_on=sum(host.powered for host in self.state.hosts[pool.name]),
                )
            )
        return tuple(readings)

    def _rate(self, service: str) -> float:
        services = self._last.services if self._last else ()
        return next((each.rate_rps for each in services if each.name == service), 0.0)

    def _noisy(self, value: float, spread: float) -> float:
        return value + self._noise.gauss(0.0, spread) if self._perturbed else value

    def _scaled(self, value: float) -> float:
        return value * (1.0 + self._noise.gauss(0.0, POWER_NOISE_FRAC)) if self._perturbed else value


def _bus_load_kw(flows: Flows) -> float:
    """Return all that draws from the bus; a charging UPS is a load like the others."""
    return sum(flows.served_kw) + flows.cooling_kw + flows.heater_kw + max(-flows.ups_kw, 0.0)


def _served_frac(loads: _Loads, flows: Flows, at: int) -> float:
    """Return the share of a load that was served, throttling included, against what was commanded."""
    wanted_kw = flows.served_kw[at] + flows.unserved_kw[at]
    return flows.throttle_frac * (flows.served_kw[at] / wanted_kw if wanted_kw > 1e-12 else 1.0)
