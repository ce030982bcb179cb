"""The ways a candidate GPU can serve a workload: what each draws and costs, and the best of them.

Wall power counts the GPUs at the asked rate, the idle rest of a board, and the hosts; a GPU that comes on a baseboard
is bought with it. Unless hosts are shared with other work, whole boards and their part of the host count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.modes.advice import Conditions, Verdict, Way, Workload
from optimizer.modes.hurdles import Hurdle, asked_of
from optimizer.modes.options import Option
from optimizer.modes.scores import Rows, Scores, draw_w
from sites.compute.bursts import rate_cv2_at
from sites.compute.hardware import GpuSpec, LlmSpec, model_spec
from sites.compute.items import item_slots_max
from sites.compute.point import llm_slots_max, mig_sizes, mig_slice
from sites.compute.queueing import Bursts, Floats, response_bound_s, swing_factor, variability

HOURS_PER_YEAR = 8766.0
CLOCKED_SCV = 0.25
"""Variability of arrivals that come on a clock, or out of a queue of work (estimated)."""
SLICE_LOAD_MAX = 0.7
"""Load up to which a slice of a GPU is said to do."""


class _Priced(NamedTuple):
    """What each row draws and costs."""

    gpus: Floats
    wall_w: Floats
    usd_h: Floats


def budget_s(workload: Workload) -> float:
    """Return what other stages leave of the budget, s."""
    return max(workload.p99_s - workload.elsewhere_s, 1e-6)


def swings(workload: Workload) -> Bursts:
    """Return the variability of the request rate."""
    return 0.0 if workload.steady else rate_cv2_at


def clockwork(workload: Workload) -> float:
    """Return the variability of arrivals at a steady rate."""
    return CLOCKED_SCV if workload.steady else 1.0


def best_ways(
    gpu: GpuSpec, rows: Rows, scores: Scores, found: Sequence[Option], workload: Workload, conditions: Conditions
) -> tuple[Way, ...] | Hurdle:
    """Return the best ways to hold the rate, at most ``conditions.modes`` of different kind, or what stops all."""
    gpus = np.array([found[int(i)].group for i in rows.option]) * rows.replicas
    within = gpus <= conditions.gpus_max
    holds = (scores.rate_rps >= workload.rate_rps) & within
    if not holds.any():
        return _too_much(rows, scores, gpus, within, workload, conditions)
    priced = _priced(gpu, rows, scores, gpus, workload, conditions)
    if conditions.envelope_w is not None:
        inside = holds & (priced.wall_w <= conditions.envelope_w)
        if not inside.any():
            least, most = power_text(float(priced.wall_w[holds].min())), power_text(conditions.envelope_w)
            return Hurdle(Verdict.OVER_ENVELOPE, f"needs {least}, the envelope is {most}")
        holds = inside
    key = {"cost": priced.usd_h, "energy": priced.wall_w, "gpus": gpus + priced.wall_w / 1e9}[conditions.rank_by]
    ranked = np.where(holds, key + 1e-9 * (1.0 - rows.quality), np.inf)
    chosen: dict[tuple[object, ...], int] = {}
    for row in np.argsort(ranked, kind="stable").tolist():
        if len(chosen) == conditions.modes or not holds[row]:
            break
        chosen.setdefault(_kind(found[int(rows.option[row])]), row)
    return tuple(_way(gpu, rows, scores, priced, row, found, workload) for row in chosen.values())


def power_text(watts: float) -> str:
    """Return watts or kilowatts, said."""
    return f"{watts / 1000.0:.3g} kW" if watts >= 1000.0 else f"{watts:.0f} W"


def _kind(option: Option) -> tuple[object, ...]:
    return option.precision, option.speculative, option.group, option.pipeline, option.limit_w


def _too_much(
    rows: Rows, scores: Scores, gpus: Floats, within: npt.NDArray[np.bool_], workload: Workload, conditions: Conditions
) -> Hurdle:
    most = float(scores.rate_rps[within].max()) if within.any() else 0.0
    per_gpu = float((scores.rate_rps / gpus).max())
    need = math.ceil(workload.rate_rps / max(per_gpu, 1e-12))
    hold = "1 GPU holds" if conditions.gpus_max == 1 else f"{conditions.gpus_max} GPUs hold"
    text = f"{hold} at most {most:.3g}/s; {workload.rate_rps:g}/s need about {need}"
    return Hurdle(Verdict.RATE_TOO_HIGH, text)


def _priced(
    gpu: GpuSpec, rows: Rows, scores: Scores, gpus: Floats, workload: Workload, conditions: Conditions
) -> _Priced:
    bought = gpus if conditions.shared else np.ceil(gpus / gpu.board_gpus) * gpu.board_gpus
    beside_w = bought * gpu.host_w_per_gpu + (bought - gpus) * gpu.limits.idle_w
    wall_w = (draw_w(rows, scores, workload.rate_rps) + beside_w) * conditions.wall_factor
    paid = bought if gpu.interconnect == "nvlink" else gpus
    usd = paid * gpu.price_usd + bought * gpu.host_usd_per_gpu
    usd_h = wall_w / 1000.0 * conditions.energy_usd_per_kwh + usd / (conditions.life_years * HOURS_PER_YEAR)
    return _Priced(gpus, wall_w, usd_h)


def _way(
    gpu: GpuSpec,
    rows: Rows,
    scores: Scores,
    priced: _Priced,
    row: int,
    found: Sequence[Option],
    workload: Workload,
) -> Way:
    option = found[int(rows.option[row])]
    slots = float(rows.batch[row] * rows.replicas[row])
    load = min(workload.rate_rps * float(rows.service_s[row]) / slots, 0.999)
    v = variability(swings(workload), np.asarray(workload.rate_rps))
    load = min(load * float(swing_factor(budget_s(workload), v)), 0.999)
    p99 = response_bound_s(
        slots,
        float(rows.service_s[row]),
        float(rows.scv[row]),
        load,
        asked_of(workload).tail,
        v,
        clockwork(workload),
    )
    wall_w, usd_h, gpus = float(priced.wall_w[row]), float(priced.usd_h[row]), int(priced.gpus[row])
    return Way(
        precision=option.precision,
        speculative=option.speculative,
        group=option.group,
        pipeline=option.pipeline,
        batch=option.point.slots,
        limit_w=option.limit_w,
        replicas=int(rows.replicas[row]),
        gpus=gpus,
        power_w=wall_w,
        energy_wh_per_request=wall_w / workload.rate_rps / 3600.0,
        usd_per_million=usd_h / (workload.rate_rps * 3600.0 * _counted(workload)) * 1e6,
        usd_per_hour=usd_h,
        p99_s=min(float(p99) + workload.elsewhere_s, workload.p99_s),
        rate_max_rps=float(scores.rate_rps[row]),
        mig_slices=_slices(gpu, option, workload, gpus, load),
        measured=option.point.measured,
    )


def _counted(workload: Workload) -> float:
    """Return tokens, or items, of one request."""
    if isinstance(model_spec(workload.model), LlmSpec):
        return max(workload.input_tokens + workload.output_tokens, 1.0)
    return workload.units


def _slices(gpu: GpuSpec, option: Option, workload: Workload, gpus: int, load: float) -> int:
    """Return the fewest slices of one GPU that hold the model and the load; 0 where slicing does not apply."""
    if gpu.mig_slices == 0 or gpus > 1:
        return 0
    model = model_spec(workload.model)
    context = workload.input_tokens + workload.output_tokens
    for slices in mig_sizes(gpu)[:-1]:
        part = mig_slice(gpu, slices)
        if isinstance(model, LlmSpec):
            room = llm_slots_max(part, model, option.precision, context, 1)
        else:
            room = item_slots_max(part, model, option.precision)
        slower = gpu.mig_slices / slices
        quick = option.point.service_s * slower * 2.0 <= budget_s(workload)
        if room >= 1 and load * slower < SLICE_LOAD_MAX and quick:
            return slices
    return 0
