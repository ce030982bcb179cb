"""``mdc report``: a plan before, a day or a week after, as one file that opens anywhere and prints well."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from controller.cli.jobs import SiteOption
from controller.cli.output import say
from controller.cli.run import StoreOption
from sites.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.records.reading import Reader
    from controller.reports.page import Page
    from controller.reports.period import Span
    from sites.schema.site import Site

    SpanOf = Callable[[date, ZoneInfo], Span]

app = typer.Typer(help="Write a report about a plan, a day or a week.", no_args_is_help=True)
OutOption = Annotated[
    Path, typer.Option("--out", help="File to write: .html; .txt for at most 2 kB of text; .csv or .json for the data.")
]
DateOption = Annotated[
    str | None, typer.Option("--date", help="Local day, e.g. 2026-01-15; the last whole one if absent.")
]
SUFFIXES = (".html", ".txt", ".csv", ".json")


@app.command()
def day(out: OutOption, date: DateOption = None, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Write what happened on a day: energy, fuel, work, services, planned against happened.

    Example: [bold]mdc report day --out day.html[/bold]
    """
    from controller.reports.period import day_span

    _period(out, date, site, store, day_span, back=timedelta(days=1))


@app.command()
def week(out: OutOption, date: DateOption = None, site: SiteOption = "container", store: StoreOption = None) -> None:
    """Write what happened in the week, Monday to Sunday, that holds a day.

    Example: [bold]mdc report week --date 2026-01-15 --out week.html[/bold]
    """
    from controller.reports.period import week_span

    _period(out, date, site, store, week_span, back=timedelta(days=7))


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
    from controller.reports.data_files import plan_csv
    from controller.reports.plan_page import plan_page

    suffix = _suffix(out)
    described, reader = _open(site, store)
    with reader:
        stored = reader.plan(plan_id) if plan_id else reader.latest_plan()
        if stored is None:
            raise InputError.single(
                source="store", field="plans", found=plan_id or "no plan", mend="let mdc run make a plan first"
            )
        now = reader.now()
    if suffix == ".csv":
        _write(out, plan_csv(stored.plan))
    elif suffix == ".json":
        _write(out, stored.plan.model_dump_json())
    else:
        _write(out, _formatted(plan_page(stored, described, now.at_utc if now else None), suffix))


def _period(out: Path, day: str | None, site: str, store: str | None, span: SpanOf, *, back: timedelta) -> None:
    from controller.reports.data_files import period_csv
    from controller.reports.gather import gather
    from controller.reports.period_page import period_page

    suffix = _suffix(out)
    described, reader = _open(site, store)
    zone = ZoneInfo(described.location.time_zone)
    with reader:
        wanted = _date(day) if day else _last(reader, zone, back)
        report = gather(reader, described, span(wanted, zone))
    if not any(report.happened):
        raise InputError.single(
            source="--date", field="", found=report.span.title, mend="name a day of which the store holds telemetry"
        )
    if suffix == ".csv":
        _write(out, period_csv(report))
    elif suffix == ".json":
        _write(out, report.model_dump_json())
    else:
        _write(out, _formatted(period_page(report, described), suffix))


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


def _suffix(out: Path) -> str:
    if out.suffix not in SUFFIXES:
        raise InputError.single(
            source="--out", field="", found=out.name, mend=f"end the name with one of: {', '.join(SUFFIXES)}"
        )
    return out.suffix


def _open(site: str, store: str | None) -> tuple[Site, Reader]:
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
    return described, Reader(url, described.name)


def _formatted(page: Page, suffix: str) -> str:
    from controller.reports.page import to_html, to_text

    return to_html(page) if suffix == ".html" else to_text(page)


def _write(out: Path, contents: str) -> None:
    out.write_text(contents, encoding="utf-8")
    say(f"{out}: {out.stat().st_size / 1000:.0f} kB")
