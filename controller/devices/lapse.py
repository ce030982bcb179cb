"""What becomes of equipment whose orders have run out: nobody is left to give new ones.

    jobs        pause; services go on under the caps they have                            (1)
    PV, battery as they are by themselves: their own limits hold                          (2)
    gensets     each as its site file says: start, keep what it does, or stop             (3)
    tiers       as they are: what was shed stays off, what was on stays on                (4)

Pure. The simulated site follows it as real equipment follows its own watchdog.
"""

from __future__ import annotations

from controller.setpoints import GensetCommand, Setpoints
from sites.schema.energy import Genset
from sites.schema.site import Site

START_LOAD_FRAC = 0.5
LAPSED = "SETPOINTS_LAPSED"


def lapsed(setpoints: Setpoints, site: Site) -> Setpoints:
    """Return what holds after ``setpoints`` have expired."""
    told = {each.name: each for each in setpoints.gensets}
    return setpoints.model_copy(
        update={
            "jobs": (),
            "pv_limit_kw": None,
            "battery_limit_kw": None,
            "gensets": tuple(_left(genset, told.get(genset.name)) for genset in site.gensets),
            "reason_codes": (LAPSED,),
        }
    )


def _left(genset: Genset, last: GensetCommand | None) -> GensetCommand:
    last = last if last is not None else GensetCommand(name=genset.name, run=False)
    if genset.on_lost_link == "keep":
        return last
    run = genset.on_lost_link == "start"
    kw = max(last.kw, START_LOAD_FRAC * genset.rating_kw) if run else 0.0
    return GensetCommand(name=genset.name, run=run, kw=kw, reason_code=LAPSED)
