"""A simulated site with injected faults: what it does and what it says are two things."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from controller.daemon.discipline import ceiling_kw
from controller.devices.port import SiteDevices
from controller.devices.simulated import SimulatedSite
from controller.faults.kinds import Fault, Injection
from controller.guards.inlet import LIMITS_C
from controller.setpoints import Outcome, Setpoints, Verdict
from controller.snapshot import GensetReading, Snapshot
from optimizer.problem import JobProblem
from sites.plant import genset as gen
from sites.schema.site import Site

LEAK_FACTOR = 1.6


class FaultyDevices:
    """Devices of a simulated site, spoilt by the injections that are active at its time."""

    def __init__(
        self,
        site: Site,
        twin: SimulatedSite,
        inner: SiteDevices,
        injections: tuple[Injection, ...],
    ) -> None:
        """``inner`` takes what gets through to ``twin``."""
        self.twin, self._inner = twin, inner
        self._injections = injections
        self.told: Callable[[str, Setpoints | None], None] = lambda call, told: None
        """Hears of each call, before and after."""
        self._frozen: float | None = None
        self._turned_kw: list[float] = []
        self._raised = 0
        self._leaked = 0
        self._pools, self._climate = site.pools, site.cooling.climate_class
        self._written: Setpoints | None = None
        self._draw_factor = twin.it_draw_factor
        self._tripped: set[Injection] = set()
        self.spoilt: set[Fault] = set()
        """Faults that really spoilt something."""

    def active(self, fault: Fault) -> bool:
        """Return whether a fault is there now."""
        return any(each.fault is fault and each.active(self.twin.at_utc) for each in self._injections)

    def spoil_plant(self) -> None:
        """Break or mend the plant itself before it moves."""
        twin = self.twin
        twin.battery_online = not self.active(Fault.BMS_OPEN)
        twin.it_draw_factor = self._draw_factor * (LEAK_FACTOR if self.active(Fault.CAP_LEAKS) else 1.0)
        fails = self.active(Fault.GENSET_NO_START)
        twin.start_fails = (fails,) * len(twin.state.plant.gensets)
        if any(each.state == gen.CRANKING for each in twin.state.plant.gensets) and fails:
            self.spoilt.add(Fault.GENSET_NO_START)
        if Fault.BMS_OPEN not in self.spoilt and not twin.battery_online:
            self.spoilt.add(Fault.BMS_OPEN)
        for each in self._injections:
            running = [i for i, g in enumerate(twin.state.plant.gensets) if g.state == gen.RUNNING]
            if each.fault is Fault.GENSET_TRIP and each.active(twin.at_utc) and running and each not in self._tripped:
                gensets = list(twin.state.plant.gensets)
                gensets[running[0]] = gen.trip(gensets[running[0]])
                twin.state = replace(twin.state, plant=twin.state.plant._replace(gensets=tuple(gensets)))
                self._tripped.add(each)
                self.spoilt.add(Fault.GENSET_TRIP)

    def read(self) -> Snapshot:
        """Return what the devices say."""
        if self.active(Fault.TIMEOUT):
            self.spoilt.add(Fault.TIMEOUT)
            raise TimeoutError("injected")
        self.told("read", None)
        return self._machines(self._battery(self._inner.read()))

    def _battery(self, snapshot: Snapshot) -> Snapshot:
        battery = snapshot.battery
        if battery is None:
            return snapshot
        soc, power_kw = battery.soc_frac, battery.power_kw
        if self.active(Fault.SOC_FROZEN):
            self._frozen = soc if self._frozen is None else self._frozen
            soc = self._frozen
            if soc is not None and abs(self.twin.state.plant.battery.soc_frac - soc) > 0.06:
                self.spoilt.add(Fault.SOC_FROZEN)
        else:
            self._frozen = None
        if self.active(Fault.SOC_JUMP) and not self.active(Fault.SOC_NAN):
            self.spoilt.add(Fault.SOC_JUMP)
            soc = 0.95 if self.twin.state.plant.battery.soc_frac < 0.6 else 0.35
        if self.active(Fault.SOC_NAN):
            self.spoilt.add(Fault.SOC_NAN)
            soc = math.nan
        if self.active(Fault.WRONG_SIGN) and power_kw is not None:
            power_kw = -power_kw
            self._turned_kw.append(abs(power_kw))
            if len(self._turned_kw) > 120 and min(self._turned_kw[-120:]) > 25.0:
                self.spoilt.add(Fault.WRONG_SIGN)
        return snapshot.model_copy(
            update={"battery": battery.model_copy(update={"soc_frac": soc, "power_kw": power_kw})}
        )

    def _machines(self, snapshot: Snapshot) -> Snapshot:
        update: dict[str, object] = {}
        pools = snapshot.pools
        if self.active(Fault.PANEL_MANUAL) and snapshot.gensets:
            self.spoilt.add(Fault.PANEL_MANUAL)
            update["gensets"] = tuple(_in_manual(each) for each in snapshot.gensets)
        if self.active(Fault.EMERGENCY):
            self.spoilt.add(Fault.EMERGENCY)
            update["emergency_stop"] = True
        if self.active(Fault.INLET_HOT):
            self.spoilt.add(Fault.INLET_HOT)
            update["inlet_c"] = LIMITS_C[self._climate][1] + 3.0
        if self.active(Fault.GPU_LOST):
            self.spoilt.add(Fault.GPU_LOST)
            lost = next(_lost(each) for each in self._injections if each.fault is Fault.GPU_LOST)
            pools = tuple(each.model_copy(update={"gpus_ok": max(each.gpus_ok - lost, 0)}) for each in pools)
        if self.active(Fault.CAP_LEAKS):
            above = any((each.draw_kw or 0.0) > self._leaking_kw(each.name) for each in snapshot.pools)
            self._leaked = self._leaked + 1 if above else 0
            if self._leaked > 90:
                self.spoilt.add(Fault.CAP_LEAKS)
        if self.active(Fault.CAP_RAISED):
            self._raised += any(each.limit_w is not None for each in pools)
            if self._raised > 200:
                self.spoilt.add(Fault.CAP_RAISED)
            pools = tuple(
                each.model_copy(update={"limit_w": None if each.limit_w is None else each.limit_w + 100.0})
                for each in pools
            )
        if pools is not snapshot.pools:
            update["pools"] = pools
        return snapshot.model_copy(update=update) if update else snapshot

    def _leaking_kw(self, pool_name: str) -> float:
        """Return the draw of a pool above which nobody can overlook that its caps leak."""
        pool = next(each for each in self._pools if each.name == pool_name)
        return math.inf if self._written is None else 1.5 + 1.3 * ceiling_kw(pool, self._written)

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Take setpoints over unless writes fail."""
        if self.active(Fault.WRITE_FAILS):
            self.spoilt.add(Fault.WRITE_FAILS)
            raise ConnectionError("injected")
        self.told("before write", setpoints)
        refused: tuple[Outcome, ...] = ()
        if self.active(Fault.WRITE_REFUSED):
            setpoints, refused = self._refuse(setpoints)
        self._written = setpoints
        outcomes = (*self._inner.write(setpoints), *refused)
        self.told("after write", setpoints)
        return outcomes

    def _refuse(self, setpoints: Setpoints) -> tuple[Setpoints, tuple[Outcome, ...]]:
        """Return setpoints with the gensets left as they were told before, and the refusals of what was asked."""
        before = {each.name: each for each in self._written.gensets} if self._written else {}
        kept, refused = [], []
        for order in setpoints.gensets:
            known = before.get(order.name, order.model_copy(update={"run": False, "kw": 0.0}))
            kept.append(known)
            if known.run != order.run:
                self.spoilt.add(Fault.WRITE_REFUSED)
                refused.append(
                    Outcome(
                        device=order.name,
                        what="run",
                        asked=order.run,
                        found=known.run,
                        verdict=Verdict.REFUSED,
                        text="injected",
                    )
                )
        return setpoints.model_copy(update={"gensets": tuple(kept)}), tuple(refused)

    def submit(self, job: JobProblem) -> None:
        """Hand a job over."""
        self._inner.submit(job)

    def cancel(self, job_name: str) -> None:
        """Forget a job."""
        self._inner.cancel(job_name)

    def close(self) -> None:
        """Leave the plant as it is."""
        self._inner.close()


def _lost(injection: Injection) -> int:
    """Return how many GPUs of each pool an injection takes: a few, or all but a few."""
    return (4, 8, 56)[injection.start_utc.second % 3]


def _in_manual(reading: GensetReading) -> GensetReading:
    return reading.model_copy(update={"remote_allowed": False})
