"""The hosts of a simulated site: powered on and off, booting, and what that leaves of each pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sites.plant import node
from sites.plant.params import node_params
from sites.schema.site import Site
from sites.schema.workload import Pool

Hosts = dict[str, tuple[node.NodeState, ...]]
"""The hosts of each pool, in the order in which they are powered on."""


class PoolHosts(NamedTuple):
    """What the hosts of a pool draw and offer in a step."""

    power_kw: float
    powered: int
    ready: int
    """Hosts that are up for the whole step."""


def all_up(site: Site) -> Hosts:
    """Return every host powered and booted."""
    return {pool.name: (node.NodeState(powered=True),) * pool.nodes for pool in site.pools}


def advance(
    site: Site, hosts: Hosts, wanted: Mapping[str, int] | None, dt_s: float
) -> tuple[Hosts, dict[str, PoolHosts]]:
    """Return the hosts after ``dt_s`` seconds with ``wanted`` of each pool powered (all where it is silent)."""
    after: Hosts = {}
    found: dict[str, PoolHosts] = {}
    for pool in site.pools:
        count = pool.nodes if wanted is None else wanted.get(pool.name, pool.nodes)
        params = node_params(pool)
        alike = {
            (state, on): node.step(params, state, on, dt_s)
            for state, on in {(state, i < count) for i, state in enumerate(hosts[pool.name])}
        }
        steps = [alike[state, i < count] for i, state in enumerate(hosts[pool.name])]
        after[pool.name] = tuple(state for state, _, _ in steps)
        found[pool.name] = PoolHosts(
            power_kw=sum(power_w for _, power_w, _ in steps) / 1000.0,
            powered=sum(state.powered for state, _, _ in steps),
            ready=sum(ready_frac >= 1.0 for _, _, ready_frac in steps),
        )
    return after, found


def gpus_ready(pool: Pool, states: tuple[node.NodeState, ...]) -> int:
    """Return the GPUs of hosts that are up."""
    return pool.node_gpus * sum(state.powered and state.boot_left_s <= 0.0 for state in states)
