"""What the daemon hands to the recorder: one kind of entry a fact, matched exhaustively when written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from controller.overrides.comparing import PreviewAnswer
from controller.records.views import JobState, Origin, PreviewState, ReviewState, ServicePoint, TelemetryPoint
from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from forecasting.records import Forecast, NightScores, StoredPrediction
from optimizer.plan import Level, Plan
from optimizer.problem import JobProblem, Problem
from sites.schema.site import Site


@dataclass(frozen=True, kw_only=True)
class PlanEntry:
    """A plan with the problem and forecast it came from."""

    id: str
    made_utc: datetime
    expires_utc: datetime
    review: ReviewState
    forecast: Forecast | None
    problem: Problem
    plan: Plan
    review_why: str = ""
    answer_by_utc: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewEntry:
    """What the site file says to a plan that nobody has answered for; a plan that waits no longer is left as it is."""

    plan_id: str
    approve: bool
    why: str
    at_utc: datetime


@dataclass(frozen=True, kw_only=True)
class PreviewEntry:
    """How far the answer to a preview is."""

    id: str
    state: PreviewState
    progress: str
    answer: PreviewAnswer | None = None


@dataclass(frozen=True, kw_only=True)
class DecisionEntry:
    """An order to one subject."""

    id: str
    subject: str
    seq: int
    order_text: str
    origin: Origin
    reason_code: str
    text: str
    plan_id: str | None
    at_utc: datetime
    expires_utc: datetime


@dataclass(frozen=True, kw_only=True)
class ActedEntry:
    """Decisions that were written to the devices."""

    ids: tuple[str, ...]
    at_utc: datetime


@dataclass(frozen=True, kw_only=True)
class NowEntry:
    """The present after a completed cycle."""

    at_utc: datetime
    level: Level
    plan_id: str | None
    speed: float
    snapshot: Snapshot
    setpoints: Setpoints | None


@dataclass(frozen=True, kw_only=True)
class TwinEntry:
    """State of the simulated plant; the document is only made when it is written."""

    at_utc: datetime
    document: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class WorldEntry:
    """The world prepared for the simulated plant."""

    at_utc: datetime
    document: str


@dataclass(frozen=True, kw_only=True)
class SiteEntry:
    """A site file that the running daemon has taken."""

    at_utc: datetime
    site: Site
    changed: tuple[str, ...]
    """Fields that differ from the file before."""


@dataclass(frozen=True, kw_only=True)
class TelemetryEntry:
    """What was measured."""

    point: TelemetryPoint
    services: tuple[ServicePoint, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PredictionEntry:
    """A weather prediction that was received; one that is there already is left as it is."""

    prediction: StoredPrediction


@dataclass(frozen=True, kw_only=True)
class ScoresEntry:
    """A night's scores of past forecasts."""

    night: NightScores


@dataclass(frozen=True, kw_only=True)
class GuardEntry:
    """A guard that began or ceased to act."""

    at_utc: datetime
    guard: str
    reason_code: str
    subject: str
    text: str
    began: bool


@dataclass(frozen=True, kw_only=True)
class OutcomeEntry:
    """A setpoint and what was found when it was read back."""

    at_utc: datetime
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class AlarmRaised:
    """An alarm that begins; one that is open already with this code and subject is left as it is."""

    code: str
    subject: str
    severity: Literal["info", "warning", "critical"]
    text: str
    at_utc: datetime


@dataclass(frozen=True, kw_only=True)
class AlarmCleared:
    """An alarm that ends."""

    code: str
    subject: str
    at_utc: datetime


@dataclass(frozen=True, kw_only=True)
class JobSubmitted:
    """A job that came by itself, from a stream of the site file; a name already known is left as it is."""

    job: JobProblem
    who: str
    at_utc: datetime


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """How far a job is; ``event`` is written when it is not empty."""

    name: str
    state: JobState
    done_frac: float
    pool: str
    gpus: float
    limit_w: float
    at_utc: datetime
    event: str = ""
    text: str = ""


Entry = (
    PlanEntry
    | ReviewEntry
    | PreviewEntry
    | DecisionEntry
    | ActedEntry
    | NowEntry
    | TwinEntry
    | WorldEntry
    | SiteEntry
    | TelemetryEntry
    | PredictionEntry
    | ScoresEntry
    | GuardEntry
    | OutcomeEntry
    | AlarmRaised
    | AlarmCleared
    | JobSubmitted
    | JobProgress
)
