"""One candidate GPU of the advisor: what stops it, or its best way to serve the workload."""

from __future__ import annotations

import math

from optimizer.modes.advice import Advice, Conditions, Verdict, Workload
from optimizer.modes.hurdles import Hurdle, asked_of, climate_hurdle, fit_hurdle, latency_hurdle
from optimizer.modes.options import Option, options
from optimizer.modes.scores import rows_of, score
from optimizer.modes.ways import best_ways, budget_s, clockwork, swings
from sites.catalog.load import load_catalog
from sites.compute.hardware import GpuSpec, gpu_spec
from sites.compute.pool_gpu import pool_gpu
from sites.schema.workload import Demand, Pool, Request, Service

LIMITS = 7


def candidate(pool: Pool, workload: Workload, conditions: Conditions) -> Advice:
    """Return what stops ``pool`` from serving the workload, or its best ways to do it, not yet ranked."""
    gpu, key = pool_gpu(pool), gpu_spec(pool.gpu).key
    entry = load_catalog().gpus[key]
    name = entry.name
    stop = climate_hurdle(entry, conditions) or fit_hurdle(gpu, pool, workload)
    if stop is not None:
        return Advice(gpu=key, name=name, verdict=stop.verdict, reason=stop.text)
    found = _options(pool, workload, conditions)
    if not found:
        miss = latency_hurdle(gpu, pool, workload, conditions)
        return Advice(gpu=key, name=name, verdict=miss.verdict, reason=miss.text)
    rows = rows_of([found], [budget_s(workload)], [asked_of(workload).tail])
    scores = score(rows, swings(workload), clockwork(workload))
    ways = best_ways(gpu, rows, scores, found, workload, conditions)
    if isinstance(ways, Hurdle):
        return Advice(gpu=key, name=name, verdict=ways.verdict, reason=ways.text)
    return Advice(gpu=key, name=name, verdict=Verdict.COSTS_MORE, reason="to be ranked", way=ways[0], others=ways[1:])


def _options(pool: Pool, workload: Workload, conditions: Conditions) -> list[Option]:
    service = as_service(workload, conditions)
    if workload.pinned or conditions.limit_w is not None:
        return list(options(service, pool, 1, conditions.limit_w, asked_of(workload)))
    return list(options(service, pool, LIMITS, None, asked_of(workload)))


def as_pool(gpu: GpuSpec, conditions: Conditions) -> Pool:
    """Return a pool of as many GPUs as may be used, wired as the product is."""
    return Pool(
        name=gpu.key,
        gpu=gpu.key,
        nodes=max(math.ceil(conditions.gpus_max / gpu.gpus_per_host), 1),
        gpus_per_node=gpu.gpus_per_host,
        interconnect="pcie" if gpu.interconnect == "none" else gpu.interconnect,
        host_w=gpu.host_w_per_gpu * gpu.gpus_per_host,
    )


def as_service(workload: Workload, conditions: Conditions) -> Service:
    """Return the workload as a service whose budget is what other stages leave."""
    return Service(
        name="advised",
        latency_class=workload.latency_class,
        p99_s=budget_s(workload),
        model=workload.model,
        precisions=workload.precisions,
        speculative=workload.speculative,
        pools=("any",),
        request=Request(input_tokens=workload.input_tokens, output_tokens=workload.output_tokens, units=workload.units),
        demand=Demand(mean_rps=workload.rate_rps),
        replicas_max=conditions.gpus_max,
    )
