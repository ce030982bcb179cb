"""Which GPUs of a host serve whom: what runs keeps its GPUs, what is new takes the lowest that are free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Want(NamedTuple):
    """Somebody who wants GPUs at a limit."""

    name: str
    gpus: float
    limit_w: float


def placed(
    wants: Iterable[Want], indices: tuple[int, ...], before: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Return the GPUs of each; those that come first are served first, and who finds too few gets what is left."""
    listed = [want for want in wants if want.gpus > 0]
    kept = {want.name: before.get(want.name, ())[: math.ceil(want.gpus - 1e-9)] for want in listed}
    taken = {index for own in kept.values() for index in own}
    found: dict[str, tuple[int, ...]] = {}
    for want in listed:
        own = tuple(index for index in kept[want.name] if index in indices)
        free = [index for index in indices if index not in taken]
        more = tuple(free[: max(math.ceil(want.gpus - 1e-9) - len(own), 0)])
        taken.update(more)
        found[want.name] = (*own, *more)
    return found


def limits_w(wants: Iterable[Want], places: Mapping[str, tuple[int, ...]]) -> dict[int, float]:
    """Return the limit of each GPU that serves somebody, W."""
    return {index: want.limit_w for want in wants for index in places.get(want.name, ())}
