"""Supply side of one interval under the rules: which gensets run, who gives what, and what becomes of the battery."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.equipment import battery_params, battery_state, fuel_l_per_h, warm_share
from optimizer.plan import GensetInterval
from optimizer.problem import GensetProblem, Problem
from optimizer.rules.dispatch import RuleParams, carried_kw, dispatch, genset_wanted, gensets_needed, held
from sites.plant import battery as plant


@dataclass(kw_only=True)
class GensetState:
    """A genset while the rules roll forward."""

    genset: GensetProblem
    on: bool
    hours: float
    """Time in the present state."""

    def may_run(self, step: int) -> bool:
        """Return whether anything forbids it to run in an interval."""
        genset = self.genset
        return genset.available and not (genset.forbidden and genset.forbidden[step])

    def has_to_run(self, step: int) -> bool:
        """Return whether an order or its minimum run time keeps it on; an order waits for the end of its minimum rest."""
        genset = self.genset
        ordered = bool(genset.must_run and genset.must_run[step])
        serving = self.on and held(True, self.hours, genset.min_run_h, genset.min_down_h)
        return self.can_start(step) and (ordered or serving)

    def can_start(self, step: int) -> bool:
        """Return whether it may be on in an interval."""
        genset = self.genset
        return self.may_run(step) and (self.on or not held(False, self.hours, genset.min_run_h, genset.min_down_h))

    def carry_share(self, step_h: float) -> float:
        """Return the share of a step in which it carries load if it is on."""
        return 1.0 - warm_share(self.genset, self.hours if self.on else 0.0, step_h)

    def settle(self, on: bool, step_h: float) -> None:
        """Move on by a step."""
        self.hours = self.hours + step_h if on == self.on else step_h
        self.on = on


@dataclass(kw_only=True)
class SupplyState:
    """Battery, gensets and tank while the rules roll forward."""

    soc_frac: float
    tank_l: float
    gensets: list[GensetState]


@dataclass(frozen=True, kw_only=True)
class Supplied:
    """What supply does in an interval."""

    pv_used_kw: float
    battery_kw: float
    gensets: tuple[GensetInterval, ...]
    unserved_kw: float
    spilled_kw: float
    charge_limit_kw: float
    discharge_limit_kw: float


def supply_state(problem: Problem) -> SupplyState:
    """Return the state at the start of a problem."""
    return SupplyState(
        soc_frac=problem.battery.soc_frac if problem.battery is not None else 0.0,
        tank_l=problem.tank.level_l if problem.tank is not None else 1e9,
        gensets=[GensetState(genset=g, on=g.on and g.available, hours=g.hours_in_state) for g in problem.gensets],
    )


def battery_limits_kw(problem: Problem, state: SupplyState, step: int) -> tuple[float, float]:
    """Return the largest charge and discharge of an interval, inverter included, kW."""
    if problem.battery is None or problem.battery.capacity_kwh <= 0.0:
        return 0.0, 0.0
    limits = plant.limits(battery_params(problem.battery, step), battery_state(state.soc_frac), problem.hours[step])
    inverter = problem.inverter_kw if problem.inverter_kw is not None else 1e12
    return min(limits.charge_kw, inverter), min(limits.discharge_kw, inverter)


def capacity_kw(problem: Problem, state: SupplyState, step: int) -> float:
    """Return the most that sun, battery and all gensets that may run can give in an interval, kW."""
    _, discharge_kw = battery_limits_kw(problem, state, step)
    gensets_kw = sum(
        unit.genset.max_kw * unit.carry_share(problem.hours[step])
        for unit in state.gensets
        if unit.can_start(step) and state.tank_l > fuel_reserve_l(problem, unit, step)
    )
    return problem.pv_available_kw[step] + discharge_kw + gensets_kw


def fuel_reserve_l(problem: Problem, unit: GensetState, step: int) -> float:
    """Return the litres a genset needs at its rating for a step and for the steps in which its minimum run time ends."""
    left_h = unit.genset.min_run_h - (unit.hours if unit.on else 0.0)
    run_h = 0.0
    for step_h in problem.hours[step:]:
        run_h += step_h
        if run_h >= left_h - 1e-9:
            break
    return fuel_l_per_h(unit.genset, unit.genset.max_kw) * run_h


def _committed(
    problem: Problem, state: SupplyState, forced: list[GensetState], ready: list[GensetState], needed: int, step: int
) -> list[GensetState]:
    """Return the gensets that are on: all ``forced`` ones and as many of the ``ready`` as are ``needed`` in all, running ones
    first; none for which the tank does not last, so that less load never means less supply."""
    on: list[GensetState] = []
    left_l = state.tank_l
    rest = [unit for unit in ready if unit not in forced]
    for unit in sorted([*forced, *rest], key=lambda unit: not unit.on):
        if unit not in forced and len(on) >= needed:
            continue
        if problem.tank is not None:
            run_l = fuel_reserve_l(problem, unit, step)
            if left_l <= run_l:
                continue
            left_l -= run_l
        on.append(unit)
    return on


def supply(problem: Problem, params: RuleParams, state: SupplyState, step: int, load_kw: float) -> Supplied:
    """Return who gives what for ``load_kw`` in an interval; the state is left as it is."""
    step_h = problem.hours[step]
    charge_kw, discharge_kw = battery_limits_kw(problem, state, step)
    net_kw = load_kw - problem.pv_available_kw[step]
    running = [unit for unit in state.gensets if unit.on]
    forced = [unit for unit in state.gensets if unit.has_to_run(step)]
    ready: list[GensetState] = []
    needed = 0
    if genset_wanted(params, bool(running), state.soc_frac, net_kw, discharge_kw):
        ready = [u for u in running if u.can_start(step)] + [u for u in state.gensets if not u.on and u.can_start(step)]
        if ready:
            missing_kw = carried_kw(params, net_kw, discharge_kw)
            rating_kw = min(u.genset.max_kw * u.carry_share(step_h) for u in ready)
            needed = gensets_needed(missing_kw, max(rating_kw, 1e-9), len(ready))
    on = _committed(problem, state, forced, ready, needed, step)
    lows = [unit.genset.min_kw * unit.carry_share(step_h) for unit in on]
    highs = [unit.genset.max_kw * unit.carry_share(step_h) for unit in on]
    flows = dispatch(params, net_kw, charge_kw, discharge_kw, sum(lows), sum(highs))
    curtailed_kw = min(flows.spilled_kw, problem.pv_available_kw[step])
    genset_kw = flows.genset_kw - (flows.spilled_kw - curtailed_kw)
    shares = _split(genset_kw, lows, highs)
    kw_of = dict(zip((id(unit) for unit in on), shares, strict=True))
    return Supplied(
        pv_used_kw=problem.pv_available_kw[step] - curtailed_kw,
        battery_kw=flows.battery_kw,
        gensets=tuple(
            GensetInterval(name=u.genset.name, on=id(u) in kw_of, kw=kw_of.get(id(u), 0.0)) for u in state.gensets
        ),
        unserved_kw=flows.unserved_kw,
        spilled_kw=flows.spilled_kw,
        charge_limit_kw=charge_kw,
        discharge_limit_kw=discharge_kw,
    )


def _split(total_kw: float, lows: list[float], highs: list[float]) -> list[float]:
    """Share a power among gensets: all at the same fraction between minimum and rating, or of the minimum below that."""
    least = sum(lows)
    span = sum(highs) - least
    if least > 0.0 and total_kw < least - 1e-12:
        return [total_kw * low / least for low in lows]
    share = (total_kw - least) / span if span > 1e-12 else 0.0
    return [low + share * (high - low) for low, high in zip(lows, highs, strict=True)]


def settle(problem: Problem, state: SupplyState, step: int, supplied: Supplied, delivered_l: float) -> None:
    """Move battery, gensets and tank to the end of an interval."""
    step_h = problem.hours[step]
    if problem.battery is not None and problem.battery.capacity_kwh > 0.0:
        params = battery_params(problem.battery, step)
        state.soc_frac = plant.soc_after_frac(params, battery_state(state.soc_frac), supplied.battery_kw, step_h)
    if problem.tank is not None:
        burnt = sum(
            fuel_l_per_h(unit.genset, now.kw) * step_h
            for unit, now in zip(state.gensets, supplied.gensets, strict=True)
            if now.on
        )
        state.tank_l = max(state.tank_l, min(problem.tank.capacity_l, state.tank_l + delivered_l)) - burnt
    for unit, now in zip(state.gensets, supplied.gensets, strict=True):
        unit.settle(now.on, step_h)
