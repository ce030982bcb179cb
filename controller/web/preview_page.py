"""What an order would change, shown before it acts: cost, fuel and lateness of the plan as it stands and under the order."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from controller.overrides.comparing import Difference, JobShift, PlanFigures
from controller.overrides.orders import Standing
from controller.overrides.wording import order_words, span_words
from controller.records.views import StoredPreview
from controller.reports.charts.words import day_clock, energy_text, figure, money, percent
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.web.desk import Desk
from controller.web.forms import Form, hidden


def preview_page(preview: StoredPreview, desk: Desk) -> Page:
    """Return the page."""
    zone = ZoneInfo(desk.site.location.time_zone)
    standing = preview.standing
    subtitle = f"{span_words(standing, zone)}. Asked by {preview.who}: {preview.why}"
    answer = preview.answer
    if answer is None:
        words = f"{preview.progress or preview.state} …"
        sections: tuple[Section, ...] = (Section(title="Being worked out", words=words),)
    elif answer.difference is None:
        nearest = answer.nearest
        works = (
            f"The nearest that works: {order_words(nearest.order, zone)}, {span_words(nearest, zone)}."
            if nearest
            else ""
        )
        sections = (Section(title="It cannot be carried out", words=" ".join((*answer.faults, works))),)
    else:
        sections = _difference(answer.difference, zone)
    return Page(title=order_words(standing.order, zone), subtitle=subtitle, facts=_facts(preview), sections=sections)


def preview_forms(preview: StoredPreview) -> tuple[Form, ...]:
    """Return the button that gives the order once it is known to work; where it does not, one that shows the nearest.

    Where the planner failed to answer, the order may be given as it is: who answers for the site decides.
    """
    answer = preview.answer
    if answer is None:
        return (_unchecked_form(preview),) if preview.state == "failed" else ()
    if answer.difference is None:
        return _nearest_form(preview, answer.nearest) if answer.nearest is not None else ()
    seen = hidden("seen", str(preview.version))
    return (Form(title="Confirm", action=f"/previews/{preview.id}/give", button="Give this order", fields=(seen,)),)


def _unchecked_form(preview: StoredPreview) -> Form:
    fields = (hidden("seen", str(preview.version)), hidden("unchecked", "yes"))
    words = (
        "No plan was made under it: what it changes, and whether it works, is not known. Guards narrow it all the same."
    )
    return Form(
        title="Give it unchecked", action=f"/previews/{preview.id}/give", button="Give it all the same", words=words,
        fields=fields, grave=True,
    )  # fmt: skip


def _nearest_form(preview: StoredPreview, nearest: Standing) -> tuple[Form, ...]:
    fields = (hidden("standing", nearest.model_dump_json()), hidden("why", preview.why))
    return (Form(title="The nearest that works", action="/previews", button="Show what it changes", fields=fields),)


def _facts(preview: StoredPreview) -> tuple[Fact, ...]:
    found = preview.answer.difference if preview.answer is not None else None
    if found is None:
        return ()
    before, after = found.before, found.after
    cost, fuel, late = (
        after.net_cost_usd - before.net_cost_usd,
        after.fuel_l - before.fuel_l,
        after.late_h - before.late_h,
    )
    unsure = max(before.gap_usd, after.gap_usd)
    return (
        Fact(
            name="Costs more",
            value=money(cost),
            note=f"sure to about {money(unsure)}",
            css_class="bad" * (cost > unsure),
        ),
        Fact(name="Diesel more", value=figure(fuel, "L"), note=f"{figure(after.fuel_l, 'L')} in all"),
        Fact(
            name="Lateness more",
            value=figure(late, "h"),
            note=f"{after.jobs_late} job{'s' * (after.jobs_late != 1)} late",
        ),
    )


def _difference(found: Difference, zone: ZoneInfo) -> tuple[Section, ...]:
    rows = tuple(
        Row(cells=(name, was, now))
        for (name, was), (_, now) in zip(_told(found.before), _told(found.after), strict=True)
    )
    grid = Grid(heads=("over the horizon", "as it stands", "under the order"), rows=rows, numeric=(1, 2))
    shifts = Grid(
        heads=("job", "starts as it stands", "starts under the order", "late before", "late after"),
        rows=tuple(_shift(each, zone) for each in found.jobs),
        numeric=(3, 4),
    )
    return (
        Section(title="What it changes", tables=(grid,)),
        *((Section(title="Jobs that move", tables=(shifts,)),) if found.jobs else ()),
        *((Section(title="Given up for it", words=" ".join(found.gives_up)),) if found.gives_up else ()),
    )


def _told(plan: PlanFigures) -> tuple[tuple[str, str], ...]:
    return (
        ("Cost less value of work", money(plan.net_cost_usd)),
        ("Diesel", figure(plan.fuel_l, "L")),
        ("Genset starts", str(plan.genset_starts)),
        ("Lowest charge", percent(plan.soc_low_frac)),
        ("Load not served", energy_text(plan.not_served_kwh)),
        ("Requests not served", figure(plan.unserved_requests, digits=0)),
        ("Hours late, all jobs", figure(plan.late_h, "h")),
    )


def _shift(each: JobShift, zone: ZoneInfo) -> Row:
    return Row(
        cells=(
            each.name,
            _when(each.start_before_utc, zone),
            _when(each.start_after_utc, zone),
            figure(each.late_before_h, "h"),
            figure(each.late_after_h, "h"),
        )
    )


def _when(moment: datetime | None, zone: ZoneInfo) -> str:
    return day_clock(moment, zone) if moment is not None else "not within the horizon"
