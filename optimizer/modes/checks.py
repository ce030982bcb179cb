"""Questions to the advisor that make no sense, told all at once with what would."""

from __future__ import annotations

import math
from collections.abc import Sequence

from optimizer.modes.advice import Conditions, Workload
from sites.compute.hardware import LlmSpec, gpu_spec, model_spec
from sites.errors import InputError, InputFault


def check(workload: Workload, conditions: Conditions, gpus: Sequence[str]) -> None:
    """Return nothing if the question can be asked of the candidates ``gpus``.

    Raises:
        InputError: unknown GPU or model; a rate, budget, length or envelope that is none; a limit outside every
            candidate's range.
    """
    counts_tokens = isinstance(model_spec(workload.model), LlmSpec)
    faults = [
        *_not_above_0("rate", workload.rate_rps),
        *_not_above_0("p99", workload.p99_s),
        *_not_above_0("units", workload.units),
        *_negative("input_tokens", workload.input_tokens),
        *_negative("output_tokens", workload.output_tokens),
        *_negative("energy price", conditions.energy_usd_per_kwh),
        *(_not_above_0("envelope", conditions.envelope_w) if conditions.envelope_w is not None else ()),
    ]
    if not math.isfinite(conditions.ambient_c):
        faults.append(_fault("ambient", conditions.ambient_c, "give degrees Celsius"))
    if counts_tokens and workload.output_tokens == 0.0:
        mend = "a language model answers in tokens: give the mean prompt and answer length"
        faults.append(_fault("output_tokens", workload.output_tokens, mend))
    if conditions.limit_w is not None:
        faults += _limit_faults(conditions.limit_w, gpus)
    if faults:
        raise InputError(faults)


def _limit_faults(limit_w: float, gpus: Sequence[str]) -> list[InputFault]:
    ranges = {name: gpu_spec(name).limits for name in gpus}
    if any(each.min_limit_w <= limit_w <= each.max_limit_w for each in ranges.values()):
        return []
    near = min(
        ranges, key=lambda name: max(ranges[name].min_limit_w - limit_w, limit_w - ranges[name].max_limit_w, 0.0)
    )
    limits = ranges[near]
    mend = f"nearest settable: {near} takes {limits.min_limit_w:g} to {limits.max_limit_w:g} W"
    return [_fault("limit", limit_w, mend)]


def _not_above_0(field: str, value: float) -> list[InputFault]:
    return [] if math.isfinite(value) and value > 0.0 else [_fault(field, value, "give a number above 0")]


def _negative(field: str, value: float) -> list[InputFault]:
    return [] if math.isfinite(value) and value >= 0.0 else [_fault(field, value, "give a number, 0 or more")]


def _fault(field: str, found: float, mend: str) -> InputFault:
    return InputFault(source="advise", field=field, found=f"{found:g}", mend=mend)
