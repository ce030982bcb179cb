"""Emergency stop and fire: everything off, nothing started, whatever else was asked for."""

from __future__ import annotations

from controller.guards.records import GuardInput, Narrowed, Reason
from controller.setpoints import GensetCommand


def guard_emergency(given: GuardInput) -> Narrowed:
    """Stop all sources and all work while the emergency stop is pressed or fire is reported."""
    snapshot = given.snapshot
    if not (snapshot.emergency_stop or snapshot.fire):
        return Narrowed(given.setpoints, given.memory)
    off = tuple(
        GensetCommand(name=genset.name, run=False, reason_code="EMERGENCY_STOP") for genset in given.site.gensets
    )
    setpoints = given.setpoints.model_copy(
        update={
            "gensets": off,
            "pv_limit_kw": 0.0,
            "battery_limit_kw": (0.0, 0.0),
            "services": (),
            "jobs": (),
            "shed_tiers": tuple(tier.name for tier in given.site.tiers if not tier.critical),
        }
    )
    what = "fire is reported" if snapshot.fire else "the emergency stop is pressed"
    return Narrowed(setpoints, given.memory, (Reason("emergency", "EMERGENCY_STOP", "site", what),))
