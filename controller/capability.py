"""What a site's computers can do: the menu of serving modes and the power-limit levels, from the catalogue.

Worked out where planning happens; problems carry it onwards, so that the control loop never needs the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from optimizer.modes.menu import menu
from optimizer.problem import PoolProblem, ProfileLevels
from sites.compute.hardware import gpu_spec
from sites.compute.levels import cap_levels
from sites.compute.records import PowerProfile, ServingMode
from sites.plant import node
from sites.plant.params import node_params
from sites.schema.site import Site
from sites.schema.workload import Pool, Service

RATES = 6
MODES_CONSIDERED = 60
PROFILES: tuple[PowerProfile, ...] = ("decode", "prefill", "vision", "training")


@dataclass(frozen=True, kw_only=True)
class Capability:
    """A site's pools and menus."""

    pools: tuple[PoolProblem, ...]
    menus: dict[str, tuple[ServingMode, ...]]
    """The modes of each service."""


@lru_cache(maxsize=8)
def capability(site: Site) -> Capability:
    """Return pools with their levels and a menu a service.

    Raises:
        InputError: a GPU or model that the catalogue does not know.
    """
    return Capability(
        pools=tuple(pool_problem(pool) for pool in site.pools),
        menus={service.name: service_menu(service, site.pools) for service in site.services},
    )


def service_menu(service: Service, pools: tuple[Pool, ...]) -> tuple[ServingMode, ...]:
    """Return the modes of a service that matter at the rates it sees.

    For each pool (its GPUs are scarce on their own) and each rate from a quarter of the mean to five times it, the mode that
    holds the rate with the least power; and the one that holds the highest with the fewest GPUs.
    """
    rates = [service.demand.mean_rps * 0.25 * 20.0 ** (i / (RATES - 1)) for i in range(RATES)]
    chosen: dict[str, ServingMode] = {}
    for pool in pools:
        if pool.name not in service.pools:
            continue
        modes = menu(service, (pool,), modes_max=MODES_CONSIDERED)
        chosen.update((mode.name, mode) for mode in modes if mode.gpus == 0)
        for rate in rates:
            enough = [mode for mode in modes if mode.rate_rps >= rate]
            if enough:
                leanest = min(enough, key=lambda mode: (mode.power_w(rate), mode.gpus, mode.name))
                chosen[leanest.name] = leanest
        if enough := [mode for mode in modes if mode.rate_rps >= rates[-1]] or list(modes[-1:]):
            smallest = min(enough, key=lambda mode: (mode.gpus, mode.power_w(rates[-1]), mode.name))
            chosen[smallest.name] = smallest
    return tuple(sorted(chosen.values(), key=lambda mode: (mode.rate_rps, mode.name)))


def pool_problem(pool: Pool) -> PoolProblem:
    """Return a pool with its levels for every power profile: jobs of any kind may be submitted."""
    host = node_params(pool)
    return PoolProblem(
        name=pool.name,
        gpus=pool.gpus,
        idle_w=gpu_spec(pool.gpu).limits.idle_w,
        host_kw=pool.nodes * pool.host_w / 1000.0,
        wall_factor=pool.wall_factor,
        levels=tuple(ProfileLevels(profile=profile, levels=cap_levels(pool.gpu, profile)) for profile in PROFILES),
        nodes=pool.nodes,
        can_power_off=pool.can_power_off,
        node_off_kw=host.off_w / 1000.0,
        boot_h=host.boot_s / 3600.0,
        boot_kwh=node.boot_energy_kwh(host),
        node_gpus=pool.gpus_per_node,
        island_gpus=pool.island_gpus,
        memory_gb=gpu_spec(pool.gpu).memory_b / 1e9,
    )
