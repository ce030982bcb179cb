"""Tables of a report about a span: work and services, machines and their health, events and people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from controller.records.views import Review
from controller.reports.charts.words import day_clock, duration, energy_text, figure, money, more_text, percent
from controller.reports.gather import PeriodReport
from controller.reports.local_times import local_times
from controller.reports.page import Grid, Row, Section
from sites.reasons import REASONS
from sites.schema.site import Site

MANY_JOBS = 60
MANY_ALIKE = 3
"""So many reviews that say the same stand one by one."""
SERVICE_SOON_H = 25.0
"""A service due within this many running hours is marked."""


def work_section(report: PeriodReport, zone: ZoneInfo) -> Section:
    """Return the jobs; of many only those that were late or are not done."""
    many = len(report.jobs) > MANY_JOBS
    shown = [job for job in report.jobs if job.late or job.state != "done"] if many else report.jobs
    rows = tuple(
        Row(
            cells=(
                job.name,
                job.state + (", late" if job.late else ""),
                percent(job.done_frac),
                day_clock(job.deadline_utc, zone),
                money(job.value_usd),
            ),
            css_class="bad" if job.late else "",
        )
        for job in shown
    )
    if not report.jobs:
        return Section(title="Jobs")
    note = f"{len(report.jobs) - len(rows)} more were done in time." if many else ""
    grid = Grid(heads=("job", "state", "done", "due", "value"), rows=rows, numeric=(2, 4), note=note)
    return Section(title="Jobs", tables=(grid,))


def services_section(report: PeriodReport, site: Site) -> Section:
    """Return what was asked of each service, and the share of the time in which it kept up within its P99 budget."""
    budgets = {service.name: service.p99_s for service in site.services}
    rows = tuple(
        Row(
            cells=(
                each.name,
                figure(budgets.get(each.name), "s"),
                figure(each.asked, digits=0),
                percent(each.served_frac, digits=2),
                figure(each.asked - each.served, digits=0),
                percent(each.kept_frac, digits=2),
            )
        )
        for each in report.services
    )
    if not rows:
        return Section(title="Services")
    heads = ("service", "P99 budget", "requests", "served", "not served", "time kept up")
    return Section(title="Services", tables=(Grid(heads=heads, rows=rows, numeric=(1, 2, 3, 4, 5)),))


def plant_section(report: PeriodReport, site: Site) -> Section:
    """Return what gensets and battery did."""
    rows = []
    if site.gensets:
        rows.append(Row(cells=("Genset running", duration(report.genset_h), energy_text(report.energy.genset_kwh))))
        used = report.fuel_l
        per_kwh = used / report.energy.genset_kwh if used is not None and report.energy.genset_kwh > 1 else None
        rows.append(
            Row(cells=("Diesel", figure(used, "L"), f"{figure(per_kwh, digits=3)} L per kWh" if per_kwh else ""))
        )
        if report.delivered_l:
            rows.append(Row(cells=("Delivered", figure(report.delivered_l, "L"), "")))
    if site.battery is not None:
        energy = report.energy
        rows.append(
            Row(
                cells=(
                    "Battery",
                    f"{energy_text(energy.battery_in_kwh)} in",
                    f"{energy_text(energy.battery_out_kwh)} out",
                )
            )
        )
    if not rows:
        return Section(title="Gensets and battery")
    return Section(title="Gensets and battery", tables=(Grid(heads=("", "", ""), rows=tuple(rows), numeric=(1, 2)),))


def decisions_section(report: PeriodReport, zone: ZoneInfo) -> Section:
    """Return what plans decided, as it was carried out, with their reasons; of many only what gensets did."""
    many = len(report.decisions) > MANY_JOBS
    shown = [each for each in report.decisions if not many or each.what.startswith("genset ")]
    rows = tuple(
        Row(
            cells=(
                day_clock(each.at_utc, zone),
                each.what,
                local_times(each.why, zone, each.plan_made_utc),
                more_text(None if each.reason_code == "OPERATOR" else each.otherwise_usd, exact=each.exact),
            )
        )
        for each in shown
    )
    left = len(report.decisions) - len(rows)
    note = f"{left} starts of jobs stand with their reasons in the reports of the days." if left else ""
    grid = Grid(heads=("when", "what", "why", "otherwise costs more"), rows=rows, numeric=(3,), note=note)
    return Section(title="Decisions", tables=(grid,) if report.decisions else ())


def events_section(report: PeriodReport, zone: ZoneInfo) -> Section:
    """Return alarms, guards and orders in order of time."""
    entries = [
        (
            alarm.raised_utc,
            "alarm",
            f"{alarm.severity}: {alarm.subject}",
            alarm.text or REASONS.get(alarm.code, alarm.code),
        )
        for alarm in report.alarms
    ]
    entries += [
        (
            each.at_utc,
            "guard",
            f"{each.guard.replace('_', ' ')} {'steps in' if each.began else 'lets go'}: {each.subject}",
            each.text,
        )
        for each in report.guards
    ]
    entries += [
        (
            each.at_utc,
            each.origin.replace("_", " "),
            f"{each.subject}: {each.order_text.replace('_', ' ')}",
            each.text or REASONS.get(each.reason_code, ""),
        )
        for each in report.orders
    ]
    if not entries:
        return Section(title="What was decided and why")
    rows = tuple(
        Row(cells=(day_clock(at, zone), kind, what, why)) for at, kind, what, why in sorted(entries, key=lambda e: e[0])
    )
    grid = Grid(heads=("when", "by", "what", "why"), rows=rows)
    return Section(title="Alarms, guards and orders", tables=(grid,))


def people_section(report: PeriodReport, zone: ZoneInfo) -> Section:
    """Return approvals, rejections and overrides, with who and why."""
    entries = _reviews(report.reviews, zone)
    entries += [
        (
            each.at_utc,
            each.who,
            f"{each.subject}: {each.order_text.replace('_', ' ')} until"
            f" {day_clock(each.withdrawn_utc or each.expires_utc, zone)}",
            each.why,
        )
        for each in report.overrides
    ]
    rows = tuple(Row(cells=(day_clock(at, zone), who, what, why)) for at, who, what, why in sorted(entries))
    grid = Grid(heads=("when", "who", "what", "why"), rows=rows)
    return Section(title="Approvals and overrides", tables=(grid,) if rows else ())


def _reviews(reviews: Sequence[Review], zone: ZoneInfo) -> list[tuple[datetime, str, str, str]]:
    """Return a row for each review; many that say the same share one."""
    alike: dict[tuple[str, str, str], list[Review]] = {}
    for each in reviews:
        alike.setdefault((each.who, each.verdict, each.why), []).append(each)
    rows = []
    for (who, verdict, why), given in alike.items():
        if len(given) > MANY_ALIKE:
            last = day_clock(given[-1].at_utc, zone)
            rows.append((given[0].at_utc, who, f"{len(given)} plans {verdict}, the last {last}", why))
        else:
            rows += [(each.at_utc, who, f"plan {each.plan_id[:8]} {verdict}", why) for each in given]
    return rows


def health_section(report: PeriodReport) -> Section:
    """Return genset hours with the next service, and what the span did to the battery."""
    tables = []
    if report.gensets:
        rows = tuple(
            Row(
                cells=(
                    each.name,
                    figure(each.run_h, "h"),
                    str(each.starts),
                    figure(each.service_due_h, "h"),
                ),
                css_class="bad" if each.service_due_h < SERVICE_SOON_H else "",
            )
            for each in report.gensets
        )
        tables.append(Grid(heads=("genset", "hours run", "starts", "until service"), rows=rows, numeric=(1, 2, 3)))
    if report.battery is not None:
        tables.append(_battery(report))
    return Section(title="Health", tables=tuple(tables))


def _battery(report: PeriodReport) -> Grid:
    found = report.battery
    assert found is not None
    rows = [
        Row(cells=("Full cycles", figure(found.full_cycles, digits=2))),
        Row(cells=("Mean charge", percent(found.mean_soc_frac))),
        Row(cells=("Cells, mean and hottest", f"{figure(found.mean_cell_c, '°C')}, {figure(found.hot_cell_c, '°C')}")),
        Row(cells=("Capacity lost in this time", _band(*found.loss_frac))),
    ]
    left = [each.health_frac for each in found.ageing]
    rows.append(Row(cells=("Capacity left", _band(min(left), max(left)))))
    names = ", ".join(each.name for each in found.ageing)
    note = f"As if new at the first account. Least and most by the models {names}: they disagree."
    return Grid(heads=("battery", ""), rows=tuple(rows), numeric=(1,), note=note)


def _band(low: float, high: float) -> str:
    return f"{percent(low, digits=2)} to {percent(high, digits=2)}"
