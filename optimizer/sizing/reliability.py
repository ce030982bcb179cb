"""How long a site holds out on its own, from every hour of the year.

At each hour all gensets are gone and stay gone; batch work stops; the critical load goes on from the battery's
state of charge at that hour and the sun that comes. Autonomy is the time until the critical load is first not
met; the survival curve is the share of the year's hours from which the site holds out at least so long. Battery
functions are the plant's, compiled. Source of the measure: Anderson et al., *Integrating the value of
electricity resilience in energy planning*, NREL 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.sizing.compiled import compiled, kernel
from optimizer.sizing.inputs import Floats
from sites.plant import battery as bat
from sites.plant.battery import BatteryParams, BatteryState

LONGEST_H = 336.0

_charge_limit_kw = compiled(bat.charge_limit_kw)
_discharge_limit_kw = compiled(bat.discharge_limit_kw)
_soc_after_frac = compiled(bat.soc_after_frac)


@dataclass(frozen=True, kw_only=True)
class Autonomy:
    """Hours held out from every hour of the year."""

    hours: Floats
    """From each step; ``LONGEST_H`` when longer, shape (steps,)."""

    def survival(self, hours: Floats) -> Floats:
        """Return the share of starts from which the site holds out at least ``hours``."""
        return np.array([float(np.mean(self.hours >= h - 1e-9)) for h in hours])


@kernel
def _hold_out(
    load_kw: Floats,
    sun_kw: Floats,
    soc: Floats,
    cell_c: Floats,
    step_h: float,
    params: BatteryParams,
    health: float,
    most_steps: int,
    found: Floats,
) -> None:
    count = load_kw.shape[0]
    for begin in range(count):
        state = BatteryState(soc[begin], health, cell_c[begin])
        steps = 0
        while steps < most_steps:
            at = (begin + steps) % count
            net = load_kw[at] - sun_kw[at]
            if net > _discharge_limit_kw(params, state, step_h) + 1e-9:
                break
            power = max(net, -_charge_limit_kw(params, state, step_h))
            state = BatteryState(_soc_after_frac(params, state, power, step_h), health, cell_c[at])
            steps += 1
        found[begin] = steps * step_h


def autonomy(
    *,
    critical_kw: Floats,
    sun_kw: Floats,
    soc_frac: Floats,
    cell_c: Floats,
    step_h: float,
    battery_kwh: float,
    unit: BatteryParams,
    health_frac: float = 1.0,
) -> Autonomy:
    """Return how long the critical load is carried without gensets from every step; ``unit``: a kWh of battery."""
    found = np.zeros(critical_kw.size)
    most = round(LONGEST_H / step_h)
    _hold_out(critical_kw / battery_kwh, sun_kw / battery_kwh, soc_frac, cell_c, step_h, unit, health_frac, most, found)
    return Autonomy(hours=found)
