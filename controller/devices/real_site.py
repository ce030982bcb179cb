"""A site of real power equipment behind the device port, with simulated computers where none are connected.

The power side is polled from the first moment; the computers join when the site's world is prepared. With a bench,
the plant behind the equipment is simulated in another process: its loads are sent there, and site time moves it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from controller.devices.compute.driven import make_computers
from controller.devices.nodes.assemble import SiteNodes, make_nodes
from controller.devices.power.assemble import make_power
from controller.devices.power.bench.wire import BenchWire
from controller.devices.power.driver import DeviceLostError
from controller.devices.power.site_power import SitePower
from controller.devices.simulated import SiteState
from controller.devices.simulated_computers import Loads, SimulatedComputers, Supply
from controller.devices.simulated_hosts import all_up
from controller.devices.simulated_plant import Sensors
from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from optimizer.problem import JobProblem, PoolProblem
from sites.plant.params import plant_params, plant_start
from sites.ports import random_stream
from sites.schema.site import Site
from sites.world import World

LOG = logging.getLogger(__name__)
SETTLE_S = 20.0
"""How long a fast clock waits for its devices."""


class RealSite:
    """Equipment of the site file."""

    def __init__(
        self,
        site: Site,
        power: SitePower,
        *,
        now: Callable[[], datetime],
        nodes: SiteNodes | None = None,
        bench: BenchWire | None = None,
    ) -> None:
        """Begin to poll; ``now`` tells site time."""
        self._site, self._power, self._nodes, self._bench = site, power, nodes, bench
        self._now, self._at_utc = now, now()
        self._computers: SimulatedComputers | None = None
        self._world: World | None = None
        self._plant_at_rest = plant_start(site, plant_params(site))
        differs = site.devices.perturbed
        self._sensors = Sensors(random_stream(site.devices.seed, "pool meters", site.name) if differs else None)
        power.start()
        power.refresh(1.0)
        if nodes is not None:
            nodes.start()

    def equip(self, pools: tuple[PoolProblem, ...], world: World, state: SiteState | None = None) -> None:
        """Connect the computers, simulated where the site file names no driver, going on from a stored state of theirs."""
        self._world = world
        if self._computers is None:
            self._computers = make_computers(self._site, pools)
        if state is not None:
            self.state = state

    @property
    def equipped(self) -> bool:
        """Whether there are computers."""
        return self._computers is not None

    @property
    def state(self) -> SiteState:
        """What the site is now; the plant is real, and shown at rest."""
        own = self._computers
        if own is None:
            return SiteState(at_utc=self._at_utc, plant=self._plant_at_rest, jobs={})
        return SiteState(
            at_utc=self._at_utc, plant=self._plant_at_rest, jobs=own.jobs, services=own.services, hosts=own.hosts
        )

    @state.setter
    def state(self, state: SiteState) -> None:
        self._at_utc = state.at_utc
        if self._computers is not None:
            self._computers.jobs, self._computers.services = state.jobs, state.services
            self._computers.hosts = state.hosts or all_up(self._site)

    @property
    def world_end_utc(self) -> datetime:
        """The moment after which the prepared world ends."""
        return self._world.end_utc if self._world is not None else self._at_utc

    def extend(self, world: World) -> None:
        """Go on with demand that reaches further."""
        self._world = world

    def read(self) -> Snapshot:
        """Return the present process image."""
        snapshot, own = self._power.read(self._now()), self._computers
        if own is None:
            return snapshot
        pools = own.pool_readings(self._sensors, 1.10 if self._site.devices.perturbed else 1.0)
        if self._nodes is not None:
            pools = tuple(self._nodes.corrected(each) for each in pools)
        return snapshot.model_copy(
            update={"services": own.service_readings(), "jobs": own.job_readings(), "pools": pools}
        )

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Leave the orders with the devices' threads and say what became of those that stand."""
        outcomes = self._power.write(setpoints)
        if self._nodes is not None:
            self._nodes.write(setpoints)
        if self._computers is None:
            return outcomes
        return (*outcomes, *self._computers.write(setpoints, self._at_utc))

    def submit(self, job: JobProblem) -> None:
        """Hand a job to the computers."""
        if self._computers is not None:
            self._computers.submit(job)

    def cancel(self, job_name: str) -> None:
        """Stop a job and forget it."""
        if self._computers is not None:
            self._computers.cancel(job_name)

    def close(self) -> None:
        """Pause all jobs and leave the equipment in its safe default."""
        if self._computers is not None:
            self._computers.close(self._at_utc)
        self._power.close()
        if self._nodes is not None:
            self._nodes.close()
        if self._bench is not None:
            self._bench.close()

    def step(self, dt_s: float) -> None:
        """Let the computers, and on a bench the plant, live through ``dt_s`` seconds of site time."""
        start, own, world = self._at_utc, self._computers, self._world
        end = start + timedelta(seconds=dt_s)
        if own is not None and world is not None:
            rates = {name: series.mean(start, end) for name, series in world.rate_rps.items()}
            own.boot(dt_s)
            loads = own.loads(rates)
            own.settle(rates, loads, self._supply(start, loads, dt_s), dt_s / 3600.0, end)
        self._at_utc = end

    def _supply(self, start: datetime, loads: Loads, dt_s: float) -> Supply:
        """Return what the loads got: everything, unless a bench says otherwise."""
        if self._bench is None:
            return Supply(tuple(load.kw for load in loads.loads), (0.0,) * len(loads.loads))
        self._power.refresh(SETTLE_S)
        try:
            supply = self._bench.move(start, loads.loads, dt_s)
        except DeviceLostError as error:
            LOG.warning("no power from the bench: %s", error)
            return Supply((0.0,) * len(loads.loads), tuple(load.kw for load in loads.loads))
        self._power.refresh(SETTLE_S)
        return supply


def make_real_site(
    site: Site, *, now: Callable[[], datetime], folder: Path | None, state: Path = Path("var")
) -> RealSite | None:
    """Return the site's real equipment, being polled; none when the site is simulated.

    Register maps are looked for in ``folder``; what is learned of the equipment is kept in ``state``.

    Raises:
        InputError: a register map is not there, or wrong.
    """
    if site.devices.driver != "real":
        return None
    bench = None
    if site.devices.bench:
        parts = urlsplit(site.devices.bench)
        bench = BenchWire(str(parts.hostname), int(parts.port or 0))
    power = make_power(site, folder)
    devices = {name: watcher.device for name, watcher in power.watchers.items()}
    return RealSite(site, power, now=now, nodes=make_nodes(site, devices, state), bench=bench)
