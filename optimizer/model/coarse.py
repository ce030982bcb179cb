"""A coarser grid for the commitment: quarter hours for four hours, half hours to the end of the day, then hours.

Gensets start and stop on slot borders anyway after the first hours, and a commitment found on 80 intervals is as good as one
found on 192, in a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.layout import Layout, layout_of
from optimizer.model.matrix import Floats, Index
from optimizer.problem import Problem, PvScenario

FINE_H = 4.0
HALF_H = 24.0


@dataclass(frozen=True, kw_only=True)
class Coarse:
    """A layout without work on a coarser grid, and how the fine intervals map to it."""

    layout: Layout
    of_step: Index
    """Coarse interval of each fine one."""
    share: Floats
    """Share of a fine interval in its coarse one."""

    def mean(self, series: Floats) -> Floats:
        """Return the mean of a fine series (... x T) in each coarse interval."""
        weighted = np.atleast_2d(series * self.share)
        out = np.zeros((len(weighted), self.layout.steps))
        for row, values in zip(out, weighted, strict=True):
            np.add.at(row, self.of_step, values)
        return out.reshape((*np.shape(series)[:-1], self.layout.steps))

    def spread(self, series: Floats) -> Floats:
        """Return a coarse series on the fine grid."""
        return np.asarray(series[..., self.of_step])


def coarse_of(layout: Layout, *, scenarios: int) -> Coarse:
    """Return the coarse layout with at most ``scenarios`` scenarios; intervals that are coarse already stay as they are."""
    of_step = _groups(layout)
    hours = np.bincount(of_step, weights=layout.hours).astype(np.float64)
    share = layout.hours / hours[of_step]
    shell = Coarse(layout=layout, of_step=of_step, share=share)
    problem = _merged(layout.problem, of_step, shell, hours)
    problem = problem.model_copy(update={"scenarios": merged_scenarios(problem.scenarios, hours, scenarios)})
    return Coarse(layout=layout_of(problem), of_step=of_step, share=share)


def merged_scenarios(scenarios: tuple[PvScenario, ...], hours: Floats, most: int) -> tuple[PvScenario, ...]:
    """Return scenarios merged into at most ``most``: the darkest stay alone, the sunnier ones are merged with neighbours."""
    if len(scenarios) <= most:
        return scenarios
    rows = sorted(scenarios, key=lambda each: float(np.dot(each.pv_available_kw, hours)))
    merged = []
    alone = most // 2
    parts = [np.array([index]) for index in range(alone)]
    parts += np.array_split(np.arange(alone, len(rows)), most - alone)
    for part in parts:
        weights = np.array([rows[index].weight for index in part])
        courses = np.array([rows[index].pv_available_kw for index in part])
        mean = weights @ courses / weights.sum()
        merged.append(PvScenario(weight=min(1.0, float(weights.sum())), pv_available_kw=tuple(map(float, mean))))
    return tuple(merged)


def _groups(layout: Layout) -> Index:
    of_step = np.zeros(layout.steps, dtype=np.int32)
    current, opened_h = -1, -np.inf
    for step, start in enumerate(layout.start_h[:-1]):
        length = 0.0 if start < FINE_H - 1e-9 else 0.5 if start < HALF_H - 1e-9 else 1.0
        if start >= opened_h + length - 1e-9 or opened_h < FINE_H - 1e-9 <= start:
            current, opened_h = current + 1, start
        of_step[step] = current
    return of_step


def _merged(problem: Problem, of_step: Index, shell: Coarse, hours: Floats) -> Problem:
    count = len(hours)

    def mean(row: tuple[float, ...]) -> tuple[float, ...]:
        out = np.zeros(count)
        np.add.at(out, of_step, np.array(row) * shell.share)
        return tuple(float(value) for value in out)

    def most(row: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(max(row[step] for step in np.flatnonzero(of_step == part)) for part in range(count))

    def any_of(row: tuple[bool, ...]) -> tuple[bool, ...]:
        return tuple(any(row[step] for step in np.flatnonzero(of_step == part)) for part in range(count)) if row else ()

    battery = problem.battery
    if battery is not None:
        battery = battery.model_copy(
            update={
                "charge_limit_frac": mean(battery.charge_limit_frac) if battery.charge_limit_frac else (),
                "soc_floor_frac": most(battery.soc_floor_frac) if battery.soc_floor_frac else (),
            }
        )
    return problem.model_copy(
        update={
            "hours": tuple(float(length) for length in hours),
            "pv_available_kw": mean(problem.pv_available_kw),
            "scenarios": tuple(
                PvScenario(weight=each.weight, pv_available_kw=mean(each.pv_available_kw)) for each in problem.scenarios
            ),
            "outdoor_c": mean(problem.outdoor_c) if problem.outdoor_c else (),
            "tiers": tuple(tier.model_copy(update={"kw": mean(tier.kw)}) for tier in problem.tiers),
            "battery": battery,
            "gensets": tuple(
                genset.model_copy(update={"must_run": any_of(genset.must_run), "forbidden": any_of(genset.forbidden)})
                for genset in problem.gensets
            ),
            "cooling_kw_per_it_kw": mean(problem.cooling_kw_per_it_kw) if problem.cooling_kw_per_it_kw else (),
            "cooling_base_kw": mean(problem.cooling_base_kw) if problem.cooling_base_kw else (),
            "services": (),
            "jobs": (),
            "last_plan": _last(problem, of_step, count),
        }
    )


def _last(problem: Problem, of_step: Index, count: int) -> object:
    last = problem.last_plan
    if last is None:
        return None
    first = [int(np.flatnonzero(of_step == part)[0]) for part in range(count)]
    rows = tuple(tuple(row[step] for step in first) for row in last.genset_on if len(row) == len(of_step))
    return last.model_copy(update={"genset_on": rows, "service_modes": ()})
