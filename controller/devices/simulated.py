"""The simulated site: simulated plant, simulated computers and the prepared world behind the device port.

It stands in for hardware in studies and in ``mdc run`` with ``devices: simulated``. It moves only when told
(:meth:`SimulatedSite.step`), so that the same class serves the live clock, the fast clock and a closed-loop study.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from controller.devices.lapse import lapsed
from controller.devices.simulated_computers import ServiceFlow, SimulatedComputers, Supply
from controller.devices.simulated_hosts import Hosts, all_up
from controller.devices.simulated_plant import SimulatedPlant
from controller.devices.simulated_work import SimulatedJob
from controller.setpoints import JobCommand, Outcome, ServiceCommand, Setpoints, Verdict
from controller.snapshot import Snapshot
from optimizer.problem import JobProblem, PoolProblem
from sites.plant.site import Flows, PlantParams, PlantState
from sites.schema.site import Site
from sites.world import World


@dataclass(frozen=True, kw_only=True)
class SiteState:
    """Everything that changes on a simulated site; enough to continue after a restart."""

    at_utc: datetime
    plant: PlantState
    jobs: dict[str, SimulatedJob]
    services: tuple[ServiceCommand, ...] = ()
    hosts: Hosts = field(default_factory=dict)


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
        computers: SimulatedComputers | None = None,
    ) -> None:
        """Create a site at rest at ``start_utc``, or go on from ``state``.

        ``perturb`` overrides the site file's choice whether the plant differs from its data sheets; ``computers`` are those
        of the site where a part of them is real.
        """
        self._site = site
        self._plant = SimulatedPlant(site, world, seed=seed, perturb=perturb)
        self._computers = computers or SimulatedComputers(site, pools)
        self._setpoints = Setpoints(at_utc=start_utc, expires_utc=start_utc)
        self._told = False
        """Whether somebody gave setpoints that have not lapsed yet."""
        self._at_utc = start_utc
        if state is not None:
            self.state = state

    @property
    def params(self) -> PlantParams:
        """What the plant is."""
        return self._plant.params

    @property
    def at_utc(self) -> datetime:
        """Until when it has moved."""
        return self._at_utc

    @property
    def state(self) -> SiteState:
        """What the site is now."""
        own = self._computers
        return SiteState(
            at_utc=self._at_utc, plant=self._plant.state, jobs=own.jobs, services=own.services, hosts=own.hosts
        )

    @state.setter
    def state(self, state: SiteState) -> None:
        self._at_utc, self._plant.state = state.at_utc, state.plant
        self._computers.jobs, self._computers.services = state.jobs, state.services
        self._computers.hosts = state.hosts or all_up(self._site)

    @property
    def start_fails(self) -> tuple[bool, ...]:
        """Injected fault: whether a crank of each genset fails."""
        return self._plant.start_fails

    @start_fails.setter
    def start_fails(self, fails: tuple[bool, ...]) -> None:
        self._plant.start_fails = fails

    @property
    def battery_online(self) -> bool:
        """Injected fault: False while the BMS holds its contactor open."""
        return self._plant.battery_online

    @battery_online.setter
    def battery_online(self, online: bool) -> None:
        self._plant.battery_online = online

    @property
    def it_draw_factor(self) -> float:
        """Injected fault: watts really drawn per watt commanded for computing."""
        return self._plant.params.it_draw_factor

    @it_draw_factor.setter
    def it_draw_factor(self, factor: float) -> None:
        self._plant.params = self._plant.params._replace(it_draw_factor=factor)

    @property
    def world(self) -> World:
        """The prepared world it lives in."""
        return self._plant.world

    @property
    def world_end_utc(self) -> datetime:
        """The moment after which the prepared world ends."""
        return self._plant.world.end_utc

    def extend(self, world: World) -> None:
        """Go on in a world that reaches further."""
        self._plant.world = world

    def submit(self, job: JobProblem) -> None:
        """Take a job into the queue; a name already known is left as it is."""
        self._computers.submit(job)

    def cancel(self, job_name: str) -> None:
        """Stop a job and forget it."""
        self._computers.cancel(job_name)

    def close(self) -> None:
        """Pause all jobs; services stay as they are at the safe cap."""
        self._computers.close(self._at_utc)

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Take setpoints over and say what was accepted; they hold until they expire."""
        self._setpoints, self._told = setpoints, True
        gensets = tuple(
            Outcome(device=each.name, what="run", asked=each.run, found=each.run, verdict=Verdict.OWN)
            for each in setpoints.gensets
        )
        return (*gensets, *self._computers.write(setpoints, self._at_utc))

    def step(self, dt_s: float) -> SiteStep:
        """Move the site by ``dt_s`` seconds under the last setpoints and return what happened.

        Raises:
            IndexError: the prepared world ends before the step does.
        """
        start, computers = self._at_utc, self._computers
        if self._told and start >= self._setpoints.expires_utc:
            self.write(lapsed(self._setpoints, self._site))
            self._told = False
        end = start + timedelta(seconds=dt_s)
        rates = {name: series.mean(start, end) for name, series in self._plant.world.rate_rps.items()}
        computers.boot(dt_s)
        loads = computers.loads(rates)
        flows = self._plant.step(loads.loads, self._setpoints, start, dt_s)
        running, supply = tuple(computers.commands.values()), Supply.of(flows)
        computers.settle(rates, loads, supply, dt_s / 3600.0, end)
        self._at_utc = end
        return SiteStep(
            start,
            dt_s,
            flows,
            computers.ordered_off_kw(),
            computers.flows,
            running,
            computers.tiers_unserved_kw(loads, supply),
        )

    def read(self) -> Snapshot:
        """Return the process image: the state and the last step's means, with the noise of real sensors."""
        computers, plant = self._computers, self._plant
        return plant.read(self._at_utc).model_copy(
            update={
                "services": computers.service_readings(),
                "jobs": computers.job_readings(),
                "pools": computers.pool_readings(plant.sensors, plant.params.it_draw_factor),
            }
        )
