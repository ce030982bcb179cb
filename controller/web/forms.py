"""Forms of the pages: what a person may ask of the site there. They work without script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import get_args
from urllib.parse import quote
from zoneinfo import ZoneInfo

from controller.overrides.reading import SAYINGS, subjects
from controller.records.reading import Reader
from controller.records.views import OVER, Alarm, Override, PlanHead, StoredJob
from controller.reports.charts.words import day_clock, figure
from controller.web.api_commands import LONGEST_H
from controller.web.desk import Desk
from sites.compute.records import PowerProfile
from sites.reasons import REASONS
from sites.schema.site import Site

NOTED_LATELY = timedelta(days=7)
"""Deliveries that came longer ago are history: they are not withdrawn here."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field; with ``options`` a list to choose from."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: tuple[str, ...] = ()
    hint: str = ""
    needed: bool = True
    least: str = ""
    most: str = ""


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form with one button."""

    title: str
    action: str
    button: str
    fields: tuple[Field, ...] = ()
    words: str = ""
    grave: bool = False
    """Whether it takes something away."""
    method: str = "post"
    """``get`` for a form that only shows something."""
    wide: bool = False
    """Whether it has so many fields that they stand in columns."""


WHY = Field(name="why", label="Why", hint="kept with your name")


def hours_field(value: str) -> Field:
    """Return the field that says how long an order stands."""
    return Field(name="hours", label="For hours", kind="number", value=value, least="0.25", most=f"{LONGEST_H:g}")


def hidden(name: str, value: str) -> Field:
    """Return a field that is sent and not shown."""
    return Field(name=name, label="", kind="hidden", value=value)


def review_forms(reader: Reader, desk: Desk) -> tuple[Form, ...]:
    """Return what can be done on the review page: judge what waits, order, withdraw."""
    found: list[Form] = []
    version = reader.order_version()
    zone = ZoneInfo(desk.site.location.time_zone)
    for head in reader.pending_plans():
        found += judge_forms(head, zone)
    standing = reader.overrides(desk.now.at_utc) if desk.now is not None else ()
    return (*found, *(withdraw_form(each, version) for each in standing), order_form(desk.site))


def judge_forms(head: PlanHead, zone: ZoneInfo) -> tuple[Form, ...]:
    """Return the forms that approve and reject a plan; none unless it waits for a person."""
    if head.review != "pending":
        return ()
    name = f"the plan of {day_clock(head.made_utc, zone)}"
    return (
        Form(title=f"Approve {name}", action=f"/review/{head.id}/approve", button="Approve"),
        Form(title=f"Reject {name}", action=f"/review/{head.id}/reject", button="Reject", fields=(WHY,), grave=True),
    )


def withdraw_form(override: Override, version: int, *, title: str = "", back: str = "") -> Form:
    """Return the form that ends an order before its time."""
    return Form(
        title=title or f"Withdraw: {override.subject} {override.order_text}",
        action=f"/overrides/{override.id}/withdraw",
        button=title or "Withdraw",
        fields=(hidden("seen", str(version)), *((hidden("back", back),) if back else ())),
        words=f"{override.why} ({override.who})",
        grave=not title,
    )


def order_form(site: Site) -> Form:
    """Return the form that asks what an order would change."""
    sayings = "; ".join(f"{kind}: {saying}" for kind, saying in SAYINGS.items() if kind != "job")
    return Form(
        title="Override",
        action="/previews",
        button="Show what it changes",
        fields=(
            Field(name="subject", label="About", options=subjects(site)),
            Field(name="order", label="Order", hint="e.g. stop"),
            Field(name="from", label="From (now if left empty)", kind="datetime-local", needed=False),
            hours_field("4"),
            WHY,
        ),
        words=f"It is shown with its cost before it acts. What can be said: {sayings}.",
        wide=True,
    )


def jobs_forms(reader: Reader, desk: Desk) -> tuple[Form, ...]:
    """Return the form that submits a job; none where there are no GPUs or no time yet."""
    if not desk.site.pools or desk.now is None:
        return ()
    zone = ZoneInfo(desk.site.location.time_zone)
    deadline = (desk.now.at_utc + timedelta(hours=24)).astimezone(zone).replace(minute=0)
    number = Field(name="", label="", kind="number", least="0")
    fields = (
        Field(name="name", label="Name that no other job has had", hint="e.g. tune-7"),
        Field(name="profile", label="How it uses a GPU", options=get_args(PowerProfile), value="training"),
        Field(name="pool", label="Pool", options=tuple(each.name for each in desk.site.pools)),
        replace(number, name="work_gpu_h", label="Work, GPU-hours at full power"),
        replace(number, name="gpus_max", label="Most GPUs at once", value="1"),
        replace(number, name="gpus_min", label="GPUs below which it makes no progress", value="0"),
        Field(name="release_utc", label="Not before (now if left empty)", kind="datetime-local", needed=False),
        Field(name="deadline_utc", label="Due", kind="datetime-local", value=f"{deadline:%Y-%m-%dT%H:%M}"),
        replace(number, name="value_usd", label="Worth when done in time, $", value="0"),
        replace(number, name="late_usd_per_h", label="Each hour late costs, $", value="0"),
        Field(name="hard", label="Worth nothing after it is due", kind="checkbox", needed=False),
        Field(name="rigid", label="Must not be paused once begun", kind="checkbox", needed=False),
        Field(name="surplus_only", label="On surplus sun only", kind="checkbox", needed=False),
    )
    words = f"Times are local to the site ({zone.key.replace('_', ' ')}). The next plan places it."
    return (Form(title="Submit a job", action="/jobs", button="Submit", fields=fields, words=words, wide=True),)


def job_forms(job: StoredJob, reader: Reader, desk: Desk) -> tuple[Form, ...]:
    """Return what can be done with one job that is not over."""
    if job.state in OVER or desk.now is None:
        return ()
    version, here = reader.order_version(), f"/jobs/{quote(job.name, safe='')}"
    orders = tuple(each for each in reader.overrides(desk.now.at_utc) if each.subject == f"job {job.name}")
    ended = tuple(
        withdraw_form(
            each, version, back=here, title="Release" if each.order.kind == "hold_job" else "Leave the time to the plan"
        )
        for each in orders
    )
    cancel = Form(title="Cancel", action=f"{here}/cancel", button="Cancel the job", grave=True)
    return (*ended, cancel) if orders else (*_orders(job), cancel)


def _orders(job: StoredJob) -> Iterator[Form]:
    """Yield the orders that can be given about a job that nothing was ordered about."""

    def asked(title: str, words: str, hours: str, note: str, *more: Field) -> Form:
        fields = (hidden("subject", f"job {job.name}"), hidden("order", words), *more, hours_field(hours), WHY)
        return Form(title=title, action="/previews", button="Show what it changes", fields=fields, words=note)

    yield asked("Force now", "start", "24", "It starts at once and goes on; the cost of forcing is shown first.")
    at = Field(name="at", label="Start at", kind="datetime-local")
    yield asked("Set its start", "start", "48", "It starts at that time, local to the site, and goes on.", at)
    yield asked("Hold", "hold", "4", "It does not run while held.")


def fuel_forms(reader: Reader, desk: Desk) -> tuple[Form, ...]:
    """Return what can be done about diesel: announce a delivery, withdraw one."""
    if desk.site.tank is None or desk.now is None:
        return ()
    zone = ZoneInfo(desk.site.location.time_zone)
    tomorrow = (desk.now.at_utc + timedelta(hours=24)).astimezone(zone).replace(minute=0)
    version = reader.order_version()
    announce = Form(
        title="Announce a delivery",
        action="/fuel/delivery",
        button="Show what it changes",
        method="get",
        fields=(
            Field(name="at", label="Comes, or came, at", kind="datetime-local", value=f"{tomorrow:%Y-%m-%dT%H:%M}"),
            Field(name="litres", label="Litres", kind="number", least="1", most=f"{desk.site.tank.capacity_l:g}"),
            Field(
                name="usd_per_l",
                label="$ a litre, if not the usual",
                kind="number",
                least="0",
                most="1000",
                needed=False,
            ),
        ),
        words="The planner counts on what is announced. What it changes is shown first.",
    )
    lately = desk.now.at_utc - NOTED_LATELY
    return (
        announce,
        *(
            Form(
                title=f"Withdraw {figure(each.litres, 'L', digits=0)}, {day_clock(each.at_utc, zone)}",
                action=f"/deliveries/{each.id}/withdraw",
                button="Withdraw",
                fields=(hidden("seen", str(version)),),
                words=f"noted by {each.who}",
                grave=True,
            )
            for each in reader.deliveries(limit=20)
            if each.at_utc > lately
        ),
    )


def delivery_form(at_local: datetime, litres: float, usd_per_l: float | None, version: int) -> Form:
    """Return the button that announces a delivery whose effect was shown."""
    price = "" if usd_per_l is None else f"{usd_per_l:g}"
    fields = (
        hidden("at", at_local.isoformat()),
        hidden("litres", f"{litres:g}"),
        hidden("usd_per_l", price),
        hidden("seen", str(version)),
    )
    return Form(title="Confirm", action="/deliveries", button="Announce it", fields=fields)


def alarm_forms(reader: Reader, desk: Desk) -> tuple[Form, ...]:
    """Return a button for each open alarm that nobody has acknowledged."""
    return tuple(_alarm_form(each) for each in reader.alarms() if each.acknowledged_utc is None)


def _alarm_form(alarm: Alarm) -> Form:
    return Form(
        title=f"{alarm.severity.capitalize()}: {alarm.subject or alarm.code}",
        action=f"/alarms/{alarm.id}/acknowledge",
        button="I have seen it",
        words=alarm.text or REASONS.get(alarm.code, alarm.code),
    )
