"""``mdc forecast SITE``, ``mdc forecast backtest`` and ``mdc forecast verify``: what will come, and how good
past forecasts were."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from controller.cli.forecast_tables import print_table, write_calibration, write_nights, write_scores
from controller.cli.output import Format, FormatOption, SiteArgument, say, write
from sites.errors import InputError

if TYPE_CHECKING:
    from controller.records.reading import Reader
    from forecasting.history import History
    from forecasting.records import Forecast, NightScores
    from sites.schema.site import Site

PAST_DAYS = 30
LEAST_SCORED_DAYS = 30.0


class SiteOrCommand(TyperGroup):
    """A group whose first word may be a site: ``mdc forecast container`` means ``mdc forecast show container``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``show`` before a first word that is no command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=SiteOrCommand,
    no_args_is_help=True,
    help="Sun, temperature and demand to come: mdc forecast SITE; or scores of past forecasts.",
)


class Unit(StrEnum):
    """Unit of a power column."""

    W = "W"
    KW = "kW"
    MW = "MW"
    FRAC = "frac"


class Label(StrEnum):
    """What a time stands for in its interval."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


HistoryOption = Annotated[Path | None, typer.Option("--history", help="Measured PV history (CSV with a header).")]
TimeColumn = Annotated[str, typer.Option(help="Column of ISO times.")]
PowerColumn = Annotated[str, typer.Option(help="Column of PV power.")]
UnitOption = Annotated[Unit, typer.Option(help="Unit of the power column; frac = share of the AC limit.")]
ZoneOption = Annotated[str, typer.Option(help="Time zone of times without offset.")]
LabelOption = Annotated[Label, typer.Option(help="What a time stands for in its interval.")]
CurtailedColumn = Annotated[
    str | None,
    typer.Option(help="Column of 0 and 1: the plant was held back; its power is a lower bound, and is not scored."),
]


@app.command("show")
def show(
    site: SiteArgument = "container",
    at: Annotated[
        str, typer.Option(help="Moment of the forecast, ISO; without offset local time. Now if absent.")
    ] = "",
    hours: Annotated[float, typer.Option(min=1, max=168, help="Hours ahead.")] = 48.0,
    history: HistoryOption = None,
    store: Annotated[str, typer.Option(help="Store of a running site: its telemetry is the history.")] = "",
    time_column: TimeColumn = "time_utc",
    power_column: PowerColumn = "pv_kw",
    unit: UnitOption = Unit.KW,
    zone: ZoneOption = "UTC",
    label: LabelOption = Label.START,
    curtailed_column: CurtailedColumn = None,
    learn: Annotated[bool, typer.Option(help="Grow the sky model from the history first (seconds).")] = False,
    format: FormatOption = Format.TABLE,
) -> None:
    """A forecast of sun, outdoor temperature and demand from the site's own past.

    Without history or store, a simulated site's past is the month of its weather source before the moment.

    Example: [bold]mdc forecast show container --hours 24[/bold]
    """
    from forecasting.forecaster import forecast, nightly_learner
    from sites.load import load_site
    from sites.times import planning_grid

    described = load_site(site)
    issued = _moment(at, described)
    if history is not None:
        past = _read(
            history, described, time_column, power_column, unit, zone=zone, label=label, curtailed=curtailed_column
        )
    else:
        past = _stored_past(described, store, issued) if store else _simulated_past(described, site, issued)
    learner = nightly_learner(described, past, now_utc=issued) if learn else None
    outlook = forecast(described, past, issued_utc=issued, grid=planning_grid(issued, horizon_h=hours), learner=learner)
    if format is Format.JSON:
        write(outlook.model_dump_json())
    else:
        _show(outlook, described)


@app.command("backtest")
def backtest_command(
    history: Annotated[Path, typer.Argument(help="Measured PV history (CSV with a header).")],
    site: Annotated[
        str, typer.Option(help="Site file with location and PV plant, or an example's name.")
    ] = "container",
    time_column: TimeColumn = "time_utc",
    power_column: PowerColumn = "pv_kw",
    unit: UnitOption = Unit.KW,
    zone: ZoneOption = "UTC",
    label: LabelOption = Label.START,
    curtailed_column: CurtailedColumn = None,
    first_days: Annotated[int, typer.Option(min=10, help="Days of history before the first forecast.")] = 30,
    every_hours: Annotated[float, typer.Option(min=1, max=24, help="Hours between forecasts.")] = 3.0,
    picture: Annotated[Path | None, typer.Option(help="Write a picture here (.svg, .png or .pdf).")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Scores of this forecaster on your own past: it is walked through the file as if each day were today.

    Example: [bold]mdc forecast backtest meter.csv --power-column ac_kw --every-hours 24[/bold]
    """
    from forecasting.backtest import backtest
    from forecasting.forecaster import LEVELS
    from sites.load import load_site

    described = load_site(site)
    past = _read(
        history, described, time_column, power_column, unit, zone=zone, label=label, curtailed=curtailed_column
    )
    told = [0]

    def progress(share: float) -> None:
        if format is Format.TABLE and int(share * 10) > told[0]:
            told[0] = int(share * 10)
            say(f"{told[0] * 10} %")

    found = backtest(described, past, issue_every_h=every_hours, first_days=first_days, progress=progress)
    if picture is not None:
        from forecasting.picture import draw_backtest

        draw_backtest(found.samples, LEVELS, found.scores, picture)
    write_scores(found.scores, LEVELS, format)


@app.command("verify")
def verify(
    site: SiteArgument = "container",
    store: Annotated[str, typer.Option(help="Store of the site; from the site file if absent.")] = "",
    days: Annotated[
        float | None,
        typer.Option(min=0.1, max=3660, help="Work the scores out anew over so many days, not as of last night."),
    ] = None,
    nights: Annotated[int, typer.Option(min=1, max=366, help="Past nights to show beside the last one.")] = 14,
    format: FormatOption = Format.TABLE,
) -> None:
    """Scores of the forecasts in the store against the telemetry that came: last night's, or worked out now.

    Example: [bold]mdc forecast verify container[/bold]
    """
    from controller.records.reading import Reader
    from sites.load import load_site
    from sites.ports import SystemClock

    described = load_site(site)
    url = store or described.store.url
    with Reader(url, described.name) as reader:
        now = reader.now()
        end = now.at_utc if now is not None else SystemClock().now_utc()
        kept = reader.night_scores(nights=nights) if days is None else ()
        past = _stored_past(described, url, end, days=max(days or 0.0, LEAST_SCORED_DAYS) + 2)
        night = kept[0] if kept else _scored_now(described, reader, past, end, days)
    if format is Format.JSON:
        shown = night.model_dump(mode="json")
        nights_document = [each.model_dump(mode="json") for each in kept]
        write(json.dumps({"quantile_levels": night.levels, "scores": shown["scores"], "nights": nights_document}))
        return
    write_scores(
        night.scores,
        night.levels,
        format,
        title=f"{night.days:g} days of forecasts up to {night.night_utc:%Y-%m-%d %H:%M} UTC",
    )
    if len(kept) > 1:
        write_nights(kept)
    write_calibration(described, past, end)


def _scored_now(site: Site, reader: Reader, past: History, end: datetime, days: float | None) -> NightScores:
    from controller.daemon.foreseeing import night_scores

    found = night_scores(site, reader, past, end, days=days or LEAST_SCORED_DAYS)
    if found is None:
        raise InputError.single(
            source=site.name,
            field="",
            found="no forecast in the store that can be held against a measured day",
            mend="run the site first: mdc run",
        )
    return found


def _moment(text: str, site: Site) -> datetime:
    from sites.ports import SystemClock
    from sites.times import parse_time

    if text:
        return parse_time(text, site.location.time_zone, source="--at", field="")
    now = SystemClock().now_utc()
    return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)


def _read(
    path: Path,
    site: Site,
    time_column: str,
    power_column: str,
    unit: Unit,
    *,
    zone: str,
    label: Label,
    curtailed: str | None,
) -> History:
    from forecasting.backtest import HistoryFile, read_history

    file = HistoryFile(
        path=path,
        time_column=time_column,
        power_column=power_column,
        unit=unit.value,
        zone=zone,
        label=label.value,
        curtailed_column=curtailed,
    )
    return read_history(file, site)


def _simulated_past(site: Site, named: str, issued: datetime) -> History:
    """Return the month before ``issued`` as the simulated plant would have measured it."""
    from forecasting.demand.arrivals import actual_rate_rps
    from forecasting.history import History
    from forecasting.prepare import prepare_period
    from sites.load import find_site

    end = issued.replace(minute=issued.minute // 5 * 5, second=0, microsecond=0)
    start = (end - timedelta(days=PAST_DAYS)).replace(minute=0)
    period = prepare_period(site, start_utc=start, end_utc=end, folder=find_site(named).parent)
    rates = {
        service.name: actual_rate_rps(
            service, start_utc=start, end_utc=end, zone=site.location.time_zone, seed=site.devices.seed
        )
        for service in site.services
    }
    return History(pv_kw=period.pv_available_kw, outdoor_c=period.outdoor_c, rates_rps=rates)


def _stored_past(site: Site, store: str, now: datetime, *, days: float = PAST_DAYS) -> History:
    """Return the history that the store holds up to ``now``."""
    from math import ceil

    from controller.daemon.past import stored_history
    from controller.records.reading import Reader

    with Reader(store, site.name) as reader:
        return stored_history(reader, now, days=ceil(days))


def _show(outlook: Forecast, site: Site) -> None:
    from zoneinfo import ZoneInfo

    from rich.table import Table

    zone = ZoneInfo(site.location.time_zone)
    issued = outlook.issued_utc.astimezone(zone)
    table = Table(title=f"{site.name}: forecast of {issued:%Y-%m-%d %H:%M %Z} ({outlook.rung}: {outlook.source})")
    levels = outlook.quantile_levels
    low, high = levels.index(0.1), levels.index(0.9)
    for name in ("local time", "hours", "PV kW", "10 %", "90 %", "outdoor C"):
        table.add_column(name, justify="right", no_wrap=True)
    for demand in outlook.demand:
        table.add_column(f"{demand.service} 1/s", justify="right", no_wrap=True)
    start = outlook.start_utc
    for i, length in enumerate(outlook.hours):
        table.add_row(
            f"{start.astimezone(zone):%a %H:%M}",
            f"{length:g}",
            f"{outlook.pv_available_kw[i]:.1f}",
            f"{outlook.pv_quantiles_kw[low][i]:.1f}",
            f"{outlook.pv_quantiles_kw[high][i]:.1f}",
            f"{outlook.outdoor_c[i]:.1f}",
            *(f"{demand.rate_rps[i]:.3g}" for demand in outlook.demand),
        )
        start = (start + timedelta(hours=length)).astimezone(UTC)
    print_table(table)
