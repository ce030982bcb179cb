"""The simulated power plant: its physics under the orders of the controller, and what its sensors say.

Pure physics is in :mod:`sites.plant`; here it gets a world, orders, injected faults and the noise of real sensors.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from controller.setpoints import Setpoints
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, Snapshot
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


class Sensors:
    """Noise of real sensors on a perturbed site, none on one that is as its data sheets say."""

    def __init__(self, noise: Random | None) -> None:
        self._noise = noise

    def soc(self, frac: float) -> float:
        """Return a measured state of charge."""
        measured = frac if self._noise is None else frac + self._noise.gauss(0.0, SOC_NOISE_FRAC)
        return min(max(measured, 0.0), 1.0)

    def power(self, value: float) -> float:
        """Return a measured power, in any unit."""
        return value if self._noise is None else value * (1.0 + self._noise.gauss(0.0, POWER_NOISE_FRAC))


class SimulatedPlant:
    """Sun, battery, gensets, tank, UPS and cooling of a site; moves only when told (:meth:`step`)."""

    def __init__(self, site: Site, world: World, *, seed: int = 0, perturb: bool | None = None) -> None:
        """Create a plant at rest; ``perturb`` overrides the site file's choice whether it differs from its data sheets."""
        self.site, self.world = site, world
        differs = site.devices.perturbed if perturb is None else perturb
        nominal = plant_params(site)
        self.params: PlantParams = perturbed(nominal) if differs else nominal
        self.sensors = Sensors(random_stream(seed, "sensors", site.name) if differs else None)
        self.state: PlantState = plant_start(site, self.params)
        self.flows: Flows | None = None
        """Of the last step."""
        self.start_fails: tuple[bool, ...] = ()
        """Injected fault: whether a crank of each genset fails."""
        self.battery_online = True
        """Injected fault: False while the BMS holds its contactor open."""

    def step(self, loads: tuple[Load, ...], orders: Setpoints, start: datetime, dt_s: float) -> Flows:
        """Move by ``dt_s`` seconds from ``start``.

        Raises:
            IndexError: the world ends before the step does.
        """
        end = start + timedelta(seconds=dt_s)
        ambient = Ambient(
            pv_available_kw=self.world.pv_available_kw.mean(start, end),
            outdoor_c=self.world.outdoor_c.mean(start, end),
            start_fails=self.start_fails,
            battery_online=self.battery_online,
        )
        told = {order.name: order for order in orders.gensets}
        command = PlantCommand(
            loads=loads,
            gensets=tuple(
                GensetCommand(run=told[genset.name].run, power_kw=told[genset.name].kw)
                if genset.name in told
                else GensetCommand()
                for genset in self.site.gensets
            ),
            pv_limit_kw=1e9 if orders.pv_limit_kw is None else orders.pv_limit_kw,
        )
        self.state, self.flows = plant_step(self.params, self.state, command, ambient, dt_s)
        return self.flows

    def read(self, now: datetime) -> Snapshot:
        """Return what the sensors of the power side say at ``now``: the state and the last step's means."""
        flows, measured = self.flows, self.sensors.power
        inside = self.world.pv_available_kw.start_utc <= now < self.world.end_utc
        return Snapshot(
            at_utc=now,
            battery=self._battery(flows),
            gensets=self._gensets(flows),
            pv_kw=measured(flows.pv_used_kw) if flows else None,
            pv_available_kw=measured(flows.pv_available_kw) if flows else None,
            tank_l=self.state.tank_l if self.site.tank else None,
            load_kw=measured(bus_load_kw(flows)) if flows else None,
            it_kw=measured(flows.it_kw) if flows else None,
            cooling_kw=measured(flows.cooling_kw) if flows else None,
            unserved_kw=sum(flows.unserved_kw) if flows else 0.0,
            ups_soc_frac=self.state.ups.soc_frac if self.site.ups else None,
            outdoor_c=self.world.outdoor_c.at(now) if inside else None,
            inlet_c=self.state.room_c,
        )

    def _battery(self, flows: Flows | None) -> BatteryReading | None:
        if self.site.battery is None:
            return None
        limits = battery_limits(self.params, self.state, 60.0, self.battery_online)
        return BatteryReading(
            soc_frac=self.sensors.soc(self.state.battery.soc_frac),
            power_kw=self.sensors.power(flows.battery_kw) if flows else None,
            temperature_c=self.state.battery.cell_c,
            charge_limit_kw=limits.charge_kw,
            discharge_limit_kw=limits.discharge_kw,
            contactor_closed=self.battery_online,
        )

    def _gensets(self, flows: Flows | None) -> tuple[GensetReading, ...]:
        return tuple(
            GensetReading(
                name=genset.name,
                phase=PHASES[state.state],
                power_kw=self.sensors.power(flows.genset_kw[index]) if flows else 0.0,
                phase_s=state.phase_s,
                run_h=state.run_h,
                starts=int(state.starts),
                failed_starts=int(state.attempts),
            )
            for index, (genset, state) in enumerate(zip(self.site.gensets, self.state.gensets, strict=True))
        )


def bus_load_kw(flows: Flows) -> float:
    """Return all that draws from the bus; a charging UPS is a load like the others."""
    return sum(flows.served_kw) + flows.cooling_kw + flows.heater_kw + max(-flows.ups_kw, 0.0)
