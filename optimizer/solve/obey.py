"""Make the energy side obey the plant where the linear model allows a little more than the plant does.

The linear model lets the battery charge and discharge at once where power has no price, and discharge under its lower limit
by what standby draws; it burns less fuel than a curve that is not convex, which matters when the tank is nearly empty. All
are found by walking the solution with the plant's own functions; the interval gets the plant's limit and the model is solved
again, until nothing is left to mend.
"""

from __future__ import annotations

import numpy as np

from optimizer.equipment import battery_params, battery_state, fuel_l_per_h
from optimizer.model.build import Model
from optimizer.problem import BatteryProblem
from optimizer.solve.session import Answer, Deadline, Session
from sites.plant import battery as plant

HELD_USD_PER_KWH = 1e4
"""Price of standing under the lower limit at the end of an interval in which the plant would not have gone there."""
ROUNDS = 40
TOLERANCE_KW = 2e-4
TOLERANCE_L = 0.01
SLACK_KWH = 1e-6
"""Room left to a bound that rounding may need."""


def obey_plant(energy: Model, session: Session, answer: Answer, deadline: Deadline) -> Answer:
    """Return an answer whose battery and tank do what the plant can do; the last one found if rounds run out."""
    battery = energy.layout.problem.battery
    has_battery = battery is not None and energy.columns.charge.size > 0
    for _ in range(ROUNDS):
        if not answer.found:
            return answer
        mended = _mend(energy, session, answer, battery) if battery is not None and has_battery else False
        if not (_mend_tank(energy, session, answer) or mended):
            return answer
        answer = session.solve(seconds=deadline.needed_s())
    return answer


def _mend_tank(energy: Model, session: Session, answer: Answer) -> bool:
    """Keep back the fuel that a curve which is not convex burns beyond its lower hull; return whether any was missing."""
    columns, layout = energy.columns, energy.layout
    if not columns.level.size:
        return False
    mended = False
    on = answer.values[columns.on] > 0.5
    for scenario in range(layout.scenarios):
        kw, hull = answer.values[columns.genset[scenario]], answer.values[columns.fuel[scenario]]
        beyond = np.zeros(layout.steps)
        for place, genset in enumerate(layout.problem.gensets):
            pairs = zip(kw[place], on[place], strict=True)
            burnt = [fuel_l_per_h(genset, float(power)) if runs else 0.0 for power, runs in pairs]
            beyond += np.maximum(0.0, np.array(burnt) - hull[place]) * layout.hours
        missing = np.cumsum(beyond)
        short = np.flatnonzero(answer.values[columns.level[scenario, 1:]] - missing < -TOLERANCE_L)
        if len(short):
            column = columns.level[scenario, 1:][short]
            session.bounds(column, missing[short] + TOLERANCE_L, energy.program.upper[column])
            mended = True
    return mended


def _mend(energy: Model, session: Session, answer: Answer, battery: BatteryProblem) -> bool:
    """Narrow every interval that asks for more than the plant gives; return whether there was one."""
    columns, layout = energy.columns, energy.layout
    charge, discharge = answer.values[columns.charge], answer.values[columns.discharge]
    stored = answer.values[columns.energy]
    both = (charge > TOLERANCE_KW / 2) & (discharge > TOLERANCE_KW / 2)
    inward = charge * battery.charge_efficiency_frac >= discharge / battery.discharge_efficiency_frac
    session.fix(columns.discharge[both & inward], np.zeros(int((both & inward).sum())))
    session.fix(columns.charge[both & ~inward], np.zeros(int((both & ~inward).sum())))
    mended = bool(both.any())
    for scenario, step in np.argwhere(~both & ((charge > TOLERANCE_KW) | (discharge > TOLERANCE_KW))):
        state = battery_state(float(stored[scenario, step]) / battery.capacity_kwh)
        limits = plant.limits(battery_params(battery, int(step)), state, float(layout.hours[step]))
        for power, column, limit_kw in (
            (charge, columns.charge, limits.charge_kw),
            (discharge, columns.discharge, limits.discharge_kw),
        ):
            if power[scenario, step] > limit_kw + TOLERANCE_KW:
                session.bounds(column[scenario, step : step + 1], np.zeros(1), np.array([limit_kw]))
                if column is columns.charge:
                    _hold_top(energy, session, battery, int(scenario), int(step), float(stored[scenario, step]))
                _hold_lift(energy, session, battery, int(scenario), int(step), float(stored[scenario, step]))
                mended = True
    return _mend_standby(energy, session, answer, battery) or mended


def _hold_top(
    energy: Model, session: Session, battery: BatteryProblem, scenario: int, step: int, stored_kwh: float
) -> None:
    """Let an interval that charges end at the upper limit, though the battery started above it."""
    most_kwh = battery.soc_max_frac * battery.capacity_kwh
    column = energy.columns.energy[scenario, step + 1 : step + 2]
    if stored_kwh <= most_kwh + SLACK_KWH and energy.program.upper[column[0]] > most_kwh:
        session.bounds(column, energy.program.lower[column], np.array([most_kwh]))


def _hold_lift(
    energy: Model, session: Session, battery: BatteryProblem, scenario: int, step: int, stored_kwh: float
) -> None:
    """Take away the room under the lower limit that an interval does not need at its start, and price it at its end."""
    if energy.columns.lift.size:
        under_kwh = max(0.0, battery.soc_min_frac * battery.capacity_kwh - stored_kwh)
        lift = energy.columns.lift[scenario]
        session.bounds(lift[step : step + 1], np.zeros(1), np.array([under_kwh + SLACK_KWH]))
        session.costs(lift[step + 1 : step + 2], np.array([HELD_USD_PER_KWH]))


def _mend_standby(energy: Model, session: Session, answer: Answer, battery: BatteryProblem) -> bool:
    """Let standby drain the cells as soon as they hold something, not when it suits the plan."""
    columns, layout = energy.columns, energy.layout
    if not columns.free.size:
        return False
    mended = False
    for scenario in range(layout.scenarios):
        stored = float(answer.values[columns.energy[scenario, 0]])
        for step, hours in enumerate(layout.hours):
            into = float(answer.values[columns.charge[scenario, step]]) * battery.charge_efficiency_frac
            out = float(answer.values[columns.discharge[scenario, step]]) / battery.discharge_efficiency_frac
            stored += (into - out) * hours
            spared = max(0.0, battery.standby_kw * hours - max(stored, 0.0))
            column = columns.free[scenario, step : step + 1]
            if answer.values[column[0]] > spared + TOLERANCE_KW:
                session.bounds(column, np.zeros(1), np.array([spared + SLACK_KWH]))
                mended = True
            stored = max(0.0, stored - battery.standby_kw * hours)
    return mended
