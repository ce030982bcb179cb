"""The report of a study: one self-contained HTML page, printable; PDF where weasyprint is installed."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import numpy as np
import pandas as pd

from controller.design import charts
from controller.design.context import Context
from controller.design.detail import Detail, look_closely, sizes_text
from controller.design.questions import answer_table, answers
from controller.design.study import Study
from controller.design.summary import Chosen, compared, fleet_saving, headline, money, place_table, ranked, unit_costs
from controller.design.variant import surroundings
from optimizer.sizing.lifecycle import CO2_KG_PER_L
from sites.errors import InputError
from sites.schema.site import Site

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(
    context: Context,
    study: Study,
    site: Site,
    rows: pd.DataFrame,
    chosen: Chosen,
    out: Path,
    planner: dict[str, object] | None = None,
) -> None:
    """Write the report to ``out`` (.html or .pdf).

    Raises:
        InputError: a PDF is asked for and weasyprint is not installed.
    """
    text = render(context, study, site, rows, chosen, planner)
    if out.suffix != ".pdf":
        out.write_text(text, encoding="utf-8")
        return
    try:
        weasyprint: Any = import_module("weasyprint")
    except ImportError as error:
        raise InputError.single(
            source="--report", field="", found=out.name, mend="install weasyprint for PDF, or ask for .html"
        ) from error
    weasyprint.HTML(string=text).write_pdf(out)


def render(
    context: Context, study: Study, site: Site, rows: pd.DataFrame, chosen: Chosen, planner: dict[str, object] | None
) -> str:
    """Return the page."""
    detail = look_closely(context, "winner", chosen.winner, study.reliability)
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    compared_names, compared_rows = compared(context, chosen)
    ranked_names, ranked_rows = ranked(chosen)
    allowed = int(rows["allowed"].sum())
    return template.render(
        title=study.description or study.name,
        lead=_lead(context, study, rows),
        headline=" ".join(filter(None, (headline(chosen), fleet_saving(rows, study)))),
        cards=_cards(context, chosen),
        against="the base case",
        compared={"names": compared_names, "rows": compared_rows},
        ranked={
            "names": ranked_names,
            "rows": ranked_rows,
            "note": f"{allowed:,} of {len(rows):,} simulated designs hold every limit; the cheapest first.",
        },
        questions=answer_table(answers(context, study, rows)),
        places=_places(rows, study, chosen),
        figures=_figures(context, rows, chosen, detail),
        survival_note=_survival_note(detail),
        week_note=_week_note(context, detail),
        services=_services(site, chosen.winner),
        reliability=_reliability(context, chosen, detail),
        planner=planner,
        why=_why(rows),
        assumptions=_assumptions(context, study, site),
        seed=context.seed,
        input_hash=context.input_hash,
        version=version("offgrid-mdc"),
    )


def _lead(context: Context, study: Study, rows: pd.DataFrame) -> str:
    years = next(iter(context.weather.values()))
    made = years.count - years.own_years
    return (
        f"Study {study.name}: {len(rows):,} designs in {len(context.groups)} variants over {years.count} weather years "
        f"({years.own_years} of the record {years.source}, {made} made up from its days), "
        f"steps of {study.step_minutes} minutes, "
        f"{'figures in full for ' + study.places[0].name + ', ' if study.places else ''}"
        f"{study.prices.years} project years at {study.prices.rate_frac:.1%}."
    )


def _cards(context: Context, chosen: Chosen) -> list[dict[str, str]]:
    row, unit = chosen.winner, unit_costs(context, chosen.winner)
    pairs = [
        (money(row["npc_usd"]), "net present cost"),
        (f"${row['lcoe_usd_per_kwh']:.3f}", "a kWh served"),
        (f"{row['fuel_l']:,.0f} L", "diesel a year (mean)"),
        (f"{row['loss_frac']:.3%}", "of what cannot wait not served"),
        (sizes_text(row).split(",")[0], sizes_text(row).split(",", 1)[1].strip()),
    ]
    if np.isfinite(unit.usd_per_gpu_h):
        pairs.append((f"${unit.usd_per_gpu_h:.3f}", "a batch GPU-hour"))
    if np.isfinite(unit.usd_per_mtoken):
        pairs.append((f"${unit.usd_per_mtoken:.2f}", "a million output tokens"))
    return [{"value": value, "label": label} for value, label in pairs]


def _places(rows: pd.DataFrame, study: Study, chosen: Chosen) -> dict[str, object] | None:
    if len(study.places) < 2:
        return None
    names, table, best = place_table(rows, study, chosen.winner)
    counts = {place.name: place.count for place in study.places}
    built = sum(counts[place] for place in best["place"]) if len(best) else 0
    total = sum(float(row["npc_usd"]) * counts[str(row["place"])] for _, row in best.iterrows())
    note = (
        f"{built:,} sites at {len(best)} of {len(study.places)} places, together {money(total)} over the project. "
        "Places without weather of their own have the base site's cloudiness under their own sun: latitude, season and "
        "persistence of clouds are kept, the local climate is not."
    )
    return {"names": names, "rows": table, "note": note}


def _figures(context: Context, rows: pd.DataFrame, chosen: Chosen, detail: Detail) -> dict[str, object]:
    step_h = context.step_h
    waits = {"winner": charts.waiting_h(_work_arrivals(context, detail), detail.course["work_kwh"], step_h)}
    course = detail.course
    drawn = {
        "pareto": charts.pareto(rows, chosen.winner),
        "cash": charts.cash_flow(detail),
        "tornado": charts.tornado(detail),
        "health": charts.health_band(detail),
        "soc": charts.heat_map(course["soc_frac"] * 100.0, step_h, "SoC [%]", top=100.0),
        "genset": charts.heat_map(course["genset_kwh"] / step_h, step_h, "gensets [kW]", colours="YlOrBr"),
        "durations": charts.durations(detail, step_h),
        "survival": charts.survival(detail),
        "week": charts.worst_week(detail, step_h),
        "lateness": charts.lateness(waits),
        "lost": charts.lost_hours(_lost(context, detail)),
    }
    if not course["genset_kwh"].any():
        del drawn["genset"]
    return {name: markupsafe.Markup(text) for name, text in drawn.items()}


def _work_arrivals(context: Context, detail: Detail) -> np.ndarray:
    group = context.groups[detail.group]
    weather = context.weather[group.years]
    around = surroundings(
        group.loads,
        weather.sun_kw_per_kwp[0],
        weather.outdoor_c[0],
        context.step_h,
        group.cap_policy,
        context.deliveries,
    )
    return around.work_kw * context.step_h


def _lost(context: Context, detail: Detail) -> dict[str, float]:
    group = context.groups[detail.group]
    totals = detail.judged.totals
    per_kwh = group.loads.gpu_h_per_kwh
    causes = {
        "put off in a shortage": float(totals["batch_shed_kwh"][0]) * per_kwh,
        "too hot to run": float(totals["heat_lost_kwh"][0]) * per_kwh,
        "late beyond its patience": float(detail.row["late_frac"] * detail.row["work_kwh"]) * per_kwh,
    }
    if detail.failures is not None:
        extra = max(0.0, float(detail.failures.loss_kwh.mean()) - float(totals["unserved_kwh"][0]))
        causes["genset failures (Monte Carlo mean)"] = extra * per_kwh
    return causes


def _survival_note(detail: Detail) -> str:
    hours = detail.autonomy.hours
    return (
        f"From every hour of the year, all gensets lost for good, batch work stopped: median {np.median(hours):.0f} h, "
        f"shortest {hours.min():.0f} h, a day survived from {np.mean(hours >= 24.0):.0%} of the hours."
    )


def _week_note(context: Context, detail: Detail) -> str:
    begin = charts.worst_week_start(detail, context.step_h) * context.step_h / 24.0
    return f"The week from day {begin:.0f}: most energy not served, or else most fuel, of the first weather year."


def _services(site: Site, winner: pd.Series) -> list[tuple[str, str, str]]:
    how = "share of its power served; all services bear a shortage alike"
    served = 1.0 - float(winner["loss_frac"])
    rows = [(service.name, f"{served:.4%}", how) for service in site.services]
    rows.append(("batch work in time", f"{1.0 - float(winner['late_frac']):.3%}", "work done within its patience"))
    return rows


def _reliability(context: Context, chosen: Chosen, detail: Detail) -> list[list[str]]:
    row = chosen.winner
    years = context.weather[context.groups[detail.group].years].count
    rows = [
        ["diesel [L a year]", *(f"{row[f'fuel_{q}_l']:,.0f}" for q in ("p10", "p50", "p90")), f"{years} weather years"],
        ["energy not served, share", "–", f"{row['loss_frac']:.4%}", f"{row['loss_p90_frac']:.4%}", "mean and P90"],
    ]
    if detail.failures is not None:
        draws = detail.failures
        over = f"{draws.loss_h.size} draws of genset failures and weather"
        for name, values in (
            ("hours with loss of load", draws.loss_h),
            ("energy not served [kWh]", draws.loss_kwh),
            ("genset trips", draws.trips),
            ("failed starts", draws.failed_starts),
        ):
            rows.append([name, *(f"{np.quantile(values, q):,.1f}" for q in (0.1, 0.5, 0.9)), over])
    return rows


def _why(rows: pd.DataFrame) -> list[list[str]]:
    counts = rows.loc[~rows["allowed"], "why_not"].value_counts()
    found = [[str(name), f"{count:,}", f"{count / len(rows):.0%}"] for name, count in counts.items()]
    return found or [["none", "0", "0 %"]]


def _assumptions(context: Context, study: Study, site: Site) -> list[tuple[str, str, str]]:
    prices = context.groups[0].prices
    dice = study.reliability
    loads = context.groups[0].loads
    computers = f"${prices.computers_usd:,.0f}" if prices.computers_usd else "not counted"
    return [
        ("diesel", f"${prices.fuel_usd_per_l:.2f} a litre", "study or base site"),
        ("PV", f"${prices.pv_usd_per_kwp:,.0f} a kWp", "study; compare NREL ATB, remote sites dearer"),
        ("battery", f"${prices.battery_usd_per_kwh:,.0f} a kWh", "study; compare NREL ATB, remote sites dearer"),
        ("gensets", f"${prices.genset_usd_per_kw:,.0f} a kW", "study"),
        ("computers", computers, "study, prices.gpu_usd"),
        ("project", f"{prices.years} years at {prices.rate_frac:.1%} real", "study"),
        ("battery life", f"to {prices.battery_end_frac:.0%} health", "BLAST-Lite and SAM models, median of the band"),
        ("fuel curve, efficiencies, tapers", "of the base site", f"site file {site.name}"),
        (
            "load that never waits",
            f"{loads.house_kw + loads.service_kw.mean():.1f} kW mean",
            "tiers, idle computers, services",
        ),
        ("batch work", f"{sum(week.mean() for _, week, _ in loads.streams):.1f} kW mean", "streams of the base site"),
        (
            "economical limit",
            f"{loads.eco.eco_power_frac:.0%} of power, {loads.eco.eco_speed_frac:.0%} of speed (beyond idling)",
            "power-limit curves of the catalogue",
        ),
        ("failure to start", f"{dice.start_failure_frac:.4f}", "Marqusee & Jenket 2020; IEEE 493"),
        ("genset running hours to failure", f"{dice.mttf_h:,.0f} h", "Marqusee & Jenket 2020"),
        ("repair", f"{dice.repair_h:.0f} h", "study"),
        (
            "fuel delivery",
            f"every {study.deliveries.every_days:g} days, ${study.deliveries.usd_each:,.0f} a trip",
            "study",
        ),
        ("CO2", f"{CO2_KG_PER_L} kg a litre", "EPA GHG Emission Factors Hub 2024"),
        (
            "reserve",
            f"{site.planning.reserve_load_frac:.0%} of load, {site.planning.reserve_pv_frac:.0%} of sun",
            "site file",
        ),
    ]
