"""Orders of a person above the plan and below the guards. Each acts from a moment on until it expires.

| order | says |
|---|---|
| ``run_genset``, ``forbid_genset`` | a genset runs, or stays off |
| ``disable`` | a genset, a pool or the sun is as if it were not there |
| ``hold_soc`` | the battery stays at or above a state of charge |
| ``cap_pool`` | no GPU of a pool gets a higher power limit |
| ``pin_job``, ``hold_job`` | a job starts at a moment and goes on, or does not run |
| ``shed_tier``, ``stop_service`` | load or a service goes without |

Times are UTC; nothing here reads a clock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import Field, TypeAdapter

from sites.record import Record
from sites.times import Utc


class RunGenset(Record):
    """A genset runs."""

    kind: Literal["run_genset"] = "run_genset"
    genset: str


class ForbidGenset(Record):
    """A genset is not run; guards may still start it before the site goes dark."""

    kind: Literal["forbid_genset"] = "forbid_genset"
    genset: str


class Disable(Record):
    """A device is out of use, for guards too."""

    kind: Literal["disable"] = "disable"
    device: str
    """``genset NAME``, ``pool NAME`` or ``pv``."""


class HoldSoc(Record):
    """The battery stays at or above a state of charge."""

    kind: Literal["hold_soc"] = "hold_soc"
    soc_frac: float = Field(ge=0, le=1)


class CapPool(Record):
    """No GPU of a pool gets a higher power limit."""

    kind: Literal["cap_pool"] = "cap_pool"
    pool: str
    limit_w: float = Field(gt=0)


class PinJob(Record):
    """A job starts at a moment and goes on; now = it is forced."""

    kind: Literal["pin_job"] = "pin_job"
    job: str
    start_utc: Utc
    gpus: float | None = Field(default=None, gt=0)
    """GPUs that it gets at least; none = as few as it can use."""


class HoldJob(Record):
    """A job does not run."""

    kind: Literal["hold_job"] = "hold_job"
    job: str


class ShedTier(Record):
    """A load tier goes without power."""

    kind: Literal["shed_tier"] = "shed_tier"
    tier: str


class StopService(Record):
    """A service serves nothing."""

    kind: Literal["stop_service"] = "stop_service"
    service: str


Order = Annotated[
    RunGenset | ForbidGenset | Disable | HoldSoc | CapPool | PinJob | HoldJob | ShedTier | StopService,
    Field(discriminator="kind"),
]
ORDER: TypeAdapter[Order] = TypeAdapter(Order)
"""Reads an order from JSON."""
WINDOWED = (RunGenset, ForbidGenset, HoldSoc, ShedTier, StopService)
"""Orders that may begin later; the others act at once."""


class Standing(Record):
    """An order with the time it acts in."""

    order: Order
    from_utc: Utc | None = None
    """When it begins; none = at once, whatever the clock does."""
    expires_utc: Utc
    id: str = ""
    who: str = ""

    def acts(self, now: datetime) -> bool:
        """Return whether it acts at a moment."""
        return (self.from_utc is None or self.from_utc <= now) and now < self.expires_utc


def subject_of(order: Order) -> str:
    """Return what an order is about, e.g. ``genset diesel-1``; two orders about one thing may collide."""
    match order:
        case RunGenset(genset=name) | ForbidGenset(genset=name):
            return f"genset {name}"
        case Disable(device=device):
            return device
        case HoldSoc():
            return "battery"
        case CapPool(pool=name):
            return f"pool {name}"
        case PinJob(job=name) | HoldJob(job=name):
            return f"job {name}"
        case ShedTier(tier=name):
            return f"tier {name}"
        case StopService(service=name):
            return f"service {name}"
        case _:
            assert_never(order)
