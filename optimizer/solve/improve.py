"""Improve a commitment by small changes, each judged by the whole model relaxed but for the commitment.

The cost V(on) of that linear program is convex in the commitment, so its reduced costs r bound every change from below:

    V(on') >= V(on) + r . (on' - on)                                                                          (1)

Only changes with a negative right side can pay, and those that promise most are tried first. Changes of one genset: one run
more, one run less, a run that begins or ends earlier or later, the rest between two runs filled; and a run taken over by
another genset. Each round takes the first change that pays; the search ends when none does, after ``JUDGED`` trials, or by
the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats
from optimizer.solve.relax import Relaxed, priced_out
from optimizer.solve.session import Deadline

JUDGED = 60
"""Changes tried at most, so that an idle machine always tries the same ones."""
IN_A_ROUND = 16
"""Changes tried before a round gives up."""
ENOUGH_SHARE = 0.1
"""Share of the gap asked for at which there is nothing left to look for."""
MOVES_H = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Hours by which a run begins or ends earlier or later."""
RUN_LENGTHS = (1.0, 2.0, 4.0)
"""Lengths of a new run, in minimum run times."""
SHORTEST_RUN_H = 0.5
TIME_SHARE = 0.5
"""Share of the time left that may be spent."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A commitment that differs in one run."""

    kind: str
    promise_usd: float
    """Right side of (1) less V(on): negative where it may pay."""
    on: Floats


def improve(fixed: Relaxed, on: Floats, *, bound_cost: float, deadline: Deadline) -> tuple[Floats, Relaxed]:
    """Return a commitment (G x T) at least as good and the relaxation solved with it fixed.

    Args:
        fixed: relaxation solved with ``on`` fixed; its session is used.
        on: commitment to improve.
        bound_cost: no commitment costs less.
        deadline: of the plan; half of what is left of it may be used.
    """
    model, session = fixed.model, fixed.session
    budget_s = TIME_SHARE * deadline.left_s()
    begin_s = deadline.spent_s()
    enough = ENOUGH_SHARE * model.layout.problem.limits.gap_frac * max(1.0, abs(bound_cost))
    best, judged = fixed, 0
    seen = {on.tobytes()}
    while judged < JUDGED and best.cost - bound_cost > enough:
        better = None
        for change in _in_turn(changes(model.layout, on, best.answer.reduced[model.columns.on], _allowed(best)), seen):
            spent_s = deadline.spent_s() - begin_s
            if judged >= JUDGED or spent_s + 2.0 * best.answer.seconds > budget_s:
                break
            seen.add(change.on.tobytes())
            judged += 1
            session.fix(model.columns.on, change.on)
            answer, cost = priced_out(model, session, budget_s - spent_s, cutoff=best.cost - enough)
            if answer.found and cost < best.cost - enough:
                better = (change.on, Relaxed(model=model, session=session, answer=answer, cost=cost))
                break
        if better is None:
            break
        on, best = better
    return on, best


def _allowed(fixed: Relaxed) -> Floats:
    """Return 1 where a genset may run."""
    return np.asarray(fixed.model.program.upper[fixed.model.columns.on])


def _in_turn(found: list[Change], seen: set[bytes]) -> Iterator[Change]:
    """Yield the most promising new change of each kind in turn."""
    queues: dict[str, list[Change]] = {}
    for change in sorted(found, key=lambda each: each.promise_usd):
        queues.setdefault(change.kind, []).append(change)
    yielded = 0
    while queues and yielded < IN_A_ROUND:
        for kind in list(queues):
            while queues[kind] and queues[kind][0].on.tobytes() in seen:
                queues[kind].pop(0)
            if not queues[kind]:
                del queues[kind]
                continue
            yielded += 1
            yield queues[kind].pop(0)


def changes(layout: Layout, on: Floats, reduced: Floats, allowed: Floats) -> list[Change]:
    """Return every change of one run that may pay by (1) and keeps run and rest times.

    Args:
        layout: sizes and gensets.
        on: commitment, G x T.
        reduced: reduced costs of the commitment [$], G x T.
        allowed: 1 where a genset may run, G x T.
    """
    found = []
    for place in range(len(on)):
        for kind, row in _rows(layout, place, on):
            other = on.copy()
            other[place] = row
            found.append((kind, other))
        found += [("taken over", other) for other in _taken_over(on, place)]
    kept = []
    for kind, other in found:
        promise = float((reduced * (other - on)).sum())
        if promise < -1e-6 and np.all(other <= allowed) and _keeps_times(layout, other, on):
            kept.append(Change(kind=kind, promise_usd=promise, on=other))
    return kept


def _rows(layout: Layout, place: int, on: Floats) -> Iterator[tuple[str, Floats]]:
    row, start_h = on[place], layout.start_h
    runs = runs_of(row)
    least_h = max(layout.problem.gensets[place].min_run_h, SHORTEST_RUN_H)
    for step in map(int, np.flatnonzero(row < 0.5)):
        for length in RUN_LENGTHS:
            last = int(np.searchsorted(start_h[:-1], start_h[step] + length * least_h - 1e-9))
            yield f"run of {length:g}", _with(row, step, last, 1.0)
    for number, (first, last) in enumerate(runs):
        yield "one run less", _with(row, first, last, 0.0)
        if number:
            yield "rest filled", _with(row, runs[number - 1][1], first, 1.0)
        for hours in MOVES_H:
            earlier = int(np.searchsorted(start_h[:-1], start_h[first] - hours + 1e-9))
            later = int(np.searchsorted(start_h[:-1], start_h[first] + hours - 1e-9))
            sooner = int(np.searchsorted(start_h[:-1], start_h[last] - hours + 1e-9))
            longer = int(np.searchsorted(start_h[:-1], start_h[last] + hours - 1e-9))
            yield "begins earlier", _with(row, earlier, first, 1.0)
            yield "begins later", _with(row, first, min(later, last), 0.0)
            yield "ends earlier", _with(row, max(sooner, first), last, 0.0)
            yield "ends later", _with(row, last, longer, 1.0)
            yield "moved earlier", _with(_with(row, max(sooner, first), last, 0.0), earlier, first, 1.0)
            yield "moved later", _with(_with(row, first, min(later, last), 0.0), last, longer, 1.0)


def _taken_over(on: Floats, place: int) -> Iterator[Floats]:
    for first, last in runs_of(on[place]):
        for other in range(len(on)):
            if other != place and not on[other, first:last].any():
                swapped = on.copy()
                swapped[place, first:last], swapped[other, first:last] = 0.0, 1.0
                yield swapped


def _with(row: Floats, first: int, last: int, value: float) -> Floats:
    changed = row.copy()
    changed[first:last] = value
    return changed


def runs_of(row: Floats) -> list[tuple[int, int]]:
    """Return (first, one past the last) interval of each run of a genset."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], row, [0.0]])))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _keeps_times(layout: Layout, on: Floats, before: Floats) -> bool:
    """Return whether the rows that changed keep minimum run and rest times, the past included."""
    end_h = layout.start_h[-1]
    for place in np.flatnonzero(np.any(on != before, axis=1)):
        genset = layout.problem.gensets[place]
        runs = [(float(layout.start_h[first]), float(layout.start_h[last])) for first, last in runs_of(on[place])]
        past_h = 0.0 if not genset.on else -genset.hours_in_state
        if genset.on and (not runs or runs[0][0] > 0.0):
            runs.insert(0, (past_h, 0.0))
        elif genset.on:
            runs[0] = (past_h, runs[0][1])
        elif runs and runs[0][0] + genset.hours_in_state < genset.min_down_h - 1e-9:
            return False
        if any(last - first < genset.min_run_h - 1e-9 and last < end_h - 1e-9 for first, last in runs):
            return False
        if any(b[0] - a[1] < genset.min_down_h - 1e-9 for a, b in pairwise(runs)):
            return False
    return True
