"""Meters against each other: what flows into the bus has to flow out, and a battery that is off is no source.

    |PV + gensets + battery - load| <= 5 kW + 15 % of the largest of them, for a minute                       (1)
    contactor open: gensets are called, since nothing else forms the bus                                      (2)

A breach of (1) names a meter with the wrong sign or scale; which one it is a person has to find.
"""

from __future__ import annotations

from controller.guards.gensets_called import call_gensets
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.guards.shortage import bridged_kw

MARGIN_KW, MARGIN_FRAC = 5.0, 0.15
AFTER_S = 60.0
FORMING_LOAD_FRAC = 0.5


def guard_balance(given: GuardInput) -> Narrowed:
    """Say when the meters contradict each other for long."""
    snapshot, memory = given.snapshot, given.memory
    battery_kw = snapshot.battery.power_kw if snapshot.battery else None
    flows = [snapshot.pv_kw, battery_kw, *(each.power_kw for each in snapshot.gensets)]
    read = [flow for flow in flows if flow is not None]
    if snapshot.load_kw is None or len(read) < len(flows) or bridged_kw(snapshot, memory) > 0:
        return Narrowed(given.setpoints, memory._replace(unbalanced_s=0.0))
    left_kw = sum(read) - snapshot.load_kw
    allowed_kw = MARGIN_KW + MARGIN_FRAC * max(abs(each) for each in (*read, snapshot.load_kw))
    unbalanced_s = memory.unbalanced_s + given.dt_s if abs(left_kw) > allowed_kw else 0.0
    memory = memory._replace(unbalanced_s=unbalanced_s)
    if unbalanced_s <= AFTER_S:
        return Narrowed(given.setpoints, memory)
    text = f"sources and load differ by {left_kw:.0f} kW: a meter has the wrong sign or scale"
    return Narrowed(given.setpoints, memory, (Reason("balance", "SENSOR_IMPLAUSIBLE", "bus", text),))


def guard_battery_open(given: GuardInput) -> Narrowed:
    """Call gensets while the battery has disconnected itself, rule (2)."""
    battery = given.snapshot.battery
    if given.site.battery is None or battery is None or battery.contactor_closed:
        return Narrowed(given.setpoints, given.memory)
    setpoints = call_gensets(
        given.setpoints,
        given.snapshot,
        given.site,
        count=len(given.site.gensets),
        load_frac=FORMING_LOAD_FRAC,
        reason_code="BATTERY_OPEN",
    )
    text = "its contactor is open: gensets have to carry the site"
    return Narrowed(setpoints, given.memory, (Reason("battery_open", "BATTERY_OPEN", "battery", text),))
