"""The report about a span that has passed, as a page."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from controller.reports.after import REPORT_PANELS, after_figures
from controller.reports.charts.panel import Panel
from controller.reports.charts.words import energy_text, figure, money, percent
from controller.reports.deviations import planned_section, regret_section
from controller.reports.gather import PeriodReport, measured_share
from controller.reports.page import Fact, Page, Section
from controller.reports.period_tables import (
    decisions_section,
    events_section,
    health_section,
    people_section,
    plant_section,
    services_section,
    work_section,
)
from controller.reports.skill import skill_section
from sites.schema.site import Site


def period_page(report: PeriodReport, site: Site, panels: tuple[Panel, ...] = REPORT_PANELS) -> Page:
    """Return the page."""
    zone = ZoneInfo(site.location.time_zone)
    partly = " so far" if report.until_utc < report.span.end_utc else ""
    share = measured_share(report)
    gaps = "" if share > 0.995 else f"; {percent(share)} of the time was measured"
    sections = (
        Section(title="Energy", figures=after_figures(report, site, panels), words=_residual_words(report)),
        planned_section(report, site),
        regret_section(report),
        *((skill_section(report.skill, zone),) if report.skill is not None else ()),
        work_section(report, zone),
        services_section(report, site),
        plant_section(report, site),
        health_section(report),
        decisions_section(report, zone),
        events_section(report, zone),
        people_section(report, zone),
    )
    return Page(
        title=f"{site.name}: {report.span.title}{partly}",
        subtitle=f"{site.description or site.name}. Times in {site.location.time_zone.replace('_', ' ')}{gaps}.",
        facts=_facts(report, site),
        sections=tuple(each for each in sections if each.figures or each.tables),
    )


def _facts(report: PeriodReport, site: Site) -> tuple[Fact, ...]:
    energy, prices = report.energy, site.prices
    facts = [Fact(name="Load served", value=energy_text(energy.load_kwh), note=f"IT {energy_text(energy.it_kwh)}")]
    if energy.pv_available_kwh > 0:
        used = percent(energy.pv_used_kwh / energy.pv_available_kwh)
        facts.append(Fact(name="Sun used", value=used, note=f"of {energy_text(energy.pv_available_kwh)}"))
    if site.gensets:
        cost = None if report.fuel_l is None else report.fuel_l * prices.diesel_usd_per_l
        starts = f"{report.genset_starts} start{'' if report.genset_starts == 1 else 's'}"
        facts.append(Fact(name="Diesel", value=figure(report.fuel_l, "L"), note=f"{money(cost)}, {starts}"))
    if site.battery is not None:
        wear = energy.battery_out_kwh * prices.battery_wear_usd_per_kwh
        note = f"{figure(report.cycles, digits=2)} cycles, wear {money(wear)}"
        facts.append(Fact(name="Lowest charge", value=percent(report.soc_low_frac), note=note))
    done = [job for job in report.jobs if job.state == "done"]
    late = sum(job.late for job in report.jobs)
    facts.append(
        Fact(
            name="Jobs done",
            value=str(len(done)),
            note=f"{late} late" if late else "none late",
            css_class="bad" * (late > 0),
        )
    )
    unserved = energy.unserved_kwh
    facts.append(
        Fact(name="Not served", value=energy_text(unserved), note="of the load", css_class="bad" * (unserved > 0.05))
    )
    critical = sum(alarm.severity == "critical" for alarm in report.alarms)
    note = f"{critical} critical" if critical else "none critical"
    facts.append(Fact(name="Alarms", value=str(len(report.alarms)), note=note, css_class="bad" * (critical > 0)))
    return tuple(facts)


def _residual_words(report: PeriodReport) -> str:
    energy = report.energy
    share = energy.residual_kwh / energy.supplied_kwh if energy.supplied_kwh > 0 else None
    return (
        f"Meters of sources and loads differ by {energy_text(energy.residual_kwh)}"
        f" ({percent(share, digits=2)} of what was supplied)."
    )
