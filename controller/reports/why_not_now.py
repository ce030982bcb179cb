"""What becomes of a job now, and why not now: one answer for the console, the HTTP interface and the command line.

What is nearest to the job answers first: its state, a person's order about it, its own release, then the plan's decision with
its price, then what the plan says by its prices and its GPUs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.overrides.orders import Disable, HoldJob, PinJob
from controller.records.reading import Reader
from controller.records.views import OVER, Override, StoredJob
from controller.reports.charts.words import day_clock, duration, money
from controller.reports.local_times import local_times
from optimizer.plan import JobPlan, Plan
from sites.record import Record
from sites.schema.site import Site
from sites.times import HOUR, Utc

CHEAPER_USD = 0.005
"""Difference of two prices per kWh that is worth a word."""
WORTH_TELLING_USD = 0.005
_WAITS = re.compile(r"^waits for (\d\d )?\d\d:\d\dZ: ")
HELD_UP = "; a guard, a node that wakes or the queue of its pool keeps it: see what was ordered on the desk"
AT_ONCE = "starts as soon as it may"
SOON = timedelta(minutes=2)
"""A job that is due to start needs this long to be seen running."""


class WhyNow(Record):
    """What becomes of a job, and for one that waits why it does not run now."""

    job: str
    state: str
    text: str
    """In plain words, times local to the site."""
    reason_code: str
    """Empty where no code says it."""
    starts_utc: Utc | None = None
    """When the plan or a person's order starts it; none = not within the horizon, or not known yet."""
    ends_utc: Utc | None = None
    """When the plan ends it."""
    starting_now_usd: float | None = None
    """What starting now would cost more than the plan does; an estimate at marginal prices. None = not known."""


@dataclass(frozen=True, kw_only=True)
class Standpoint:
    """What the answer is read from."""

    now: datetime | None
    """Site time; none before the first cycle."""
    plan: Plan | None
    """The plan shown."""
    followed: bool
    """Whether it is in force."""
    overrides: Sequence[Override]
    """Orders of people that have not ended."""
    zone: ZoneInfo


def standpoint(reader: Reader, site: Site) -> Standpoint:
    """Return what the store holds now; the plan is the one in force, else the newest."""
    now = reader.now()
    followed = reader.latest_plan(followed=True)
    shown = followed or reader.latest_plan()
    return Standpoint(
        now=now.at_utc if now is not None else None,
        plan=shown.plan if shown is not None else None,
        followed=followed is not None,
        overrides=reader.overrides(now.at_utc) if now is not None else (),
        zone=ZoneInfo(site.location.time_zone),
    )


def about(what: str, name: str) -> bool:
    """Return whether the words of a decision are about a thing of this very name."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", what) is not None


def why_not_now(job: StoredJob, seen: Standpoint) -> WhyNow:
    """Return the answer for a job in any state."""
    if job.state in OVER:
        late = ", after its deadline" if job.state == "done" and job.updated_utc > job.job.deadline_utc else ""
        text = f"it is over: {job.state} {day_clock(job.updated_utc, seen.zone)}{late}"
        return WhyNow(job=job.name, state=job.state, text=text, reason_code="")
    planned = next((each for each in seen.plan.jobs if each.name == job.name), None) if seen.plan else None
    by_order = _ordered(job, seen)
    if by_order is not None:
        return by_order
    if job.state == "running":
        return _running(job, planned, seen)
    return _waiting(job, planned, seen)


def _ordered(job: StoredJob, seen: Standpoint) -> WhyNow | None:
    """Return what a person's order makes of a job; none where no order keeps it from running now."""
    if seen.now is None:
        return None
    pools = {each.pool for each in job.job.pools}
    out: set[str] = set()
    for each in seen.overrides:
        order, until = each.order, day_clock(each.expires_utc, seen.zone)
        match order:
            case HoldJob(job=name) if name == job.name:
                text = f"held by {each.who} until {until}: {each.why}"
                return WhyNow(job=job.name, state=job.state, text=text, reason_code="OPERATOR")
            case PinJob(job=name, start_utc=start) if name == job.name and start > seen.now:
                text = f"{each.who} set its start to {day_clock(start, seen.zone)}: {each.why}"
                return WhyNow(job=job.name, state=job.state, text=text, reason_code="OPERATOR", starts_utc=start)
            case Disable(device=device) if device.startswith("pool ") and job.state != "running":
                out.add(device.removeprefix("pool "))
                if pools <= out:
                    text = f"{device} is disabled by {each.who} until {until}: {each.why}"
                    return WhyNow(job=job.name, state=job.state, text=text, reason_code="OPERATOR")
            case _:
                continue
    return None


def _running(job: StoredJob, planned: JobPlan | None, seen: Standpoint) -> WhyNow:
    end = planned.end_utc if planned is not None else None
    forced = next(
        (each for each in seen.overrides if isinstance(each.order, PinJob) and each.order.job == job.name), None
    )
    text = "runs now" + (f", ends {day_clock(end, seen.zone)}" if end is not None else "")
    if forced is not None:
        text += f"; started by {forced.who}: {forced.why}"
    return WhyNow(
        job=job.name, state=job.state, text=text, reason_code="OPERATOR" if forced else "", ends_utc=end,
        starts_utc=planned.start_utc if planned is not None else None,
    )  # fmt: skip


def _waiting(job: StoredJob, planned: JobPlan | None, seen: Standpoint) -> WhyNow:
    now, plan = seen.now, seen.plan
    if now is not None and job.job.release_utc > now:
        text = f"it may not start before {day_clock(job.job.release_utc, seen.zone)}"
        begin = planned.start_utc if planned is not None else None
        if begin is not None and begin > job.job.release_utc + SOON:
            text += f"; planned for {day_clock(begin, seen.zone)}"
        return _of_plan(job, planned, text, "NOT_RELEASED")
    if plan is None or now is None:
        return _of_plan(job, planned, "no plan has been made yet", "")
    if planned is None:
        made = day_clock(plan.start_utc, seen.zone)
        return _of_plan(job, None, f"it came after the plan of {made} was made; the next one places it", "")
    caution = "" if seen.followed else "; that plan is not in force"
    decision = next((each for each in plan.decisions if about(each.what, job.name)), None)
    told = local_times(_WAITS.sub("", decision.text), seen.zone, plan.start_utc) if decision is not None else ""
    code = decision.reason_code if decision is not None else ""
    cost = decision.cost_of_alternative_usd if decision is not None else None
    if planned.start_utc is None:
        told = told or "other work and loads are worth more"
        text = f"does not run in the next {duration(sum(plan.grid.hours))}: {told}{caution}"
        return _of_plan(job, planned, text, code, cost)
    start = day_clock(planned.start_utc, seen.zone)
    if planned.start_utc <= now:
        late = now - planned.start_utc > SOON
        verb = "go on" if job.state == "paused" else "start"
        text = f"was to {verb} {start}{HELD_UP}" if late else f"is to {verb} now"
        return _of_plan(job, planned, text + caution, code)
    if told.startswith(AT_ONCE):
        return _of_plan(job, planned, f"starts {start}, {told.removeprefix('starts ')}{caution}", code)
    if told:
        return _of_plan(job, planned, f"starts {start}: {told}{_dearer(cost)}{caution}", code, cost)
    return _of_plan(job, planned, f"starts {start}, {_by_price(plan, planned.start_utc, now)}{caution}", "PLAN")


def _dearer(cost_usd: float | None) -> str:
    if cost_usd is None or cost_usd < WORTH_TELLING_USD:
        return ""
    return f". Starting now would cost about {money(cost_usd)} more"


def _by_price(plan: Plan, start: datetime, now: datetime) -> str:
    prices = [plan.intervals[plan.interval_at(moment)].price_usd_per_kwh for moment in (now, start)]
    if prices[0] - prices[1] > CHEAPER_USD:
        return f"when one more kWh costs {money(prices[1])} instead of {money(prices[0])}"
    return f"in {duration((start - now) / HOUR)}, when its GPUs are free"


def _of_plan(job: StoredJob, planned: JobPlan | None, text: str, code: str, cost_usd: float | None = None) -> WhyNow:
    return WhyNow(
        job=job.name,
        state=job.state,
        text=text,
        reason_code=code,
        starts_utc=planned.start_utc if planned is not None else None,
        ends_utc=planned.end_utc if planned is not None else None,
        starting_now_usd=cost_usd,
    )
