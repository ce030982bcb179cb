"""The whole model as one mixed-integer program, through OR-Tools MathOpt and HiGHS.

For problems with few integers this is exact and quick, and it is the yardstick of the decomposition. MathOpt's own error
path hides its message, so failures come back as an answer that found nothing. The HiGHS inside OR-Tools 9.15 has a printf in
its search that no option silences; standard output belongs to results, so it is led to standard error meanwhile.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from optimizer.model.matrix import Floats, Program
from optimizer.solve.session import Answer


def solve_whole(
    program: Program,
    *,
    seconds: float,
    gap_frac: float,
    solver: mathopt.SolverType = mathopt.SolverType.HIGHS,
    hint: Floats | None = None,
    nodes: int | None = None,
) -> Answer:
    """Solve a program to a relative gap within a time limit; one thread, so that equal inputs give equal answers."""
    start = time.perf_counter()
    model = mathopt.Model.from_model_proto(_proto(program))
    params = mathopt.SolveParameters(
        time_limit=datetime.timedelta(seconds=max(seconds, 0.05)),
        relative_gap_tolerance=gap_frac,
        random_seed=0,
        node_limit=nodes,
    )
    if solver is mathopt.SolverType.HIGHS:
        params.highs.int_options["threads"] = 1
    else:
        params.threads = 1
    variables = list(model.variables())
    hints = []
    if hint is not None:
        hints.append(mathopt.SolutionHint(variable_values=dict(zip(variables, hint.tolist(), strict=True))))
    empty = np.zeros(0)
    try:
        with _stray_prints_to_stderr():
            result = mathopt.solve(
                model, solver, params=params, model_params=mathopt.ModelSolveParameters(solution_hints=hints)
            )
    except (RuntimeError, ValueError, AttributeError):
        return _nothing(float("-inf"), time.perf_counter() - start)
    spent = time.perf_counter() - start
    bound = result.termination.objective_bounds.dual_bound
    if not result.has_primal_feasible_solution():
        return _nothing(bound, spent)
    by_variable = result.variable_values()
    return Answer(
        found=True,
        proved=result.termination.reason == mathopt.TerminationReason.OPTIMAL,
        values=np.array([by_variable[variable] for variable in variables]),
        row_duals=empty,
        reduced=empty,
        cost=result.objective_value(),
        bound=bound,
        seconds=spent,
    )


@contextmanager
def _stray_prints_to_stderr() -> Iterator[None]:
    """Lead file descriptor 1 to descriptor 2 for a while."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _nothing(bound: float, seconds: float) -> Answer:
    empty = np.zeros(0)
    return Answer(
        found=False,
        proved=False,
        values=empty,
        row_duals=empty,
        reduced=empty,
        cost=float("inf"),
        bound=bound,
        seconds=seconds,
    )


def _proto(program: Program) -> model_pb2.ModelProto:
    proto = model_pb2.ModelProto()
    count, rows = len(program.cost), len(program.row_lower)
    proto.variables.ids.extend(range(count))
    proto.variables.lower_bounds.extend(program.lower.tolist())
    proto.variables.upper_bounds.extend(program.upper.tolist())
    proto.variables.integers.extend(program.integer.tolist())
    proto.linear_constraints.ids.extend(range(rows))
    proto.linear_constraints.lower_bounds.extend(program.row_lower.tolist())
    proto.linear_constraints.upper_bounds.extend(program.row_upper.tolist())
    proto.objective.maximize = False
    proto.objective.offset = program.offset
    priced = np.flatnonzero(program.cost)
    proto.objective.linear_coefficients.ids.extend(priced.tolist())
    proto.objective.linear_coefficients.values.extend(program.cost[priced].tolist())
    sorted_matrix = program.matrix.sorted_indices()
    row_of = np.repeat(np.arange(rows), np.diff(sorted_matrix.indptr))
    proto.linear_constraint_matrix.row_ids.extend(row_of.tolist())
    proto.linear_constraint_matrix.column_ids.extend(sorted_matrix.indices.tolist())
    proto.linear_constraint_matrix.coefficients.extend(sorted_matrix.data.tolist())
    return proto
