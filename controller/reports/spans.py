"""Weeks and months from the accounts of their days: a year-old store answers in seconds.

The account of a day is its report in hours, written once the day is over. A day without one (the site was off at midnight, or the
day is not over) is added up from the records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from controller.records.accounts import day_accounts, latest_accounts
from controller.records.reading import Reader
from controller.reports.bridge import Bridge, Term
from controller.reports.energy import EnergyBalance
from controller.reports.gather import JobAccount, PeriodReport, ServiceAccount, SunAccount, gather
from controller.reports.period import Span, days_of
from controller.reports.regret import TERMS, Hindsight
from controller.reports.upkeep import BatteryAccount
from sites.schema.site import Site

ACCOUNT_STEP_H = 1.0
LATEST = 40
"""Accounts that are looked through for where the battery's ageing stood, however long ago the latest was."""

Told = Callable[[int, int], None]


def account_of(reader: Reader, site: Site, span: Span, before: BatteryAccount | None) -> PeriodReport:
    """Return the account of one local day."""
    return gather(reader, site, span, step_h=ACCOUNT_STEP_H, before=before)


def stored_accounts(url: str, site: Site, span: Span) -> dict[str, PeriodReport]:
    """Return the accounts that the store has of the span's days, by local date; those of another version are left out."""
    found = {}
    for each in day_accounts(url, site.name, span.start_utc, span.end_utc):
        try:
            found[each.day] = PeriodReport.model_validate_json(each.document)
        except ValidationError:
            continue
    return found


def ageing_before(url: str, site: Site, span: Span) -> BatteryAccount | None:
    """Return where the battery's ageing stood before the span."""
    for each in latest_accounts(url, site.name, span.start_utc, LATEST):
        try:
            battery = PeriodReport.model_validate_json(each.document).battery
        except ValidationError:
            continue
        if battery is not None:
            return battery
    return None


def gather_day(reader: Reader, url: str, site: Site, span: Span) -> PeriodReport:
    """Return the report about one local day in fine steps, with what the night worked out about it if it has."""
    report = gather(reader, site, span, before=ageing_before(url, site, span))
    account = next(iter(stored_accounts(url, site, span).values()), None)
    if account is None:
        return report
    kept = {"hindsight": account.hindsight, "battery": account.battery}
    return report.model_copy(update={**kept, "gensets": account.gensets or report.gensets})


def gather_days(
    reader: Reader, url: str, site: Site, span: Span, *, told: Told = lambda done, days: None
) -> PeriodReport:
    """Return the report about ``span``, whole local days, in hours.

    Args:
        reader: the store.
        url: its address.
        site: the site.
        span: the days.
        told: is told how many of the days are done, for a progress bar.
    """
    zone = ZoneInfo(site.location.time_zone)
    accounts = stored_accounts(url, site, span)
    before = ageing_before(url, site, span)
    now = reader.now()
    days, reports = days_of(span, zone), []
    for index, (day, day_span) in enumerate(days):
        if now is not None and day_span.start_utc >= now.at_utc:
            break
        report = accounts.get(day.isoformat()) or account_of(reader, site, day_span, before)
        before = report.battery or before
        reports.append(report)
        told(index + 1, len(days))
    return joined(span, reports) if reports else gather(reader, site, span, step_h=ACCOUNT_STEP_H)


def joined(span: Span, reports: Sequence[PeriodReport]) -> PeriodReport:
    """Return consecutive days as one report; ``reports`` begin with the span's first day."""
    last = reports[-1]
    return PeriodReport(
        site=last.site,
        span=span,
        until_utc=last.until_utc,
        energy=_energy([each.energy for each in reports]),
        fuel_l=_sum([each.fuel_l for each in reports]),
        delivered_l=sum(each.delivered_l for each in reports),
        genset_h=sum(each.genset_h for each in reports),
        genset_starts=sum(each.genset_starts for each in reports),
        soc_low_frac=min((r.soc_low_frac for r in reports if r.soc_low_frac is not None), default=None),
        soc_high_frac=max((r.soc_high_frac for r in reports if r.soc_high_frac is not None), default=None),
        cycles=_sum([each.cycles for each in reports]),
        grid_hours=tuple(hours for each in reports for hours in each.grid_hours),
        happened=tuple(interval for each in reports for interval in each.happened),
        planned=tuple(interval for each in reports for interval in each.planned),
        bridge=_bridge([each.bridge for each in reports]),
        sun=_sun([each.sun for each in reports]),
        services=_services([service for each in reports for service in each.services]),
        jobs=_jobs([job for each in reports for job in each.jobs]),
        alarms=tuple({alarm.id: alarm for each in reports for alarm in each.alarms}.values()),
        guards=tuple(guard for each in reports for guard in each.guards),
        orders=tuple(order for each in reports for order in each.orders),
        decisions=tuple(decision for each in reports for decision in each.decisions),
        reviews=tuple(review for each in reports for review in each.reviews),
        overrides=tuple({edit.id: edit for each in reports for edit in each.overrides}.values()),
        gensets=next((each.gensets for each in reversed(reports) if each.gensets), ()),
        battery=_battery([each.battery for each in reports if each.battery is not None]),
        skill=next((each.skill for each in reversed(reports) if each.skill is not None), None),
        hindsight=_hindsight([each.hindsight for each in reports if each.hindsight is not None], len(reports)),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _energy(balances: Sequence[EnergyBalance]) -> EnergyBalance:
    return EnergyBalance(**{name: sum(getattr(each, name) for each in balances) for name in EnergyBalance.model_fields})


def _bridge(bridges: Sequence[Bridge]) -> Bridge:
    names = dict.fromkeys(term.name for each in bridges for term in each.terms)
    rows = {name: [term for each in bridges for term in each.terms if term.name == name] for name in names}
    return Bridge(
        compared_h=sum(each.compared_h for each in bridges),
        planned_kwh=sum(each.planned_kwh for each in bridges),
        terms=tuple(
            Term(
                name=name,
                planned_kwh=sum(term.planned_kwh for term in row),
                happened_kwh=sum(term.happened_kwh for term in row),
                effect_kwh=sum(term.effect_kwh for term in row),
            )
            for name, row in rows.items()
        ),
        residual_kwh=sum(each.residual_kwh for each in bridges),
        happened_kwh=sum(each.happened_kwh for each in bridges),
        turnover_kwh=sum(each.turnover_kwh for each in bridges),
    )


def _sun(suns: Sequence[SunAccount]) -> SunAccount:
    there = sum(each.happened_kwh for each in suns)
    error = sum((each.error_frac or 0.0) * each.happened_kwh for each in suns)
    return SunAccount(
        hours=sum(each.hours for each in suns),
        forecast_kwh=sum(each.forecast_kwh for each in suns),
        happened_kwh=there,
        error_frac=error / there if there > 0 else None,
    )


def _services(accounts: Sequence[ServiceAccount]) -> tuple[ServiceAccount, ...]:
    names = sorted({each.name for each in accounts})
    rows = [[each for each in accounts if each.name == name] for name in names]
    return tuple(
        ServiceAccount(
            name=name,
            asked=sum(each.asked for each in row),
            served=sum(each.served for each in row),
            measured_h=sum(each.measured_h for each in row),
            short_h=sum(each.short_h for each in row),
        )
        for name, row in zip(names, rows, strict=True)
    )


def _jobs(jobs: Sequence[JobAccount]) -> tuple[JobAccount, ...]:
    newest = {job.name: job for job in jobs}
    return tuple(sorted(newest.values(), key=lambda job: job.deadline_utc))


def _battery(accounts: Sequence[BatteryAccount]) -> BatteryAccount | None:
    if not accounts:
        return None
    count = len(accounts)
    return BatteryAccount(
        full_cycles=sum(each.full_cycles for each in accounts),
        mean_soc_frac=sum(each.mean_soc_frac for each in accounts) / count,
        mean_cell_c=sum(each.mean_cell_c for each in accounts) / count,
        hot_cell_c=max(each.hot_cell_c for each in accounts),
        ageing=accounts[-1].ageing,
        loss_frac=(sum(each.loss_frac[0] for each in accounts), sum(each.loss_frac[1] for each in accounts)),
    )


def _hindsight(found: Sequence[Hindsight], days: int) -> Hindsight | None:
    if not found:
        return None
    missing = days - len(found)
    notes = (f"{missing} of {days} days have no hindsight",) if missing else ()
    return Hindsight(
        happened_terms_usd={term: sum(each.happened_terms_usd.get(term, 0.0) for each in found) for term in TERMS},
        hindsight_terms_usd={term: sum(each.hindsight_terms_usd.get(term, 0.0) for each in found) for term in TERMS},
        faults_usd=sum(each.faults_usd for each in found),
        overrides_usd=sum(each.overrides_usd for each in found),
        forecast_usd=sum(each.forecast_usd for each in found),
        plant_usd=sum(each.plant_usd for each in found),
        control_usd=sum(each.control_usd for each in found),
        gap_usd=sum(each.gap_usd for each in found),
        notes=notes,
    )
