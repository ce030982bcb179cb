"""Tables of ``mdc forecast``: scores of past forecasts, night by night, and what the arrays give."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from controller.cli.output import Format, write
from sites.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

    from forecasting.history import History
    from forecasting.records import NightScores, Score
    from sites.schema.site import Site

AWAY_DAYS = 7


def write_scores(
    found: tuple[Score, ...], levels: tuple[float, ...], format: Format, *, title: str = "Forecasts against what came"
) -> None:
    """Print scores as a table or as JSON; raises ``InputError`` when there are none."""
    if not found:
        raise InputError.single(
            source="history", field="", found="no daylight interval to score", mend="give a longer history"
        )
    if format is Format.JSON:
        rows = [score.model_dump() for score in found]
        write(json.dumps({"quantile_levels": levels, "scores": rows}))
        return
    from rich.table import Table

    table = Table(title=f"{title} (power in kW)")
    heads = ["leads", "season", "NWP", "samples", "nRMSE", "MAE", "bias"]
    heads += ["RMSE skill/persistence", "RMSE skill/CLIPER", "CRPS", "CRPS skill/CH-PeEn", "in 80 %"]
    for head in heads:
        table.add_column(head, justify="right", min_width=max(len(word) for word in head.split()))
    for score in found:
        figures = (score.nrmse, score.mae_kw, score.bias_kw, score.skill_persistence, score.skill_cliper)
        rest = (score.crps_kw, score.crps_skill, score.coverage_80)
        table.add_row(
            score.leads, score.season, score.state, str(score.samples), *(_three(value) for value in (*figures, *rest))
        )
    print_table(table)


def write_nights(nights: tuple[NightScores, ...]) -> None:
    """Show how all leads together have done, night by night."""
    from rich.table import Table

    table = Table(title="Night by night, all leads")
    for head in ("night", "days", "nRMSE", "RMSE skill/persistence", "CRPS skill/CH-PeEn", "in 80 %"):
        table.add_column(head, justify="right")
    for night in nights:
        whole = night.scores[0]
        figures = (whole.nrmse, whole.skill_persistence, whole.crps_skill, whole.coverage_80)
        table.add_row(f"{night.night_utc:%Y-%m-%d}", f"{night.days:g}", *(_three(value) for value in figures))
    print_table(table)


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def print_table(table: Table) -> None:
    """Print a table, as wide as it needs to be where the output is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)


def write_calibration(site: Site, past: History, now: datetime) -> None:
    """Say what the arrays give against the site file's figures."""
    from forecasting.calibrated import given_away_kwh, site_calibration
    from forecasting.calibration import report
    from forecasting.forecaster import clear_power

    clear = clear_power(site)
    if clear is None:
        return
    found = report(site_calibration(clear, past, now_utc=now))
    if found.clear_days == 0:
        write("Arrays against the site file: no clear, uncurtailed day yet.")
        return
    steps = f"; steps found on {', '.join(found.changed_on)}" if found.changed_on else ""
    write(
        f"Arrays against the site file: {found.factor:.3f} ({found.factor_low:.3f} .. {found.factor_high:.3f}) from "
        f"{found.clear_days} clear days; lost since their best {found.soiling_frac:.1%} "
        f"({found.soiling_low:.1%} .. {found.soiling_high:.1%}){steps}"
    )
    away_kwh = given_away_kwh(clear, past, now_utc=now, days=AWAY_DAYS)
    write(f"Given away while held back in {AWAY_DAYS} days: {away_kwh:.0f} kWh (estimate)")
