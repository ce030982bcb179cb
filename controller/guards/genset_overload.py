"""Genset overload: a prime-rated genset bears 110 % of its rating for one hour in twelve, and no more than that.

    used += dt / 3600 s         while its power is above its rating, up to 110 %                                  (1)
    used -= dt / 11 h           while it is not                                                                   (2)
    load goes                   once half the hour is used, or above 110 %                                        (3)

ISO 8528-1:2018, prime power (PRP). The excess is a shortage: ``shortage`` calls the other gensets and takes load off in its
order. :data:`NOISE_FRAC` of the rating is left to the meter.
"""

from __future__ import annotations

from controller.guards.records import GuardInput, GuardMemory
from controller.snapshot import GensetPhase

MOST = 1.10
HOUR_S, REST_S = 3600.0, 11.0 * 3600.0
ACT_FRAC, NOISE_FRAC = 0.5, 0.02


def genset_overload_kw(given: GuardInput) -> tuple[float, GuardMemory]:
    """Return the power [kW] above the ratings that has to go now, and what is remembered of each genset's hour."""
    known, over_kw = dict(given.memory.gensets), 0.0
    ratings_kw = {each.name: each.rating_kw for each in given.site.gensets}
    for reading in given.snapshot.gensets:
        if reading.name not in ratings_kw or reading.power_kw is None or reading.name not in known:
            continue
        ratio = reading.power_kw / ratings_kw[reading.name] if reading.phase is GensetPhase.RUNNING else 0.0
        used = known[reading.name].overload_used_frac
        over = ratio > 1.0 + NOISE_FRAC
        used = min(used + given.dt_s / HOUR_S, 1.0) if over else max(used - given.dt_s / REST_S, 0.0)
        known[reading.name] = known[reading.name]._replace(overload_used_frac=used)
        if over and (used >= ACT_FRAC or ratio > MOST):
            over_kw += reading.power_kw - ratings_kw[reading.name]
    return over_kw, given.memory._replace(gensets=known)
