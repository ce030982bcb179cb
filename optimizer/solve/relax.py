"""The relaxation: a bound on every plan, and the prices of power and GPUs.

    whole model without integrality, work counted in slots of some hours, batch GPUs free within a slot           (1)

Few of the modes of a menu ever matter. The program starts with the modes of a few shortest paths at guessed prices; after
each solve the best path of each service at the prices found is priced over the whole menu, and opened if it is better. The
bound holds at every round: with prices y of the shared rows, cost V_s of the best path and R_s of the paths in use,

    cost of any plan >= cost of the program in play + sum over services of (V_s - R_s)                              (2)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.equipment import fuel_lines
from optimizer.model.build import Model, build
from optimizer.model.layout import Layout, layout_of
from optimizer.model.matrix import Floats, Index
from optimizer.problem import Problem
from optimizer.solve.paths import Prices, choose_modes, entry_usd, shortest_path
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session

ROUNDS = 8
CONVERGED = 1e-4
"""Share of the cost that better paths may still promise: the bound gives it away, and a round costs a third of a solve."""
GUESSES = (0.0, 0.5, 1.0, 1.5, 2.0, 1e6)
"""Multiples of the price of diesel power at which the first paths are sought; at the last one hardly anything is served, so
that there is always a solution."""
PRICE_USD_PER_KWH = 0.3
"""Price of power where there is no genset to take it from."""


@dataclass(frozen=True, kw_only=True)
class Relaxed:
    """A solved relaxation."""

    model: Model
    session: Session
    answer: Answer
    cost: float
    """No plan costs less (2)."""


def relax(problem: Problem, deadline: Deadline) -> Relaxed:
    """Solve the relaxation of a problem.

    Raises:
        NoPlanFoundError: it was not solved in time.
    """
    model = build(layout_of(problem, relaxed=True))
    columns = model.columns
    part = np.ones(len(model.program.cost), dtype=bool)
    for block in (*columns.mode, *columns.switch):
        part[block.ravel()] = False
    for block in columns.batch:
        part[block[1:-1].ravel()] = False
    for paths in _first_paths(model.layout):
        part[on_paths(model, paths)] = True
    session = Session(model.program, np.flatnonzero(part).astype(np.int32))
    answer, cost = priced_out(model, session, deadline.needed_s())
    if not answer.found:
        raise NoPlanFoundError(f"the relaxation ended as {answer.status} after {answer.seconds:.1f} s")
    return Relaxed(model=model, session=session, answer=answer, cost=cost)


def priced_out(model: Model, session: Session, seconds: float, *, cutoff: float = float("inf")) -> tuple[Answer, float]:
    """Solve, and open what is worth it until nothing is; return the last answer and the bound that it means (2).

    A program that is known to cost ``cutoff`` on the columns in play is given up.
    """
    for _ in range(ROUNDS):
        answer = session.solve(seconds=seconds, cutoff=cutoff)
        if not answer.found:
            return answer, float("inf") if answer.proved else float("-inf")
        missing, better = left_out(model, session, answer)
        if better > -CONVERGED * max(1.0, abs(answer.cost)):
            break
        session.open(missing)
    return answer, answer.cost + better


def left_out(model: Model, session: Session, answer: Answer) -> tuple[Index, float]:
    """Return the columns not in play that would be worth it at an answer's prices, and the correction of its cost (2)."""
    paths, better = _best_paths(model, answer)
    levels = _better_levels(model, answer, session)
    better += float((answer.reduced[levels] * model.program.upper[levels]).sum())
    return np.concatenate([on_paths(model, paths), levels]), better


def _best_paths(model: Model, answer: Answer) -> tuple[list[Index], float]:
    """Return the best path of each service at an answer's prices, and the correction of its cost in (2), at most 0."""
    shared = answer.row_duals.copy()
    for rows in model.rows.mode:
        shared[rows] = 0.0
    reduced: Floats = model.program.cost - model.program.matrix.T @ shared
    paths, better = [], 0.0
    for place, (x, switch) in enumerate(zip(model.columns.mode, model.columns.switch, strict=True)):
        enter = np.zeros(x.shape)
        used = float((reduced[x] * answer.values[x]).sum())
        if switch.size:
            enter = np.maximum(reduced[switch], 0.0)
            used += float((enter * answer.values[switch]).sum())
            enter[:, 0] *= entry_usd(model.layout, place)[:, 0] > 0.0
        path, cost = shortest_path(reduced[x], enter)
        paths.append(path)
        better += min(0.0, cost - used)
    return paths, better


def _better_levels(model: Model, answer: Answer, session: Session) -> Index:
    """Return the columns of power-limit levels that are not in play and would be worth it."""
    blocks = [block.ravel() for block in model.columns.batch]
    levels = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int32)
    return levels[(answer.reduced[levels] < -1e-9) & session.closed(levels)]


def on_paths(model: Model, paths: list[Index]) -> Index:
    """Return the columns of modes and switches along paths."""
    steps = np.arange(model.layout.steps)
    blocks = [(*model.columns.mode,), (*model.columns.switch,)]
    found = [block[path, steps] for kind in blocks for block, path in zip(kind, paths, strict=True) if block.size]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int32)


def _first_paths(layout: Layout) -> list[list[Index]]:
    """Return paths at some guessed prices of power, each of which fits the GPUs."""
    problem = layout.problem
    litre = problem.tank.usd_per_l if problem.tank is not None else 0.0
    each = [max(slope for _, slope in fuel_lines(one)) * litre + one.energy_usd_per_kwh for one in problem.gensets]
    price = min((usd for usd in each if usd > 0.0), default=PRICE_USD_PER_KWH)
    free = np.zeros((len(problem.pools), layout.steps))
    power = price * layout.hours * layout.cooling
    return [choose_modes(layout, Prices(it_kw_usd=factor * power, gpu_usd=free)) for factor in GUESSES]
