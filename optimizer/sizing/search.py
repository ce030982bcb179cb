"""Search of a grid of designs with few simulations.

The grid is a box of whole-number coordinates; what a coordinate means is the caller's business. Stages:

    1 spread     a Halton sequence over the box (Halton 1960), its corners thinned out
    2 descend    from the best points so far: a pattern search over all neighbours at a distance that halves from
                 a quarter of each axis down to 1 (Hooke & Jeeves 1961, Torczon 1997), a round in one batch
    3 certify    the winner has no better neighbour among the 3^n - 1 around it

A design that breaks a constraint costs its price plus a penalty that grows with the breach; one that breaks
none always ranks before one that does. Equal inputs give equal results: there is no randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Evaluate = Callable[[Ints], tuple[Floats, Floats]]
"""From coordinates, shape (designs, axes), to cost and breach (0 = allowed), shape (designs,) each."""
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)
STARTS = 4


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found."""

    best: tuple[int, ...]
    """Coordinates of the best design."""
    cost: float
    breach: float
    """0 when a design that breaks no constraint was found."""
    simulations: int
    """Different designs that were simulated."""
    visited: Ints
    """Their coordinates, in the order of simulation, shape (simulations, axes)."""
    costs: Floats
    breaches: Floats


class _Book:
    """Remembers what was simulated and asks for the rest, in batches, up to a budget."""

    def __init__(self, evaluate: Evaluate, shape: Sequence[int], budget: int) -> None:
        self.evaluate = evaluate
        self.shape = tuple(shape)
        self.budget = budget
        self.known: dict[tuple[int, ...], tuple[float, float]] = {}

    def ask(self, points: Sequence[tuple[int, ...]]) -> None:
        """Simulate the points inside the box that are new, as far as the budget goes."""
        inside = [p for p in points if all(0 <= x < size for x, size in zip(p, self.shape, strict=True))]
        new = [p for p in dict.fromkeys(inside) if p not in self.known][: self.budget - len(self.known)]
        if new:
            costs, breaches = self.evaluate(np.array(new, dtype=np.int64))
            self.known.update({p: (float(c), float(b)) for p, c, b in zip(new, costs, breaches, strict=True)})

    def rank(self, point: tuple[int, ...]) -> tuple[int, float]:
        """Return the order of a known point: allowed ones first, then by cost and breach."""
        cost, breach = self.known[point]
        return (0, cost) if breach <= 0.0 else (1, cost * (1.0 + 50.0 * breach) + breach)

    def ordered(self) -> list[tuple[int, ...]]:
        """Return all known points, best first."""
        return sorted(self.known, key=lambda point: (self.rank(point), point))


def halton(count: int, shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return ``count`` well-spread coordinates of a box."""
    columns = []
    for base, size in zip(PRIMES, shape, strict=False):
        column = []
        for index in range(1, count + 1):
            fraction, scale, left = 0.0, 1.0 / base, index
            while left > 0:
                left, digit = divmod(left, base)
                fraction += digit * scale
                scale /= base
            column.append(min(size - 1, int(fraction * size)))
        columns.append(column)
    return list(zip(*columns, strict=True))


def search(evaluate: Evaluate, shape: Sequence[int], *, budget: int = 1000) -> Found:
    """Return the best design of a grid of ``shape``, found with at most ``budget`` simulations."""
    book = _Book(evaluate, shape, budget)
    total = int(np.prod(np.array(shape, dtype=np.float64)))
    book.ask(halton(min(budget // 4, max(total // 4, 8)), shape))
    for _, start in zip(range(STARTS), _apart(book.ordered(), shape), strict=False):
        _descend(book, start, shape)
    _descend(book, book.ordered()[0], shape, first_step_frac=0.0)
    best = book.ordered()[0]
    points = list(book.known)
    return Found(
        best=best,
        cost=book.known[best][0],
        breach=book.known[best][1],
        simulations=len(points),
        visited=np.array(points, dtype=np.int64),
        costs=np.array([book.known[p][0] for p in points]),
        breaches=np.array([book.known[p][1] for p in points]),
    )


def _apart(ordered: list[tuple[int, ...]], shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return good points that do not lie beside each other, best first."""
    size = np.maximum(np.array(shape, dtype=np.float64) - 1.0, 1.0)
    kept: list[tuple[int, ...]] = []
    for point in ordered:
        away = [np.abs((np.array(point) - np.array(other)) / size).max() for other in kept]
        if not away or min(away) > 0.15:
            kept.append(point)
        if len(kept) == STARTS:
            break
    return kept


def _descend(book: _Book, start: tuple[int, ...], shape: Sequence[int], *, first_step_frac: float = 0.25) -> None:
    here = start
    step = [max(1, int(size * first_step_frac)) for size in shape]
    while len(book.known) < book.budget:
        near = [
            tuple(x + move * width for x, move, width in zip(here, moves, step, strict=True))
            for moves in product((-1, 0, 1), repeat=len(shape))
            if any(moves)
        ]
        book.ask(near)
        known = [point for point in near if point in book.known]
        best = min([*known, here], key=lambda point: (book.rank(point), point))
        if best != here:
            here = best
        elif max(step) == 1:
            return
        else:
            step = [max(1, width // 2) for width in step]
