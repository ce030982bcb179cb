"""What the loop and the planning worker say to each other: one JSON document a line, frozen records on both sides."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from controller.overrides.comparing import PreviewAnswer
from controller.overrides.orders import Standing
from controller.snapshot import Snapshot
from forecasting.records import FeedState, Forecast, NightScores, StoredPrediction
from optimizer.plan import Plan
from optimizer.problem import FuelDelivery, JobProblem, PoolProblem, Problem
from sites.compute.records import ServingMode
from sites.record import Record
from sites.series import TimeSeries
from sites.times import Utc
from sites.world import World


class SeriesDocument(Record):
    """A time series."""

    start_utc: Utc
    step_s: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, series: TimeSeries) -> SeriesDocument:
        """Return the document of a series."""
        return cls(start_utc=series.start_utc, step_s=series.step_s, values=series.values)

    def after(self, moment: datetime) -> SeriesDocument:
        """Return the part from the interval that holds ``moment`` on."""
        skipped = max(int((moment - self.start_utc).total_seconds() // self.step_s), 0)
        start = self.start_utc + timedelta(seconds=skipped * self.step_s)
        return SeriesDocument(start_utc=start, step_s=self.step_s, values=self.values[skipped:])

    def series(self) -> TimeSeries:
        """Return the series."""
        return TimeSeries(start_utc=self.start_utc, step_s=self.step_s, values=self.values)


class WorldDocument(Record):
    """The world around a simulated site."""

    pv_available_kw: SeriesDocument
    outdoor_c: SeriesDocument
    rate_rps: dict[str, SeriesDocument]

    @classmethod
    def of(cls, world: World) -> WorldDocument:
        """Return the document of a world."""
        return cls(
            pv_available_kw=SeriesDocument.of(world.pv_available_kw),
            outdoor_c=SeriesDocument.of(world.outdoor_c),
            rate_rps={name: SeriesDocument.of(series) for name, series in world.rate_rps.items()},
        )

    def after(self, moment: datetime) -> WorldDocument:
        """Return the world from a moment on."""
        return WorldDocument(
            pv_available_kw=self.pv_available_kw.after(moment),
            outdoor_c=self.outdoor_c.after(moment),
            rate_rps={name: each.after(moment) for name, each in self.rate_rps.items()},
        )

    def world(self) -> World:
        """Return the world."""
        return World(
            pv_available_kw=self.pv_available_kw.series(),
            outdoor_c=self.outdoor_c.series(),
            rate_rps={name: each.series() for name, each in self.rate_rps.items()},
        )


class Prepare(Record):
    """Asks for the world of a period, the site's computers and the jobs that will be released in it."""

    kind: Literal["prepare"] = "prepare"
    id: int
    start_utc: Utc
    end_utc: Utc


class PlanRequest(Record):
    """Asks for a plan."""

    kind: Literal["plan"] = "plan"
    id: int
    at_utc: Utc
    snapshot: Snapshot
    jobs: tuple[JobProblem, ...]
    """What is left of every job that is known."""
    deliveries: tuple[FuelDelivery, ...] = ()
    orders: tuple[Standing, ...] = ()
    """What people ordered above the plan."""
    previous_problem: Problem | None = None
    previous_plan: Plan | None = None


class PreviewRequest(Record):
    """Asks what an order would change."""

    kind: Literal["preview"] = "preview"
    id: int
    preview_id: str
    now: PlanRequest
    """The plan as it would be made without the order."""
    proposed: Standing


class Progress(Record):
    """Tells what the worker is at."""

    kind: Literal["progress"] = "progress"
    text: str
    preview_id: str = ""
    """The preview that it is about; empty = none."""


class Prepared(Record):
    """Answer to :class:`Prepare`."""

    kind: Literal["prepared"] = "prepared"
    id: int
    source: str
    """Where the weather comes from."""
    world: WorldDocument | None
    """None at a site with real devices."""
    pools: tuple[PoolProblem, ...]
    menus: dict[str, tuple[ServingMode, ...]]
    jobs: tuple[JobProblem, ...]
    """Released in the period by the site file's streams; hidden from planning until then."""


class Planned(Record):
    """Answer to :class:`PlanRequest`."""

    kind: Literal["planned"] = "planned"
    id: int
    forecast: Forecast
    problem: Problem
    plan: Plan
    feeds: tuple[FeedState, ...] = ()
    """Where each source of weather predictions stands."""
    predictions: tuple[StoredPrediction, ...] = ()
    """Predictions received since the last plan."""
    night: NightScores | None = None
    """Scores of past forecasts, after the turn of a day."""


class Previewed(Record):
    """Answer to :class:`PreviewRequest`."""

    kind: Literal["previewed"] = "previewed"
    id: int
    preview_id: str
    answer: PreviewAnswer


class Failed(Record):
    """What could not be done and why."""

    kind: Literal["failed"] = "failed"
    id: int
    text: str


Ask = Prepare | PlanRequest | PreviewRequest
Answer = Progress | Prepared | Planned | Previewed | Failed
_REQUEST: TypeAdapter[Ask] = TypeAdapter(Annotated[Ask, Field(discriminator="kind")])
_REPLY: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


def read_request(line: bytes | str) -> Ask:
    """Return a request; raises ``ValidationError`` when the line is none."""
    return _REQUEST.validate_json(line)


def read_reply(line: bytes | str) -> Answer:
    """Return a reply; raises ``ValidationError`` when the line is none."""
    return _REPLY.validate_json(line)
