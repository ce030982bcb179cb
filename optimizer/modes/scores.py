"""Options times replicas as arrays, and what each row can do: largest rate, draw, P99 class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.modes.options import Option
from sites.compute.queueing import Bursts, Floats, sustained_rate_rps

Ints = npt.NDArray[np.int64]

REPLICAS = np.array((1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128))
P99_CLASSES = 4


class Rows(NamedTuple):
    """Options times replicas of all services, as arrays."""

    service: Ints
    option: Ints
    replicas: Floats
    batch: Floats
    service_s: Floats
    scv: Floats
    power_w: Floats
    single_w: Floats
    idle_w: Floats
    quality: Floats
    budget_s: Floats
    tail: Floats


class Scores(NamedTuple):
    """What each row can do."""

    rate_rps: Floats
    utilisation: Floats
    busy_w: Floats
    idle_w: Floats
    p99_class: Floats


def rows_of(found: Sequence[Sequence[Option]], budgets_s: Sequence[float], tails: Sequence[float]) -> Rows:
    """Return the options of each service times its replicas; ``budgets_s`` and ``tails`` are per service."""
    numbers: list[tuple[float, ...]] = []
    for which, (mine, budget_s, tail) in enumerate(zip(found, budgets_s, tails, strict=True)):
        for place, option in enumerate(mine):
            point, group = option.point, option.group
            numbers.append(
                (
                    which,
                    place,
                    option.replicas_max,
                    point.slots,
                    point.service_s,
                    option.scv,
                    point.power_w * group,
                    option.single_w * group,
                    option.idle_w * group,
                    option.quality,
                    budget_s,
                    tail,
                )
            )
    table = np.array(numbers)
    counts = np.searchsorted(REPLICAS, table[:, 2], side="right")
    table = np.repeat(table, counts, axis=0)
    replicas = np.concatenate([REPLICAS[:count] for count in counts])
    keys, values = table[:, :2].astype(np.int64), table[:, 3:].T
    return Rows(keys[:, 0], keys[:, 1], replicas.astype(np.float64), *values)


def score(rows: Rows, rate_cv2: Bursts, arrival_scv: float = 1.0) -> Scores:
    """Return what each row can do when the request rate varies by ``rate_cv2``, at the row's own rate."""
    slots = rows.batch * rows.replicas
    rate = sustained_rate_rps(slots, rows.service_s, rows.scv, rows.budget_s, rows.tail, rate_cv2, arrival_scv)
    load = rate * rows.service_s / slots
    busy_frac = -np.expm1(-load * rows.batch)
    return Scores(
        rate_rps=rate,
        utilisation=load,
        busy_w=rows.replicas * (rows.idle_w + np.maximum(rows.power_w - rows.idle_w, 0.0) * busy_frac),
        idle_w=rows.replicas * rows.idle_w,
        p99_class=np.ceil(P99_CLASSES * np.minimum(rows.service_s / rows.budget_s * 2.0, 1.0)),
    )


def draw_w(rows: Rows, scores: Scores, rate_rps: float) -> Floats:
    """Return the mean draw [W] of each row's GPUs at a rate, as ``ServingMode.power_w`` works it out."""
    share = np.minimum(rate_rps / np.maximum(scores.rate_rps, 1e-12), 1.0)
    load = np.maximum(scores.rate_rps * rows.service_s / rows.replicas, 1e-12)
    busy_frac = np.expm1(-load * share) / np.expm1(-load)
    single_w = np.clip(rows.single_w * rows.replicas, scores.idle_w, np.maximum(scores.busy_w, scores.idle_w))
    return np.asarray(scores.idle_w + (single_w - scores.idle_w) * busy_frac + (scores.busy_w - single_w) * share)
