"""One candidate GPU of the advisor: what stops it, or its best way to serve the workload."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from optimizer.modes.advice import Advice, Conditions, Verdict, Way, Workload
from optimizer.modes.hurdles import asked_of, climate_hurdle, fit_hurdle, latency_hurdle
from optimizer.modes.options import Option, options
from optimizer.modes.scores import Rows, Scores, draw_w, rows_of, score
from sites.catalog.load import load_catalog
from sites.compute.hardware import GpuSpec, LlmSpec, gpu_spec, model_spec
from sites.compute.items import item_slots_max
from sites.compute.point import llm_slots_max, mig_slice
from sites.compute.queueing import RATE_CV2, response_bound_s, swing_factor
from sites.schema.workload import Demand, Pool, Request, Service

HOURS_PER_YEAR = 8766.0
LIMITS = 7
CLOCKED_SCV = 0.25
"""Variability of arrivals that come on a clock, or out of a queue of work (estimated)."""


def candidate(pool: Pool, workload: Workload, conditions: Conditions) -> Advice:
    gpu = gpu_spec(pool.gpu)
    entry = load_catalog().gpus[gpu.key]
    name = entry.name
    stop = climate_hurdle(entry, conditions) or fit_hurdle(gpu, pool, workload)
    if stop is not None:
        return Advice(gpu=gpu.key, name=name, verdict=stop.verdict, reason=stop.text)
    found = _options(pool, workload, conditions)
    if not found:
        miss = latency_hurdle(gpu, pool, workload, conditions)
        return Advice(gpu=gpu.key, name=name, verdict=miss.verdict, reason=miss.text)
    rows = rows_of([found], [_budget_s(workload)], [asked_of(workload).tail])
    scores = score(rows, _swings(workload), _clockwork(workload))
    way, verdict, reason = _best_way(gpu, rows, scores, found, workload, conditions)
    return Advice(gpu=gpu.key, name=name, verdict=verdict, reason=reason, way=way)


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
        p99_s=_budget_s(workload),
        model=workload.model,
        precisions=workload.precisions,
        speculative=workload.speculative,
        pools=("any",),
        request=Request(input_tokens=workload.input_tokens, output_tokens=workload.output_tokens, units=workload.units),
        demand=Demand(mean_rps=workload.rate_rps),
        replicas_max=conditions.gpus_max,
    )


def _budget_s(workload: Workload) -> float:
    return max(workload.p99_s - workload.elsewhere_s, 1e-6)


def _swings(workload: Workload) -> float:
    return 0.0 if workload.steady else RATE_CV2


def _clockwork(workload: Workload) -> float:
    return CLOCKED_SCV if workload.steady else 1.0


def _best_way(
    gpu: GpuSpec, rows: Rows, scores: Scores, found: Sequence[Option], workload: Workload, conditions: Conditions
) -> tuple[Way | None, Verdict, str]:
    groups = np.array([found[int(i)].group for i in rows.option])
    gpus = groups * rows.replicas
    within = gpus <= conditions.gpus_max
    holds = (scores.rate_rps >= workload.rate_rps) & within
    if not holds.any():
        most = float(scores.rate_rps[within].max()) if within.any() else 0.0
        per_gpu = float((scores.rate_rps / gpus).max())
        need = math.ceil(workload.rate_rps / max(per_gpu, 1e-12))
        text = f"{conditions.gpus_max} GPUs hold at most {most:.3g}/s; {workload.rate_rps:g}/s need about {need}"
        return None, Verdict.RATE_TOO_HIGH, text
    bought = gpus if conditions.shared else np.ceil(gpus / gpu.board_gpus) * gpu.board_gpus
    beside_w = bought * gpu.host_w_per_gpu + (bought - gpus) * gpu.limits.idle_w
    wall_w = (draw_w(rows, scores, workload.rate_rps) + beside_w) * conditions.wall_factor
    usd_h = wall_w / 1000.0 * conditions.energy_usd_per_kwh
    unit_usd = gpu.price_usd + gpu.host_usd_per_gpu
    if gpu.interconnect == "nvlink" and not conditions.shared:
        usd_h = usd_h + bought * unit_usd / (conditions.life_years * HOURS_PER_YEAR)
    else:
        paid = gpus * gpu.price_usd + bought * gpu.host_usd_per_gpu
        usd_h = usd_h + paid / (conditions.life_years * HOURS_PER_YEAR)
    if conditions.envelope_w is not None:
        inside = holds & (wall_w <= conditions.envelope_w)
        if not inside.any():
            least = float(wall_w[holds].min())
            return (
                None,
                Verdict.OVER_ENVELOPE,
                f"needs {power_text(least)}, the envelope is {power_text(conditions.envelope_w)}",
            )
        holds = inside
    key = {"cost": usd_h, "energy": wall_w, "gpus": gpus + wall_w / 1e9}[conditions.rank_by]
    row = int(np.where(holds, key + 1e-9 * (1.0 - rows.quality), np.inf).argmin())
    option = found[int(rows.option[row])]
    counted = _counted(workload)
    load = min(workload.rate_rps * rows.service_s[row] / (rows.batch[row] * rows.replicas[row]), 0.999)
    load = min(float(load * swing_factor(_budget_s(workload), _swings(workload))), 0.999)
    p99 = response_bound_s(
        rows.batch[row] * rows.replicas[row],
        rows.service_s[row],
        rows.scv[row],
        load,
        asked_of(workload).tail,
        _swings(workload),
    )
    return (
        Way(
            precision=option.precision,
            speculative=option.speculative,
            group=option.group,
            pipeline=option.pipeline,
            batch=option.point.slots,
            limit_w=option.limit_w,
            replicas=int(rows.replicas[row]),
            gpus=int(gpus[row]),
            power_w=float(wall_w[row]),
            energy_wh_per_request=float(wall_w[row]) / workload.rate_rps / 3600.0,
            usd_per_million=float(usd_h[row]) / (workload.rate_rps * 3600.0 * counted) * 1e6,
            usd_per_hour=float(usd_h[row]),
            p99_s=min(float(p99) + workload.elsewhere_s, workload.p99_s),
            rate_max_rps=float(scores.rate_rps[row]),
            mig_slices=_slices(gpu, option, workload, int(gpus[row]), load),
            measured=option.point.measured,
        ),
        Verdict.COSTS_MORE,
        "",
    )


def _slices(gpu: GpuSpec, option: Option, workload: Workload, gpus: int, load: float) -> int:
    """Return the fewest slices of one GPU that hold the model and the load; 0 where slicing does not apply."""
    if gpu.mig_slices == 0 or gpus > 1:
        return 0
    model = model_spec(workload.model)
    for slices in range(1, gpu.mig_slices):
        part = mig_slice(gpu, slices)
        context = workload.input_tokens + workload.output_tokens
        room = (
            llm_slots_max(part, model, option.precision, context, 1)
            if isinstance(model, LlmSpec)
            else item_slots_max(part, model, option.precision)
        )
        slower = gpu.mig_slices / slices
        if room >= 1 and load * slower < 0.7 and option.point.service_s * slower * 2.0 <= workload.p99_s:
            return slices
    return 0


def _counted(workload: Workload) -> float:
    """Return tokens, or items, of one request."""
    if isinstance(model_spec(workload.model), LlmSpec):
        return max(workload.input_tokens + workload.output_tokens, 1.0)
    return workload.units


def power_text(watts: float) -> str:
    """Return watts or kilowatts, said."""
    return f"{watts / 1000.0:.3g} kW" if watts >= 1000.0 else f"{watts:.0f} W"
