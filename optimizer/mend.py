"""Missing values: mended where a careful guess exists, refused where none does. Nothing missing is read as zero.

    sun                     the lower of the nearest known values on both sides
    loads, demand, cooling  the higher of them
    SoC                     the lower limit: the plan then holds if the battery is empty
    tank                    the tank's reserve
    a job with a hole       left out of this plan

Each mend is told as a breach with reason ``SENSOR_LOST``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from optimizer.plan import Breach
from optimizer.problem import JobProblem, Problem

Row = Sequence[float | None]


class MissingInputError(ValueError):
    """A value without which nothing can be planned is missing."""


def mend(problem: Problem) -> tuple[Problem, tuple[Breach, ...]]:
    """Return a problem without holes and what was mended; the same object where nothing was missing.

    Raises:
        MissingInputError: a whole series or a quantity without a careful guess is missing.
    """
    notes: list[Breach] = []
    update: dict[str, object] = {}
    _series(problem, update, notes)
    _battery(problem, update, notes)
    _tank(problem, update, notes)
    jobs = tuple(job for job in problem.jobs if not _holes(job))
    for job in problem.jobs:
        if _holes(job):
            notes.append(_note(f"job {job.name}", "a value is missing; it is left out of this plan"))
    if len(jobs) != len(problem.jobs):
        update["jobs"] = jobs
    if not update:
        return problem, ()
    mended = problem.model_copy(update=update)
    try:
        return Problem.model_validate(mended.model_dump()), tuple(notes)
    except ValidationError as error:
        raise MissingInputError(f"missing values cannot be mended: {error.errors()[0]['msg']}") from error


def missing(value: float | None) -> bool:
    """Return whether a value is absent or not a number."""
    return value is None or not math.isfinite(value)


def _note(what: str, text: str) -> Breach:
    return Breach(what=what, reason_code="SENSOR_LOST", amount=1.0, unit="values", text=f"{what}: {text}")


def fill(row: Row, choose: Callable[[float, float], float]) -> tuple[float, ...]:
    """Return a series with its holes filled from the nearest known values on both sides.

    Raises:
        MissingInputError: no value is known.
    """
    known = [index for index, value in enumerate(row) if not missing(value)]
    if not known:
        raise MissingInputError("a whole series is missing")
    filled = []
    for index, value in enumerate(row):
        if value is not None and not missing(value):
            filled.append(float(value))
            continue
        before = row[max((k for k in known if k < index), default=known[0])]
        after = row[min((k for k in known if k > index), default=known[-1])]
        filled.append(choose(float(before or 0.0), float(after or 0.0)))
    return tuple(filled)


def _mended(what: str, row: Row, choose: Callable[[float, float], float], notes: list[Breach]) -> tuple[float, ...]:
    if not any(missing(value) for value in row):
        return tuple(float(value) for value in row if value is not None)
    holes = sum(missing(value) for value in row)
    try:
        filled = fill(row, choose)
    except MissingInputError as error:
        raise MissingInputError(f"{what}: {error}") from error
    notes.append(_note(what, f"{holes} values are missing and filled from their neighbours, on the careful side"))
    return filled


def _series(problem: Problem, update: dict[str, object], notes: list[Breach]) -> None:
    for name, choose in (
        ("pv_available_kw", min),
        ("outdoor_c", max),
        ("cooling_kw_per_it_kw", max),
        ("cooling_base_kw", max),
    ):
        row: Row = getattr(problem, name)
        if any(missing(value) for value in row):
            update[name] = _mended(name, row, choose, notes)
    if any(missing(kw) for tier in problem.tiers for kw in tier.kw):
        update["tiers"] = tuple(
            tier.model_copy(update={"kw": _mended(f"tier {tier.name}", tier.kw, max, notes)}) for tier in problem.tiers
        )
    if any(missing(rate) for service in problem.services for rate in service.rate_rps):
        update["services"] = tuple(
            service.model_copy(update={"rate_rps": _mended(f"service {service.name}", service.rate_rps, max, notes)})
            for service in problem.services
        )
    whole = tuple(s for s in problem.scenarios if not any(missing(kw) for kw in s.pv_available_kw))
    if len(whole) != len(problem.scenarios):
        update["scenarios"] = whole
        notes.append(_note("scenarios", "those with missing values are left out"))


def _battery(problem: Problem, update: dict[str, object], notes: list[Breach]) -> None:
    battery = problem.battery
    if battery is None or not missing(battery.soc_frac):
        return
    update["battery"] = battery.model_copy(update={"soc_frac": battery.soc_min_frac})
    notes.append(_note("battery.soc_frac", "it is missing and taken at its lower limit"))


def _tank(problem: Problem, update: dict[str, object], notes: list[Breach]) -> None:
    tank = problem.tank
    if tank is None or not missing(tank.level_l):
        return
    update["tank"] = tank.model_copy(update={"level_l": tank.reserve_l})
    notes.append(_note("tank.level_l", "it is missing and taken at the tank's reserve"))


def _holes(job: JobProblem) -> bool:
    numbers = (job.work_gpu_h, job.gpus_max, job.gpus_min, job.value_usd, job.late_usd_per_h)
    return any(missing(value) for value in numbers)
