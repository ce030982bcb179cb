"""The present of a site as lines for a terminal, readable at 80 columns."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

from controller.records.views import Alarm, SiteNow, StoredPlan
from controller.reports.charts.flows import battery_node, loads, sources
from controller.reports.charts.words import (
    MISSING,
    clock,
    day_clock,
    duration,
    figure,
    gpu_count,
    percent,
    power_text,
    rate_text,
)
from controller.reports.summary import days_left, planned_fuel_l
from sites.reasons import REASONS
from sites.schema.site import Site


def status_lines(site: Site, now: SiteNow, plan: StoredPlan | None, alarms: tuple[Alarm, ...]) -> list[str]:
    """Return the lines."""
    zone = ZoneInfo(site.location.time_zone)
    snapshot = now.snapshot
    pace = "" if abs(now.speed - 1) < 0.01 else f", {figure(now.speed, digits=0)}x speed"
    lines = [
        f"{site.name}  {day_clock(now.at_utc, zone)} {now.at_utc.astimezone(zone).tzname()}{pace}",
        f"ladder     {now.level.value.replace('_', ' ')}{_plan_words(site, now, plan)}",
    ]
    battery = battery_node(snapshot)
    nodes = [*sources(snapshot), *([battery] if battery else []), *loads(snapshot)]
    for node in nodes:
        watts = power_text(None if node.kw is None else abs(node.kw))
        lines.append(f"{node.name.lower():<17s}  {watts:>10s}  {node.note}".rstrip())
    if site.tank is not None:
        lines.append(f"diesel     {figure(snapshot.tank_l, 'L', digits=0)}{_fuel_words(site, now, plan)}")
    for pool in snapshot.pools:
        limit = figure(pool.limit_w, "W", digits=0)
        lines.append(f"pool       {pool.name}: {gpu_count(pool.gpus_ok)}, {power_text(pool.draw_kw)}, limit {limit}")
    for service in snapshot.services:
        lines.append(f"service    {service.name}: {rate_text(service.rate_rps)}, {service.mode or MISSING}")
    states = Counter(job.state for job in snapshot.jobs)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    lines.append(f"jobs       {counted}")
    lines += [
        f"alarm      {alarm.severity}: {alarm.subject}: {alarm.text or REASONS.get(alarm.code, alarm.code)}"
        f" (since {day_clock(alarm.raised_utc, zone)})"
        for alarm in alarms
    ] or ["alarms     none open"]
    return lines


def _plan_words(site: Site, now: SiteNow, plan: StoredPlan | None) -> str:
    if plan is None:
        return ", no plan yet"
    zone = ZoneInfo(site.location.time_zone)
    force = "in force" if plan.head.id == now.plan_id else "not in force"
    return f", plan of {clock(plan.head.made_utc, zone)} {force}, charge now {_charge(now)}"


def _charge(now: SiteNow) -> str:
    return percent(now.snapshot.battery.soc_frac) if now.snapshot.battery else MISSING


def _fuel_words(site: Site, now: SiteNow, plan: StoredPlan | None) -> str:
    if plan is None or plan.head.id != now.plan_id or site.tank is None:
        return ""
    burnt, hours = planned_fuel_l(plan.plan, plan.problem.gensets), sum(plan.plan.grid.hours)
    left = days_left(now.snapshot.tank_l, site.tank.reserve_l, burnt, hours)
    if left is None:
        return f", none needed in the next {duration(hours)}"
    return f", {figure(left, digits=0)} days left at {figure(burnt * 24 / hours, 'L')} a day"
