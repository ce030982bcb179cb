"""Commitment of gensets: roundings and a search propose, small changes improve, the whole model decides.

At hand at once: what ran in the last plan, the relaxation's shares summed up and rounded, and where there are scenarios what
the rules would run under darker skies. The best of them is improved by small changes (``improve.py``). Meanwhile a thread
searches: a root-node solution of the energy model (families (1) to (17), (33), (34)) on a coarser grid, with the relaxation's
work given and some freedom to shed it at 1.1 and to add at 0.9 times the price of energy. The whole model, relaxed but for the
commitment, says which is best; if it is what the search found, that is improved in turn.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.build import Model
from optimizer.model.coarse import Coarse, coarse_of
from optimizer.model.energy import Flex, Load, build_energy
from optimizer.model.matrix import Floats, Index
from optimizer.model.pools import group_kw
from optimizer.rules.roll import rules_plan
from optimizer.solve.improve import improve
from optimizer.solve.relax import Relaxed, priced_out
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session
from optimizer.solve.work import batch_kw, free_gpus, modes_kw, nodes_kw

COMMIT_NODES = 1
"""Nodes of the commitment search: its root finds the commitment, more nodes only prove what the bound proves better."""
COMMIT_SCENARIOS = 4
"""Scenarios that the search for a commitment sees: more are merged, from the darkest to the sunniest."""
ALWAYS_TRIED = 4
"""Proposals that the whole model judges however late it is."""
ROUND_UP_FROM = (0.5, 0.2)
"""Shares of a genset in the relaxation above which rounding runs it."""
SUM_UP_H = (2.0, 4.0)
"""Hours that sum-up rounding runs a genset at once: 2 h came within 0.55 % of the relaxation on the benchmark's problems, where
shares rounded one by one came within 1 to 6 %."""
DARKER = (0.25, 0.0)
"""Ranks of the scenarios, from the darkest, for which the rules propose a commitment."""
AROUND_H = 2.0
"""Hours around an interval in which the relaxation has to be sure for the search to take it as settled."""
SURE = 1e-4
SEARCH_SHARE = 0.45
"""Share of the time that a search may take; on free cores it ends by its node limit long before."""

Judged = tuple[Floats, Relaxed]
"""A commitment and the relaxation solved with it fixed."""


def commit(relaxed: Relaxed, modes: list[Index], deadline: Deadline) -> tuple[Floats, Relaxed]:
    """Return a commitment (G x T) and the relaxation solved with it fixed; without gensets the relaxation as it is.

    Raises:
        NoPlanFoundError: no commitment could be judged in time.
    """
    model = relaxed.model
    if not model.columns.on.size:
        return np.zeros((0, model.layout.steps)), relaxed
    coarse = coarse_of(model.layout, scenarios=COMMIT_SCENARIOS)
    energy = _energy(relaxed, coarse, modes)
    judge = Judge(model=model, session=relaxed.session.twin(), deadline=deadline)
    with ThreadPoolExecutor(max_workers=1) as pool:
        search = pool.submit(_search, model, energy, coarse, relaxed.answer, deadline)
        best = judge.best(at_hand(model, relaxed.answer), None)
        if best is not None:
            best = improve(best[1], best[0], bound_cost=relaxed.cost, deadline=deadline)
        found = search.result()
    others = [coarse.spread(found)] if found is not None else _by_rules(model)
    better = judge.best(others, best)
    if better is None:
        raise NoPlanFoundError("no commitment could be judged in time")
    if better is not best:
        better = improve(better[1], better[0], bound_cost=relaxed.cost, deadline=deadline)
    return better


def at_hand(model: Model, relaxed: Answer) -> list[Floats]:
    """Return commitments (G x T) that need no search, the most trusted first."""
    last = last_commitment(model)
    proposals = [last] if last is not None else []
    shares = relaxed.values[model.columns.on]
    proposals += [summed_up(model, shares, block_h) for block_h in SUM_UP_H]
    proposals += [rounded(model, shares, share) for share in ROUND_UP_FROM]
    if model.layout.problem.scenarios:
        proposals += _by_rules(model)
    return proposals


@dataclass(kw_only=True)
class Judge:
    """The whole model, relaxed but for the commitment: it says what a commitment costs."""

    model: Model
    session: Session
    deadline: Deadline
    seen: set[bytes] = field(default_factory=set)

    def best(self, proposals: list[Floats], best: Judged | None) -> Judged | None:
        """Return the best of proposals and of ``best``; what comes after the first few may be skipped for lack of time."""
        for number, on in enumerate(proposals):
            late = best is not None and self.deadline.left_s() < 3.0 * best[1].answer.seconds + 0.2
            if on.tobytes() in self.seen or (late and number >= ALWAYS_TRIED):
                continue
            self.seen.add(on.tobytes())
            cutoff = best[1].cost if best is not None else float("inf")
            self.session.fix(self.model.columns.on, on)
            answer, cost = priced_out(self.model, self.session, self.deadline.needed_s(), cutoff=cutoff)
            if answer.found and cost < cutoff:
                best = (on, Relaxed(model=self.model, session=self.session, answer=answer, cost=cost))
        return best


def rounded(model: Model, relaxed_on: Floats, share: float) -> Floats:
    """Return a commitment from a relaxation's shares: as many gensets as they add up to, whole slots, run times kept."""
    layout = model.layout
    total = relaxed_on.sum(axis=0)
    for slot in np.unique(layout.slot):
        same = layout.slot == slot
        total[same] = total[same].max()
    return _obeying(model, np.ceil(total - share))


def summed_up(model: Model, relaxed_on: Floats, block_h: float) -> Floats:
    """Return a commitment that runs as long as the relaxation's shares add up to, ``block_h`` at once: sum-up rounding.

    Where a relaxation runs a genset by a third all night, this runs it whole for a third of the night. Source: Sager,
    *Numerical methods for mixed-integer optimal control problems* (2005).
    """
    layout = model.layout
    whole = np.floor(relaxed_on.sum(axis=0) + SURE)
    share = np.maximum(0.0, relaxed_on.sum(axis=0) - whole)
    count, extra, owed_h = whole.copy(), 0.0, 0.0
    for step, hours in enumerate(layout.hours):
        if owed_h + share[step] * hours >= block_h / 2.0:
            extra = 1.0
        elif owed_h <= -block_h / 2.0 or share[step] <= SURE:
            extra = 0.0
        owed_h += (share[step] - extra) * hours
        count[step] += extra
    return _obeying(model, count)


def _obeying(model: Model, count: Floats) -> Floats:
    """Return the commitment of so many gensets by interval, the first ones first, with run and rest times kept."""
    layout, upper = model.layout, model.program.upper[model.columns.on]
    on = (np.arange(len(upper))[:, None] < count[None, :]).astype(float)
    for place, genset in enumerate(layout.problem.gensets):
        row = on[place]
        if genset.on:
            row[layout.start_h[:-1] < genset.min_run_h - genset.hours_in_state] = 1.0
        for step in range(1, layout.steps):
            if row[step] < row[step - 1]:
                ran = layout.start_h[step] - layout.start_h[_run_start(row, step - 1)]
                row[step] = 1.0 if ran < genset.min_run_h else 0.0
        starts = np.flatnonzero(row[1:] > row[:-1]) + 1
        for step in map(int, starts):
            rest = np.flatnonzero(row[:step] > 0.5)
            if len(rest) and layout.start_h[step] - layout.start_h[rest[-1] + 1] < genset.min_down_h:
                row[rest[-1] : step] = 1.0
    return np.asarray(np.minimum(on, upper))


def _run_start(row: Floats, step: int) -> int:
    while step > 0 and row[step - 1] > 0.5:
        step -= 1
    return step


def _by_rules(model: Model) -> list[Floats]:
    """Return what the rules would run in darker scenarios and on the expected sun: for when the search sees few of them."""
    problem = model.layout.problem
    darkest_first = sorted(problem.scenarios, key=lambda each: float(np.dot(each.pv_available_kw, problem.hours)))
    skies = [darkest_first[int(rank * len(darkest_first))].pv_available_kw for rank in DARKER if darkest_first]
    found = []
    for sky in (*skies, problem.pv_available_kw):
        rows = rules_plan(problem.model_copy(update={"pv_available_kw": sky, "scenarios": ()})).intervals
        on = np.array([[float(now.on) for now in row.gensets] for row in rows]).T
        found.append(np.asarray(np.minimum(on, model.program.upper[model.columns.on])))
    return found


def last_commitment(model: Model) -> Floats | None:
    """Return what the last plan ran, where it is on this grid and breaks no bound."""
    last, columns = model.layout.problem.last_plan, model.columns
    if last is None or len(last.genset_on) != len(columns.on):
        return None
    if any(len(row) != model.layout.steps for row in last.genset_on):
        return None
    on = np.array(last.genset_on, dtype=float)
    return np.asarray(np.minimum(on, model.program.upper[columns.on]))


def _energy(relaxed: Relaxed, coarse: Coarse, modes: list[Index]) -> Model:
    """Return the energy model that the search sees."""
    model, values = relaxed.model, relaxed.answer.values
    work_kw, freed_kw = batch_kw(model, values)
    it_kw = modes_kw(model.layout, modes) + work_kw + nodes_kw(model, values)
    load = Load(it_kw=coarse.mean(it_kw), freed_kw=coarse.mean(freed_kw))
    return build_energy(coarse.layout, load, _flex(model, coarse, relaxed.answer, modes, work_kw))


def _flex(model: Model, coarse: Coarse, relaxed: Answer, modes: list[Index], work_kw: Floats) -> Flex:
    layout, columns = model.layout, model.columns
    price = relaxed.row_duals[model.rows.balance].sum(axis=0) / layout.hours
    room_kw = np.zeros(layout.steps)
    used = np.zeros((len(layout.problem.pools), layout.steps))
    for number, group in enumerate(layout.groups):
        used[group.pool] += relaxed.values[columns.batch[number]].sum(axis=0)
    spare = np.maximum(0.0, free_gpus(layout, modes) - used)
    for place in range(len(layout.problem.pools)):
        each = [group_kw(layout, group)[-1] for group in layout.groups if group.pool == place]
        room_kw += spare[place] * max(each, default=0.0)
    return Flex(
        less_kw=coarse.mean(layout.cooling * work_kw),
        more_kw=coarse.mean(layout.cooling * room_kw),
        price_usd_per_kwh=coarse.mean(price),
        hourly_after_h=2.0,
    )


def _in_doubt(coarse: Coarse, on: Floats) -> tuple[Floats, Floats]:
    """Return bounds on the commitment: gensets stay off, or on, where the relaxation has all of them so for a while."""
    layout = coarse.layout
    total = coarse.mean(on).sum(axis=0)
    first = np.searchsorted(layout.start_h[1:], layout.start_h[:-1] - AROUND_H)
    last = np.searchsorted(layout.start_h[:-1], layout.start_h[1:] + AROUND_H, side="right")
    most = np.array([total[low:high].max() for low, high in zip(first, last, strict=True)])
    least = np.array([total[low:high].min() for low, high in zip(first, last, strict=True)])
    shape = (len(on), layout.steps)
    low = np.broadcast_to(least > len(on) - SURE, shape).astype(np.float64)
    high = np.broadcast_to(most > SURE, shape).astype(np.float64)
    return low, high


def _search(model: Model, energy: Model, coarse: Coarse, relaxed: Answer, deadline: Deadline) -> Floats | None:
    session = Session(energy.program)
    session.integers(energy.program.integer)
    session.quick_heuristics()
    low, high = _in_doubt(coarse, relaxed.values[model.columns.on])
    session.bounds(energy.columns.on, low, np.minimum(high, energy.program.upper[energy.columns.on]))
    rest_s = max(0.3, 2.0 * relaxed.seconds)
    budget = max(0.3, min(SEARCH_SHARE * deadline.seconds, deadline.left_s() - rest_s))
    target = 0.25 * model.layout.problem.limits.gap_frac * max(1.0, abs(relaxed.cost))
    answer = session.solve(seconds=budget, gap_usd=target, nodes=COMMIT_NODES)
    return np.round(answer.values[energy.columns.on]) if answer.found else None
