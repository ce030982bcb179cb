"""``mdc report``: a plan before; a day, a week or a month after, as one file that opens anywhere and prints well."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from controller.cli.output import say
from controller.cli.run import StoreOption
from controller.cli.seat import SiteOption
from sites.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.records.reading import Reader
    from controller.reports.gather import PeriodReport
    from controller.reports.period import Span
    from sites.schema.site import Site

    Gather = Callable[[Reader, str, Site, Span], PeriodReport]

app = typer.Typer(help="Write a report about a plan, a day, a week or a month.", no_args_is_help=True)
OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        help="File to write: .html, .pdf; .txt for at most 2 kB of text; .csv, .parquet, .ndjson or .json for the data.",
    ),
]
DateOption = Annotated[
    str | None, typer.Option("--date", help="Local day, e.g. 2026-01-15; the last whole one if absent.")
]


@app.command()
def day(out: OutOption, date: DateOption = None, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Write what happened on a day: energy, fuel, work, services, planned against happened.

    Example: [bold]mdc report day --out day.html[/bold]
    """
    from controller.reports.period import day_span
    from controller.reports.spans import gather_day

    _period(out, date, site, store, day_span, gather_day, 1)


@app.command()
def week(out: OutOption, date: DateOption = None, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Write what happened in the week, Monday to Sunday, that holds a day.

    Example: [bold]mdc report week --date 2025-01-15 --out week.html[/bold]
    """
    from controller.reports.period import week_span

    _period(out, date, site, store, week_span, _days, 7)


@app.command()
def month(out: OutOption, date: DateOption = None, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Write what happened in the calendar month that holds a day.

    Example: [bold]mdc report month --date 2025-01-15 --out month.pdf[/bold]
    """
    from controller.reports.period import month_span

    _period(out, date, site, store, month_span, _days, 28)


@app.command()
def plan(
    out: OutOption,
    site: SiteOption = "container",
    store: StoreOption = None,
    plan_id: Annotated[str | None, typer.Option("--id", help="Plan to show; the newest if absent.")] = None,
) -> None:
    """Write what a plan will do, why, and what it is worth.

    Example: [bold]mdc report plan --out plan.html[/bold]
    """
    from controller.reports.data_files import plan_data
    from controller.reports.plan_page import plan_page
    from controller.reports.writing import checked_ending, write_report

    checked_ending(out)
    described, _, reader = _open(site, store)
    with reader:
        stored = reader.plan(plan_id) if plan_id else reader.latest_plan()
        if stored is None:
            raise InputError.single(
                source="store", field="plans", found=plan_id or "no plan", mend="let mdc run make a plan first"
            )
        now = reader.now()
    size = write_report(
        out,
        page=lambda: plan_page(stored, described, now.at_utc if now else None),
        table=lambda: plan_data(stored.plan),
        document=lambda: stored.plan,
    )
    say(f"{out}: {size / 1000:.0f} kB")


def _period(
    out: Path,
    day: str | None,
    site: str,
    store: str | None,
    span: Callable[[date, ZoneInfo], Span],
    gathered: Gather,
    days: int,
) -> None:
    from controller.reports.data_files import period_data
    from controller.reports.period_page import period_page
    from controller.reports.writing import checked_ending, write_report

    checked_ending(out)
    described, url, reader = _open(site, store)
    zone = ZoneInfo(described.location.time_zone)
    with reader:
        wanted = _date(day) if day else _last(reader, zone, timedelta(days=days))
        report = gathered(reader, url, described, span(wanted, zone))
    if not any(report.happened):
        raise InputError.single(
            source="--date", field="", found=report.span.title, mend="name a day of which the store holds telemetry"
        )
    size = write_report(
        out, page=lambda: period_page(report, described), table=lambda: period_data(report), document=lambda: report
    )
    say(f"{out}: {size / 1000:.0f} kB")


def _days(reader: Reader, url: str, site: Site, span: Span) -> PeriodReport:
    from controller.cli.output import progress
    from controller.reports.spans import gather_days

    with progress("days") as told:
        return gather_days(reader, url, site, span, told=told)


def _last(reader: Reader, zone: ZoneInfo, back: timedelta) -> date:
    """Return the day one whole span before the site's present; today if that is all there is."""
    now = reader.now()
    if now is None:
        raise InputError.single(source="store", field="", found="no records", mend="let mdc run work first")
    earlier = now.at_utc - back
    known = reader.telemetry(earlier - timedelta(days=1), earlier, max_points=1)
    return (earlier if known else now.at_utc).astimezone(zone).date()


def _date(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise InputError.single(source="--date", field="", found=text, mend="write a day such as 2026-01-15") from error


def _open(site: str, store: str | None) -> tuple[Site, str, Reader]:
    from controller.records.reading import Reader
    from controller.records.store import exists
    from sites.load import load_site

    described = load_site(site)
    url = store or described.store.url
    if not exists(url):
        raise InputError.single(
            source="--store",
            field="",
            found=url,
            mend="name the store that mdc run writes; mdc db upgrade brings an old one up to date",
        )
    return described, url, Reader(url, described.name)
