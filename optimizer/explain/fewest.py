"""The fewest hard demands that have to be given up, as a mixed-integer program.

    minimise    sum over demands of y_d,  y_d binary                                                    (1)
    subject to  the relaxation of the whole model, commitment integer, costs left out                   (2)
                what is given up of demand d <= (all that it asks) y_d                                  (3)

Demands: each critical tier, hosts and cooling, a hard reserve, each critical service (a few in a thousand of its requests
are tolerated), each genset that has to run. Everything else may be given up freely. (2) is a relaxation, so no plan gives
up fewer than the optimum of (1); a plan that gives up as many is proof that no smaller set will do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from optimizer.breaches import CRITICAL_FRAC
from optimizer.model.build import Model, build
from optimizer.model.layout import Layout, layout_of
from optimizer.model.matrix import Floats, Index, Program
from optimizer.problem import Problem
from optimizer.solve.session import Session
from optimizer.workload import spreads, unserved_rps

NODES = 200
SMALL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Fewest:
    """What the program says."""

    least: int
    """No plan gives up fewer hard demands."""
    demands: frozenset[str]
    """A set of demands that the relaxation can do without; empty where it found none in time."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A hard demand and the columns that say how much of it is given up."""

    name: str
    columns: Index
    amounts: Floats
    asked: float
    """Most that can be given up."""
    tolerated: float = 0.0


def fewest(problem: Problem, *, seconds: float) -> Fewest:
    """Return how many hard demands have to be given up at least, and a set that may do."""
    model = build(layout_of(problem.model_copy(update={"scenarios": ()}), relaxed=True))
    demands = [demand for demand in _demands(model) if demand.asked > SMALL]
    program = _with_choices(model.program, demands)
    session = Session(program)
    flags = np.zeros(len(program.cost), dtype=bool)
    flags[model.columns.on.ravel()] = True
    flags[len(model.program.cost) :] = True
    session.integers(flags)
    answer = session.solve(seconds=seconds, nodes=NODES)
    least = math.ceil(answer.bound - 1e-3) if math.isfinite(answer.bound) else 0
    chosen = answer.values[len(model.program.cost) :] if answer.found else np.zeros(len(demands))
    names = frozenset(demand.name for demand, share in zip(demands, chosen, strict=True) if share > 0.5)
    return Fewest(least=max(0, least), demands=names)


def _with_choices(program: Program, demands: list[Demand]) -> Program:
    """Return (1) to (3): the program without its costs, a binary for each demand, a row for each."""
    count, rows = len(program.cost), len(program.row_lower)
    values: list[float] = []
    row_of: list[int] = []
    column_of: list[int] = []
    for number, demand in enumerate(demands):
        columns = [*demand.columns.tolist(), count + number]
        column_of += columns
        row_of += [number] * len(columns)
        values += [*(demand.amounts / demand.asked).tolist(), -1.0]
    places = (np.array(row_of, dtype=np.int64), np.array(column_of, dtype=np.int64))
    choices = sp.csr_matrix((np.array(values), places), shape=(len(demands), count + len(demands)))
    wide = sp.csr_matrix(
        (program.matrix.data, program.matrix.indices, program.matrix.indptr), (rows, count + len(demands))
    )
    binary = np.ones(len(demands))
    return replace(
        program,
        cost=np.concatenate([np.zeros(count), binary]),
        lower=np.concatenate([program.lower, 0.0 * binary]),
        upper=np.concatenate([program.upper, binary]),
        integer=np.concatenate([program.integer, binary > 0.0]),
        row_lower=np.concatenate([program.row_lower, np.full(len(demands), -np.inf)]),
        row_upper=np.concatenate([program.row_upper, [demand.tolerated / demand.asked for demand in demands]]),
        matrix=sp.csr_matrix(sp.vstack([wide, choices])),
        offset=0.0,
    )


def _demands(model: Model) -> list[Demand]:
    layout, columns = model.layout, model.columns
    found = [_demand("hosts and cooling", columns.dark[0], layout.hours, model)]
    for place, tier in enumerate(layout.problem.tiers):
        if tier.critical:
            found.append(_demand(f"tier {tier.name}", columns.shed[0, place], layout.hours, model))
    if layout.problem.reserve.hard and columns.reserve_short.size:
        asked = float(layout.problem.reserve.load_frac * layout.base_kw.sum()) + float(layout.pv_kw.sum()) + 1e3
        found.append(
            Demand(
                name="operating reserve", columns=columns.reserve_short[0], amounts=np.ones(layout.steps), asked=asked
            )
        )
    for place, miss in columns.miss.items():
        name = f"genset {layout.problem.gensets[place].name}"
        found.append(Demand(name=name, columns=miss, amounts=np.ones(len(miss)), asked=float(len(miss))))
    found += [_service(layout, model, place) for place, each in enumerate(layout.problem.services) if each.critical]
    return found


def _demand(name: str, columns: Index, hours: Floats, model: Model) -> Demand:
    asked = float((model.program.upper[columns] * hours).sum())
    return Demand(name=name, columns=columns, amounts=hours, asked=asked)


def _service(layout: Layout, model: Model, place: int) -> Demand:
    service = layout.problem.services[place]
    pairs = list(zip(service.rate_rps, spreads(service), strict=True))
    missed = np.array([[unserved_rps(mode, rate, spread) for rate, spread in pairs] for mode in layout.menus[place]])
    requests = missed * layout.hours[None, :]
    total = float(np.array(service.rate_rps) @ layout.hours)
    return Demand(
        name=f"service {service.name}",
        columns=model.columns.mode[place].ravel(),
        amounts=requests.ravel(),
        asked=total,
        tolerated=CRITICAL_FRAC * total,
    )
