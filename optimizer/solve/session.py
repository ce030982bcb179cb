"""A HiGHS session on one program: bounds and integrality change, the last basis is kept for the next solve.

MathOpt builds a new HiGHS for every solve and hands out no duals of a fixed mixed-integer program; the decomposition
solves the same matrix four to six times with other bounds, so it talks to HiGHS directly.

One thread: answers are the same on every machine, and other processes of the site keep their cores. A solve that ends by
its gap or by its node limit gives the same answer each time; one that ends by its time limit may not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import highspy
import numpy as np
import scipy.sparse as sp

from optimizer.model.matrix import Flags, Floats, Index, Program


class NoPlanFoundError(RuntimeError):
    """The solver gave no usable point within the deadline."""


FLOOR_S = 15.0
"""Most that a linear program may take without which there is no plan; on a free core it takes a second at most."""


class Deadline:
    """A wall-clock limit shared by all solves of one plan.

    It limits searches. The few linear programs without which there would be no plan at all may run over it on a machine that
    is busy with other things: a plan some seconds late is better than none.
    """

    def __init__(self, seconds: float) -> None:
        self._start = time.perf_counter()
        self.seconds = seconds

    def spent_s(self) -> float:
        """Return seconds since the start."""
        return time.perf_counter() - self._start

    def left_s(self) -> float:
        """Return seconds left, at least 0."""
        return max(0.0, self.seconds - self.spent_s())

    def needed_s(self) -> float:
        """Return the time for a solve without which there is no plan: what is left, but not less than ``FLOOR_S``."""
        return max(self.left_s(), FLOOR_S)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a solve found."""

    found: bool
    """Whether ``values`` is a feasible point."""
    proved: bool
    """Whether it ended by optimality or by its gap, not by a limit."""
    values: Floats
    row_duals: Floats
    """Change of cost for one more on a row's right side; zero after a mixed-integer solve."""
    reduced: Floats
    cost: float
    bound: float
    """No point costs less."""
    seconds: float
    status: str = ""
    """How the solver says it ended."""


class QuietHighs(highspy.Highs):
    """HiGHS without its banner: highspy prints it while it sets up callbacks, before any option can be set."""

    def __init__(self) -> None:
        super(highspy.Highs, self).__init__()
        self.setOptionValue("output_flag", False)


class Session:
    """A program, or part of its columns, loaded into HiGHS as a relaxation; the other columns stay at their lower bounds.

    Everything outside speaks of the whole program's columns; columns that come into play later are opened.
    """

    def __init__(self, program: Program, columns: Index | None = None) -> None:
        self.program = program
        self._highs = QuietHighs()
        self._set("threads", 1)
        self._set("parallel", "off")
        self._set("random_seed", 0)
        count = len(program.cost)
        self._columns = np.arange(count, dtype=np.int32) if columns is None else columns.astype(np.int32)
        self._lower, self._upper = program.lower.copy(), program.upper.copy()
        self._place = np.full(count, -1, dtype=np.int32)
        self._place[self._columns] = np.arange(len(self._columns), dtype=np.int32)
        self._by_column = program.matrix.tocsc()
        self._highs.passModel(_lp(program, self._columns, self._by_column[:, self._columns].tocsr()))

    def _set(self, name: str, value: bool | int | float | str) -> None:
        self._highs.setOptionValue(name, value)

    def open(self, columns: Index) -> int:
        """Bring columns into play, within the bounds in force; return how many were not yet."""
        wanted = np.unique(np.asarray(columns, dtype=np.int32))
        new = wanted[self._place[wanted] < 0]
        if not len(new):
            return 0
        block = self._by_column[:, new]
        bounds = (self.program.cost[new], self._lower[new], self._upper[new])
        self._highs.addCols(len(new), *bounds, block.nnz, block.indptr[:-1], block.indices, block.data)
        self._place[new] = len(self._columns) + np.arange(len(new), dtype=np.int32)
        self._columns = np.concatenate([self._columns, new])
        return len(new)

    def closed(self, columns: Index) -> Flags:
        """Return which columns are not in play."""
        return np.asarray(self._place[columns] < 0)

    def twin(self) -> Session:
        """Return a session on the same columns of the program, as it was loaded, at the basis of the last linear solve."""
        other = Session(self.program, self._columns)
        other._highs.setBasis(self._highs.getBasis())
        return other

    def quick_heuristics(self) -> None:
        """Leave out the two costly heuristics that seldom found a better commitment in measurements (see benchmarks)."""
        self._set("mip_heuristic_run_rins", False)
        self._set("mip_heuristic_run_root_reduced_cost", False)

    def bounds(self, columns: Index, lower: Floats, upper: Floats) -> None:
        """Change the bounds of some columns; those that must leave their lower bound are opened."""
        low = np.broadcast_to(lower, np.shape(columns)).ravel().astype(np.float64)
        high = np.broadcast_to(upper, np.shape(columns)).ravel().astype(np.float64)
        index = np.asarray(columns, dtype=np.int32).ravel()
        self._lower[index], self._upper[index] = low, high
        self.open(index[low > self.program.lower[index]])
        known = self._place[index] >= 0
        local = self._place[index[known]]
        if len(local):
            self._highs.changeColsBounds(len(local), local, low[known], high[known])

    def rows(self, rows: Index, lower: float, upper: float) -> None:
        """Change the bounds of some rows."""
        if len(rows):
            low, high = np.full(len(rows), lower), np.full(len(rows), upper)
            self._highs.changeRowsBounds(len(rows), np.asarray(rows, dtype=np.int32), low, high)  # type: ignore[attr-defined]

    def fix(self, columns: Index, values: Floats) -> None:
        """Fix some columns."""
        self.bounds(columns, values, values)

    def costs(self, columns: Index, costs: Floats) -> None:
        """Change the costs of some columns that are in play."""
        local = self._place[np.asarray(columns, dtype=np.int32).ravel()]
        self._highs.changeColsCost(len(local), local, np.ascontiguousarray(costs.ravel(), dtype=np.float64))

    def integers(self, flags: Flags) -> None:
        """Say which columns are integer from now on; an empty selection makes it a linear program."""
        whole, free = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
        kinds = np.array([whole if flag else free for flag in flags[self._columns]])
        local = np.arange(len(kinds), dtype=np.int32)
        self._highs.changeColsIntegrality(len(kinds), local, kinds)

    def solve(
        self,
        *,
        seconds: float,
        gap_frac: float = 0.0,
        gap_usd: float = 0.0,
        nodes: int | None = None,
        hint: Floats | None = None,
        cutoff: float = float("inf"),
    ) -> Answer:
        """Solve within a time limit; for mixed-integer programs down to a gap, with an optional node limit and hint.

        A linear program may stop once its cost is known to reach ``cutoff``; its answer then has ``bound = cutoff``.
        """
        start = time.perf_counter()
        self._set("time_limit", self._highs.getRunTime() + max(seconds, 0.01))
        self._set("objective_bound", cutoff)
        self._set("mip_rel_gap", gap_frac)
        self._set("mip_abs_gap", max(gap_usd, 1e-6))
        self._set("mip_max_nodes", nodes if nodes is not None else 2**31 - 1)
        if hint is not None:
            solution = highspy.HighsSolution()
            solution.col_value = list(hint[self._columns])
            self._highs.setSolution(solution)
        self._highs.run()
        answer = self._answer(time.perf_counter() - start)
        if self._highs.getModelStatus() == highspy.HighsModelStatus.kObjectiveBound:
            return replace(answer, found=False, proved=True, bound=cutoff)
        return answer

    def _answer(self, seconds: float) -> Answer:
        status = self._highs.getModelStatus()
        info = self._highs.getInfo()
        solution = self._highs.getSolution()
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        mixed = info.mip_node_count >= 0
        values, row_duals, reduced = np.zeros(0), np.zeros(0), np.zeros(0)
        if found:
            values = self.program.lower.copy()
            values[self._columns] = solution.col_value
        if found and not mixed:
            row_duals = np.array(solution.row_dual)
            reduced = self.program.cost - self.program.matrix.T @ row_duals
        return Answer(
            found=found,
            proved=status == highspy.HighsModelStatus.kOptimal,
            values=values,
            row_duals=row_duals,
            reduced=reduced,
            cost=info.objective_function_value if found else float("inf"),
            bound=info.mip_dual_bound if mixed else info.objective_function_value,
            seconds=seconds,
            status=self._highs.modelStatusToString(status),
        )


def _lp(program: Program, columns: Index, matrix: sp.csr_matrix) -> highspy.HighsLp:
    """Return the linear program of some columns; the others are held at their lower bounds, which has to be zero."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns), len(program.row_lower)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost[columns], program.lower[columns], program.upper[columns]
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.offset_ = program.offset
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr
    lp.a_matrix_.index_ = matrix.indices
    lp.a_matrix_.value_ = matrix.data
    return lp
