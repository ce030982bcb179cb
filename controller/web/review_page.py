"""Plans that wait for a person, and the plans before them; each can be read in full before it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from controller.overrides.wording import order_words, span_words
from controller.records.reading import Reader
from controller.records.views import Override, PlanHead
from controller.reports.charts.words import day_clock
from controller.reports.page import Grid, Page, Row, Section
from controller.web.desk import Desk
from sites.schema.site import Site

LOOK_BACK = timedelta(days=2)
SHOWN = 50


def review_page(reader: Reader, desk: Desk) -> Page:
    """Return the page."""
    zone = ZoneInfo(desk.site.location.time_zone)
    pending, recent = reader.pending_plans(), recent_plans(reader, desk)
    standing = reader.overrides(desk.now.at_utc) if desk.now is not None else ()
    sections = (
        Section(
            title="Waiting",
            tables=(_grid(pending, desk, zone),) if pending else (),
            words=" ".join(
                (
                    *(_waits(head, desk.site, zone) for head in pending),
                    "Judge below when signed in as an operator, or with mdc review approve and mdc review reject.",
                )
            ),
        ),
        Section(title="Overrides in force", tables=(_overrides(standing, zone),) if standing else ()),
        Section(title="Plans of the last two days", tables=(_grid(recent, desk, zone),) if recent else (), record=True),
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


def recent_plans(reader: Reader, desk: Desk) -> tuple[PlanHead, ...]:
    """Return the heads of the plans of the last two days, newest first."""
    if desk.now is None:
        return ()
    return reader.plans(desk.now.at_utc - LOOK_BACK, desk.now.at_utc + timedelta(seconds=1), limit=SHOWN)


def _waits(head: PlanHead, site: Site, zone: ZoneInfo) -> str:
    """Return why a plan waits, and what happens if nobody answers."""
    why = f"It waits because {head.review_why}." if head.review_why else "It waits for a person."
    if head.answer_by_utc is None:
        return why
    outcome = "approves it" if site.planning.unanswered == "approve" else "rejects it"
    return f"{why} If nobody answers by {day_clock(head.answer_by_utc, zone)}, the site file {outcome}."


def _overrides(standing: Sequence[Override], zone: ZoneInfo) -> Grid:
    rows = tuple(
        Row(cells=(order_words(each.order, zone), span_words(each.standing, zone), each.who, each.why))
        for each in standing
    )
    return Grid(heads=("order", "stands", "by", "why"), rows=rows)


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
