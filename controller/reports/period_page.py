"""The report about a day or a week that has passed, as a page."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from controller.reports.after import REPORT_PANELS, after_figures
from controller.reports.bridge import Bridge
from controller.reports.charts.panel import Panel
from controller.reports.charts.words import day_clock, duration, energy_text, figure, money, percent
from controller.reports.gather import PeriodReport, measured_share
from controller.reports.page import Fact, Grid, Page, Row, Section
from sites.reasons import REASONS
from sites.schema.site import Site


def period_page(report: PeriodReport, site: Site, panels: tuple[Panel, ...] = REPORT_PANELS) -> Page:
    """Return the page."""
    zone = ZoneInfo(site.location.time_zone)
    partly = " so far" if report.until_utc < report.span.end_utc else ""
    share = measured_share(report)
    gaps = "" if share > 0.995 else f"; {percent(share)} of the time was measured"
    sections = (
        Section(title="Energy", figures=after_figures(report, site, panels), words=_residual_words(report)),
        _planned(report, site),
        _work(report, zone),
        _services(report),
        _plant(report, site),
        _events(report, zone),
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
    return tuple(facts)


def _residual_words(report: PeriodReport) -> str:
    energy = report.energy
    share = energy.residual_kwh / energy.supplied_kwh if energy.supplied_kwh > 0 else None
    return (
        f"Meters of sources and loads differ by {energy_text(energy.residual_kwh)}"
        f" ({percent(share, digits=2)} of what was supplied)."
    )


def _planned(report: PeriodReport, site: Site) -> Section:
    found = report.bridge
    if found.compared_h <= 0:
        return Section(title="Planned and happened")
    return Section(title="Planned and happened", tables=(_bridge_table(found, bool(site.gensets)), *_sun(report)))


def _bridge_table(found: Bridge, gensets: bool) -> Grid:
    rows = [
        Row(
            cells=(
                term.name,
                energy_text(term.planned_kwh),
                energy_text(term.happened_kwh),
                signed_energy(term.happened_kwh - term.planned_kwh),
                *((signed_energy(term.effect_kwh),) if gensets else ()),
            )
        )
        for term in found.terms
    ]
    share = found.residual_kwh / found.turnover_kwh if found.turnover_kwh > 0 else None
    if gensets:
        rows.append(Row(cells=("Residual", "", "", "", signed_energy(found.residual_kwh))))
        change = found.happened_kwh - found.planned_kwh
        rows.append(
            Row(
                cells=(
                    "Gensets",
                    energy_text(found.planned_kwh),
                    energy_text(found.happened_kwh),
                    signed_energy(change),
                    signed_energy(change),
                ),
                css_class="sum",
            )
        )
    note = f"Over {duration(found.compared_h)} with a plan in force and all meters read."
    if gensets:
        note += f" The residual is {percent(share, digits=2)} of the energy supplied in that time."
    heads = ("", "planned", "happened", "difference", *(("adds to gensets",) if gensets else ()))
    return Grid(heads=heads, rows=tuple(rows), numeric=(1, 2, 3, 4), note=note)


def signed_energy(kwh: float) -> str:
    """Return energy with its sign written out."""
    words = energy_text(kwh)
    return f"+{words}" if kwh > 0 and not words.startswith("0\u202f") else words


def _sun(report: PeriodReport) -> tuple[Grid, ...]:
    sun = report.sun
    if sun.error_frac is None:
        return ()
    row = Row(
        cells=(
            "Sun",
            energy_text(sun.forecast_kwh),
            energy_text(sun.happened_kwh),
            percent(sun.forecast_kwh / sun.happened_kwh - 1, digits=1),
            percent(sun.error_frac, digits=1),
        )
    )
    heads = ("", "forecast when planned", "there", "bias", "mean absolute error")
    return (Grid(heads=heads, rows=(row,), numeric=(1, 2, 3, 4)),)


def _work(report: PeriodReport, zone: ZoneInfo) -> Section:
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
        for job in report.jobs
    )
    if not rows:
        return Section(title="Jobs")
    grid = Grid(heads=("job", "state", "done", "due", "value"), rows=rows, numeric=(2, 4))
    return Section(title="Jobs", tables=(grid,))


def _services(report: PeriodReport) -> Section:
    rows = tuple(
        Row(
            cells=(
                each.name,
                figure(each.asked, digits=0),
                percent(each.served_frac, digits=2),
                figure(each.asked - each.served, digits=0),
            )
        )
        for each in report.services
    )
    if not rows:
        return Section(title="Services")
    grid = Grid(heads=("service", "requests", "served", "not served"), rows=rows, numeric=(1, 2, 3))
    return Section(title="Services", tables=(grid,))


def _plant(report: PeriodReport, site: Site) -> Section:
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


def _events(report: PeriodReport, zone: ZoneInfo) -> Section:
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
