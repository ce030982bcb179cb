"""Placement: whole GPUs of the near intervals onto nodes, by CP-SAT, with as few moves as possible.

Bins are NVLink islands (a PCIe node is one island for work that needs none) or, where GPUs are cut into MIG slices, single
GPUs. With ``n[k,b]`` the GPUs (or slices) of task *k* in bin *b*:

    (1)  sum_b n[k,b] = gpus_k placed_k                         a task is placed whole or not at all
    (2)  sum_k n[k,b] <= size_b,  of the task's pool only
    (3)  n[k,b] = group_k x[k,b]                                tensor-parallel groups stay inside an island
    (4)  memory of a GPU in the bin >= memory the task needs on it
    (5)  tasks that share a MIG GPU have one power limit        slices share the GPU's limit
    (6)  stays[k,b] <= n[k,b],  stays[k,b] <= now[k,b]          what stays where it is

    maximise   placed tasks by priority, then what stays, then fewest nodes in use

in this order, by weights that cannot trade one for the other. The aggregate plan is the bound: it has decided how many GPUs a
task gets and at which limit; placement says where, or which task does not fit and why. One worker and a deterministic limit:
equal inputs give equal placements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ortools.sat.python import cp_model

DETERMINISTIC_LIMIT = 4.0
"""CP-SAT's deterministic time, about seconds."""


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
    """Whether its GPUs are an NVLink island; tasks with groups need one."""
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
    """GPUs of one replica that have to be in one island."""
    memory_gb: float = 0.0
    """Memory needed on each GPU."""
    priority: int = 0
    now: Mapping[str, int] = field(default_factory=dict)
    """GPUs it has in each bin now."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where tasks go."""

    gpus: Mapping[str, Mapping[str, int]]
    """GPUs by task and bin; only tasks that are placed."""
    left_out: Mapping[str, str]
    """Reason in plain words for each task that is not placed."""
    moved_gpus: int
    """GPUs that placed tasks have to leave."""
    proved: bool
    """Whether no better placement exists."""


def place(bins: Sequence[Bin], tasks: Sequence[Task]) -> Placement:
    """Return the placement of tasks on bins; never fails: what does not fit is left out with the reason."""
    model = cp_model.CpModel()
    placed = {task.name: model.new_bool_var(f"placed {task.name}") for task in tasks}
    count: dict[tuple[str, str], cp_model.IntVar] = {}
    stays: list[cp_model.IntVar] = []
    for task in tasks:
        fitting = [each for each in bins if fits(task, each)]
        for each in fitting:
            groups = model.new_int_var(0, each.size // task.group, f"{task.name} in {each.name}")
            count[task.name, each.name] = groups
            current = task.now.get(each.name, 0)
            if current:
                kept = model.new_int_var(0, min(current, each.size), f"{task.name} stays in {each.name}")
                model.add(kept <= groups * task.group)
                stays.append(kept)
        total = sum(count[task.name, each.name] * task.group for each in fitting)
        model.add(total == task.gpus * placed[task.name])
    used = _capacity(model, bins, tasks, count)
    _one_limit(model, bins, tasks, count)
    stay_weight = len(used) + 1
    task_weight = stay_weight * (sum(task.gpus for task in tasks) + 1)
    lowest = min((task.priority for task in tasks), default=0)
    model.maximize(
        sum(task_weight * _rank(task, lowest, len(tasks)) * placed[task.name] for task in tasks)
        + stay_weight * sum(stays)
        - sum(used)
    )
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = DETERMINISTIC_LIMIT
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    gpus: dict[str, dict[str, int]] = {}
    for task in tasks:
        if found and solver.value(placed[task.name]):
            here = {
                each.name: solver.value(count[task.name, each.name]) * task.group
                for each in bins
                if (task.name, each.name) in count
            }
            gpus[task.name] = {name: number for name, number in here.items() if number}
    moved = sum(
        max(0, had - gpus[task.name].get(name, 0))
        for task in tasks
        if task.name in gpus
        for name, had in task.now.items()
    )
    return Placement(
        gpus=gpus,
        left_out={task.name: _why(task, bins) for task in tasks if task.name not in gpus},
        moved_gpus=moved,
        proved=status == cp_model.OPTIMAL,
    )


def fits(task: Task, each: Bin) -> bool:
    """Return whether a bin can hold at least one group of a task."""
    return (
        each.pool == task.pool
        and each.size >= task.group
        and each.memory_gb >= task.memory_gb
        and (task.group == 1 or each.linked)
    )


def _rank(task: Task, lowest: int, count: int) -> int:
    """Return the weight of placing a task: one of a higher priority outweighs all of the next lower one."""
    return int((count + 1) ** min(task.priority - lowest, 3))


def _capacity(
    model: cp_model.CpModel,
    bins: Sequence[Bin],
    tasks: Sequence[Task],
    count: Mapping[tuple[str, str], cp_model.IntVar],
) -> list[cp_model.IntVar]:
    """Add (2) and return a flag a node for whether it is in use."""
    used = {node: model.new_bool_var(f"node {node}") for node in dict.fromkeys(each.node for each in bins)}
    for each in bins:
        inside = [count[task.name, each.name] * task.group for task in tasks if (task.name, each.name) in count]
        if inside:
            model.add(sum(inside) <= each.size * used[each.node])
    return list(used.values())


def _one_limit(
    model: cp_model.CpModel,
    bins: Sequence[Bin],
    tasks: Sequence[Task],
    count: Mapping[tuple[str, str], cp_model.IntVar],
) -> None:
    """Add (5)."""
    for each in bins:
        if not each.one_limit:
            continue
        inside = [task for task in tasks if (task.name, each.name) in count]
        limits = sorted({task.limit_w for task in inside})
        chosen = {limit: model.new_bool_var(f"{each.name} at {limit}") for limit in limits}
        model.add(sum(chosen.values()) <= 1)
        for task in inside:
            model.add(count[task.name, each.name] * task.group <= each.size * chosen[task.limit_w])


def _why(task: Task, bins: Sequence[Bin]) -> str:
    own = [each for each in bins if each.pool == task.pool]
    if not own:
        return f"no node of pool {task.pool} is powered"
    if all(each.memory_gb < task.memory_gb for each in own):
        return f"it needs {task.memory_gb:g} GB on each GPU and the largest has {max(b.memory_gb for b in own):g} GB"
    if task.group > 1 and not any(each.linked and each.size >= task.group for each in own):
        return f"it needs {task.group} GPUs on one NVLink island and there is none so large"
    if sum(each.size // task.group * task.group for each in own if fits(task, each)) < task.gpus:
        return f"it needs {task.gpus} GPUs and the pool has fewer that fit"
    return "the GPUs that fit are taken by tasks of higher priority or larger benefit"
