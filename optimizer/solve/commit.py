"""Commitment of gensets: two small energy models propose, the whole model decides.

The two are searched side by side, one thread each. Each proposal is a root-node solution of the energy model (families (1)
to (17)) with the relaxation's work given and some freedom to change it. One lets work be shed at 1.1 and added at 0.9 times
the price of energy, which is right where work is tied to its time; the other lets work move and be dropped at its worth,
which is right where it is not. What ran in the last plan is a third proposal, the relaxation's shares rounded two more; where
there are scenarios or no search ends in time, so is what the rules would run under darker skies. The whole model, relaxed but
for the commitment, says which is best.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from optimizer.model.build import Model
from optimizer.model.coarse import Coarse, coarse_of
from optimizer.model.energy import Flex, Load, build_energy
from optimizer.model.matrix import Floats, Index
from optimizer.model.pools import group_kw
from optimizer.rules.roll import rules_plan
from optimizer.solve.relax import Relaxed, priced_out
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session
from optimizer.solve.work import batch_kw, free_gpus, modes_kw, nodes_kw

COMMIT_NODES = 1
"""Nodes of the commitment search: its root finds the commitment, more nodes only prove what the bound proves better."""
COMMIT_SCENARIOS = 4
"""Scenarios that the search for a commitment sees: more are merged, from the darkest to the sunniest."""
ALWAYS_TRIED = 4
"""Proposals that the whole model judges however late it is."""
ROUND_UP_FROM = (0.2, 0.5)
"""Shares of a genset in the relaxation above which rounding runs it."""
DARKER = (0.25, 0.0)
"""Ranks of the scenarios, from the darkest, for which the rules propose a commitment."""
AROUND_H = 2.0
"""Hours around an interval in which the relaxation has to be sure for the search to take it as settled."""
SURE = 1e-4
SEARCH_SHARE = 0.45
"""Share of the time that a search may take; on free cores it ends by its node limit long before."""
CUT_BINS = 8
SUPPORT = 1e-5


def propose(model: Model, relaxed: Answer, modes: list[Index], deadline: Deadline) -> list[Floats]:
    """Return commitments (G x T) to choose from, the most trusted first; none without gensets."""
    layout, columns = model.layout, model.columns
    if not columns.on.size:
        return []
    work_kw, freed_kw = batch_kw(model, relaxed.values)
    it_kw = modes_kw(layout, modes) + work_kw + nodes_kw(model, relaxed.values)
    coarse = coarse_of(layout, scenarios=COMMIT_SCENARIOS)
    load = Load(it_kw=coarse.mean(it_kw), freed_kw=coarse.mean(freed_kw))
    energies = [
        build_energy(coarse.layout, load, _flex(model, coarse, relaxed, modes, work_kw, moves))
        for moves in (True, False)
    ]
    with ThreadPoolExecutor(max_workers=len(energies)) as pool:
        searched = list(pool.map(lambda energy: _search(model, energy, coarse, relaxed, deadline), energies))
    found: list[Floats] = []
    for proposal in searched:
        if proposal is not None and not any(np.array_equal(coarse.spread(proposal), other) for other in found):
            found.append(coarse.spread(proposal))
    last = last_commitment(model)
    if last is not None and not any(np.array_equal(last, other) for other in found):
        found.append(last)
    others = [rounded(model, relaxed.values[columns.on], share) for share in ROUND_UP_FROM]
    if layout.problem.scenarios or not any(proposal is not None for proposal in searched):
        others = [*_by_rules(model), *others]
    for proposal in others:
        if not any(np.array_equal(proposal, other) for other in found):
            found.append(proposal)
    return found


def choose(relaxed: Relaxed, proposals: list[Floats], deadline: Deadline) -> tuple[Floats, Relaxed]:
    """Return the best proposal and the relaxation solved with it fixed.

    Raises:
        NoPlanFoundError: no proposal could be judged in time.
    """
    model = relaxed.model
    session = relaxed.session.twin()
    best: tuple[float, Floats, Answer] | None = None
    for number, on in enumerate(proposals):
        if best is not None and number >= ALWAYS_TRIED and deadline.left_s() < 3.0 * best[2].seconds + 0.2:
            break
        session.fix(model.columns.on, on)
        cutoff = best[0] if best is not None else float("inf")
        answer, cost = priced_out(model, session, deadline.needed_s(), cutoff=cutoff)
        if answer.found and cost < cutoff:
            best = (cost, on, answer)
    if best is None:
        raise NoPlanFoundError("no commitment could be judged in time")
    return best[1], Relaxed(model=model, session=session, answer=best[2], cost=best[0])


def rounded(model: Model, relaxed_on: Floats, share: float) -> Floats:
    """Return a commitment from a relaxation's shares: as many gensets as they add up to, whole slots, run times kept."""
    layout, upper = model.layout, model.program.upper[model.columns.on]
    total = relaxed_on.sum(axis=0)
    for slot in np.unique(layout.slot):
        same = layout.slot == slot
        total[same] = total[same].max()
    count = np.ceil(total - share)
    on = (np.arange(len(relaxed_on))[:, None] < count[None, :]).astype(float)
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


def _flex(model: Model, coarse: Coarse, relaxed: Answer, modes: list[Index], work_kw: Floats, moves: bool) -> Flex:
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
    cut_kwh, cut_usd = cut_bins(model, relaxed.values, price) if moves else (np.zeros(0), np.zeros(0))
    return Flex(
        less_kw=coarse.mean(layout.cooling * work_kw),
        more_kw=coarse.mean(layout.cooling * room_kw),
        price_usd_per_kwh=coarse.mean(price),
        cut_kwh=cut_kwh,
        cut_usd_per_kwh=cut_usd,
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
    if not answer.found:
        answer = session.solve(seconds=max(budget, 0.3), gap_usd=target)
    return np.round(answer.values[energy.columns.on]) if answer.found else None


def cut_bins(model: Model, values: Floats, price: Floats) -> tuple[Floats, Floats]:
    """Return energy [kWh] and worth above the mean price [$/kWh] of the batch work that a relaxation does, in bins."""
    layout = model.layout
    energy, worth = [], []
    cooling, mean_usd = float(layout.cooling.mean()), float(np.maximum(price, 0.0).mean())
    for index, place in enumerate(layout.places):
        work = float(values[model.columns.work[index]].sum())
        job, group = layout.problem.jobs[place.job], layout.groups[place.group]
        each_kwh = cooling * float(group_kw(layout, group)[0]) / group.rungs[0].speed
        if work > SUPPORT and each_kwh > 0.0:
            energy.append(work * each_kwh)
            worth.append(job.value_usd * place.speed / job.work_gpu_h / each_kwh)
    if not energy:
        return np.zeros(1), np.zeros(1)
    order = np.argsort(worth, kind="stable")
    kwh, usd = np.array(energy)[order], np.array(worth)[order]
    parts = [part for part in np.array_split(np.arange(len(kwh)), CUT_BINS) if len(part)]
    bins = np.array([kwh[part].sum() for part in parts])
    means = np.array([(kwh[part] * usd[part]).sum() / kwh[part].sum() for part in parts])
    return bins, np.maximum(means - mean_usd, 0.05 * mean_usd)
