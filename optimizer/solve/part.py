"""Which columns of the plan's model are worth having, told by the relaxation with the commitment fixed.

A plan is sought among the modes and levels that the relaxation has opened, and for each job in the slots that are cheapest
at its prices: enough of them for ten times its work. A job that is far from being worth it at its best
price is left out. This narrows the plan only, never the bound.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.build import Model
from optimizer.model.matrix import Flags, Floats, Index
from optimizer.solve.relax import Relaxed

ROOM = 10.0
"""Slots are kept until they hold this many times a job's work."""
HOPELESS_SHARE = 0.25
"""Share of its value that a job may lack at the relaxation's prices and still be looked at."""


def part_of(model: Model, relaxed: Relaxed) -> Index:
    """Return the columns of a plan's model that are in play."""
    columns, source = model.columns, relaxed.model.columns
    part = np.ones(len(model.program.cost), dtype=bool)
    for mine, theirs in (
        *zip(columns.mode, source.mode, strict=True),
        *zip(columns.switch, source.switch, strict=True),
        *zip(columns.batch, source.batch, strict=True),
    ):
        part[mine.ravel()] = ~relaxed.session.closed(theirs.ravel())
    by_job: dict[int, list[int]] = {}
    for index, place in enumerate(model.layout.places):
        by_job.setdefault(place.job, []).append(index)
    for job, indexes in by_job.items():
        _keep_work(model, relaxed, job, indexes, part)
    return np.flatnonzero(part).astype(np.int32)


def _keep_work(model: Model, relaxed: Relaxed, job: int, indexes: list[int], part: Flags) -> None:
    """Keep the slots of a job that are cheapest, over all its places."""
    layout, record = model.layout, model.layout.problem.jobs[job]
    if record.running and not record.preemptible:
        return
    price, room, owner, slots = [], [], [], []
    for index in indexes:
        place = layout.places[index]
        usd, used = _lack(model, relaxed, index)
        usd = usd / place.speed
        price.append(np.where(used, -1.0, usd))
        room.append(record.gpus_max * place.overlap_h * place.speed)
        owner.append(np.full(len(usd), index))
        slots.append(np.arange(len(usd)))
    usd, amount = np.concatenate(price), np.concatenate(room)
    order = np.argsort(usd, kind="stable")
    before = np.cumsum(amount[order]) - amount[order]
    keep = np.zeros(len(usd), dtype=bool)
    keep[order] = before < ROOM * record.work_gpu_h
    keep &= usd <= HOPELESS_SHARE * record.value_usd / record.work_gpu_h
    keep |= usd < 0.0
    place_of, slot_of = np.concatenate(owner), np.concatenate(slots)
    for index in indexes:
        block = model.columns.work[index]
        here = place_of == index
        part[block[:, slot_of[here]].ravel()] = np.broadcast_to(keep[here], (len(block), int(here.sum()))).ravel()


def _lack(model: Model, relaxed: Relaxed, index: int) -> tuple[Floats, Flags]:
    """Return, by slot of a place, what a unit of work there lacks to be worth it [$], and where the relaxation works."""
    layout, coarse = model.layout, relaxed.model.layout
    mine, theirs = layout.places[index], coarse.places[index]
    slots = np.arange(mine.first_slot, mine.first_slot + len(mine.overlap_h))
    middle = layout.slot_start_h[slots] + 0.5 * layout.slot_hours[slots]
    there = np.searchsorted(coarse.slot_start_h, middle, side="right") - 1 - theirs.first_slot
    there = np.clip(there, 0, len(theirs.overlap_h) - 1)
    block = relaxed.model.columns.work[index]
    return relaxed.answer.reduced[block[0, there]], relaxed.answer.values[block[:, there]].sum(axis=0) > 1e-7
