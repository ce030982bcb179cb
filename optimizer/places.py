"""Where tasks are on the nodes, as documents: part of a plan, of the orders to devices, and of the next problem.

Nodes are counted from 0 in the order in which a pool's hosts go on, islands from 0 within their node. Imports no solver.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sites.record import Record
from sites.times import Utc

TaskKind = Literal["job", "service"]


class IslandShare(Record):
    """GPUs of one NVLink island that a task has; where GPUs have no NVLink, of one node; where they are cut, parts of one."""

    node: int = Field(ge=0)
    """Number of the node in its pool."""
    island: int = Field(default=0, ge=0)
    """Number of the island in its node."""
    gpus: int = Field(gt=0)
    """How many."""


class TaskPlaces(Record):
    """A job, or all replicas of a service's mode, with its GPUs."""

    kind: TaskKind
    name: str
    """Name of the job or service."""
    pool: str
    """Pool that it is on."""
    islands: tuple[IslandShare, ...]


class Unplaced(Record):
    """A task whose GPUs find no room."""

    kind: TaskKind
    name: str
    """Name of the job or service."""
    pool: str
    """Pool that it was planned on."""
    gpus: int
    """GPUs that it was planned to have."""
    why: str
    """In plain words."""


class PlacedSpan(Record):
    """Where everything is while nothing changes."""

    start_utc: Utc
    """From when."""
    until_utc: Utc
    """Until when."""
    tasks: tuple[TaskPlaces, ...] = ()
    left_out: tuple[Unplaced, ...] = ()
    moved_gpus: int = 0
    """GPUs that tasks have to leave which run before and after."""
    proved: bool = True
    """Whether no better placement exists."""
