"""``python -m controller.reports.nightly --site FILE --store URL``: what is done once a day is over.

For each day that has ended and has no account yet: add it up, hold it against hindsight, store the account; then write the
reports that the site file asks for. It runs in a process of its own, at the lowest priority: the control cycle never waits.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.logs import log_context, set_up_logs
from controller.records.accounts import StoredAccount, store_account
from controller.records.reading import Reader
from controller.reports.data_files import period_data
from controller.reports.gather import PeriodReport
from controller.reports.hindsight import hindsight
from controller.reports.period import Span, days_of, month_span, week_span
from controller.reports.period_page import period_page
from controller.reports.spans import account_of, ageing_before, gather_day, gather_days, stored_accounts
from controller.reports.writing import write_report
from optimizer.plan import Plan
from optimizer.problem import Problem
from sites.load import load_site
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
REACH_DAYS = 35
"""How far back missing accounts are made good."""
NICENESS = 15

Planner = Callable[[Problem], Plan]


@dataclass(frozen=True, kw_only=True)
class Night:
    """What a night's work needs."""

    site: Site
    url: str
    planner: Planner

    @property
    def zone(self) -> ZoneInfo:
        """The site's own."""
        return ZoneInfo(self.site.location.time_zone)


def missing_days(night: Night, now_utc: datetime) -> tuple[tuple[date, Span], ...]:
    """Return the whole days of the last weeks without an account."""
    reach = Span(title="", start_utc=now_utc - timedelta(days=REACH_DAYS), end_utc=now_utc)
    known = stored_accounts(night.url, night.site, reach)
    return tuple(
        (day, span)
        for day, span in days_of(reach, night.zone)
        if span.end_utc <= now_utc and span.start_utc >= reach.start_utc and day.isoformat() not in known
    )


def account_day(night: Night, reader: Reader, day: date, span: Span, now_utc: datetime) -> PeriodReport | None:
    """Store and return the account of one day; none if nothing was measured in it."""
    report = account_of(reader, night.site, span, ageing_before(night.url, night.site, span))
    if not any(report.happened):
        return None
    report = report.model_copy(update={"hindsight": hindsight(reader, night.site, report, night.planner)})
    account = StoredAccount(
        day=day.isoformat(), start_utc=span.start_utc, made_utc=now_utc, document=report.model_dump_json()
    )
    store_account(night.url, night.site.name, account)
    return report


def work_through(night: Night) -> tuple[Path, ...]:
    """Do the night's work; return the files written."""
    written: list[Path] = []
    with Reader(night.url, night.site.name) as reader:
        now = reader.now()
        if now is None:
            return ()
        for day, span in missing_days(night, now.at_utc):
            if account_day(night, reader, day, span, now.at_utc) is None:
                continue
            LOG.info("%s: accounted for", day)
            written += _write_day(night, reader, day, span)
    return tuple(written)


def _write_day(night: Night, reader: Reader, day: date, span: Span) -> list[Path]:
    """Write the reports of a day, and of the week and month that end with it."""
    wanted = night.site.reports
    reports = [(f"day-{day}", gather_day(reader, night.url, night.site, span))]
    for name, longer in (("week", week_span(day, night.zone)), ("month", month_span(day, night.zone))):
        if longer.end_utc == span.end_utc:
            reports.append((f"{name}-{day}", gather_days(reader, night.url, night.site, longer)))
    folder = Path(wanted.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _write(folder / f"{night.site.name}-{name}.{form}", report, night.site)
        for name, report in reports
        for form in wanted.forms
    ]


def _write(out: Path, report: PeriodReport, site: Site) -> Path:
    write_report(
        out, page=lambda: period_page(report, site), table=lambda: period_data(report), document=lambda: report
    )
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one night's work; returns the exit status."""
    from optimizer.policies import policy

    parser = argparse.ArgumentParser(prog="python -m controller.reports.nightly")
    parser.add_argument("--site", required=True)
    parser.add_argument("--store", required=True)
    given = parser.parse_args(arguments)
    site = load_site(given.site)
    set_up_logs("nightly", "INFO")
    log_context(site=site.name)
    os.nice(NICENESS)
    night = Night(site=site, url=given.store, planner=policy("planner").plan)
    for file in work_through(night):
        LOG.info("%s: %.0f kB", file, file.stat().st_size / 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
