"""What has to hold on a day of faults, on the plant's truth and on what the devices are told.

every order is within what the site has; nothing is started past emergency stop, panel MANUAL or lock-out      (1)
a critical tier or service is ordered off by the emergency stop alone, or with all that is not critical        (2)
critical load is served whenever a source that could serve it is there                                         (3)
nothing that is not critical is served while something critical is not, nor from a battery at its hard limit   (4)
the state of charge does not fall below the hard limit                                                          (5)

(3) and (4) have half a minute for a fault to settle: the UPS carries that long. (4) is not asked while the
controller cannot reach any device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.devices.simulated import SimulatedSite, SiteStep
from controller.faults.faulty_devices import FaultyDevices
from controller.faults.kinds import Fault
from controller.setpoints import Setpoints
from sites.compute.pool_gpu import pool_gpu
from sites.plant import genset as gen
from sites.schema.site import Site

SETTLE_S = 30.0
SOC_TOLERANCE_FRAC = 0.004
"""Below the hard limit a battery can still lose its own standby power."""
EMPTY_FRAC = 0.002
MISSED_KW = 0.01
SERVED_SHARE = 0.3
"""A critical service that serves less of its demand than this counts as missed."""
UNREACHABLE = (Fault.TIMEOUT, Fault.WRITE_FAILS)


def order_faults(site: Site, told: Setpoints, twin: SimulatedSite, devices: FaultyDevices) -> list[str]:
    """Return which orders break rules (1) and (2)."""
    faults = [*_genset_faults(site, told, twin, devices), *_computer_faults(site, told), *_flow_faults(site, told)]
    if not devices.active(Fault.EMERGENCY):
        faults += _critical_faults(site, told)
    return faults


def _genset_faults(site: Site, told: Setpoints, twin: SimulatedSite, devices: FaultyDevices) -> Iterator[str]:
    emergency, manual = devices.active(Fault.EMERGENCY), devices.active(Fault.PANEL_MANUAL)
    for described, state in zip(site.gensets, twin.state.plant.gensets, strict=True):
        for order in told.gensets:
            if order.name != described.name or not order.run:
                continue
            if not 0 <= order.kw <= described.rating_kw + 1e-6:
                yield f"genset at {order.kw:.1f} kW"
            if state.state in (gen.OFF, gen.LOCKED_OUT) and (manual or state.state == gen.LOCKED_OUT):
                yield f"{order.name} is started past its panel"
            if emergency:
                yield f"{order.name} is run past the emergency stop"


def _computer_faults(site: Site, told: Setpoints) -> Iterator[str]:
    limits = {pool.name: pool_gpu(pool).limits for pool in site.pools}
    used = dict.fromkeys(limits, 0.0)
    orders: list[tuple[str, str, float, float]] = [
        (f"service {each.name}", each.mode.pool, each.mode.gpus, each.mode.limit_w) for each in told.services
    ]
    orders += [(f"job {each.name}", each.pool, each.gpus, each.limit_w) for each in told.jobs]
    for what, pool, gpus, limit_w in orders:
        if not gpus:
            continue
        used[pool] = used.get(pool, 0.0) + gpus
        if pool not in limits or not limits[pool].min_limit_w <= limit_w <= limits[pool].max_limit_w:
            yield f"{what} at {limit_w:.0f} W"
    for described in site.pools:
        if used[described.name] > described.gpus + 1e-6:
            yield f"{used[described.name]:g} of {described.gpus} GPUs"
        nodes = (told.nodes_on or {}).get(described.name, 0)
        if not 0 <= nodes <= described.nodes:
            yield f"{nodes} of {described.nodes} hosts of {described.name}"


def _flow_faults(site: Site, told: Setpoints) -> Iterator[str]:
    if told.pv_limit_kw is not None and told.pv_limit_kw < 0:
        yield f"PV limited to {told.pv_limit_kw:.1f} kW"
    if told.battery_limit_kw is not None and site.battery is not None:
        charge_kw, discharge_kw = told.battery_limit_kw
        if not (0 <= charge_kw <= site.battery.charge_kw and 0 <= discharge_kw <= site.battery.discharge_kw):
            yield f"battery limited to {charge_kw:.1f} and {discharge_kw:.1f} kW"


def _critical_faults(site: Site, told: Setpoints) -> Iterator[str]:
    critical = {tier.name for tier in site.tiers if tier.critical}
    yield from (f"critical tier {name} is shed" for name in told.shed_tiers if name in critical)
    on = {each.name for each in told.services if each.mode.gpus}
    soft = [each.name for each in site.services if not each.critical and each.name in on]
    soft += [each.name for each in told.jobs]
    for service in site.services:
        if service.critical and service.name not in on and soft:
            yield f"critical service {service.name} is off while {soft[0]} runs"


@dataclass
class Watch:
    """Holds a day's steps against rules (3) to (5)."""

    site: Site
    twin: SimulatedSite
    devices: FaultyDevices
    violations: list[str] = field(default_factory=list)
    missed_kwh: float = 0.0
    """Critical load unserved, whether or not anything could have served it."""
    _lasts_s: dict[str, float] = field(default_factory=dict)

    def see(self, step: SiteStep) -> None:
        """Take a step of the plant."""
        emergency = self.devices.active(Fault.EMERGENCY)
        missed_kw = self._critical_missed_kw(step)
        self.missed_kwh += missed_kw * step.dt_s / 3600.0
        missed = missed_kw > MISSED_KW and not emergency
        soft = self._soft_served(step) and not any(self.devices.active(each) for each in UNREACHABLE)
        battery, soc = self.site.battery, self.twin.state.plant.battery.soc_frac
        carried = any(each.state == gen.RUNNING for each in self.twin.state.plant.gensets)
        stored = battery is not None and self.twin.battery_online and soc > battery.soc_min_frac + 0.01
        self._hold("critical load is not served though a source is there", missed and (stored or carried), step.dt_s)
        self._hold("something critical is not served while something else is", missed and soft, step.dt_s)
        if battery is None or not self.twin.battery_online:
            return
        empty = soc <= battery.soc_min_frac + EMPTY_FRAC and step.flows.battery_kw > MISSED_KW
        self._hold("an empty battery serves what is not critical", empty and soft and not carried, step.dt_s)
        if soc < battery.soc_min_frac - SOC_TOLERANCE_FRAC and step.flows.battery_kw > MISSED_KW:
            self.violations.append("the state of charge falls below the hard limit")

    def _hold(self, what: str, broken: bool, dt_s: float) -> None:
        """Note a breach that lasts longer than a fault needs to settle, and than one control step."""
        lasts_s = self._lasts_s[what] = self._lasts_s.get(what, 0.0) + dt_s if broken else 0.0
        if lasts_s > SETTLE_S + dt_s:
            self.violations.append(what)

    def _critical_missed_kw(self, step: SiteStep) -> float:
        missed_kw = sum(kw for tier, kw in zip(self.site.tiers, step.tiers_unserved_kw, strict=True) if tier.critical)
        flows = {each.name: each for each in step.services}
        for service in self.site.services:
            flow = flows.get(service.name)
            if service.critical and flow and flow.mode and flow.served_rps < SERVED_SHARE * flow.rate_rps:
                missed_kw += 0.1
        return missed_kw

    def _soft_served(self, step: SiteStep) -> bool:
        soft = {service.name for service in self.site.services if not service.critical}
        tiers = zip(self.site.tiers, step.tiers_unserved_kw, strict=True)
        return (
            any(not tier.critical and tier.kw - kw > MISSED_KW for tier, kw in tiers)
            or any(each.name in soft and each.served_rps > 0 for each in step.services)
            or (bool(step.jobs_running) and step.flows.served_kw[-1] > MISSED_KW)
        )
