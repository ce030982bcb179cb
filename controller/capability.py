"""What a site's computers can do: the menu of serving modes and the power-limit levels, from the catalogue.

Worked out where planning happens; problems carry it onwards, so that the control loop never needs the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from optimizer.modes.menu import menu
from optimizer.problem import PoolProblem, ProfileLevels
from sites.compute.levels import cap_levels
from sites.compute.pool_gpu import pool_gpu
from sites.compute.records import PowerProfile, ServingMode
from sites.plant import node
from sites.plant.params import node_params
from sites.schema.site import Site
from sites.schema.workload import Pool, Service

RATES = 6
LIMITS = 5
"""Power limits that a pool offers, from the lowest to the highest."""
SEVERAL_LIMITS_GPUS = 4
"""GPUs that a pool needs, where they are cut, to offer more than one limit."""
MODES_CONSIDERED = 60
BUDGET_SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15)
"""Shares of its own budget within which a stage of a chain may be asked to answer."""
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
        menus={service.name: service_menu(service, site.pools, chained(site, service)) for service in site.services},
    )


def chained(site: Site, service: Service) -> int:
    """Return the stages of the longest chain that a service is part of; 1 where it is part of none."""
    lengths = [len(each.stages) for each in site.chains if any(stage.service == service.name for stage in each.stages)]
    return max(lengths, default=1)


def service_menu(service: Service, pools: tuple[Pool, ...], stages: int = 1) -> tuple[ServingMode, ...]:
    """Return the modes of a service that matter at the rates it sees.

    A stage of a chain of ``stages`` services may be asked for less than its own budget, so that the others get more: its menu
    has modes for shares of it, each with the rate that it then holds, without those that another mode makes useless.
    """
    if stages == 1:
        return _within_budget(service, pools, 1)
    found: dict[str, ServingMode] = {}
    for share in BUDGET_SHARES:
        part = service.model_copy(update={"p99_s": share * service.p99_s})
        modes = _within_budget(part, pools, stages) if part.model_p99_s > 0.0 else ()
        suffix = "" if share == 1.0 else f" in {part.p99_s:.3g} s"
        named = (mode.model_copy(update={"name": mode.name + suffix}) if mode.gpus else mode for mode in modes)
        found.update((mode.name, mode) for mode in named)
    kept = (mode for mode in found.values() if not any(_useless(mode, other) for other in found.values()))
    return tuple(sorted(kept, key=lambda mode: (mode.rate_rps, mode.name)))


def _useless(mode: ServingMode, other: ServingMode) -> bool:
    """Return whether another mode does all that this one does, on no more GPUs and power and no later."""
    at_rps = mode.rate_rps
    mine = (mode.gpus, mode.p99_s, mode.idle_w, mode.power_w(at_rps), -mode.quality, -at_rps)
    theirs = (other.gpus, other.p99_s, other.idle_w, other.power_w(at_rps), -other.quality, -other.rate_rps)
    if mode.pool != other.pool or any(b > a + 1e-9 for a, b in zip(mine, theirs, strict=True)):
        return False
    return any(b < a - 1e-9 for a, b in zip(mine, theirs, strict=True)) or other.name < mode.name


def _within_budget(service: Service, pools: tuple[Pool, ...], stages: int) -> tuple[ServingMode, ...]:
    """Return the modes within a service's budget that matter at the rates it sees.

    For each pool (its GPUs are scarce on their own) and each rate from a quarter of the mean to five times it, the mode that
    holds the rate with the least power; and the one that holds the highest with the fewest GPUs.
    """
    rates = [service.demand.mean_rps * 0.25 * 20.0 ** (i / (RATES - 1)) for i in range(RATES)]
    chosen: dict[str, ServingMode] = {}
    for pool in pools:
        if pool.name not in service.pools:
            continue
        only_w = only_limit_w(pool)
        limits = LIMITS if only_w is None else 1
        highest = {} if only_w is None else {pool.name: only_w}
        modes = menu(
            service, (pool,), limits_per_gpu=limits, max_limit_w=highest, modes_max=MODES_CONSIDERED, chained=stages
        )
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


def only_limit_w(pool: Pool) -> float | None:
    """Return the one limit of a part [W] on a pool with too few GPUs to keep parts at several limits apart; none = any.

    Parts of one GPU have one limit. Two services and jobs at three limits would leave most of two GPUs to nobody.
    """
    if pool.mig_parts == 1 or pool.nodes * pool.gpus_per_node >= SEVERAL_LIMITS_GPUS:
        return None
    limits = pool_gpu(pool).limits
    whole_w = pool.default_limit_w or pool.mig_parts * limits.max_limit_w
    return min(max(whole_w / pool.mig_parts, limits.min_limit_w), limits.max_limit_w)


def pool_problem(pool: Pool) -> PoolProblem:
    """Return a pool with its levels for every power profile: jobs of any kind may be submitted."""
    host, gpu, only_w = node_params(pool), pool_gpu(pool), only_limit_w(pool)
    return PoolProblem(
        name=pool.name,
        gpus=pool.gpus,
        idle_w=gpu.limits.idle_w,
        host_kw=pool.nodes * pool.host_w / 1000.0,
        wall_factor=pool.wall_factor,
        levels=tuple(
            ProfileLevels(
                profile=profile,
                levels=cap_levels(pool.gpu, profile, LIMITS if only_w is None else 1, only_w, mig_parts=pool.mig_parts),
            )
            for profile in PROFILES
        ),
        nodes=pool.nodes,
        can_power_off=pool.can_power_off,
        node_off_kw=host.off_w / 1000.0,
        boot_h=host.boot_s / 3600.0,
        boot_kwh=node.boot_energy_kwh(host),
        node_gpus=pool.node_gpus,
        island_gpus=pool.island_gpus,
        mig_parts=pool.mig_parts,
        memory_gb=gpu.memory_b / 1e9,
    )
