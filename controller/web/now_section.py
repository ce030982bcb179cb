"""The present: flows, stores, GPUs, services, alarms."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from controller.records.views import Alarm
from controller.reports.charts.flows import LAYOUTS, flow_diagram
from controller.reports.charts.gauges import Mark, PoolUse, level_gauge, pool_squares
from controller.reports.charts.words import (
    MISSING,
    day_clock,
    duration,
    energy_text,
    figure,
    percent,
    power_text,
    rate_text,
)
from controller.reports.summary import days_left, planned_fuel_l
from controller.web.desk import Desk
from controller.web.lines import Line, Tile
from sites.reasons import REASONS


def now_context(desk: Desk) -> dict[str, object]:
    """Return the *now* section; only its preparation if nothing was sensed yet."""
    if desk.now is None or not desk.sensed:
        return {"now": None}
    snapshot = desk.now.snapshot
    return {
        "now": desk.now,
        "flows": tuple((flow_diagram(layout, snapshot), layout.css_class) for layout in LAYOUTS),
        "tiles": tuple(tile for tile in (_battery(desk), _fuel(desk), _ups(desk), _air(desk)) if tile is not None),
        "pools": tuple(_pool(use) for use in pool_use(desk)),
        "alarms": _alarms(desk),
        "services": _services(desk),
    }


def _battery(desk: Desk) -> Tile | None:
    battery, now = desk.site.battery, desk.now
    if battery is None or now is None or now.snapshot.battery is None:
        return None
    reading = now.snapshot.battery
    stored = None if reading.soc_frac is None else reading.soc_frac * battery.capacity_kwh
    marks = (
        Mark(frac=battery.soc_min_frac, label=f"min {percent(battery.soc_min_frac)}"),
        Mark(frac=battery.soc_reserve_frac, label=f"reserve {percent(battery.soc_reserve_frac)}"),
    )
    note = f"{figure(stored)} of {energy_text(battery.capacity_kwh)}"
    if reading.temperature_c is not None:
        note += f", cells {figure(reading.temperature_c, '°C', digits=0)}"
    return Tile(
        name="Battery",
        value=percent(reading.soc_frac),
        note=note,
        drawing=level_gauge(reading.soc_frac, marks, label="Battery state of charge", css_class="battery"),
    )


def _fuel(desk: Desk) -> Tile | None:
    tank, now = desk.site.tank, desk.now
    if tank is None or now is None:
        return None
    litres = now.snapshot.tank_l
    marks = (Mark(frac=tank.reserve_l / tank.capacity_l, label=f"reserve {figure(tank.reserve_l, 'L', digits=0)}"),)
    return Tile(
        name="Diesel",
        value=figure(litres, "L", digits=0),
        note=_fuel_note(desk),
        drawing=level_gauge(
            None if litres is None else litres / tank.capacity_l, marks, label="Diesel in the tank", css_class="fuel"
        ),
    )


def _fuel_note(desk: Desk) -> str:
    """Return how long the tank lasts at the plan's use, and the next delivery."""
    tank, now, stored = desk.site.tank, desk.now, desk.plan
    parts = []
    if not desk.followed:
        parts.append("no plan in force to say how long it lasts")
    elif tank is not None and now is not None and stored is not None:
        burnt = planned_fuel_l(stored.plan, stored.problem.gensets)
        hours = sum(stored.plan.grid.hours)
        left = days_left(now.snapshot.tank_l, tank.reserve_l, burnt, hours)
        span = duration(hours)
        if left is None:
            parts.append(f"none needed in the next {span}")
        elif left > 365:
            parts.append(f"lasts over a year; {figure(burnt, 'L')} in {span}")
        else:
            parts.append(
                f"{figure(left, digits=0 if left >= 10 else 1)} days left at {figure(burnt * 24 / hours, 'L')} a day"
            )
    if desk.deliveries and now is not None:
        zone = ZoneInfo(desk.site.location.time_zone)
        soonest = min(desk.deliveries, key=lambda each: each.at_utc)
        parts.append(f"{figure(soonest.litres, 'L')} come {day_clock(soonest.at_utc, zone)}")
    return "; ".join(parts)


def _ups(desk: Desk) -> Tile | None:
    ups, now = desk.site.ups, desk.now
    if ups is None or now is None:
        return None
    frac = now.snapshot.ups_soc_frac
    note = f"bridges {power_text(ups.kw)} for {duration(ups.minutes / 60 * (frac or 0.0))}"
    return Tile(name="UPS", value=percent(frac), note=note if frac is not None else "no reading", css_class="small")


def _air(desk: Desk) -> Tile | None:
    now = desk.now
    if now is None:
        return None
    limits = "−20 to 60" if desk.site.cooling.climate_class == "rugged" else "10 to 35"
    return Tile(
        name="Inlet air",
        value=figure(now.snapshot.inlet_c, "°C"),
        note=f"limits {limits} °C; outdoors {figure(now.snapshot.outdoor_c, '°C')}",
        css_class="small",
    )


def pool_use(desk: Desk) -> tuple[PoolUse, ...]:
    """Return what the GPUs of each pool do now."""
    if desk.now is None:
        return ()
    snapshot = desk.now.snapshot
    serving = _serving_gpus(desk)
    readings = {pool.name: pool for pool in snapshot.pools}
    found = []
    for pool in desk.site.pools:
        reading = readings.get(pool.name)
        batch = sum(job.gpus for job in snapshot.jobs if job.pool == pool.name and job.state == "running")
        found.append(
            PoolUse(
                name=pool.name,
                gpu=pool.gpu_text,
                gpus=pool.gpus,
                gpus_ok=reading.gpus_ok if reading else 0,
                serving=serving.get(pool.name, 0.0),
                batch=batch,
                draw_kw=reading.draw_kw if reading else None,
                limit_w=reading.limit_w if reading else None,
                nodes=pool.nodes,
                nodes_on=reading.nodes_on if reading else 0,
            )
        )
    return tuple(found)


def _serving_gpus(desk: Desk) -> dict[str, float]:
    """Return GPUs held by services in each pool, from the setpoints in force."""
    held: dict[str, float] = {}
    if desk.now is not None and desk.now.setpoints is not None:
        for command in desk.now.setpoints.services:
            held[command.mode.pool] = held.get(command.mode.pool, 0.0) + command.mode.gpus
    return held


def _pool(use: PoolUse) -> dict[str, object]:
    out = use.gpus - use.gpus_ok
    return {
        "name": use.name,
        "gpu": use.gpu,
        "drawing": pool_squares(use),
        "draw": power_text(use.draw_kw),
        "limit": figure(use.limit_w, "W", digits=0),
        "nodes": f"{use.nodes_on} of {use.nodes}",
        "counts": (
            ("service", "serving", round(use.serving)),
            ("job", "batch", round(use.batch)),
            ("idle", "idle", round(use.idle)),
            *((("out", "out of service", out),) if out else ()),
        ),
    }


def _services(desk: Desk) -> tuple[dict[str, str], ...]:
    if desk.now is None:
        return ()
    budgets = {service.name: service.p99_s for service in desk.site.services}
    return tuple(
        {
            "name": service.name,
            "mode": service.mode or MISSING,
            "rate": rate_text(service.rate_rps),
            "budget": f"P99 within {figure(budgets[service.name], 's')}" if service.name in budgets else "",
        }
        for service in desk.now.snapshot.services
    )


_SEVERITY = {"critical": 0, "warning": 1, "info": 2}


def _alarms(desk: Desk) -> tuple[Line, ...]:
    zone = ZoneInfo(desk.site.location.time_zone)
    ordered = sorted(desk.alarms, key=lambda alarm: _SEVERITY[alarm.severity])
    return tuple(_alarm(alarm, zone) for alarm in ordered)


def _alarm(alarm: Alarm, zone: ZoneInfo) -> Line:
    why = alarm.text or REASONS.get(alarm.code, alarm.code)
    return Line(
        when=day_clock(alarm.raised_utc, zone),
        what=f"{alarm.severity}: {alarm.subject}" if alarm.subject else alarm.severity,
        why=why,
        aside=f"acknowledged by {alarm.acknowledged_by}" if alarm.acknowledged_by else "",
        css_class=alarm.severity,
    )
