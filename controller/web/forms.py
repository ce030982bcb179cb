"""Forms of the pages: what a person may ask of the site there. They work without script."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from controller.overrides.reading import SAYINGS
from controller.records.reading import Reader
from controller.records.views import StoredJob
from controller.web.desk import Desk
from sites.schema.site import Site


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field; with ``options`` a list to choose from."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: tuple[str, ...] = ()
    hint: str = ""


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


WHY = Field(name="why", label="Why", hint="kept with your name")


def review_forms(reader: Reader, desk: Desk, version: int) -> tuple[Form, ...]:
    """Return what can be done on the review page: judge what waits, order, withdraw."""
    found: list[Form] = []
    for head in reader.pending_plans():
        name = f"plan {head.id[:8]}"
        found.append(Form(title=f"Approve {name}", action=f"/review/{head.id}/approve", button="Approve"))
        found.append(
            Form(title=f"Reject {name}", action=f"/review/{head.id}/reject", button="Reject", fields=(WHY,), grave=True)
        )
    seen = Field(name="seen", label="", kind="hidden", value=str(version))
    found += [
        Form(
            title=f"Withdraw: {each.subject} {each.order_text}",
            action=f"/overrides/{each.id}/withdraw",
            button="Withdraw",
            fields=(seen,),
            words=f"{each.why} ({each.who})",
            grave=True,
        )
        for each in (reader.overrides(desk.now.at_utc) if desk.now is not None else ())
    ]
    return (*found, order_form(desk.site))


def order_form(site: Site, *, subject: str = "", words: str = "", hours: str = "4") -> Form:
    """Return the form that asks what an order would change."""
    sayings = "; ".join(f"{kind}: {saying}" for kind, saying in SAYINGS.items())
    return Form(
        title="Override",
        action="/previews",
        button="Show what it changes",
        fields=(
            Field(name="subject", label="About", options=subjects(site), value=subject),
            Field(name="order", label="Order", value=words, hint="e.g. stop"),
            Field(name="hours", label="For hours", kind="number", value=hours),
            WHY,
        ),
        words=f"It is shown with its cost before it acts. What can be said: {sayings}.",
    )


def subjects(site: Site) -> tuple[str, ...]:
    """Return what orders can be about, jobs aside: those are ordered from their own page."""
    return (
        *(f"genset {each.name}" for each in site.gensets),
        *(("battery",) if site.battery is not None else ()),
        *(f"pool {each.name}" for each in site.pools),
        *(f"tier {each.name}" for each in site.tiers if not each.critical),
        *(f"service {each.name}" for each in site.services),
        *(("pv",) if site.pv is not None else ()),
    )


def job_forms(job: StoredJob) -> tuple[Form, ...]:
    """Return what can be done with one job that is not over."""
    if job.state in ("done", "failed", "cancelled"):
        return ()
    subject = Field(name="subject", label="", kind="hidden", value=f"job {job.name}")

    def asked(title: str, words: str, hours: str, note: str) -> Form:
        fields = (
            subject,
            Field(name="order", label="", kind="hidden", value=words),
            Field(name="hours", label="For hours", kind="number", value=hours),
            WHY,
        )
        return Form(title=title, action="/previews", button="Show what it changes", fields=fields, words=note)

    return (
        asked("Force now", "start", "24", "It starts at once and goes on; the cost of forcing is shown first."),
        asked("Hold", "hold", "4", "It does not run while held."),
        Form(title="Cancel", action=f"/jobs/{quote(job.name, safe='')}/cancel", button="Cancel the job", grave=True),
    )
