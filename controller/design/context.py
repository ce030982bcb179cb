"""A study made ready: every variant's site, load, equipment, prices and weather years, and the designs of its grid.

Built once, before the first simulation; everything in it is plain data that can be sent to another process or
machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from controller.design.axes import SIZE_AXES, Chemistry
from controller.design.place import PlaceYears, place_years, site_at
from controller.design.study import Deliveries, Limits, Place, Study
from controller.design.variant import Loads, equipment, loads, variant_prices
from optimizer.sizing.full import Equipment
from optimizer.sizing.lifecycle import LifePrices
from sites.schema.site import Site

FORMAT = 4
"""Raised when results of an older program must not be resumed."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """All designs of one site variant at one place."""

    labels: dict[str, str]
    """What was chosen: place, tilt_deg, chemistry, strategy, cap_policy, and nodes or gpu of pools."""
    site: Site
    """The variant, before sizes."""
    sites_built: int
    """How many sites of this kind are built at the place."""
    loads: Loads
    kit: Equipment
    prices: LifePrices
    years: str
    """Key of the weather years."""
    chemistry: str
    cap_policy: str


@dataclass(frozen=True, kw_only=True)
class Context:
    """A study made ready."""

    name: str
    seed: int
    step_h: float
    axes: tuple[tuple[float, ...], ...]
    """Values of each size axis, in the order of ``SIZE_AXES``."""
    groups: tuple[Group, ...]
    weather: dict[str, PlaceYears]
    limits: Limits
    deliveries: Deliveries
    input_hash: str
    """Of the study, the base site, the weather and the format."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of values on the size axes."""
        return tuple(len(axis) for axis in self.axes)

    def coordinates_of(self, design: int) -> tuple[int, ...]:
        """Return the grid coordinates of a design by its number."""
        return tuple(int(index) for index in np.unravel_index(design, self.shape))

    @property
    def designs_a_group(self) -> int:
        """Designs in a group's grid."""
        return int(np.prod(self.shape))


def build(study: Study, site: Site, base: Path, tell: Callable[[str], None] = lambda _: None) -> Context:
    """Return the study made ready; ``tell`` hears what is being prepared.

    Raises:
        InputError: weather, a GPU or a model cannot be used.
    """
    step_h = study.step_minutes / 60.0
    weather: dict[str, PlaceYears] = {}
    groups = []
    places: tuple[Place | None, ...] = study.places or (None,)
    tilts: tuple[float | None, ...] = study.vary.tilt_deg or (None,)
    known_loads: dict[str, Loads] = {}
    for place in places:
        name = place.name if place else site.name
        tell(f"weather and sun of {name}")
        moved_sites = {f"{name}|{'' if tilt is None else tilt}": site_at(site, place, tilt) for tilt in tilts}
        weather.update(place_years(moved_sites, folder=base.parent, place=place, weather=study.weather, step_h=step_h))
    for place, tilt in product(places, tilts):
        key = f"{place.name if place else site.name}|{'' if tilt is None else tilt}"
        moved = site_at(site, place, tilt)
        for computers, labels in _computers(study, moved):
            name = json.dumps(labels, sort_keys=True)
            if name not in known_loads:
                known_loads[name] = loads(computers)
            for chemistry, strategy, cap_policy in product(
                study.vary.chemistry or (site.battery.chemistry if site.battery else "lfp",),
                study.vary.strategy,
                study.vary.cap_policy,
            ):
                variant = with_chemistry(computers, chemistry)
                groups.append(
                    Group(
                        labels={
                            "place": place.name if place else site.name,
                            "tilt_deg": "" if tilt is None else f"{tilt:g}",
                            "chemistry": chemistry,
                            "strategy": strategy,
                            "cap_policy": cap_policy,
                            **labels,
                        },
                        site=variant,
                        sites_built=place.count if place else 1,
                        loads=known_loads[name],
                        kit=equipment(variant, known_loads[name], study, strategy=strategy, cap_policy=cap_policy),
                        prices=variant_prices(study, variant),
                        years=key,
                        chemistry=chemistry,
                        cap_policy=cap_policy,
                    )
                )
    sizes = study.sizes(site)
    return Context(
        name=study.name,
        seed=study.weather.seed,
        step_h=step_h,
        axes=tuple(sizes[axis] for axis in SIZE_AXES),
        groups=tuple(groups),
        weather=weather,
        limits=study.limits,
        deliveries=study.deliveries,
        input_hash=_hash(study, site, weather),
    )


def with_chemistry(site: Site, chemistry: Chemistry) -> Site:
    """Return the site with its battery of another chemistry; its limits stay those of the site file."""
    if site.battery is None or site.battery.chemistry == chemistry:
        return site
    return site.model_copy(update={"battery": site.battery.model_copy(update={"chemistry": chemistry})})


def _computers(study: Study, site: Site) -> list[tuple[Site, dict[str, str]]]:
    """Return the site with every choice of nodes and kinds of GPU, with its labels."""
    vary = study.vary
    keys = [("nodes", pool) for pool in vary.nodes] + [("gpu", pool) for pool in vary.gpu]
    values: list[tuple[int, ...] | tuple[str, ...]] = [*vary.nodes.values(), *vary.gpu.values()]
    found = []
    for chosen in product(*values):
        pools, labels = list(site.pools), {}
        for (kind, name), value in zip(keys, chosen, strict=True):
            at = next(index for index, pool in enumerate(pools) if pool.name == name)
            pools[at] = pools[at].model_copy(update={kind: value})
            labels[f"{kind}:{name}"] = str(value)
        found.append((site.model_copy(update={"pools": tuple(pools)}), labels))
    return found


def _hash(study: Study, site: Site, weather: dict[str, PlaceYears]) -> str:
    digest = hashlib.sha256(f"format {FORMAT}".encode())
    digest.update(study.model_dump_json().encode())
    digest.update(site.model_dump_json().encode())
    for key in sorted(weather):
        digest.update(key.encode())
        digest.update(weather[key].sun_kw_per_kwp.tobytes())
        digest.update(weather[key].outdoor_c.tobytes())
    return digest.hexdigest()[:16]
