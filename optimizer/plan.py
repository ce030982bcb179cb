"""A plan as a document: the answer of a policy to a :class:`~optimizer.problem.Problem`.

Signs: power into the site bus is positive (PV, genset, battery discharge). Named quantities are non-negative.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from optimizer.places import PlacedSpan
from sites.compute.records import PowerProfile
from sites.record import Record
from sites.times import TimeGrid, Utc


class Level(StrEnum):
    """Rung of the planning ladder, best first."""

    OPTIMAL = "optimal"
    BEST_FEASIBLE = "best_feasible"
    RELAXED = "relaxed"
    RULES = "rules"
    SAFE_STATE = "safe_state"


class Status(StrEnum):
    """Whether the demand as posed can be met."""

    FEASIBLE = "feasible"
    INFEASIBLE_AS_POSED = "infeasible_as_posed"


class GensetInterval(Record):
    """One genset in one interval."""

    name: str
    """Name of the genset."""
    on: bool
    """Whether it runs."""
    kw: float
    """Mean power over the interval."""


class Interval(Record):
    """Energy flows of one interval, means over it."""

    start_utc: Utc
    """Its start."""
    hours: float
    """Its length."""
    pv_available_kw: float
    """Sun that is there."""
    pv_used_kw: float
    """Sun that is used; the rest is curtailed."""
    battery_kw: float
    """Positive = discharge into the bus."""
    soc_end_frac: float
    """State of charge at its end."""
    gensets: tuple[GensetInterval, ...]
    load_kw: float
    """All load served: tiers, IT and cooling."""
    it_kw: float
    """Computers at the wall."""
    cooling_kw: float
    """Cooling and what runs in any case."""
    shed_kw: float
    """Tier load left unserved."""
    reserve_kw: float
    """Reserve that stands ready."""
    price_usd_per_kwh: float
    """Marginal price of a kWh on the bus in this interval."""
    bound_by: str = ""
    """Reason code of what limits this interval."""


class ServicePlan(Record):
    """The serving mode of one service in each interval."""

    name: str
    """Name of the service."""
    modes: tuple[str, ...]
    """Name of the mode in each interval."""
    unserved_requests: float = 0.0
    """Requests expected to go unserved."""


class JobPlan(Record):
    """One job in the plan."""

    name: str
    """Name of the job."""
    pool: str
    """Empty when it does not run within the horizon."""
    profile: PowerProfile
    """How the work uses a GPU."""
    start_utc: Utc | None
    """Start of its first interval; none when it does not run."""
    end_utc: Utc | None
    """End of its last interval; none when it does not run."""
    gpus: float
    """Most GPUs at once."""
    power_limit_w: float
    """Limit while it runs; of the first interval where it changes."""
    done_frac: float
    """Share of the work left now that the plan finishes."""
    late: bool
    """Whether it ends after its deadline."""
    gpus_by_interval: tuple[float, ...] = ()
    """GPUs in each interval; empty when it does not run."""
    limit_w_by_interval: tuple[float, ...] = ()
    """Power limit in each interval; empty when it does not run."""


class PoolPlan(Record):
    """Nodes of one pool that are powered in each interval."""

    name: str
    """Name of the pool."""
    nodes_on: tuple[int, ...]
    """Powered nodes in each interval."""


class Decision(Record):
    """One decision and why it was taken."""

    what: str
    """What is decided, e.g. ``genset g1 starts 04:15Z``."""
    reason_code: str
    """Why, as a code."""
    text: str
    """The reason in plain words."""
    cost_of_alternative_usd: float | None = None
    """Extra cost of the other choice."""
    exact: bool = False
    """Whether the cost comes from solving again rather than from an estimate."""


class Breach(Record):
    """A preference or demand that the plan gives up."""

    what: str
    """What is given up."""
    reason_code: str
    """Why, as a code."""
    amount: float
    """How much."""
    unit: str
    """Unit of the amount."""
    text: str
    """In plain words."""


class Plan(Record):
    """The answer to a problem."""

    version: Literal[1] = 1
    """Version of this document."""
    site: str
    """Name of the site."""
    policy: str
    """Who made it."""
    start_utc: Utc
    """Start of the first interval."""
    level: Level
    status: Status
    gap_frac: float | None
    """(bound - net value) / |net value|; none where no bound was computed."""
    bound_usd: float | None
    """Net value that no plan can exceed, from relaxations only."""
    net_value_usd: float
    """Value of work minus all costs over the horizon."""
    work_value_usd: float = 0.0
    """Value of the work done within the horizon."""
    cost_terms_usd: dict[str, float]
    """Costs over the horizon, by term."""
    solve_seconds: float
    """Time that it took."""
    intervals: tuple[Interval, ...]
    services: tuple[ServicePlan, ...] = ()
    jobs: tuple[JobPlan, ...] = ()
    pools: tuple[PoolPlan, ...] = ()
    """Pools whose nodes are powered off at times; all nodes of other pools stay on."""
    placement: tuple[PlacedSpan, ...] = ()
    """Where tasks are in the near intervals; empty where nothing says how the GPUs sit in nodes, or nobody placed them."""
    decisions: tuple[Decision, ...] = ()
    breaches: tuple[Breach, ...] = ()

    @property
    def grid(self) -> TimeGrid:
        """The intervals."""
        return TimeGrid(start_utc=self.start_utc, hours=tuple(interval.hours for interval in self.intervals))

    def interval_at(self, moment: datetime) -> int:
        """Return the index of the interval that holds ``moment``, clipped to the horizon."""
        return self.grid.index_at(moment)
