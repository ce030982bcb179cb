"""Lists of what happened: alarms, and who commanded what."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import Alarm
from controller.reports.charts.words import day_clock
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.web.desk import Desk
from sites.reasons import REASONS

SHOWN = 200


def alarms_page(reader: Reader, desk: Desk) -> Page:
    """Return open alarms and those that are over."""
    zone = ZoneInfo(desk.site.location.time_zone)
    known = reader.alarms(open_only=False, limit=SHOWN)
    open_alarms = [alarm for alarm in known if alarm.cleared_utc is None]
    over = [alarm for alarm in known if alarm.cleared_utc is not None]
    counts = {level: sum(alarm.severity == level for alarm in open_alarms) for level in ("critical", "warning", "info")}
    return Page(
        title="Alarms",
        subtitle="None open." if not open_alarms else "",
        facts=tuple(
            Fact(
                name=level.capitalize(),
                value=str(count),
                note="open",
                css_class="bad" * (level == "critical" and count > 0),
            )
            for level, count in counts.items()
        ),
        sections=tuple(
            Section(title=title, tables=(_alarm_grid(alarms, zone),))
            for title, alarms in (("Open", open_alarms), ("Over", over))
            if alarms
        ),
    )


def _alarm_grid(alarms: list[Alarm], zone: ZoneInfo) -> Grid:
    rows = tuple(
        Row(
            cells=(
                day_clock(alarm.raised_utc, zone),
                "" if alarm.cleared_utc is None else day_clock(alarm.cleared_utc, zone),
                alarm.severity,
                alarm.subject,
                alarm.text or REASONS.get(alarm.code, alarm.code),
                alarm.acknowledged_by or "",
            ),
            css_class="bad" if alarm.severity == "critical" and alarm.cleared_utc is None else "",
        )
        for alarm in alarms
    )
    return Grid(heads=("from", "to", "severity", "subject", "what", "acknowledged by"), rows=rows)


def audit_page(reader: Reader, desk: Desk) -> Page:
    """Return commands, reviews and overrides with who and why."""
    zone = ZoneInfo(desk.site.location.time_zone)
    sections = (_overrides(reader, desk, zone), _reviews(reader, zone), _commands(reader, zone))
    kept = tuple(section for section in sections if section.tables)
    return Page(
        title="Audit",
        subtitle="Who commanded what, when and why." if kept else "Nobody has commanded anything yet.",
        facts=(),
        sections=kept,
    )


def _overrides(reader: Reader, desk: Desk, zone: ZoneInfo) -> Section:
    now = desk.now.at_utc if desk.now is not None else None
    rows = tuple(
        Row(
            cells=(
                day_clock(each.at_utc, zone),
                "withdrawn"
                if each.withdrawn_utc is not None
                else "in force"
                if now is not None and each.at_utc <= now < each.expires_utc
                else "expired",
                f"until {day_clock(each.expires_utc, zone)}",
                f"{each.subject}: {each.order_text}",
                each.who,
                each.why,
            )
        )
        for each in reader.overrides(limit=SHOWN)
    )
    grid = Grid(heads=("given", "", "", "order", "by", "why"), rows=rows)
    return Section(title="Overrides", tables=(grid,) if rows else ())


def _reviews(reader: Reader, zone: ZoneInfo) -> Section:
    rows = tuple(
        Row(cells=(day_clock(each.at_utc, zone), each.plan_id[:8], each.verdict, each.who, each.why))
        for each in reader.reviews(limit=SHOWN)
    )
    return Section(title="Reviews", tables=(Grid(heads=("when", "plan", "", "by", "why"), rows=rows),) if rows else ())


def _commands(reader: Reader, zone: ZoneInfo) -> Section:
    rows = tuple(
        Row(cells=(day_clock(each.at_utc, zone), each.who, each.action, each.outcome, each.detail))
        for each in reader.audit(limit=SHOWN)
    )
    grid = Grid(heads=("when", "by", "command", "outcome", "detail"), rows=rows)
    return Section(title="Commands", tables=(grid,) if rows else ())
