"""Bins and tasks of a placement, and the quick placement that the search for a better one starts from.

Quick: tasks by priority, then those that need the most together. Each keeps what it has, then takes the fullest place that
holds what is left of it, else the emptiest ones; a place is an island for groups on NVLink, a node for others. Tasks that
cannot be placed whole are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Bin:
    """GPUs that talk over NVLink, or one GPU cut into slices."""

    name: str
    node: str
    pool: str
    size: int
    """GPUs, or slices of a MIG GPU."""
    memory_gb: float
    """Memory of one GPU or slice."""
    linked: bool = True
    """Whether its GPUs are an NVLink island."""
    one_limit: bool = False
    """Whether all tasks in it share one power limit: slices of a MIG GPU."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job or the replicas of a serving mode in the near intervals."""

    name: str
    pool: str
    gpus: int
    limit_w: float = 0.0
    group: int = 1
    """GPUs of one replica that have to be together."""
    nvlink: bool = True
    """Whether a group has to be in one NVLink island; else one node will do."""
    memory_gb: float = 0.0
    """Memory needed on each GPU."""
    priority: int = 0
    now: Mapping[str, int] = field(default_factory=dict)
    """GPUs it has in each bin now."""


def fits(task: Task, each: Bin) -> bool:
    """Return whether a bin can hold GPUs of a task; of a group that needs NVLink, all of them."""
    return (
        each.pool == task.pool
        and each.size >= unit_of(task)
        and each.memory_gb >= task.memory_gb
        and (unit_of(task) == 1 or each.linked)
    )


def unit_of(task: Task) -> int:
    """Return the GPUs of a task that go into a bin together."""
    return task.group if task.nvlink else 1


def first_fit(bins: Sequence[Bin], tasks: Sequence[Task]) -> dict[str, dict[str, int]]:
    """Return the GPUs of each task that is placed, by bin."""
    free = {each.name: each.size for each in bins}
    limits: dict[str, float] = {}
    placed: dict[str, dict[str, int]] = {}
    for task in sorted(tasks, key=lambda task: (-task.priority, -task.group, -task.gpus, task.name)):
        fitting = [each for each in bins if fits(task, each) and limits.get(each.name, task.limit_w) == task.limit_w]
        here = _filled(task, fitting, free)
        if sum(here.values()) < task.gpus or task.gpus % task.group:
            continue
        placed[task.name] = here
        for name, gpus in here.items():
            free[name] -= gpus
        limits.update({each.name: task.limit_w for each in fitting if each.one_limit and each.name in here})
    return placed


def _filled(task: Task, fitting: Sequence[Bin], free: Mapping[str, int]) -> dict[str, int]:
    """Return GPUs for a task by bin, as many as there are in whole groups."""
    places: dict[str, list[str]] = {}
    for each in fitting:
        places.setdefault(each.name if unit_of(task) > 1 else each.node, []).append(each.name)
    here: dict[str, int] = {}
    room = {place: _whole(task, sum(free[name] for name in names)) for place, names in places.items()}
    for place, names in places.items():
        had = {name: min(task.now.get(name, 0), free[name]) for name in names}
        kept = _whole(task, min(sum(had.values()), task.gpus - sum(here.values())))
        _take(here, names, had, kept)
        room[place] -= kept
    while (rest := task.gpus - sum(here.values())) > 0 and any(room.values()):
        enough = [place for place in room if room[place] >= rest]
        place = min(enough, key=room.__getitem__) if enough else max(room, key=room.__getitem__)
        taken = min(rest, room[place])
        _take(here, places[place], {name: free[name] - here.get(name, 0) for name in places[place]}, taken)
        room[place] -= taken
    return here


def _whole(task: Task, gpus: int) -> int:
    return gpus // task.group * task.group


def _take(here: dict[str, int], names: Sequence[str], room: Mapping[str, int], gpus: int) -> None:
    """Take GPUs out of bins, the first ones first."""
    for name in names:
        taken = min(room[name], gpus)
        if taken:
            here[name] = here.get(name, 0) + taken
            gpus -= taken
