"""The report about a plan before it is carried out, as a page."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from controller.records.views import StoredPlan
from controller.reports.after import REPORT_PANELS
from controller.reports.charts.panel import Panel
from controller.reports.charts.words import amount_text, day_clock, energy_text, figure, money, more_text, percent
from controller.reports.figures import PlanView, plan_figures
from controller.reports.local_times import local_times
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.reports.summary import PlanSummary, summarise
from optimizer.plan import Plan
from sites.schema.site import Site


def plan_page(
    stored: StoredPlan,
    site: Site,
    now_utc: datetime | None = None,
    panels: tuple[Panel, ...] = REPORT_PANELS,
) -> Page:
    """Return the page."""
    zone = ZoneInfo(site.location.time_zone)
    plan = stored.plan
    view = PlanView(
        plan=plan,
        problem=stored.problem,
        forecast=stored.forecast,
        zone=zone,
        now_utc=now_utc,
        panels=panels,
    )
    summary = summarise(plan, stored.problem)
    sections = (
        Section(title=f"The next {round(summary.hours)} hours", figures=plan_figures(view)),
        _decisions(plan, zone),
        _breaches(plan),
        _costs(plan),
    )
    return Page(
        title=f"{site.name}: plan of {day_clock(stored.head.made_utc, zone)}",
        subtitle=(
            f"Policy {plan.policy}, {plan.level.value.replace('_', ' ')}, review {stored.head.review};"
            f" valid until {day_clock(stored.head.expires_utc, zone)}."
            f" Times in {site.location.time_zone.replace('_', ' ')}."
        ),
        facts=_facts(plan, summary, bool(stored.problem.gensets), zone),
        sections=tuple(each for each in sections if each.figures or each.tables),
    )


def _facts(plan: Plan, summary: PlanSummary, gensets: bool, zone: ZoneInfo) -> tuple[Fact, ...]:
    facts = [Fact(name="Load", value=energy_text(summary.load_kwh), note=f"over {round(summary.hours)} h")]
    if gensets:
        facts.append(Fact(name="Diesel", value=figure(summary.fuel_l, "L"), note=money(summary.fuel_usd)))
    if summary.pv_used_frac is not None:
        note = f"of {energy_text(summary.pv_available_kwh)}"
        facts.append(Fact(name="Sun used", value=percent(summary.pv_used_frac), note=note))
    facts.append(
        Fact(name="Lowest charge", value=percent(summary.soc_low_frac), note=day_clock(summary.soc_low_utc, zone))
    )
    late = f"{summary.jobs_late} late" if summary.jobs_late else "none late"
    facts.append(Fact(name="Jobs", value=str(summary.jobs_running), note=late))
    facts.append(Fact(name="Net value", value=money(plan.net_value_usd), note=f"work {money(plan.work_value_usd)}"))
    return tuple(facts)


def _decisions(plan: Plan, zone: ZoneInfo) -> Section:
    rows = tuple(
        Row(
            cells=(
                local_times(each.what, zone, plan.start_utc),
                local_times(each.text, zone, plan.start_utc),
                more_text(each.cost_of_alternative_usd, exact=each.exact),
            )
        )
        for each in plan.decisions
    )
    grid = Grid(heads=("decision", "why", "otherwise costs more"), rows=rows, numeric=(2,))
    return Section(title="Decisions", tables=(grid,) if rows else ())


def _breaches(plan: Plan) -> Section:
    rows = tuple(Row(cells=(each.what, amount_text(each.amount, each.unit), each.text)) for each in plan.breaches)
    return Section(title="Given up", tables=(Grid(heads=("what", "how much", "why"), rows=rows),) if rows else ())


def _costs(plan: Plan) -> Section:
    rows = [Row(cells=("Work done", money(plan.work_value_usd)))]
    rows += [Row(cells=(name.replace("_", " ").capitalize(), money(-usd))) for name, usd in plan.cost_terms_usd.items()]
    rows.append(Row(cells=("Net value", money(plan.net_value_usd)), css_class="sum"))
    return Section(title="Value and cost", tables=(Grid(heads=("", "USD"), rows=tuple(rows), numeric=(1,)),))
