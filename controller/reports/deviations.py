"""Tables of what was planned against what happened: the energy bridge, the sun, and regret against hindsight."""

from __future__ import annotations

from controller.reports.bridge import Bridge
from controller.reports.charts.words import duration, energy_text, money, percent
from controller.reports.gather import PeriodReport
from controller.reports.page import Grid, Row, Section
from controller.reports.regret import TERMS, Hindsight
from sites.schema.site import Site


def planned_section(report: PeriodReport, site: Site) -> Section:
    """Return the bridge from planned to happened, and the sun against its forecast."""
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


def regret_section(report: PeriodReport) -> Section:
    """Return what the span cost more than it had to, and where that came from."""
    found = report.hindsight
    if found is None:
        return Section(title="Regret")
    return Section(title="Regret against hindsight", tables=(_terms(found), _causes(found)))


def _terms(found: Hindsight) -> Grid:
    rows = [
        Row(cells=(TERM_WORDS[term], money(happened), money(known), money(happened - known)))
        for term in TERMS
        if abs(happened := found.happened_terms_usd.get(term, 0.0)) >= 0.005
        or abs(found.hindsight_terms_usd.get(term, 0.0)) >= 0.005
        for known in (found.hindsight_terms_usd.get(term, 0.0),)
    ]
    total = (money(found.happened_usd), money(found.hindsight_usd), money(found.regret_usd))
    rows.append(Row(cells=("Cost of feeding the work", *total), css_class="sum"))
    return Grid(heads=("", "happened", "with all known", "more"), rows=tuple(rows), numeric=(1, 2, 3))


def _causes(found: Hindsight) -> Grid:
    causes = (
        ("Faults: gensets that were out", found.faults_usd),
        ("Overrides: orders of people", found.overrides_usd),
        ("Forecast: when gensets were committed", found.forecast_usd),
        ("Plant: load and fuel unlike the data sheet", found.plant_usd),
        ("Control, battery and meters: the rest", found.control_usd),
    )
    rows = [Row(cells=(words, money(usd))) for words, usd in causes]
    rows.append(Row(cells=("Regret", money(found.regret_usd)), css_class="sum"))
    note = f"The hindsight plan may be {money(found.gap_usd)} from the best one."
    if found.load_factor is not None:
        note += f" The load took {percent(found.load_factor)} of what the plans in force said."
    if found.fuel_factor is not None:
        note += f" Engines burnt {percent(found.fuel_factor)} of what their curve says."
    return Grid(
        heads=("where it came from", "USD"), rows=tuple(rows), numeric=(1,), note=" ".join((note, *found.notes))
    )


TERM_WORDS = {
    "fuel": "Diesel",
    "genset_starts": "Genset starts",
    "genset_hours": "Genset hours",
    "battery_wear": "Battery wear",
    "unserved_load": "Load not served",
    "unserved_requests": "Requests not served",
    "lateness": "Lateness",
    "stored_energy": "Energy drawn from the battery, on balance",
}
