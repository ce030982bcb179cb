"""The menu of serving modes of a service: every sensible (pool, precision, draft, group, batch, limit,
replicas), without the dominated.

Candidates: accepted precisions x draft model or not x GPU groups the model fits on x batches (powers of two
up to memory) x power limits x replicas. Each gets its service time from ``sites.compute.point`` and its
largest rate from ``sites.compute.queueing``. A mode is dominated when another gives at least its rate,
quality and P99 class for no more power at full rate and at idle. What is left is thinned to those that draw
least at some rate of a geometric grid, so the scheduler's menu stays short."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sites.catalog.records import Precision
from sites.compute.hardware import GpuSpec, ItemSpec, LlmSpec, gpu_spec, model_spec, quality
from sites.compute.levels import limit_steps_w
from sites.compute.point import Point, group_link, item_point, item_slots_max, llm_point, llm_slots_max
from sites.compute.queueing import RATE_CV2, Floats, response_bound_s, sustained_rate_rps
from sites.compute.records import ServingMode
from sites.schema.workload import Pool, Service

TOKENS_SCV = 0.6
"""Squared coefficient of variation of the answer length; 0.595 on the Azure 2023 conversation trace."""
ITEMS_SCV = 0.05
"""Spread of the service time of per-item models (estimated): the work is fixed, the clock is not."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
GROUPS = (1, 2, 4, 8)
_P99_CLASSES = 4
UTILISATION_MIN = 0.05
"""A mode that keeps its budget only when nearly empty is no mode."""


class Candidate(NamedTuple):
    """One replica of a mode."""

    pool: str
    precision: Precision
    speculative: bool
    group: int
    batch: int
    limit_w: float
    point: Point
    single_w: float
    idle_w: float
    quality: float
    replicas_max: int


class _Scored(NamedTuple):
    """Candidates times replicas, as arrays."""

    candidate: Floats
    replicas: Floats
    rate_rps: Floats
    idle_w: Floats
    busy_w: Floats
    p99_s: Floats
    quality: Floats
    utilisation: Floats


@lru_cache(maxsize=1024)
def menu(
    service: Service,
    pools: tuple[Pool, ...],
    *,
    limits_per_gpu: int = 5,
    modes_max: int = 12,
    rate_cv2: float = RATE_CV2,
    with_off: bool = True,
) -> tuple[ServingMode, ...]:
    """Return the non-dominated serving modes of ``service`` on those of ``pools`` it may use, ascending in
    rate.

    The first mode serves nothing unless ``with_off`` is false. Empty of other modes when nothing fits or
    keeps the budget; the advisor says why. ``rate_cv2`` is the variability of the request rate
    (``sites.compute.queueing``).

    Raises:
        InputError: a GPU or model that the catalogue does not know.
    """
    found = candidates(service, pools, limits_per_gpu)
    modes: list[ServingMode] = [off_mode()] if with_off else []
    if found:
        scored = _score(service, found, rate_cv2)
        keep = _thin(scored, _front(scored, service.p99_s), modes_max)
        modes += [_mode(scored, index, found) for index in keep]
    return tuple(modes)


def off_mode() -> ServingMode:
    """Return the mode that serves nothing and draws nothing."""
    return ServingMode(
        name="off",
        pool="",
        profile="decode",
        precision="fp16",
        replicas=0,
        gpus=0,
        limit_w=0.0,
        slots=0,
        service_s=0.0,
        service_scv=0.0,
        rate_rps=0.0,
        idle_w=0.0,
        busy_w=0.0,
        p99_s=0.0,
        quality=0.0,
    )


def candidates(service: Service, pools: Sequence[Pool], limits_per_gpu: int = 5) -> list[Candidate]:
    """Return every replica that fits in memory and whose mean service time alone is within the budget."""
    model = model_spec(service.model)
    found: list[Candidate] = []
    for pool in pools:
        if pool.name not in service.pools:
            continue
        gpu = gpu_spec(pool.gpu)
        limits = limit_steps_w(gpu, limits_per_gpu)
        for precision in service.precisions:
            if isinstance(model, LlmSpec):
                for draft in (False, True) if service.speculative and model.draft else (False,):
                    found += _llm_candidates(service, pool, gpu, model, precision, draft, limits)
            else:
                found += _item_candidates(service, pool, gpu, model, precision, limits)
    return found


def _llm_candidates(
    service: Service,
    pool: Pool,
    gpu: GpuSpec,
    model: LlmSpec,
    precision: Precision,
    draft: bool,
    limits: Sequence[float],
) -> list[Candidate]:
    context = service.request.input_tokens + service.request.output_tokens
    found: list[Candidate] = []
    sizes = 0
    for group in GROUPS:
        if group > pool.gpus_per_node or sizes == 2:
            break
        most = llm_slots_max(gpu, model, precision, context, group, draft)
        if most < 1:
            continue
        sizes += 1
        link = group_link(gpu, pool.interconnect, group)
        replicas = min(service.replicas_max, pool.nodes * (pool.gpus_per_node // group))
        for limit in limits:
            for batch in BATCHES:
                if batch > most:
                    break
                point = llm_point(
                    gpu,
                    model,
                    precision,
                    batch,
                    limit,
                    service.request.input_tokens,
                    service.request.output_tokens,
                    link,
                    draft,
                )
                if point.service_s > service.p99_s:
                    break
                single = point if batch == 1 else found[-1].point if found[-1].batch == 1 else None
                single_w = single.power_w if single else found[-1].single_w
                found.append(
                    Candidate(
                        pool.name,
                        precision,
                        draft,
                        group,
                        batch,
                        limit,
                        point,
                        single_w,
                        gpu.limits.idle_w,
                        quality(precision, model.native),
                        replicas,
                    )
                )
    return found


def _item_candidates(
    service: Service, pool: Pool, gpu: GpuSpec, model: ItemSpec, precision: Precision, limits: Sequence[float]
) -> list[Candidate]:
    most = item_slots_max(gpu, model, precision)
    found: list[Candidate] = []
    replicas = min(service.replicas_max, pool.gpus)
    for limit in limits:
        for batch in BATCHES:
            if batch > most:
                break
            point = item_point(gpu, model, precision, batch, limit, service.request.units)
            if point.service_s > service.p99_s:
                break
            single_w = point.power_w if batch == 1 else found[-1].single_w
            found.append(
                Candidate(
                    pool.name,
                    precision,
                    False,
                    1,
                    batch,
                    limit,
                    point,
                    single_w,
                    gpu.limits.idle_w,
                    quality(precision),
                    replicas,
                )
            )
    return found


def service_scv(point: Point) -> float:
    """Return the squared coefficient of variation of the service time of ``point``."""
    return TOKENS_SCV * point.variable_frac**2 if point.itl_s > 0.0 else ITEMS_SCV


def _score(service: Service, found: list[Candidate], rate_cv2: float) -> _Scored:
    counts = np.array([each.replicas_max for each in found])
    which = np.repeat(np.arange(len(found)), counts)
    replicas = np.concatenate([np.arange(1, count + 1) for count in counts]).astype(np.float64)
    columns = np.array(
        [
            (
                c.point.slots,
                c.point.service_s,
                service_scv(c.point),
                c.point.power_w * c.group,
                c.idle_w * c.group,
                c.quality,
            )
            for c in found
        ]
    )[which].T
    batch, service_s, scv, power_w, idle_w, grade = columns
    slots = batch * replicas
    rate = sustained_rate_rps(slots, service_s, scv, service.p99_s, rate_cv2=rate_cv2)
    utilisation = rate * service_s / slots
    busy_frac = -np.expm1(-utilisation * batch)
    return _Scored(
        candidate=which.astype(np.float64),
        replicas=replicas,
        rate_rps=rate,
        idle_w=replicas * idle_w,
        busy_w=replicas * (idle_w + np.maximum(power_w - idle_w, 0.0) * busy_frac),
        p99_s=response_bound_s(slots, service_s, scv, utilisation, rate_cv2=rate_cv2),
        quality=grade,
        utilisation=utilisation,
    )


def _front(scored: _Scored, budget_s: float) -> list[int]:
    """Return the non-dominated rows: first within equal idle draw, quality and P99 class, then across."""
    p99_class = np.ceil(_P99_CLASSES * np.minimum(scored.p99_s / budget_s, 1.0))
    order = np.lexsort((scored.busy_w, -scored.rate_rps, p99_class, -scored.quality, scored.idle_w))
    kept: list[int] = []
    last: tuple[float, float, float] | None = None
    least_w = np.inf
    for row in order[scored.utilisation[order] >= UTILISATION_MIN].tolist():
        group = (float(scored.idle_w[row]), float(scored.quality[row]), float(p99_class[row]))
        if group != last:
            last, least_w = group, np.inf
        if scored.busy_w[row] < least_w:
            least_w = float(scored.busy_w[row])
            kept.append(row)
    rows = np.array(kept, dtype=np.int64)
    if rows.size == 0:
        return []
    rate, busy, idle = scored.rate_rps[rows], scored.busy_w[rows], scored.idle_w[rows]
    grade, tier = scored.quality[rows], p99_class[rows]
    better = (
        (rate[:, None] >= rate)
        & (busy[:, None] <= busy)
        & (idle[:, None] <= idle)
        & (grade[:, None] >= grade)
        & (tier[:, None] <= tier)
    )
    np.fill_diagonal(better, False)
    better &= ~(better & better.T & (np.arange(rows.size)[:, None] > np.arange(rows.size)))
    return [int(row) for row in rows[~better.any(axis=0)]]


def _thin(scored: _Scored, rows: list[int], modes_max: int) -> list[int]:
    """Return at most ``modes_max`` rows that draw least at some rate of a geometric grid, per quality,
    ascending in rate."""
    if not rows:
        return []
    picked: set[int] = set()
    grades = sorted({float(scored.quality[row]) for row in rows}, reverse=True)
    share = max(modes_max // len(grades), 1)
    for grade in grades:
        mine = np.array([row for row in rows if scored.quality[row] == grade])
        rate, idle, busy = scored.rate_rps[mine], scored.idle_w[mine], scored.busy_w[mine]
        for target in np.geomspace(rate.min(), rate.max(), share):
            drawn = idle + (busy - idle) * np.minimum(target * (1 - 1e-9) / rate, 1.0)
            picked.add(int(mine[np.where(rate >= target * (1 - 1e-9), drawn, np.inf).argmin()]))
    return sorted(picked, key=lambda row: (float(scored.rate_rps[row]), float(scored.busy_w[row])))


def _mode(scored: _Scored, row: int, found: list[Candidate]) -> ServingMode:
    each = found[int(scored.candidate[row])]
    replicas = int(scored.replicas[row])
    group = f" tp{each.group}" if each.group > 1 else ""
    draft = " draft" if each.speculative else ""
    return ServingMode(
        name=f"{each.pool} {each.precision}{draft}{group} b{each.batch} x{replicas} @ {each.limit_w:g} W",
        pool=each.pool,
        profile=each.point.profile,
        precision=each.precision,
        speculative=each.speculative,
        replicas=replicas,
        gpus=replicas * each.group,
        limit_w=each.limit_w,
        slots=each.batch * replicas,
        service_s=each.point.service_s,
        service_scv=service_scv(each.point),
        rate_rps=float(scored.rate_rps[row]),
        idle_w=float(scored.idle_w[row]),
        busy_w=float(scored.busy_w[row]),
        single_w=each.single_w * each.group * replicas,
        p99_s=float(scored.p99_s[row]),
        quality=each.quality,
    )
