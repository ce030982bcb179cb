"""The island's bus: one source forms the grid and takes what is left over; what cannot be met is shed.

Every step fulfils, in kW averaged over the step, with non-negative PV and genset power and the battery
positive when it discharges:

    pv_used + battery + genset = load - unserved                                                      (1)

Battery forms: gensets hold their set power within [min, max], the battery takes the rest (2). A surplus it
cannot take first lowers the gensets to their minimum load, then curtails PV (setpoint or frequency shift),
then lowers the gensets below their minimum (3): never below zero, so there is no reverse power. A deficit
beyond the battery raises the gensets to their maximum, and the rest is unserved (4).

Genset forms: the battery holds its set power within its limits, the genset takes the rest (5). Below its
minimum load the battery charges more, then PV is curtailed, then the genset runs below its minimum (6); above
its maximum the battery discharges more, and the rest is unserved (7).

With no source able to form, nothing is served and no PV is used (8). This is the merit order of HOMER's and
Vessim's islanded dispatch, with the minimum load added; all in closed form.
"""

from __future__ import annotations

from typing import NamedTuple


class BusFlows(NamedTuple):
    """Powers on the bus [kW], averaged over a step."""

    pv_used_kw: float
    battery_kw: float
    genset_kw: float
    unserved_kw: float


def battery_forms(
    load_kw: float,
    pv_kw: float,
    genset_set_kw: float,
    genset_min_kw: float,
    genset_max_kw: float,
    charge_limit_kw: float,
    discharge_limit_kw: float,
) -> BusFlows:
    """Return the flows with the battery as grid-forming source, rules (1) to (4). All arguments >= 0."""
    held_kw = max(min(genset_set_kw, genset_max_kw), min(genset_min_kw, genset_max_kw))
    left_kw = load_kw - pv_kw - held_kw
    battery_kw = max(-charge_limit_kw, min(left_kw, discharge_limit_kw))
    short_kw = max(0.0, left_kw - battery_kw)
    raised_kw = min(short_kw, genset_max_kw - held_kw)
    surplus_kw = max(0.0, battery_kw - left_kw)
    lowered_kw = min(surplus_kw, held_kw - min(genset_min_kw, genset_max_kw))
    cut_kw = min(surplus_kw - lowered_kw, pv_kw)
    below_kw = min(surplus_kw - lowered_kw - cut_kw, held_kw - lowered_kw)
    return BusFlows(pv_kw - cut_kw, battery_kw, held_kw + raised_kw - lowered_kw - below_kw, short_kw - raised_kw)


def genset_forms(
    load_kw: float,
    pv_kw: float,
    battery_set_kw: float,
    genset_min_kw: float,
    genset_max_kw: float,
    charge_limit_kw: float,
    discharge_limit_kw: float,
) -> BusFlows:
    """Return the flows with a genset as grid-forming source, rules (1) and (5) to (7)."""
    held_kw = max(-charge_limit_kw, min(battery_set_kw, discharge_limit_kw))
    left_kw = load_kw - pv_kw - held_kw
    genset_kw = max(min(genset_min_kw, genset_max_kw), min(left_kw, genset_max_kw))
    short_kw = max(0.0, left_kw - genset_kw)
    helped_kw = min(short_kw, discharge_limit_kw - held_kw)
    surplus_kw = max(0.0, genset_kw - left_kw)
    stored_kw = min(surplus_kw, held_kw + charge_limit_kw)
    cut_kw = min(surplus_kw - stored_kw, pv_kw)
    below_kw = min(surplus_kw - stored_kw - cut_kw, genset_kw)
    return BusFlows(pv_kw - cut_kw, held_kw + helped_kw - stored_kw, genset_kw - below_kw, short_kw - helped_kw)


def nothing_forms(load_kw: float) -> BusFlows:
    """Return the flows of a dead bus, rule (8)."""
    return BusFlows(0.0, 0.0, 0.0, load_kw)


def share_kw(total_kw: float, low_kw: float, high_kw: float, all_low_kw: float, all_high_kw: float) -> float:
    """Return one genset's part of ``total_kw`` when several share it: equal share of the range between their limits.

    Below the sum of the lower limits all are lowered in proportion to them (droop does the same).
    """
    if total_kw <= all_low_kw:
        return low_kw * total_kw / all_low_kw if all_low_kw > 0.0 else 0.0
    width_kw = all_high_kw - all_low_kw
    return low_kw + (total_kw - all_low_kw) * ((high_kw - low_kw) / width_kw if width_kw > 0.0 else 0.0)
