"""How good forecasts have been, as a section of a page."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from controller.reports.charts.words import percent
from controller.reports.page import Grid, Row, Section
from forecasting.records import NightScores, Score

STATES = {"none": "without weather model", "stale": "with an old weather model", "fresh": "with a fresh weather model"}
SKILL_HEADS = (
    "forecasts",
    "intervals",
    "RMSE of the mean",
    "bias",
    "better than persistence",
    "CRPS better than climatology",
    "inside the 80 % band",
)


def skill_section(night: NightScores, zone: ZoneInfo) -> Section:
    """Return how good forecasts have been by lead, season and state of the weather prediction, as of last night."""
    until = night.night_utc.astimezone(zone)
    days = "a day" if round(night.days) <= 1 else f"{night.days:.0f} days"
    return Section(
        title=f"Forecast skill over {days} up to {until.day} {until:%b}",
        tables=(
            Grid(heads=SKILL_HEADS, rows=tuple(_skill_row(each) for each in night.scores), numeric=tuple(range(1, 7))),
        ),
    )


def _skill_row(score: Score) -> Row:
    named = [word for word in (score.leads, score.season, STATES.get(score.state, "all")) if word != "all"]
    return Row(
        cells=(
            ", ".join(named) or "all",
            f"{score.samples}",
            percent(score.nrmse),
            f"{score.bias_kw:+.1f}\u202fkW".replace("-", "−"),
            percent(score.skill_persistence),
            percent(score.crps_skill),
            percent(score.coverage_80),
        ),
        css_class="" if named else "sum",
    )
