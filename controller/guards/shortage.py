"""Shortage and overload: what the bus cannot carry goes off in order, and gensets are called.

A shortage is load that goes unserved, load that the UPS bridges, a genset above its rating for too long
(``genset_overload``), or a battery inverter above its rating with its overload curve running out. The budget of
the curve is a share used: a time ``t`` at ``r`` times the rating uses ``t / seconds(r)``, and recovers in ten minutes.

Inverter and UPS answer in milliseconds by themselves. Within one cycle this guard calls gensets, puts jobs at
the lowest limit and pauses them, then sheds soft tiers and soft services, in the order of ``load_cut.py``,
until the savings that are certain cover what is missing. What is off comes back one at a time after
:data:`QUIET_S` without shortage.
"""

from __future__ import annotations

from itertools import pairwise

from controller.guards.genset_overload import genset_overload_kw
from controller.guards.gensets_called import call_gensets
from controller.guards.load_cut import at_lowest_limits, cut_order, without
from controller.guards.records import GuardInput, GuardMemory, Narrowed, Reason
from controller.snapshot import Snapshot
from sites.schema.energy import Bus

UNSERVED_KW = 0.2
"""Less than this is measurement noise."""
UPS_FALL_FRAC = 1e-4
"""Fall of the UPS's charge from one cycle to the next that is more than its standby losses."""
BRIDGED_KW = 2.0
QUIET_S = 300.0
RECOVERY_S = 600.0
ACT_FRAC = 0.5
"""Share of the overload budget at which load goes."""


def overload_seconds(bus: Bus, ratio: float) -> float:
    """Return how long the inverter bears ``ratio`` times its rating; 0 beyond the curve."""
    points = bus.overload
    if ratio <= points[0][0]:
        return points[0][1]
    for (low, low_s), (high, high_s) in pairwise(points):
        if ratio <= high:
            return low_s + (high_s - low_s) * (ratio - low) / (high - low)
    return 0.0


def overload_used(bus: Bus, used_frac: float, power_kw: float, dt_s: float) -> float:
    """Return the share of the overload budget used after ``dt_s`` at ``power_kw``."""
    ratio = abs(power_kw) / bus.inverter_kw
    if ratio <= 1.0:
        return max(used_frac - dt_s / RECOVERY_S, 0.0)
    return min(used_frac + dt_s / max(overload_seconds(bus, ratio), 1e-9), 1.0)


def guard_shortage(given: GuardInput) -> Narrowed:
    """Cut load until the bus can carry it; call every genset meanwhile."""
    bus, snapshot, memory = given.site.bus, given.snapshot, given.memory
    power_kw = _battery_kw(snapshot)
    used = overload_used(bus, memory.overload_used_frac, power_kw, given.dt_s)
    over_kw = max(power_kw - bus.inverter_kw, 0.0) if used >= ACT_FRAC or power_kw > _beyond_kw(bus) else 0.0
    genset_over_kw, memory = genset_overload_kw(given)
    unserved_kw = snapshot.unserved_kw if snapshot.unserved_kw > UNSERVED_KW else 0.0
    short_kw = max(unserved_kw + bridged_kw(snapshot, memory), over_kw, genset_over_kw)
    order = cut_order(given.setpoints, given.site, given.jobs)
    savings_kw = [cut.saves_kw for cut in order]
    memory = memory._replace(overload_used_frac=used, ups_soc_frac=snapshot.ups_soc_frac)
    memory = _cut_further(memory, savings_kw, short_kw) if short_kw > 0 else _let_back(memory, given.dt_s)
    if not memory.short_run:
        return Narrowed(given.setpoints, memory)
    setpoints = call_gensets(
        given.setpoints, snapshot, given.site, count=len(given.site.gensets), load_frac=0.9, reason_code="SHORTAGE"
    )
    cuts = order[: memory.cut_step]
    setpoints = at_lowest_limits(without(setpoints, cuts), given.site)
    code = "INVERTER_OVERLOAD" if over_kw > 0 else "GENSET_OVERLOAD" if genset_over_kw > 0 else "SHORTAGE"
    names = ", ".join(f"{cut.kind} {cut.name}" for cut in cuts) or "nothing yet"
    text = f"{short_kw:.1f} kW missing: gensets called, lowest limits, switched off: {names}"
    return Narrowed(setpoints, memory, (Reason("shortage", code, "load", text),))


def bridged_kw(snapshot: Snapshot, memory: GuardMemory) -> float:
    """Return the load [kW] that the UPS carries: what no meter of a source accounts for while its charge falls."""
    before, now = memory.ups_soc_frac, snapshot.ups_soc_frac
    if before is None or now is None or before - now < UPS_FALL_FRAC or snapshot.load_kw is None:
        return 0.0
    sources = (snapshot.pv_kw, _battery_kw(snapshot), *(each.power_kw for each in snapshot.gensets))
    missing_kw = snapshot.load_kw - sum(each for each in sources if each is not None)
    return missing_kw if missing_kw > BRIDGED_KW else 0.0


def _battery_kw(snapshot: Snapshot) -> float:
    power_kw = snapshot.battery.power_kw if snapshot.battery else None
    return power_kw if power_kw is not None else 0.0


def _beyond_kw(bus: Bus) -> float:
    return bus.overload[-1][0] * bus.inverter_kw


def _cut_further(memory: GuardMemory, savings_kw: list[float], short_kw: float) -> GuardMemory:
    """Return memory with enough more cuts to save ``short_kw``; what is off already has not been enough."""
    step, saved_kw = memory.cut_step, 0.0
    while step < len(savings_kw) and saved_kw < short_kw:
        saved_kw += savings_kw[step]
        step += 1
    return memory._replace(cut_step=step, cut_quiet_s=0.0, short_run=True)


def _let_back(memory: GuardMemory, dt_s: float) -> GuardMemory:
    quiet_s = memory.cut_quiet_s + dt_s
    if not memory.short_run or quiet_s < QUIET_S:
        return memory._replace(cut_quiet_s=quiet_s)
    return memory._replace(cut_quiet_s=0.0, cut_step=max(memory.cut_step - 1, 0), short_run=memory.cut_step > 1)
