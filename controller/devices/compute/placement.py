"""Which GPUs of a pool serve whom.

Where a plan says on which islands somebody's GPUs are, they are there: those that it had there first, then the lowest. Everybody
else keeps the GPUs that he has and takes the lowest that are free; so does who finds his island taken. Parts of a GPU that is cut
count as GPUs here; who is new takes those of GPUs that have no other limit, as far as there are any.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from optimizer.places import IslandShare


class Want(NamedTuple):
    """Somebody who wants GPUs at a limit."""

    name: str
    gpus: float
    limit_w: float
    islands: tuple[IslandShare, ...] = ()
    """Where the plan has them; empty = anywhere."""

    @property
    def whole(self) -> int:
        """Whole GPUs that it takes up."""
        return math.ceil(self.gpus - 1e-9)


class Layout(NamedTuple):
    """How the GPUs of a pool, counted over its nodes, sit together."""

    node_gpus: int = 0
    """GPUs of a node; 0 = not known, and the plan's islands are not followed."""
    island_gpus: int = 1
    """GPUs of a node that talk over NVLink; 1 = none do, and the node counts as one island."""
    mig_parts: int = 1
    """Parts of each GPU, which are one island; 1 = GPUs are whole."""

    def island_of(self, index: int) -> tuple[int, int]:
        """Return node and island of a GPU; (-1, -1) where that is not known."""
        if self.node_gpus <= 0:
            return -1, -1
        size = max(self.mig_parts, self.island_gpus)
        size = size if size > 1 else self.node_gpus
        return index // self.node_gpus, index % self.node_gpus // size


def placed(
    wants: Iterable[Want],
    indices: tuple[int, ...],
    before: Mapping[str, tuple[int, ...]],
    layout: Layout = Layout(),  # noqa: B008
) -> dict[str, tuple[int, ...]]:
    """Return the GPUs of each; those that come first are served first, and who finds too few gets what is left."""
    listed = [want for want in wants if want.gpus > 0]
    found = _on_islands(listed, indices, before, layout)
    taken = {index for own in found.values() for index in own}
    kept: dict[str, tuple[int, ...]] = {}
    for want in listed:
        had = before.get(want.name, ())[: want.whole] if want.name not in found else ()
        kept[want.name] = (*found.get(want.name, ()), *(i for i in had if i in indices and i not in taken))
        taken.update(kept[want.name])
    held_w = limits_w(listed, kept)
    places: dict[str, tuple[int, ...]] = {}
    for want in listed:
        own = kept[want.name]
        free = [index for index in indices if index not in taken]
        if layout.mig_parts > 1:
            other = {i // layout.mig_parts for i in taken if held_w.get(i, want.limit_w) != want.limit_w}
            free.sort(key=lambda index: (index // layout.mig_parts in other, index))
        more = tuple(free[: max(want.whole - len(own), 0)])
        taken.update(more)
        held_w |= dict.fromkeys(more, want.limit_w)
        places[want.name] = (*own, *more)
    return places


def _on_islands(
    listed: Iterable[Want], indices: tuple[int, ...], before: Mapping[str, tuple[int, ...]], layout: Layout
) -> dict[str, tuple[int, ...]]:
    """Return the GPUs of those whose islands are known; what several had is the first one's."""
    found: dict[str, tuple[int, ...]] = {}
    wants = [want for want in listed if want.islands and layout.node_gpus > 0]
    had = {index: want.name for want in reversed(wants) for index in before.get(want.name, ())}
    taken: set[int] = set()
    for want in wants:
        own: list[int] = []
        for share in want.islands:
            here = [i for i in indices if layout.island_of(i) == (share.node, share.island) and i not in taken]
            here.sort(key=lambda index: (had.get(index) != want.name, index in had, index))
            own += here[: share.gpus]
            taken.update(here[: share.gpus])
        found[want.name] = tuple(own[: want.whole])
        taken.difference_update(own[want.whole :])
    return found


def limits_w(wants: Iterable[Want], places: Mapping[str, tuple[int, ...]]) -> dict[int, float]:
    """Return the limit of each GPU, or part of one, that serves somebody, W."""
    return {index: want.limit_w for want in wants for index in places.get(want.name, ())}


def whole_limits_w(limits_w: Mapping[int, float], mig_parts: int, idle_w: float) -> dict[int, float]:
    """Return the limit of each whole GPU that serves somebody, W: what its parts may draw together, idle ones ``idle_w``.

    So a part that works alone gets no more than its own limit, as far as the GPU can be limited so low.
    """
    whole = sorted({index // mig_parts for index in limits_w})
    parts = range(mig_parts)
    return {gpu: sum(limits_w.get(gpu * mig_parts + part, idle_w) for part in parts) for gpu in whole}
