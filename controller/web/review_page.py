"""Plans that wait for a person, and the plans before them; each can be read in full before it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import PlanHead
from controller.reports.charts.words import day_clock
from controller.reports.page import Grid, Page, Row, Section
from controller.web.desk import Desk

LOOK_BACK = timedelta(days=2)
SHOWN = 50


def review_page(reader: Reader, desk: Desk) -> Page:
    """Return the page."""
    zone = ZoneInfo(desk.site.location.time_zone)
    pending = reader.pending_plans()
    recent: tuple[PlanHead, ...] = ()
    if desk.now is not None:
        recent = reader.plans(desk.now.at_utc - LOOK_BACK, desk.now.at_utc + timedelta(seconds=1), limit=SHOWN)
    sections = (
        Section(
            title="Waiting",
            tables=(_grid(pending, desk, zone),) if pending else (),
            words="Judge below when signed in as an operator, or with mdc review approve PLAN, mdc review reject PLAN.",
        ),
        Section(title="Plans of the last two days", tables=(_grid(recent, desk, zone),) if recent else ()),
    )
    policy = {
        "auto": "Every plan is followed as soon as it is made.",
        "review": "Every plan waits for approval.",
        "review-if": "A plan that gives something up waits for approval; others are followed at once.",
    }[desk.site.planning.review]
    return Page(
        title="Review",
        subtitle=policy if pending else f"{policy} None waits.",
        facts=(),
        sections=tuple(section for section in sections if section.tables),
    )


def _grid(heads: Sequence[PlanHead], desk: Desk, zone: ZoneInfo) -> Grid:
    rows = tuple(
        Row(
            cells=(
                day_clock(head.made_utc, zone),
                "in force" if desk.now is not None and desk.now.plan_id == head.id else head.review,
                head.level.value.replace("_", " "),
                head.status.value.replace("_", " "),
                day_clock(head.expires_utc, zone),
                head.id,
            ),
            href=f"/plans/{head.id}",
        )
        for head in heads
    )
    return Grid(heads=("made", "stands", "level", "demand", "valid until", "plan"), rows=rows)
