"""Parts of GPUs that MIG cuts, in the near intervals: tasks that share a GPU have one limit, placement's equation (5).

With ``n[l]`` the parts of a pool that are taken at limit *l*, GPUs of ``m`` parts hold them all if

    sum_l ceil(n[l] / m) <= GPUs of the pool                                                              (1)

so a task at limit *l* finds room for the parts that (1) leaves it. The aggregate model knows nothing of (1): it holds for whole
parts only. Rounding the near intervals keeps it, by fewer parts or another limit of a job; services come first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Index
from optimizer.problem import PoolProblem
from optimizer.workload import Rung


class Parts:
    """Parts of one pool that are taken, by limit and interval."""

    def __init__(self, pool: PoolProblem, steps: int) -> None:
        self._each, self._steps = pool.mig_parts, steps
        self._gpus = int(pool.gpus + 1e-6) // pool.mig_parts
        self._taken: dict[float, Floats] = {}

    def take(self, limit_w: float, parts: float | Floats, steps: npt.NDArray[np.integer] | slice = slice(None)) -> None:
        """Take parts at a limit in some intervals."""
        self._taken.setdefault(limit_w, np.zeros(self._steps))[steps] += parts

    def whole(self) -> Floats:
        """Return the parts of all GPUs that have a task (1), by interval."""
        return sum((self._filled(taken) for taken in self._taken.values()), np.zeros(self._steps))

    def room(self, limit_w: float, steps: npt.NDArray[np.integer]) -> float:
        """Return the parts that a task at a limit finds free in all of some intervals."""
        own = self._taken.get(limit_w, np.zeros(self._steps))
        left = self._gpus * self._each - (self.whole() - self._filled(own)) - own
        return max(float(left[steps].min()), 0.0)

    def _filled(self, taken: Floats) -> Floats:
        filled: Floats = np.ceil(taken / self._each - 1e-6) * self._each
        return filled


def parts_of(layout: Layout, modes: list[Index]) -> dict[int, Parts]:
    """Return what modes take of each pool whose GPUs are cut."""
    pools = layout.problem.pools
    found = {place: Parts(pool, layout.steps) for place, pool in enumerate(pools) if pool.mig_parts > 1}
    names = {pools[place].name: place for place in found}
    for menu, path in zip(layout.menus, modes, strict=True):
        for index, mode in enumerate(menu):
            if mode.gpus and mode.pool in names:
                found[names[mode.pool]].take(mode.limit_w, mode.gpus * (path == index).astype(float))
    return found


def level_with_room(
    rungs: tuple[Rung, ...], speed: float, count: float, parts: Parts, steps: npt.NDArray[np.integer]
) -> tuple[Rung, float]:
    """Return the level with room for most of ``count`` parts, of these the lowest that reaches a speed, and that many parts."""

    def merit(rung: Rung) -> tuple[float, float, float]:
        return min(count, parts.room(rung.limit_w, steps)), min(rung.speed, speed), -rung.limit_w

    best = max(rungs, key=merit)
    return best, merit(best)[0]
