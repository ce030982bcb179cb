"""The chain of guards: what was asked goes in, what is allowed comes out, with every reason.

Order: first what calls for help (reserve, test run), then what takes load off, then what protects the
machines, then what outranks everything. A later guard always has the last word over an earlier one. A guard
that fails is a bug: it is left out and reported, since the others have to go on. Pure: used by the daemon and
by simulated studies alike.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from controller.guards.balance import guard_balance, guard_battery_open
from controller.guards.battery_cold import guard_battery_cold
from controller.guards.battery_hot import guard_battery_hot
from controller.guards.battery_voltage import guard_battery_voltage
from controller.guards.emergency import guard_emergency
from controller.guards.fuel_low import guard_fuel_low
from controller.guards.genset_protect import guard_genset_protect
from controller.guards.genset_test import guard_test_run
from controller.guards.genset_watch import watched
from controller.guards.hosts_down import guard_hosts_down
from controller.guards.inlet import guard_inlet
from controller.guards.keeping import after_set_back
from controller.guards.limits import guard_limits
from controller.guards.load_step import guard_load_step
from controller.guards.records import NO_JOBS, GuardInput, GuardMemory, GuardResult, Narrowed, Reason
from controller.guards.reverse_power import guard_reverse_power
from controller.guards.shortage import guard_shortage
from controller.guards.soc import guard_lost_soc, guard_reserve, guard_soc_low
from controller.guards.soc_trust import believed
from controller.guards.upkeep import with_due_dates
from controller.setpoints import Setpoints
from controller.snapshot import Snapshot
from optimizer.problem import JobProblem
from sites.schema.site import Site

Guard = Callable[[GuardInput], Narrowed]

DT_MAX_S = 300.0
"""Longest time between cycles that guards count with: a clock that jumps an hour must not pass for an hour of load."""

LOG = logging.getLogger(__name__)

GUARDS: Final[Mapping[str, Guard]] = {
    "balance": guard_balance,
    "limits": guard_limits,
    "test_run": guard_test_run,
    "reserve": guard_reserve,
    "lost_soc": guard_lost_soc,
    "battery_open": guard_battery_open,
    "shortage": guard_shortage,
    "soc_low": guard_soc_low,
    "battery_voltage": guard_battery_voltage,
    "battery_hot": guard_battery_hot,
    "fuel_low": guard_fuel_low,
    "hosts_down": guard_hosts_down,
    "load_step": guard_load_step,
    "inlet": guard_inlet,
    "battery_cold": guard_battery_cold,
    "reverse_power": guard_reverse_power,
    "genset_protect": guard_genset_protect,
    "emergency": guard_emergency,
}
"""All guards in the order in which they act."""


def apply_guards(
    snapshot: Snapshot,
    setpoints: Setpoints,
    site: Site,
    memory: GuardMemory,
    *,
    jobs: Mapping[str, JobProblem] = NO_JOBS,
    without: Sequence[str] = (),
) -> GuardResult:
    """Return what the guards let through.

    Args:
        snapshot: what was sensed in this cycle.
        setpoints: what plan, rules or operator ask for.
        site: the site.
        memory: the last cycle's ``GuardResult.memory``; ``GuardMemory()`` in the first.
        jobs: what is known of jobs by name: the least valuable are paused first.
        without: names of guards that are switched off (fault studies only).
    """
    memory = after_set_back(memory, snapshot.at_utc)
    since_s = 0.0 if memory.last_utc is None else (snapshot.at_utc - memory.last_utc).total_seconds()
    dt_s = min(max(since_s, 0.0), DT_MAX_S)
    trusted, kept, reasons = believed(snapshot, site.battery, memory, dt_s)
    trusted, kept = watched(trusted, kept, dt_s)
    found: list[Reason] = list(reasons)
    asked = setpoints
    for name, guard in GUARDS.items():
        if name in without:
            continue
        try:
            asked, kept, why = guard(GuardInput(trusted, asked, site, kept, dt_s, jobs))
        except Exception as error:
            LOG.exception("guard %s failed", name)
            why = (Reason(name, "GUARD_FAULT", "guards", f"guard {name} failed and is left out: {error}"[:300]),)
        found.extend(why)
    trusted, kept = with_due_dates(trusted, site, kept)
    active = frozenset((reason.guard, reason.subject) for reason in found)
    codes = tuple(dict.fromkeys((*asked.reason_codes, *(reason.reason_code for reason in found))))
    return GuardResult(
        setpoints=asked.model_copy(update={"reason_codes": codes}),
        memory=kept._replace(last_utc=snapshot.at_utc, active=active),
        reasons=tuple(found),
        began=tuple(reason for reason in found if (reason.guard, reason.subject) not in memory.active),
        ceased=tuple(sorted(memory.active - active)),
        snapshot=trusted,
    )
