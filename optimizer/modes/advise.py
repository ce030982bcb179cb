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

from optimizer.modes.advice import Advice, Answer, Conditions, Verdict, Workload
from optimizer.modes.candidate import as_pool, candidate
from optimizer.modes.checks import check
from optimizer.modes.hurdles import best_alone_s
from optimizer.modes.ways import power_text
from sites.catalog.load import load_catalog
from sites.compute.hardware import LlmSpec, gpu_spec, model_spec
from sites.compute.pool_gpu import pool_gpu
from sites.schema.workload import Pool

NETWORK_S = 0.1
"""Round trip to an off-site service with its queueing, 99 of 100; 50-200 ms are seen."""
LEAST_RPS = 1e-4
"""Rate below which no smaller one is looked for."""


def advise(workload: Workload, conditions: Conditions, gpus: Sequence[str] = (), pools: Sequence[Pool] = ()) -> Answer:
    """Return every candidate GPU ranked, with the reason why each loser loses.

    ``gpus`` are catalogue names; all of the catalogue if empty. With ``pools`` the candidates are those of a site, with
    their own count and interconnect.

    Raises:
        InputError: unknown GPU or model, or a question that makes no sense (``optimizer.modes.checks``).
    """
    keys = [gpu_spec(name).key for name in gpus] or list(load_catalog().gpus)
    check(workload, conditions, [pool.gpu for pool in pools] or keys)
    asked = [as_pool(gpu_spec(key), conditions) for key in keys] if not pools else list(pools)
    found = [candidate(pool, workload, _held(conditions, pool, bool(pools))) for pool in asked]
    if pools:
        found = [replace(each, name=pool.name) for each, pool in zip(found, pools, strict=True)]
    able = sorted((each for each in found if each.way is not None), key=lambda each: _rank(each, conditions))
    unable = [each for each in found if each.way is None]
    ranked = [_placed(each, able[0], conditions, index == 0) for index, each in enumerate(able)]
    nearest = () if able else _nearest(workload, conditions, asked, bool(pools))
    return Answer(
        workload=workload,
        unit="tokens" if isinstance(model_spec(workload.model), LlmSpec) else "items",
        advice=(*ranked, *unable),
        off_site=_off_site(workload),
        nearest=nearest,
    )


def _held(conditions: Conditions, pool: Pool, of_site: bool) -> Conditions:
    """Return the conditions of one candidate: of a site's pool no more GPUs than it has, on hosts that are there."""
    return replace(conditions, gpus_max=pool.gpus, shared=True) if of_site else conditions


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
    alone = [(best_alone_s(pool_gpu(pool), pool, workload, conditions), pool.name) for pool in asked]
    seconds, where = min(alone)
    if math.isfinite(seconds) and seconds + workload.elsewhere_s > workload.p99_s:
        said.append(f"a budget of {seconds + workload.elsewhere_s:.3g} s instead of {workload.p99_s:g} s, on {where}")
    loose = replace(conditions, envelope_w=None, ambient_c=25.0, gpus_max=1024, limit_w=None)
    many = [as_pool(gpu_spec(pool.gpu), loose) for pool in asked]
    ways = [(found.way, found.gpu) for pool in many if (found := candidate(pool, workload, loose)).way is not None]
    if ways:
        way, key = min(ways, key=lambda pair: pair[0].power_w)
        said.append(f"{way.gpus} of {key} with {power_text(way.power_w)} at the wall and {inlet(key)}")
    said += _less_rate(workload, conditions, asked, of_site)
    if "int4" not in workload.precisions:
        small = replace(workload, precisions=("int4",))
        able = [each for pool in asked if (each := candidate(pool, small, _held(conditions, pool, of_site))).way]
        said += [f"int4 weights, on {each.gpu}" for each in able[:1]]
    if not said and conditions.envelope_w is not None:
        more = _less_rate(workload, replace(loose, gpus_max=conditions.gpus_max), asked, of_site)
        said += [f"{each}, without the envelope and in air of 25 C" for each in more]
    return tuple(said) or (
        "nothing short of a smaller model or shorter texts: no rate, budget or precision lets these do it",
    )


def _less_rate(workload: Workload, conditions: Conditions, asked: Sequence[Pool], of_site: bool) -> list[str]:
    """Return the largest rate that a candidate holds, to 3 % of it, and which one; nothing if none does."""

    def able(factor: float) -> str:
        less = replace(workload, rate_rps=workload.rate_rps * factor)
        found = (candidate(pool, less, _held(conditions, pool, of_site)) for pool in asked)
        return next((each.gpu for each in found if each.way is not None), "")

    low = min(LEAST_RPS / workload.rate_rps, 1e-4)
    high, where = 1.0, able(low)
    if not where:
        return []
    while high / low > 1.03:
        middle = math.sqrt(low * high)
        held = able(middle)
        low, high, where = (middle, high, held) if held else (low, middle, where)
    return [f"{workload.rate_rps * low:.3g}/s instead of {workload.rate_rps:g}/s, on {where}"]


def inlet(key: str) -> str:
    """Return the inlet range of a GPU, said."""
    gpu = gpu_spec(key)
    return f"inlet air of {gpu.inlet_min_c:g}..{gpu.inlet_max_c:g} C"
