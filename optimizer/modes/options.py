"""Replicas a service could run: every (pool, precision, draft model, GPU group, batch, power limit) that fits
and is fast enough.

Of the batches only the two largest are kept whose service time alone keeps the budget: a batch is a ceiling
on concurrency, so a smaller one saves nothing at low load. Limits above the natural draw do what the next
lower one does and are left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

from sites.catalog.records import Precision
from sites.compute.chain import OTHERS_SHARE
from sites.compute.decode import GroupLink
from sites.compute.hardware import GpuSpec, ItemSpec, LlmSpec, model_spec, quality
from sites.compute.items import item_point, item_slots_max
from sites.compute.levels import limit_steps_w
from sites.compute.point import Point, group_link, llm_point, llm_slots_max
from sites.compute.pool_gpu import pool_gpu
from sites.schema.workload import Pool, Service

TOKENS_SCV = 0.6
"""Squared coefficient of variation of the answer length; 0.595 on the Azure 2023 conversation trace."""
ITEMS_SCV = 0.05
"""Spread of the service time of per-item models (estimated): the work is fixed, the clock is not."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
GROUPS = (1, 2, 4, 8)
BATCHES_KEPT = 2
TAIL = 0.01
"""Share of requests that may exceed the budget: P99."""
TIGHTEST_TAIL = 0.001
"""For the class under 100 ms, where a late answer is a wrong one: P99.9."""


class Demanded(NamedTuple):
    """What a workload asks for besides its service entry."""

    tail: float = TAIL
    """Share of requests that may exceed the budget."""
    tokens_scv: float = TOKENS_SCV
    """Squared coefficient of variation of the answer's length."""
    batch_max: int = BATCHES[-1]
    """Most requests at once a replica; 1 for a device that serves nobody else."""
    group_sizes: int = 2
    """Sizes of GPU groups to try, from the smallest that fits."""


PLAIN = Demanded()


class Option(NamedTuple):
    """One replica."""

    pool: str
    precision: Precision
    speculative: bool
    group: int
    """GPUs of one replica."""
    pipeline: bool
    """Layers split over the group's GPUs one after the other; else each layer over all."""
    limit_w: float
    point: Point
    scv: float
    """Squared coefficient of variation of its service time."""
    single_w: float
    """Draw of one of its GPUs with one request in service."""
    idle_w: float
    """Draw of one of its GPUs without work."""
    quality: float
    replicas_max: int


def demanded(service: Service, chained: int = 1) -> Demanded:
    """Return what a service of a site asks for: P99, or P99.9 in the class under 100 ms; less beside other stages.

    The stages of a chain of ``chained`` services share out the late requests alike.
    """
    tail = (TIGHTEST_TAIL if service.latency_class == "under-100ms" else TAIL) / chained
    return Demanded(tail=tail * (1.0 - OTHERS_SHARE) if service.stages else tail)


def service_scv(point: Point, tokens_scv: float = TOKENS_SCV) -> float:
    """Return the squared coefficient of variation of the service time of ``point``."""
    return tokens_scv * point.variable_frac**2 if point.itl_s > 0.0 else ITEMS_SCV


def service_quantile_s(point: Point, demand: Demanded) -> float:
    """Return the service time [s] exceeded in the tail, lognormal, without any wait."""
    sigma2 = math.log1p(service_scv(point, demand.tokens_scv))
    return point.service_s * math.exp(_z(demand.tail) * math.sqrt(sigma2) - 0.5 * sigma2)


@lru_cache(maxsize=4096)
def options(
    service: Service,
    pool: Pool,
    limits_per_gpu: int,
    max_limit_w: float | None,
    demand: Demanded = PLAIN,
) -> tuple[Option, ...]:
    """Return the replicas of ``service`` on ``pool`` that fit in memory and keep the budget when alone.

    ``demand`` says what the site file does not: how sure the budget has to be kept and how the work varies.

    Raises:
        InputError: a GPU or model that the catalogue does not know.
    """
    model, gpu = model_spec(service.model), pool_gpu(pool)
    limits = limit_steps_w(gpu, limits_per_gpu, max_limit_w)
    found: list[Option] = []
    for precision in service.precisions:
        if isinstance(model, LlmSpec):
            for draft in (False, True) if service.speculative and model.draft else (False,):
                found += _llm_options(service, pool, gpu, model, precision, draft, limits, demand)
        else:
            found += _item_options(service, pool, gpu, model, precision, limits, demand)
    return tuple(found)


def group_sizes(
    gpu: GpuSpec, pool: Pool, model: LlmSpec, precision: Precision, context: float, draft: bool
) -> list[int]:
    """Return the GPU groups inside a node, ascending, that hold the weights and a request of ``context`` tokens."""
    return [
        group
        for group in GROUPS
        if group <= pool.group_most and llm_slots_max(gpu, model, precision, context, group, draft) >= 1
    ]


def _groups(
    gpu: GpuSpec, pool: Pool, model: LlmSpec, precision: Precision, context: float, draft: bool, kept: int
) -> list[tuple[int, bool]]:
    """Return (GPUs, pipeline) of the groups to try.

    A pipeline only where one GPU does not hold the model and tensor parallel would go over PCIe.
    """
    sizes = group_sizes(gpu, pool, model, precision, context, draft)[:kept]
    groups = [(size, False) for size in sizes]
    needed = bool(sizes) and sizes[0] > 1 and not draft
    piped = [(size, True) for size in sizes if needed and group_link(gpu, pool.interconnect, size).over_pcie]
    return groups + piped


def _llm_options(
    service: Service,
    pool: Pool,
    gpu: GpuSpec,
    model: LlmSpec,
    precision: Precision,
    draft: bool,
    limits: Sequence[float],
    demand: Demanded,
) -> list[Option]:
    asked = service.request
    context = asked.input_tokens + asked.output_tokens
    grade = quality(precision, model.native)
    found: list[Option] = []
    for group, pipeline in _groups(gpu, pool, model, precision, context, draft, demand.group_sizes):
        link = group_link(gpu, pool.interconnect, group, pipeline)
        replicas = min(service.replicas_max, pool.nodes * (pool.node_gpus // group))
        most = llm_slots_max(gpu, model, precision, context, group, draft)

        def at(batch: int, limit: float, link: GroupLink = link) -> Point:
            return llm_point(gpu, model, precision, batch, limit, asked.input_tokens, asked.output_tokens, link, draft)

        for limit, point, single_w in _kept(at, most, limits, service.model_p99_s, demand):
            found.append(
                Option(
                    pool=pool.name,
                    precision=precision,
                    speculative=draft,
                    group=group,
                    pipeline=pipeline,
                    limit_w=limit,
                    point=point,
                    scv=service_scv(point, demand.tokens_scv),
                    single_w=single_w,
                    idle_w=gpu.limits.idle_w,
                    quality=grade,
                    replicas_max=replicas,
                )
            )
    return found


def _item_options(
    service: Service,
    pool: Pool,
    gpu: GpuSpec,
    model: ItemSpec,
    precision: Precision,
    limits: Sequence[float],
    demand: Demanded,
) -> list[Option]:
    def at(batch: int, limit: float) -> Point:
        return item_point(gpu, model, precision, batch, limit, service.request.units)

    most = item_slots_max(gpu, model, precision) if model.profile != "training" else 1
    return [
        Option(
            pool=pool.name,
            precision=precision,
            speculative=False,
            group=1,
            pipeline=False,
            limit_w=limit,
            point=point,
            scv=service_scv(point, demand.tokens_scv),
            single_w=single_w,
            idle_w=gpu.limits.idle_w,
            quality=quality(precision),
            replicas_max=min(service.replicas_max, pool.gpus),
        )
        for limit, point, single_w in _kept(at, most, limits, service.model_p99_s, demand)
    ]


def _kept(
    at: Callable[[int, float], Point], most: int, limits: Sequence[float], budget_s: float, demand: Demanded
) -> list[tuple[float, Point, float]]:
    """Return (limit, point, draw with one request) for the largest batches that keep the budget at each limit.

    From the highest limit down: a lower one never allows a larger batch.
    """
    batches = [batch for batch in BATCHES if batch <= min(most, demand.batch_max)]
    count = bisect_left(batches, True, key=lambda batch: _late(at, batch, limits[-1], budget_s, demand))
    found: list[list[tuple[float, Point, float]]] = []
    for limit in reversed(limits):
        while count and _late(at, batches[count - 1], limit, budget_s, demand):
            count -= 1
        if count == 0:
            break
        top = at(batches[count - 1], limit)
        if found and (top.power_w, top.service_s) == (found[-1][-1][1].power_w, found[-1][-1][1].service_s):
            found.pop()
        single_w = at(1, limit).power_w
        kept = batches[max(count - BATCHES_KEPT, 0) : count]
        found.append([(limit, at(batch, limit), single_w) for batch in kept])
    return [each for group in reversed(found) for each in group]


def _late(at: Callable[[int, float], Point], batch: int, limit: float, budget_s: float, demand: Demanded) -> bool:
    """Return whether the service time alone breaks the budget."""
    return service_quantile_s(at(batch, limit), demand) > budget_s


@lru_cache(maxsize=8)
def _z(tail: float) -> float:
    return NormalDist().inv_cdf(1.0 - tail)
