"""The right-sizing advisor: which GPU, how many, at which precision and power limit, and why the others lose.

Each GPU of the catalogue is a candidate with its own interconnect, boards and hosts. It is asked for every option of
``optimizer.modes.options`` and every number of replicas; of those that hold the rate within the P99 budget and the
power envelope the cheapest is its way, by energy and hardware together (or energy alone, or GPUs). A candidate without
a way is told the first thing that stops it, in this order: climate, memory, latency (with an interconnect that would
mend it), rate, envelope.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimizer.modes.advice import Advice, Answer, Conditions, Verdict, Way, Workload
from optimizer.modes.hurdles import asked_of, best_alone_s, climate_hurdle, fit_hurdle, latency_hurdle
from optimizer.modes.options import Option, options
from optimizer.modes.scores import Rows, Scores, draw_w, rows_of, score
from sites.catalog.load import load_catalog
from sites.compute.hardware import GpuSpec, LlmSpec, gpu_spec, model_spec
from sites.compute.point import item_slots_max, llm_slots_max, mig_slice
from sites.compute.queueing import RATE_CV2, response_bound_s, swing_factor
from sites.errors import InputError
from sites.schema.workload import Demand, Pool, Request, Service

HOURS_PER_YEAR = 8766.0
NETWORK_S = 0.1
"""Round trip to an off-site service with its queueing, 99 of 100; 50-200 ms are seen."""
LIMITS = 7
CLOCKED_SCV = 0.25
"""Variability of arrivals that come on a clock, or out of a queue of work (estimated)."""


def advise(workload: Workload, conditions: Conditions, gpus: Sequence[str] = (), pools: Sequence[Pool] = ()) -> Answer:
    """Return every candidate GPU ranked, with the reason why each loser loses.

    ``gpus`` are catalogue names; all of the catalogue if empty. With ``pools`` the candidates are those of a site, with
    their own count and interconnect.

    Raises:
        InputError: unknown GPU or model, rate or budget not positive, a limit outside every candidate's range.
    """
    _check(workload, conditions, gpus)
    keys = [gpu_spec(name).key for name in gpus] or list(load_catalog().gpus)
    asked = [as_pool(gpu_spec(key), conditions) for key in keys] if not pools else list(pools)
    found = [_candidate(pool, workload, _held(conditions, pool, bool(pools))) for pool in asked]
    able = sorted((each for each in found if each.way is not None), key=lambda each: _rank(each, conditions))
    unable = [each for each in found if each.way is None]
    ranked = [_placed(each, able[0], conditions, index == 0) for index, each in enumerate(able)]
    nearest = () if able else _nearest(workload, conditions, asked, bool(pools))
    unit = "tokens" if isinstance(model_spec(workload.model), LlmSpec) else "items"
    return Answer(
        workload=workload,
        unit="tokens" if unit == "tokens" else "items",
        advice=(*ranked, *unable),
        off_site=_off_site(workload),
        nearest=nearest,
    )


def _held(conditions: Conditions, pool: Pool, of_site: bool) -> Conditions:
    """Return the conditions of one candidate: of a site's pool no more GPUs than it has, on hosts that are there."""
    return replace(conditions, gpus_max=pool.gpus, shared=True) if of_site else conditions


def _candidate(pool: Pool, workload: Workload, conditions: Conditions) -> Advice:
    gpu = gpu_spec(pool.gpu)
    entry = load_catalog().gpus[gpu.key]
    name = entry.name if pool.name == gpu.key else pool.name
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
                f"needs {_power(least)}, the envelope is {_power(conditions.envelope_w)}",
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


def _rank(advice: Advice, conditions: Conditions) -> tuple[float, float, str]:
    way = advice.way
    assert way is not None
    keys = {"cost": way.usd_per_hour, "energy": way.energy_wh_per_request, "gpus": float(way.gpus)}
    return keys[conditions.rank_by], way.energy_wh_per_request, advice.gpu


def _placed(advice: Advice, best: Advice, conditions: Conditions, first: bool) -> Advice:
    way, top = advice.way, best.way
    assert way is not None
    assert top is not None
    count = f"{way.gpus} GPU{'s' if way.gpus != 1 else ''}"
    if first:
        hold = "hold" if way.gpus > 1 else "holds"
        text = f"{count} at {way.limit_w:g} W {hold} the budget at the least {conditions.rank_by}"
        return replace(advice, verdict=Verdict.RECOMMENDED, reason=text)
    cost = way.usd_per_hour / top.usd_per_hour - 1.0
    energy = way.energy_wh_per_request / top.energy_wh_per_request - 1.0
    return replace(advice, reason=f"{count}: {cost:+.0%} cost and {energy:+.0%} energy against {best.gpu}")


def _off_site(workload: Workload) -> str:
    if workload.pinned:
        return (
            f"No: {workload.p99_s * 1e3:g} ms leave no room for a network or for neighbours; it needs a pinned device "
            "on the spot that is never shared and never capped"
        )
    if workload.sovereign:
        return "No: its data may not leave the site"
    if workload.p99_s - workload.elsewhere_s <= 2.0 * NETWORK_S:
        return f"No: the network alone takes about {NETWORK_S * 1e3:g} ms of {workload.p99_s * 1e3:g} ms"
    return "Possible where there is a link; not priced here"


def _nearest(workload: Workload, conditions: Conditions, asked: Sequence[Pool], of_site: bool) -> tuple[str, ...]:
    """Return what would have to give for a candidate to do it, the smallest changes found."""
    said: list[str] = []
    alone = [(best_alone_s(gpu_spec(pool.gpu), pool, workload, conditions), pool.name) for pool in asked]
    seconds, where = min(alone)
    if math.isfinite(seconds) and seconds + workload.elsewhere_s > workload.p99_s:
        said.append(f"a budget of {seconds + workload.elsewhere_s:.3g} s instead of {workload.p99_s:g} s, on {where}")
    loose = replace(conditions, envelope_w=None, ambient_c=25.0, gpus_max=1024, limit_w=None)
    many = [as_pool(gpu_spec(pool.gpu), loose) for pool in asked]
    ways = [(found.way, found.gpu) for pool in many if (found := _candidate(pool, workload, loose)).way is not None]
    if ways:
        way, key = min(ways, key=lambda pair: pair[0].power_w)
        said.append(f"{way.gpus} of {key} with {_power(way.power_w)} at the wall and {inlet(key)}")
    for factor in (0.5, 0.25, 0.1, 0.03, 0.01):
        less = replace(workload, rate_rps=workload.rate_rps * factor)
        able = [each for pool in asked if (each := _candidate(pool, less, _held(conditions, pool, of_site))).way]
        if able:
            said.append(f"{less.rate_rps:.3g}/s instead of {workload.rate_rps:g}/s, on {able[0].gpu}")
            break
    if "int4" not in workload.precisions:
        small = replace(workload, precisions=("int4",))
        able = [each for pool in asked if (each := _candidate(pool, small, _held(conditions, pool, of_site))).way]
        said += [f"int4 weights, on {each.gpu}" for each in able[:1]]
    return tuple(said) or ("nothing short of a smaller model: no rate, budget, envelope or precision lets these do it",)


def inlet(key: str) -> str:
    """Return the inlet range of a GPU, said."""
    gpu = gpu_spec(key)
    return f"inlet air of {gpu.inlet_min_c:g}..{gpu.inlet_max_c:g} C"


def _power(watts: float) -> str:
    return f"{watts / 1000.0:.3g} kW" if watts >= 1000.0 else f"{watts:.0f} W"


def _check(workload: Workload, conditions: Conditions, gpus: Sequence[str]) -> None:
    model_spec(workload.model)
    for field, value in (("rate", workload.rate_rps), ("p99", workload.p99_s)):
        if not (math.isfinite(value) and value > 0.0):
            raise InputError.single(source="advise", field=field, found=value, mend="give a number above 0")
    if conditions.limit_w is None:
        return
    ranges = {name: gpu_spec(name).limits for name in (gpus or load_catalog().gpus)}
    if not any(each.min_limit_w <= conditions.limit_w <= each.max_limit_w for each in ranges.values()):
        near = min(ranges, key=lambda name: _distance(conditions.limit_w or 0.0, name))
        limits = ranges[near]
        raise InputError.single(
            source="advise",
            field="limit",
            found=conditions.limit_w,
            mend=f"nearest settable: {near} takes {limits.min_limit_w:g} to {limits.max_limit_w:g} W",
        )


def _distance(limit_w: float, name: str) -> float:
    limits = gpu_spec(name).limits
    return max(limits.min_limit_w - limit_w, limit_w - limits.max_limit_w, 0.0)
