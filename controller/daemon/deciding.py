"""Deciding: the ladder at run time. A plan that holds is followed; else rules are; else the safe state.

    plan in force: not expired, not waiting for review, not rejected, its numbers in order  -> follow it       (1)
    else rules, remade every five minutes from what is measured and the last forecast        -> follow them     (2)
    else, or while nothing is known of the site's computers                                  -> safe state      (3)

In the safe state no batch job runs, services stay in the mode they are in, and gensets are left to the
guards, which call one when the battery needs it. The rung is part of the answer and is recorded when it
changes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.daemon.ledger import Cause
from controller.following import EXPIRY, follow
from controller.overrides.orders import Standing
from controller.posing import pose
from controller.setpoints import GensetCommand, ServiceCommand, Setpoints
from controller.snapshot import Snapshot
from forecasting.records import DemandForecast, Forecast
from optimizer.plan import Level, Plan
from optimizer.problem import JobProblem, PoolProblem, Problem
from optimizer.rules.roll import rules_plan
from sites.compute.records import ServingMode
from sites.reasons import reason_text
from sites.schema.site import Site
from sites.times import TimeGrid, uniform_grid

LOG = logging.getLogger(__name__)
AHEAD = timedelta(minutes=5)
"""A plan made later than this from now was made before the clock was set back: it is for another hour."""
RULES_EVERY = timedelta(minutes=5)
RULES_STEPS, RULES_STEP_H = 48, 0.25
"""Horizon of the rules: half a day in quarters."""
OPEN_REVIEWS = ("auto", "approved")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is known of the site's computers."""

    pools: tuple[PoolProblem, ...]
    menus: Mapping[str, tuple[ServingMode, ...]]


@dataclass(frozen=True, kw_only=True)
class PlanInForce:
    """The newest plan."""

    id: str
    made_utc: datetime
    expires_utc: datetime
    review: str
    plan: Plan
    problem: Problem
    forecast: Forecast | None


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What is asked of the devices and why."""

    setpoints: Setpoints
    level: Level
    cause: Cause
    trouble: str = ""
    """Why a better rung could not be taken, when that is a fault."""


def plan_faults(plan: Plan, problem: Problem) -> tuple[str, ...]:
    """Return what is wrong with a plan as an answer to its problem; a plan with faults is never followed."""
    count = len(problem.hours)
    faults = []
    if len(plan.intervals) != count or plan.start_utc != problem.start_utc:
        faults.append("its intervals are not the problem's")
    rows = [(each.name, len(each.modes)) for each in plan.services]
    rows += [(each.name, len(each.gpus_by_interval)) for each in plan.jobs if each.pool]
    rows += [(each.name, len(each.limit_w_by_interval)) for each in plan.jobs if each.pool]
    faults += [f"{name} has {length} values for {count} intervals" for name, length in rows if length != count]
    ratings = {each.name: each.max_kw for each in problem.gensets}
    for interval in plan.intervals:
        for genset in interval.gensets:
            if genset.kw > 1.02 * ratings.get(genset.name, 0.0) + 0.1:
                faults.append(f"genset {genset.name} at {genset.kw:.0f} kW is beyond its rating")
        if not -0.05 <= interval.soc_end_frac <= 1.05:
            faults.append(f"state of charge {interval.soc_end_frac:.2f}")
    return tuple(dict.fromkeys(faults))


class Ladder:
    """Decides each cycle; keeps the newest plan and the rules' course."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.newest: PlanInForce | None = None
        self.approved: PlanInForce | None = None
        """The newest plan that may be followed."""
        self._rules: tuple[datetime, Sequence[Standing], Plan, Problem] | None = None

    def take_site(self, site: Site) -> None:
        """Go by another site file from now on; the plan in force stands until the next one."""
        self._site, self._rules = site, None

    def take(self, plan: PlanInForce) -> None:
        """Take a new plan; it is followed when its review allows."""
        self.newest = plan
        if plan.review in OPEN_REVIEWS:
            self.approved = plan

    def reviewed(self, plan_id: str, review: str) -> None:
        """Take note of a review."""
        if self.newest is not None and self.newest.id == plan_id and self.newest.review != review:
            self.take(_with_review(self.newest, review))
        if self.approved is not None and self.approved.id == plan_id and review not in OPEN_REVIEWS:
            self.approved = None

    def decide(
        self,
        snapshot: Snapshot,
        jobs: Sequence[JobProblem],
        work: Work | None,
        now: datetime,
        orders: Sequence[Standing] = (),
    ) -> Decided:
        """Return the setpoints of the best rung that holds; rules keep to ``orders`` of people, as plans do."""
        trouble = ""
        plan = self.approved
        if plan is not None and plan.made_utc - AHEAD <= now < plan.expires_utc:
            try:
                setpoints = follow(plan.plan, plan.problem, snapshot, now=now)
            except Exception as error:
                LOG.exception("plan %s cannot be followed", plan.id)
                trouble = f"plan {plan.id} cannot be followed: {error}"
            else:
                cause = Cause(origin="plan", plan_id=plan.id, reason_code="PLAN", text=reason_text("PLAN"))
                return Decided(setpoints=setpoints, level=plan.plan.level, cause=cause)
        if work is not None:
            try:
                setpoints = self._by_rules(snapshot, jobs, work, now, orders)
            except Exception as error:
                LOG.exception("rules cannot be followed")
                trouble = trouble or f"rules cannot be followed: {error}"
            else:
                cause = Cause(
                    origin="rules", plan_id=None, reason_code="PLAN_STALE", text="no plan is in force: rules decide"
                )
                return Decided(setpoints=setpoints, level=Level.RULES, cause=cause, trouble=trouble)
        cause = Cause(
            origin="safe_state", plan_id=None, reason_code="SAFE_STATE", text=trouble or reason_text("SAFE_STATE")
        )
        return Decided(
            setpoints=safe_setpoints(self._site, snapshot, self._menus(), now),
            level=Level.SAFE_STATE,
            cause=cause,
            trouble=trouble,
        )

    def _by_rules(
        self,
        snapshot: Snapshot,
        jobs: Sequence[JobProblem],
        work: Work,
        now: datetime,
        orders: Sequence[Standing],
    ) -> Setpoints:
        kept = self._rules
        if kept is None or not timedelta(0) <= now - kept[0] < RULES_EVERY or tuple(kept[1]) != tuple(orders):
            outlook = outlook_at(now, snapshot, self.newest.forecast if self.newest else None)
            problem = pose(self._site, snapshot, outlook, jobs, pools=work.pools, menus=work.menus, orders=orders)
            kept = self._rules = (now, orders, rules_plan(problem), problem)
        _, _, plan, problem = kept
        return follow(plan, problem, snapshot, now=now)

    def _menus(self) -> Mapping[str, tuple[ServingMode, ...]]:
        return {each.name: each.modes for each in self.newest.problem.services} if self.newest else {}


def _with_review(plan: PlanInForce, review: str) -> PlanInForce:
    return replace(plan, review=review)


def safe_setpoints(
    site: Site, snapshot: Snapshot, menus: Mapping[str, tuple[ServingMode, ...]], now: datetime
) -> Setpoints:
    """Return the safe state: no jobs, services as they are, gensets as they are until the guards decide."""
    known = {name: {mode.name: mode for mode in modes} for name, modes in menus.items()}
    services = [
        ServiceCommand(name=each.name, mode=known[each.name][each.mode])
        for each in snapshot.services
        if each.mode in known.get(each.name, {})
    ]
    running = {each.name for each in snapshot.gensets if each.phase is not None and each.phase.value == "running"}
    return Setpoints(
        at_utc=now,
        expires_utc=now + EXPIRY,
        gensets=tuple(GensetCommand(name=each.name, run=False) for each in site.gensets if each.name not in running),
        services=tuple(services),
        reason_codes=("SAFE_STATE",),
    )


def outlook_at(now: datetime, snapshot: Snapshot, last: Forecast | None) -> Forecast:
    """Return a forecast without a forecaster: the last one read on from ``now``, else the present held.

    What is not measured and not forecast is left at its usual value by the problem, never at zero: sun that
    is not known is the one exception, since a site has to survive without it.
    """
    grid = uniform_grid(now, hours=RULES_STEP_H, steps=RULES_STEPS)
    if last is not None:
        return _read_on(last, grid, now)
    sun_kw = snapshot.pv_available_kw if snapshot.pv_available_kw is not None else snapshot.pv_kw
    outdoor_c = snapshot.outdoor_c if snapshot.outdoor_c is not None else 20.0
    return Forecast(
        issued_utc=now,
        rung="climatology",
        source="the present held",
        start_utc=now,
        hours=grid.hours,
        quantile_levels=(),
        pv_available_kw=(max(sun_kw or 0.0, 0.0),) * RULES_STEPS,
        pv_quantiles_kw=(),
        outdoor_c=(outdoor_c,) * RULES_STEPS,
        demand=tuple(
            DemandForecast(service=each.name, rate_rps=(each.rate_rps,) * RULES_STEPS)
            for each in snapshot.services
            if each.rate_rps is not None
        ),
    )


def _read_on(last: Forecast, grid: TimeGrid, now: datetime) -> Forecast:
    held = TimeGrid(start_utc=last.start_utc, hours=last.hours)
    at = [held.index_at(start) for start in grid.starts_utc]
    return Forecast(
        issued_utc=last.issued_utc,
        rung=last.rung,
        source=f"{last.source}, read on from {now:%Y-%m-%d %H:%M}Z",
        nwp_age_h=last.nwp_age_h,
        start_utc=now,
        hours=grid.hours,
        quantile_levels=(),
        pv_available_kw=tuple(last.pv_available_kw[i] for i in at),
        pv_quantiles_kw=(),
        outdoor_c=tuple(last.outdoor_c[i] for i in at),
        demand=tuple(
            DemandForecast(service=each.service, rate_rps=tuple(each.rate_rps[i] for i in at)) for each in last.demand
        ),
    )
