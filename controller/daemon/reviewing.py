"""Whether a person has to see a plan before it is followed, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from optimizer.plan import Interval, Level, Plan, Status
from optimizer.problem import Problem
from sites.schema.place import ReviewIf
from sites.schema.site import Site

GIVES_UP = (Level.RELAXED, Level.SAFE_STATE)
SHED_KWH = 0.01
NIGHT_AHEAD = 24.0
"""Hours of a plan that are looked at for starts at night and for shedding: what is later is planned again before."""


def review_reasons(site: Site, plan: Plan, problem: Problem, before: Plan | None) -> tuple[str, ...]:
    """Return why a person has to see a plan, in plain words; empty when it is followed at once.

    Args:
        site: with its review policy.
        plan: the new plan.
        problem: what it answers.
        before: the plan in force, if one is.
    """
    match site.planning.review:
        case "auto":
            return ()
        case "review":
            return ("every plan of this site waits for a person",)
        case "review-if":
            return tuple(_reasons(site, plan, problem, before))


def _reasons(site: Site, plan: Plan, problem: Problem, before: Plan | None) -> Iterator[str]:
    rule = site.planning.review_if
    if rule.gives_up and (plan.status is Status.INFEASIBLE_AS_POSED or plan.level in GIVES_UP):
        yield "it gives up something that was asked for"
    if rule.night_start:
        yield from _night_starts(rule, plan, problem, before, ZoneInfo(site.location.time_zone))
    yield from _shedding(rule, site, plan, problem)
    if before is not None:
        yield from _cost_jump(rule, plan, before)


def _near(plan: Plan) -> list[Interval]:
    return [row for row, start in zip(plan.intervals, plan.grid.offsets_h, strict=False) if start < NIGHT_AHEAD]


def _night_starts(rule: ReviewIf, plan: Plan, problem: Problem, before: Plan | None, zone: ZoneInfo) -> Iterator[str]:
    """Yield the first start of each genset at night that the plan in force does not have."""
    for place, genset in enumerate(problem.gensets):
        was_on = genset.on
        for row in _near(plan):
            on = row.gensets[place].on
            if on and not was_on and is_night(rule, row.start_utc, zone) and not _runs(before, genset.name, row):
                local = row.start_utc.astimezone(zone)
                yield f"genset {genset.name} starts at night, {local:%a %H:%M}, which the plan in force does not"
                break
            was_on = on


def is_night(rule: ReviewIf, moment: datetime, zone: ZoneInfo) -> bool:
    """Return whether a moment lies in the site's night, local clock time."""
    local = moment.astimezone(zone)
    at = local.hour * 60 + local.minute
    begin, end = (int(text.split(":")[0]) * 60 + int(text.split(":")[1]) for text in rule.night_hours)
    return begin <= at < end if begin <= end else at >= begin or at < end


def _runs(before: Plan | None, name: str, row: Interval) -> bool:
    """Return whether the plan in force runs a genset at any time in the same interval."""
    if before is None or row.start_utc >= before.grid.end_utc:
        return False
    same = before.intervals[before.interval_at(row.start_utc)]
    return any(genset.name == name and genset.on for genset in same.gensets)


def _shedding(rule: ReviewIf, site: Site, plan: Plan, problem: Problem) -> Iterator[str]:
    """Yield the most important tier that goes without, where it stands above the one named."""
    names = [tier.name for tier in site.tiers]
    first_allowed = names.index(rule.shed_above_tier) if rule.shed_above_tier in names else len(names)
    shed: dict[str, float] = {}
    for step, row in enumerate(_near(plan)):
        left_kw = row.shed_kw
        for tier in reversed(problem.tiers):
            taken_kw = min(left_kw, tier.kw[step])
            shed[tier.name] = shed.get(tier.name, 0.0) + taken_kw * row.hours
            left_kw -= taken_kw
    for name in names[:first_allowed]:
        if shed.get(name, 0.0) > SHED_KWH:
            yield f"{name} goes without {shed[name]:.1f} kWh"
            return


def _cost_jump(rule: ReviewIf, plan: Plan, before: Plan) -> Iterator[str]:
    was, now = day_cost_usd(before), day_cost_usd(plan)
    if now - was > rule.cost_jump_usd and now - was > rule.cost_jump_frac * was:
        yield f"a day costs ${now:.0f} where the plan in force has ${was:.0f}"


def day_cost_usd(plan: Plan) -> float:
    """Return what a plan costs a day: all its costs, the value of stored energy apart."""
    hours = sum(row.hours for row in plan.intervals)
    return sum(usd for usd in plan.cost_terms_usd.values() if usd > 0.0) * 24.0 / max(hours, 1e-9)
