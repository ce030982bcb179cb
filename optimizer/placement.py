"""Placement: whole GPUs of the near intervals onto nodes, by CP-SAT, with as few moves as possible.

Bins are NVLink islands (a PCIe node is one island for work that needs none) or, where GPUs are cut into MIG slices, single
GPUs. With ``n[k,b]`` the GPUs (or slices) of task *k* in bin *b*:

    (1)  sum_b n[k,b] = gpus_k placed_k                         a task is placed whole or not at all
    (2)  sum_k n[k,b] <= size_b,  of the task's pool only
    (3)  n[k,b] = group_k x[k,b]                                groups that need NVLink stay inside an island
    (3b) sum over bins of a node n[k,b] = group_k y[k,node]     groups that go over PCIe stay inside a node
    (4)  memory of a GPU in the bin >= memory the task needs on it
    (5)  tasks that share a MIG GPU have one power limit        slices share the GPU's limit
    (6)  stays[k,b] <= n[k,b],  stays[k,b] <= now[k,b]          what stays where it is

    maximise   GPUs of placed tasks by priority, then what stays, then fewest nodes in use and those that go on first,
               then tasks on few nodes each

in this order, by weights that cannot trade one for the other. The aggregate plan is the bound: it has decided how many GPUs a
task gets and at which limit; placement says where, or which task does not fit and why. One worker and a deterministic limit:
equal inputs give equal placements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from optimizer.first_fit import Bin, Task, first_fit, fits, unit_of

DETERMINISTIC_LIMIT = 4.0
"""CP-SAT's deterministic time, about seconds."""
MOST = 2**60
"""Weights of the objective add up to no more than this."""


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


def place(bins: Sequence[Bin], tasks: Sequence[Task], *, limit: float = DETERMINISTIC_LIMIT) -> Placement:
    """Return the placement of tasks on bins; never fails: what does not fit is left out with the reason.

    ``limit`` is CP-SAT's deterministic time.
    """
    model = cp_model.CpModel()
    placed = {task.name: model.new_bool_var(f"placed {task.name}") for task in tasks}
    count: dict[tuple[str, str], cp_model.IntVar] = {}
    stays: list[cp_model.IntVar] = []
    for task in tasks:
        fitting = [each for each in bins if fits(task, each)]
        unit = unit_of(task)
        for each in fitting:
            units = model.new_int_var(0, min(each.size, task.gpus) // unit, f"{task.name} in {each.name}")
            count[task.name, each.name] = units
            current = task.now.get(each.name, 0)
            if current:
                kept = model.new_int_var(0, min(current, each.size), f"{task.name} stays in {each.name}")
                model.add(kept <= units * unit)
                stays.append(kept)
        total = sum(count[task.name, each.name] * unit for each in fitting)
        model.add(total == task.gpus * placed[task.name])
        if unit < task.group:
            _whole_groups(model, task, fitting, count)
    used = _capacity(model, bins, tasks, count)
    _one_limit(model, bins, tasks, count)
    spread = _spread(model, bins, tasks, count)
    nodes, apart = len(used), len(spread) + 1
    in_use = sum((nodes * nodes + number) * apart * flag for number, flag in enumerate(used))
    stay_weight = (nodes**3 + nodes**2 + 1) * apart
    task_weight = stay_weight * (sum(task.gpus for task in tasks) + 1)
    ranks = _ranks(tasks, MOST // (task_weight * (sum(task.gpus for task in tasks) + 1)))
    model.maximize(
        sum(task_weight * ranks[task.priority] * task.gpus * placed[task.name] for task in tasks)
        + stay_weight * sum(stays)
        - in_use
        - sum(spread)
    )
    start = first_fit(bins, tasks)
    _hint(model, start, tasks, placed, count)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = limit
    status = solver.solve(model)
    gpus = start
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        found = _read(solver, bins, tasks, count)
        gpus = max(found, start, key=lambda each: _merit(each, bins, tasks))
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


def _hint(
    model: cp_model.CpModel,
    start: Mapping[str, Mapping[str, int]],
    tasks: Sequence[Task],
    placed: Mapping[str, cp_model.IntVar],
    count: Mapping[tuple[str, str], cp_model.IntVar],
) -> None:
    """Let the search begin at a placement."""
    units = {task.name: unit_of(task) for task in tasks}
    for name, flag in placed.items():
        model.add_hint(flag, name in start)
    for (name, bin_name), variable in count.items():
        model.add_hint(variable, start.get(name, {}).get(bin_name, 0) // units[name])


def _merit(gpus: Mapping[str, Mapping[str, int]], bins: Sequence[Bin], tasks: Sequence[Task]) -> tuple[int, ...]:
    """Return how good a placement is: what is maximised, term after term."""
    node_of = {each.name: each.node for each in bins}
    ranks = sorted({task.priority for task in tasks}, reverse=True)
    placed = [sum(task.gpus for task in tasks if task.priority == rank and task.name in gpus) for rank in ranks]
    stays = sum(min(task.now.get(name, 0), n) for task in tasks for name, n in gpus.get(task.name, {}).items())
    on = {name: {node_of[each] for each in here} for name, here in gpus.items()}
    used = set().union(*on.values())
    late = sum(number for number, node in enumerate(dict.fromkeys(node_of.values())) if node in used)
    return (*placed, stays, -len(used), -late, -sum(map(len, on.values())))


def _read(
    solver: cp_model.CpSolver,
    bins: Sequence[Bin],
    tasks: Sequence[Task],
    count: Mapping[tuple[str, str], cp_model.IntVar],
) -> dict[str, dict[str, int]]:
    """Return the GPUs of each task that the solver placed, by bin."""
    gpus = {}
    for task in tasks:
        known = [each.name for each in bins if (task.name, each.name) in count]
        here = {name: solver.value(count[task.name, name]) * unit_of(task) for name in known}
        if any(here.values()):
            gpus[task.name] = {name: number for name, number in here.items() if number}
    return gpus


def _whole_groups(
    model: cp_model.CpModel, task: Task, fitting: Sequence[Bin], count: Mapping[tuple[str, str], cp_model.IntVar]
) -> None:
    """Add (3b)."""
    for node in dict.fromkeys(each.node for each in fitting):
        here = [count[task.name, each.name] for each in fitting if each.node == node]
        groups = model.new_int_var(0, task.gpus // task.group, f"groups of {task.name} in node {node}")
        model.add(sum(here) == task.group * groups)


def _ranks(tasks: Sequence[Task], most: int) -> dict[int, int]:
    """Return the weight of placing a GPU by priority: one outweighs all of lower ones, as far as ``most`` allows."""
    ranks, weight = {}, 1
    for priority in sorted({task.priority for task in tasks}):
        ranks[priority] = weight
        weight = max(1, min(weight * (1 + sum(task.gpus for task in tasks if task.priority == priority)), most))
    return ranks


def _capacity(
    model: cp_model.CpModel,
    bins: Sequence[Bin],
    tasks: Sequence[Task],
    count: Mapping[tuple[str, str], cp_model.IntVar],
) -> list[cp_model.IntVar]:
    """Add (2) and return a flag a node for whether it is in use."""
    used = {node: model.new_bool_var(f"node {node}") for node in dict.fromkeys(each.node for each in bins)}
    for each in bins:
        inside = [count[task.name, each.name] * unit_of(task) for task in tasks if (task.name, each.name) in count]
        if inside:
            model.add(sum(inside) <= each.size * used[each.node])
    return list(used.values())


def _spread(
    model: cp_model.CpModel,
    bins: Sequence[Bin],
    tasks: Sequence[Task],
    count: Mapping[tuple[str, str], cp_model.IntVar],
) -> list[cp_model.IntVar]:
    """Return a flag for each task and node on which it has GPUs."""
    flags = []
    nodes: dict[str, list[Bin]] = {}
    for each in bins:
        nodes.setdefault(each.node, []).append(each)
    for task in tasks:
        for node, here in nodes.items():
            inside = [count[task.name, each.name] * unit_of(task) for each in here if (task.name, each.name) in count]
            if inside:
                flag = model.new_bool_var(f"{task.name} on node {node}")
                model.add(sum(inside) <= min(task.gpus, sum(each.size for each in here)) * flag)
                flags.append(flag)
    return flags


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
            model.add(count[task.name, each.name] * unit_of(task) <= each.size * chosen[task.limit_w])


def _why(task: Task, bins: Sequence[Bin]) -> str:
    own = [each for each in bins if each.pool == task.pool]
    if task.gpus % task.group:
        return f"its {task.gpus} GPUs are no whole number of groups of {task.group}"
    if not own:
        return f"no node of pool {task.pool} is powered"
    if all(each.memory_gb < task.memory_gb for each in own):
        return f"it needs {task.memory_gb:g} GB on each GPU and the largest has {max(b.memory_gb for b in own):g} GB"
    if unit_of(task) > 1 and not any(each.linked and each.size >= task.group for each in own):
        return f"it needs {task.group} GPUs on one NVLink island and there is none so large"
    if _room(task, own) < task.gpus:
        return f"it needs {task.gpus} GPUs and the pool has fewer that fit"
    if any(each.one_limit for each in own):
        return f"no parts are free of GPUs that may have its limit, {task.limit_w:.0f} W a part"
    return "the GPUs that fit are taken by tasks of higher priority or larger benefit"


def _room(task: Task, own: Sequence[Bin]) -> int:
    """Return the most GPUs in whole groups that empty bins hold of a task."""
    together: dict[str, int] = {}
    for each in own:
        if fits(task, each):
            key = each.name if task.nvlink else each.node
            together[key] = together.get(key, 0) + each.size
    return sum(size // task.group * task.group for size in together.values())
