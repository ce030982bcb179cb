"""Workload archetypes of the catalogue as questions to the advisor; chained services get one budget for all stages.

The stages of a chain stream into each other: what counts is the time to the first usable output of each. Of the 1 %
of requests that may be late, half goes to the other stages together and half to the model, so no independence between
them is assumed.
"""

from __future__ import annotations

from dataclasses import replace

from optimizer.modes.advice import Workload
from optimizer.modes.options import TAIL
from sites.catalog.load import archetype
from sites.catalog.records import Stage
from sites.compute.chain import OTHERS_SHARE, chain_bound_s


def workload_of(name: str, rate_rps: float | None = None) -> Workload:
    """Return the archetype ``name`` as a workload, at its own example rate unless one is given [1/s].

    Raises:
        InputError: no such archetype.
    """
    kind = archetype(name)
    plain = Workload(
        name=name,
        model=kind.model,
        precisions=kind.precisions,
        rate_rps=kind.rate_rps if rate_rps is None else rate_rps,
        p99_s=kind.p99_s.value,
        latency_class=kind.latency_class,
        input_tokens=kind.input_tokens,
        output_tokens=kind.output_tokens,
        output_scv=kind.output_scv,
        units=kind.units,
        steady=kind.steady,
        sovereign=kind.sovereign,
        pinned=kind.pinned,
    )
    return replace(plain, elsewhere_s=stages_bound_s(kind.stages), elsewhere_waiting_s=waiting_bound_s(kind.stages))


def stages_bound_s(stages: tuple[Stage, ...]) -> float:
    """Return the bound [s] of streaming stages in series at half the tail; 0 without stages."""
    return chain_bound_s([(stage.median_s.value, stage.p99_s.value) for stage in stages], TAIL * OTHERS_SHARE)


def waiting_bound_s(stages: tuple[Stage, ...]) -> float:
    """Return the time [s] of the stages at P99 each if every one waits for the whole output of the one before."""
    return sum(stage.whole_p99_s.value for stage in stages)
