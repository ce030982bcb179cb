"""What the controller asks of the devices in one cycle, and what became of it."""

from __future__ import annotations

from enum import StrEnum

from optimizer.places import IslandShare
from sites.compute.records import ServingMode
from sites.record import Record
from sites.times import Utc


class GensetCommand(Record):
    """Order to one genset."""

    name: str
    run: bool
    kw: float = 0.0
    """Power asked for while it carries load."""
    reason_code: str = ""


class ServiceCommand(Record):
    """The serving mode that a service has to be in."""

    name: str
    mode: ServingMode
    islands: tuple[IslandShare, ...] = ()
    """Where the plan has its GPUs; empty = wherever there is room."""


class JobCommand(Record):
    """A job that runs in this cycle; a job without a command is paused or stays queued."""

    name: str
    pool: str
    gpus: float
    limit_w: float
    islands: tuple[IslandShare, ...] = ()
    """Where the plan has its GPUs; empty = wherever there is room."""


class Setpoints(Record):
    """All orders of one cycle."""

    at_utc: Utc
    expires_utc: Utc
    """After this moment devices fall back to their safe default."""
    gensets: tuple[GensetCommand, ...] = ()
    pv_limit_kw: float | None = None
    """Ceiling for PV; none = as much as the bus takes."""
    battery_limit_kw: tuple[float, float] | None = None
    """Most that may be charged and discharged; none = as rated."""
    services: tuple[ServiceCommand, ...] = ()
    jobs: tuple[JobCommand, ...] = ()
    shed_tiers: tuple[str, ...] = ()
    nodes_on: dict[str, int] | None = None
    """Nodes to be powered in each pool; none = all."""
    reason_codes: tuple[str, ...] = ()
    """Why guards narrowed these setpoints."""


class Verdict(StrEnum):
    """What was found when a setpoint was read back."""

    OWN = "own"
    EXTERNAL = "external"
    STALE = "stale"
    REFUSED = "refused"


class Outcome(Record):
    """What became of one written setpoint."""

    device: str
    what: str
    asked: float | str | bool
    found: float | str | bool | None
    verdict: Verdict
    text: str = ""
