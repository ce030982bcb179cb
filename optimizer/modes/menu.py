"""The menu of serving modes of a service: every sensible way to run it, without the dominated ones.

Options (``optimizer.modes.options``) times replicas get their largest rate from ``sites.compute.queueing``. A
mode is dominated when another gives at least its rate, quality and P99 class (quarter of the budget) for no
more power at that rate and at idle. What is left is thinned to those that draw least at some rate of a
geometric grid, so that the scheduler's menu stays short.

All services are scored in one pass over arrays; options and operating points are kept from call to call, so
that doing it again each interval with other pools, limits or traffic costs little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.modes.options import Option, demanded, options
from optimizer.modes.scores import Ints, Rows, Scores, rows_of, score
from optimizer.workload import OFF_MODE
from sites.compute.bursts import rate_cv2_at
from sites.compute.queueing import Bursts, Floats, response_bound_s, swing_factor, variability
from sites.compute.records import ServingMode
from sites.schema.workload import Pool, Service

UTILISATION_MIN = 0.05
"""A mode that keeps its budget only when nearly empty is no mode."""


def menu(
    service: Service,
    pools: Sequence[Pool],
    *,
    limits_per_gpu: int = 5,
    max_limit_w: dict[str, float] | None = None,
    modes_max: int = 12,
    rate_cv2: Bursts = rate_cv2_at,
    with_off: bool = True,
    chained: int = 1,
) -> tuple[ServingMode, ...]:
    """Return the non-dominated serving modes of ``service`` on those of ``pools`` it may use, ascending in rate.

    The first mode serves nothing unless ``with_off`` is false; no other follows when nothing fits or keeps
    the budget (the advisor says why). ``max_limit_w`` [W] lowers the highest limit of the pools it names, for
    heat or a power envelope; ``rate_cv2`` is the variability of the request rate (``sites.compute.queueing``),
    by default that of independent users at each mode's own rate. ``chained`` is the number of stages of the longest
    chain that it is part of.

    Raises:
        InputError: a GPU or model that the catalogue does not know.
    """
    return menus(
        (service,),
        pools,
        limits_per_gpu=limits_per_gpu,
        max_limit_w=max_limit_w,
        modes_max=modes_max,
        rate_cv2=rate_cv2,
        with_off=with_off,
        chained=chained,
    )[service.name]


def menus(
    services: Sequence[Service],
    pools: Sequence[Pool],
    *,
    limits_per_gpu: int = 5,
    max_limit_w: dict[str, float] | None = None,
    modes_max: int = 12,
    rate_cv2: Bursts = rate_cv2_at,
    with_off: bool = True,
    chained: int = 1,
) -> dict[str, tuple[ServingMode, ...]]:
    """Return the menu of each service by its name, all scored at once; arguments and errors as for ``menu``."""
    ceilings = max_limit_w or {}
    found = [
        [
            option
            for pool in pools
            if pool.name in service.pools
            for option in options(service, pool, limits_per_gpu, ceilings.get(pool.name), demanded(service, chained))
        ]
        for service in services
    ]
    first = (OFF_MODE,) if with_off else ()
    if not any(found):
        return {service.name: first for service in services}
    rows = rows_of(
        found, [service.model_p99_s for service in services], [demanded(service, chained).tail for service in services]
    )
    scores = score(rows, rate_cv2)
    best = _best_of_their_kind(rows, scores)
    kept = [
        _thin(rows, scores, _front(rows, scores, best[rows.service[best] == index]), modes_max)
        for index in range(len(services))
    ]
    flat = np.array([row for each in kept for row in each], dtype=np.int64)
    p99 = dict(zip(flat.tolist(), _promise_s(rows, scores, flat, rate_cv2).tolist(), strict=True))
    return {
        service.name: first
        + tuple(
            _mode(rows, scores, row, p99[row] + service.p99_s - service.model_p99_s, found[index])
            for row in kept[index]
        )
        for index, service in enumerate(services)
    }


def _promise_s(rows: Rows, scores: Scores, chosen: Ints, rate_cv2: Bursts) -> Floats:
    """Return the promised P99 [s] of the chosen rows at their rate, swings included, never above the budget."""
    if chosen.size == 0:
        return np.zeros(0)
    slots = (rows.batch * rows.replicas)[chosen]
    service_s, budget = rows.service_s[chosen], rows.budget_s[chosen]
    v = variability(rate_cv2, scores.rate_rps[chosen])
    load = np.minimum(scores.utilisation[chosen] * swing_factor(budget, v), 0.999)
    bound = response_bound_s(slots, service_s, rows.scv[chosen], load, rows.tail[chosen], v)
    return np.minimum(bound, budget)


def _best_of_their_kind(rows: Rows, scores: Scores) -> Ints:
    """Return the rows that no other of the same service, idle draw, quality and P99 class dominates."""
    able = np.flatnonzero(scores.utilisation >= UTILISATION_MIN)
    kind = [column[able] for column in (rows.service, scores.idle_w, rows.quality, scores.p99_class)]
    order = np.lexsort((scores.busy_w[able], -scores.rate_rps[able], *kind))
    first = np.zeros(able.size, dtype=bool)
    first[:1] = True
    for column in kind:
        first[1:] |= np.diff(column[order]) != 0
    least = np.minimum.accumulate(scores.busy_w[able][order] - 1e9 * np.cumsum(first))
    fresh = first.copy()
    fresh[1:] |= least[1:] < least[:-1]
    return np.asarray(able[order[fresh]])


def _front(rows: Rows, scores: Scores, mine: Ints) -> Ints:
    """Return those of ``mine``, the best of their kind, that none of another kind dominates."""
    rate, busy, idle = scores.rate_rps[mine], scores.busy_w[mine], scores.idle_w[mine]
    grade, tier = rows.quality[mine], scores.p99_class[mine]
    better = (rate[:, None] >= rate) & (busy[:, None] <= busy) & (idle[:, None] <= idle)
    better &= (grade[:, None] >= grade) & (tier[:, None] <= tier)
    same = better & better.T
    better &= ~(same & (np.arange(mine.size)[:, None] >= np.arange(mine.size)))
    return np.asarray(mine[~better.any(axis=0)])


def _thin(rows: Rows, scores: Scores, front: Ints, modes_max: int) -> list[int]:
    """Return at most ``modes_max`` rows that draw least at some rate of a geometric grid, per quality, by rate."""
    if front.size == 0:
        return []
    picked: set[int] = set()
    grades = np.unique(rows.quality[front])
    share = max(modes_max // len(grades), 2)
    for grade in grades:
        mine = front[rows.quality[front] == grade]
        rate, idle, busy = scores.rate_rps[mine], scores.idle_w[mine], scores.busy_w[mine]
        targets = np.geomspace(rate.min(), rate.max(), share)[:, None] * (1.0 - 1e-9)
        drawn = idle + (busy - idle) * np.minimum(targets / rate, 1.0)
        picked.update(mine[np.where(rate >= targets, drawn, np.inf).argmin(axis=1)].tolist())
    return sorted(picked, key=lambda row: (float(scores.rate_rps[row]), float(scores.busy_w[row])))


def _mode(rows: Rows, scores: Scores, row: int, p99_s: float, found: list[Option]) -> ServingMode:
    each = found[int(rows.option[row])]
    replicas = int(rows.replicas[row])
    group = f" {'pp' if each.pipeline else 'tp'}{each.group}" if each.group > 1 else ""
    draft = " draft" if each.speculative else ""
    busy_w = float(scores.busy_w[row])
    return ServingMode(
        name=f"{each.pool} {each.precision}{draft}{group} b{each.point.slots} x{replicas} @ {each.limit_w:g} W",
        pool=each.pool,
        profile=each.point.profile,
        precision=each.precision,
        speculative=each.speculative,
        replicas=replicas,
        gpus=replicas * each.group,
        limit_w=each.limit_w,
        slots=each.point.slots * replicas,
        service_s=each.point.service_s,
        service_scv=each.scv,
        rate_rps=float(scores.rate_rps[row]),
        idle_w=float(scores.idle_w[row]),
        busy_w=busy_w,
        single_w=each.single_w * each.group * replicas,
        p99_s=p99_s,
        quality=each.quality,
    )
