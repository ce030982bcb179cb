"""What the store gives back: frozen records for the console, reports and the command line."""

from __future__ import annotations

from typing import Literal

from controller.access.roles import Role
from controller.overrides.comparing import PreviewAnswer
from controller.overrides.orders import Order, Standing
from controller.setpoints import Setpoints
from controller.snapshot import Snapshot
from forecasting.records import Forecast
from optimizer.plan import Level, Plan, Status
from optimizer.problem import JobProblem, Problem
from sites.record import Record
from sites.times import Utc

ReviewState = Literal["auto", "pending", "approved", "rejected", "superseded"]
"""``superseded``: a newer plan came before anybody answered."""
PreviewState = Literal["asked", "working", "done", "failed"]
JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
LIVE: tuple[JobState, ...] = ("queued", "running", "paused")
OVER: tuple[JobState, ...] = ("done", "failed", "cancelled")
"""States that a job does not leave."""
Origin = Literal["plan", "rules", "guard", "operator", "safe_state"]


class SiteNow(Record):
    """The present of a site as of its last completed cycle."""

    site: str
    at_utc: Utc
    """Site time of the cycle; runs ahead of the host's clock when speeded up."""
    level: Level
    """Rung of the planning ladder in force."""
    plan_id: str | None
    """The plan that is followed; none under rules or in the safe state."""
    speed: float
    """Site seconds per second of the host."""
    snapshot: Snapshot
    setpoints: Setpoints | None


class PlanHead(Record):
    """A plan without its contents."""

    id: str
    made_utc: Utc
    expires_utc: Utc
    policy: str
    level: Level
    status: Status
    review: ReviewState
    review_why: str = ""
    """Why a person has to see it; empty when nobody has to."""
    answer_by_utc: Utc | None = None
    """When the site file answers for a person who has not."""


class StoredPlan(Record):
    """A plan with the problem and forecast it came from."""

    head: PlanHead
    plan: Plan
    problem: Problem
    forecast: Forecast | None


class TelemetryPoint(Record):
    """What was measured at, or on average from, a moment; none = not read."""

    at_utc: Utc
    pv_kw: float | None = None
    pv_available_kw: float | None = None
    battery_kw: float | None = None
    """Positive = discharge."""
    soc_frac: float | None = None
    battery_c: float | None = None
    genset_kw: float | None = None
    load_kw: float | None = None
    it_kw: float | None = None
    cooling_kw: float | None = None
    unserved_kw: float | None = None
    tank_l: float | None = None
    ups_soc_frac: float | None = None
    outdoor_c: float | None = None
    inlet_c: float | None = None


class ServicePoint(Record):
    """Requests of one service around a moment."""

    at_utc: Utc
    service: str
    rate_rps: float | None
    served_rps: float | None
    mode: str


class StoredJob(Record):
    """A job as submitted and how far it is."""

    id: str
    name: str
    who: str
    submitted_utc: Utc
    updated_utc: Utc
    state: JobState
    done_frac: float
    """Share of the submitted work that is done."""
    pool: str
    """Where it runs or last ran."""
    gpus: float
    limit_w: float
    job: JobProblem
    """As submitted: ``work_gpu_h`` is the whole work."""


class JobEvent(Record):
    """A step in a job's life."""

    at_utc: Utc
    event: str
    text: str


class StoredDecision(Record):
    """An order to one subject and why it was given."""

    id: str
    subject: str
    """E.g. ``genset diesel-1``, ``job fine-tuning-3``, ``service voice-agent``, ``tiers``, ``level``."""
    seq: int
    order_text: str
    origin: Origin
    reason_code: str
    text: str
    plan_id: str | None
    at_utc: Utc
    expires_utc: Utc
    acted_utc: Utc | None


class StoredOutcome(Record):
    """A written setpoint and what was found when it was read back."""

    at_utc: Utc
    device: str
    what: str
    asked: str
    found: str | None
    verdict: str
    text: str


class GuardAction(Record):
    """A guard that began (or ceased) to narrow what was asked."""

    at_utc: Utc
    guard: str
    reason_code: str
    subject: str
    text: str
    began: bool


class Alarm(Record):
    """Something a person should know."""

    id: str
    code: str
    subject: str
    severity: Literal["info", "warning", "critical"]
    text: str
    raised_utc: Utc
    cleared_utc: Utc | None
    acknowledged_utc: Utc | None
    acknowledged_by: str | None


class Delivery(Record):
    """Diesel that was or will be delivered."""

    id: str
    at_utc: Utc
    litres: float
    usd_per_l: float | None
    who: str


class Review(Record):
    """A person's verdict on a plan."""

    plan_id: str
    at_utc: Utc
    who: str
    verdict: Literal["approved", "rejected"]
    why: str


class Override(Record):
    """A person's order above the plan."""

    id: str
    at_utc: Utc
    expires_utc: Utc
    withdrawn_utc: Utc | None
    who: str
    why: str
    subject: str
    """What it is about, e.g. ``genset diesel-1``."""
    order_text: str
    """The order in short."""
    from_utc: Utc | None = None
    """When it begins; none = when it was given."""
    order: Order

    @property
    def standing(self) -> Standing:
        """The order with its time."""
        return Standing(
            order=self.order, from_utc=self.from_utc, expires_utc=self.expires_utc, id=self.id, who=self.who
        )


class StoredPreview(Record):
    """An order that somebody thinks of giving, and what the planner says to it."""

    id: str
    asked_utc: Utc
    who: str
    why: str
    version: int
    """Of the overrides when it was asked for."""
    state: PreviewState
    progress: str
    """What the planner is at, or why it failed."""
    standing: Standing
    answer: PreviewAnswer | None
    """None until it is done."""


class AuditEntry(Record):
    """A command that somebody gave."""

    at_utc: Utc
    who: str
    role: str
    """What entitled them: viewer, operator, admin, or shell; empty in old records."""
    action: str
    outcome: str
    detail: str


class AccessToken(Record):
    """A token that was given out, without the token itself."""

    id: str
    name: str
    role: Role
    once: bool
    """Opens one session and is then used up."""
    made_utc: Utc
    made_by: str
    expires_utc: Utc | None
    used_utc: Utc | None
    """When somebody last signed in with it."""
    revoked_utc: Utc | None
