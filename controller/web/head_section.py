"""The head of the page: the site's clock, its speed, the rung of the ladder, and what is still being prepared."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from controller.reports.charts.scales import day_text, zone_text
from controller.reports.charts.words import clock, figure
from controller.web.desk import Desk
from controller.web.lines import Step
from optimizer.plan import Level

LADDER: tuple[tuple[Level, str, str], ...] = (
    (Level.OPTIMAL, "Optimal plan", "solved to within its gap"),
    (Level.BEST_FEASIBLE, "Best plan in time", "the best found by the deadline"),
    (Level.RELAXED, "Relaxed plan", "not everything asked for can be met"),
    (Level.RULES, "Rules", "no plan in force; load following decides"),
    (Level.SAFE_STATE, "Safe state", "only what keeps the site safe runs"),
)
"""Rung, name and meaning, best first."""


def header(desk: Desk) -> dict[str, object]:
    """Return what the head of the page says: clock, speed, rung of the ladder."""
    zone = ZoneInfo(desk.site.location.time_zone)
    now = desk.now
    if now is None:
        return {"clock": "", "day": "", "zone": "", "speed": "", "rung": 0, "ladder": LADDER}
    rung = next(index for index, (level, _, _) in enumerate(LADDER, start=1) if level == now.level)
    stale = "the records cannot be read just now; " if desk.stale else ""
    simulated = desk.site.devices.driver == "simulated"
    speed = f"{figure(now.speed, digits=0)}× speed" if abs(now.speed - 1) > 0.01 else "real time"
    return {
        "clock": clock(now.at_utc, zone, seconds=now.speed <= 60),
        "day": f"{day_text(now.at_utc.astimezone(zone).date())} {now.at_utc.astimezone(zone).year}",
        "zone": zone_text(now.at_utc, now.at_utc, zone),
        "speed": stale + (f"{speed}, simulated plant" if simulated else speed),
        "rung": rung,
        "ladder": LADDER,
    }


def preparing(desk: Desk) -> tuple[Step, ...]:
    """Return the steps until the page is complete; empty once it is."""
    if desk.sensed and desk.plan is not None:
        return ()
    return (
        Step(name="Records store opened", done=desk.store_ready),
        Step(name="Control loop runs and keeps the site safe", done=desk.now is not None),
        Step(name="Weather and sun prepared, plant connected", done=desk.sensed),
        Step(name="First plan made", done=desk.plan is not None),
    )
