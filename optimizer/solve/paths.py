"""Serving modes by shortest path at given prices of power, reserve and GPUs.

With prices fixed the services are independent, and each is a shortest path through (interval, mode) whose arcs cost the
switch. Services are taken one after the other, the critical ones first, and see only the GPUs that are left, so that the
modes chosen together always fit. So do chains: each stage leaves those that follow the time of their quickest modes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from optimizer.chains import Rooms
from optimizer.model.build import Model
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Index
from optimizer.model.nodes import nodes_of_modes
from optimizer.model.services import chain_s, mode_kw, mode_usd
from optimizer.objective import change_hours


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a kW on the bus and a GPU cost in each interval, $ for the whole interval."""

    it_kw_usd: Floats
    """Cost of one more kW of IT power, cooling, reserve and heat included, T."""
    gpu_usd: Floats
    """Cost of one more GPU taken, P x T."""
    node_usd: Mapping[tuple[int, int], Floats] = field(default_factory=dict)
    """Cost of one more whole node that a service keeps on in a pool, T, by service and pool number."""
    chain_usd: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """Cost of a second of a chain's budget, C x T; empty = nothing."""


def prices_of(model: Model, row_duals: Floats) -> Prices:
    """Return the prices that the duals of the whole model's relaxation mean."""
    layout, rows = model.layout, model.rows
    power = row_duals[rows.balance].sum(axis=0) * layout.cooling
    if rows.reserve.size:
        power = power + row_duals[rows.reserve].sum(axis=0) * layout.problem.reserve.load_frac * layout.cooling
    if rows.heat.size:
        power = power + row_duals[rows.heat] * layout.hours
    nodes = {pair: -row_duals[each] for pair, each in rows.nodes.items()}
    chain_usd = -row_duals[rows.chain] if rows.chain.size else np.zeros((0, layout.steps))
    return Prices(it_kw_usd=power, gpu_usd=-row_duals[rows.pool], node_usd=nodes, chain_usd=chain_usd)


def choose_modes(layout: Layout, prices: Prices, support: list[Floats] | None = None) -> list[Index]:
    """Return the mode index of each service in each interval.

    ``support`` holds the relaxation's shares of each mode; at equal prices the path keeps to them.
    """
    pools = {pool.name: place for place, pool in enumerate(layout.problem.pools)}
    free = np.array([[pool.gpus] * layout.steps for pool in layout.problem.pools]).reshape(len(pools), layout.steps)
    chosen: list[Index] = [np.zeros(0, dtype=np.int32)] * len(layout.menus)
    order = sorted(range(len(layout.menus)), key=lambda place: not layout.problem.services[place].critical)
    rooms = [Rooms(layout.problem) for _ in range(layout.steps)] if layout.problem.chains else []
    for place in order:
        cost = mode_usd(layout, place) + mode_kw(layout, place) * prices.it_kw_usd[None, :]
        cost = cost - stay_usd(layout, place)
        for (service, pool), usd in prices.node_usd.items():
            if service == place:
                cost = cost + nodes_of_modes(layout, place, pool)[:, None] * usd[None, :]
        for index, mode in enumerate(layout.menus[place]):
            if not mode.gpus:
                continue
            if mode.pool not in pools:
                cost[index] = np.inf
                continue
            cost[index] += mode.gpus * prices.gpu_usd[pools[mode.pool]]
            cost[index][free[pools[mode.pool]] < mode.gpus - 1e-9] = np.inf
        for number, usd in enumerate(prices.chain_usd):
            cost = cost + chain_s(layout, number)[place][:, None] * usd[None, :]
        if rooms:
            most_s = np.array([room.most_s(layout.problem.services[place].name) for room in rooms])
            p99_s = np.array([mode.p99_s if mode.gpus else 0.0 for mode in layout.menus[place]])
            cost[p99_s[:, None] > most_s[None, :]] = np.inf
        if support is not None:
            cost -= support[place] * np.maximum(np.abs(cost[np.isfinite(cost)]).max(initial=0.0) * 1e-6, 1e-9)
        path, _ = shortest_path(cost, entry_usd(layout, place))
        chosen[place] = path
        for step, room in enumerate(rooms):
            room.take(layout.problem.services[place].name, layout.menus[place][path[step]])
        for index, mode in enumerate(layout.menus[place]):
            if mode.gpus:
                free[pools[mode.pool]][path == index] -= mode.gpus
    return chosen


def stay_usd(layout: Layout, place: int) -> Floats:
    """Return what keeping the last plan's mode saves, modes x T."""
    saved = np.zeros((len(layout.menus[place]), layout.steps))
    last = layout.problem.last_plan
    if last is None or place >= len(last.service_modes) or len(last.service_modes[place]) != layout.steps:
        return saved
    names = [mode.name for mode in layout.menus[place]]
    for step, (name, hours) in enumerate(zip(last.service_modes[place], change_hours(layout.problem), strict=True)):
        if name in names:
            saved[names.index(name), step] = last.change_usd * hours
    return saved


def entry_usd(layout: Layout, place: int) -> Floats:
    """Return what entering each mode in each interval costs (modes x T); staying in the mode in force is free."""
    service = layout.problem.services[place]
    enter = np.full((len(layout.menus[place]), layout.steps), service.switch_usd)
    names = [mode.name for mode in layout.menus[place]]
    enter[:, 0] = 0.0 if service.current_mode == "" else service.switch_usd
    if service.current_mode in names:
        enter[names.index(service.current_mode), 0] = 0.0
    return enter


def shortest_path(node: Floats, enter: Floats) -> tuple[Index, float]:
    """Return the cheapest mode sequence and its cost, for costs of being in a mode and of entering it (modes x T)."""
    modes, steps = node.shape
    came = np.zeros((modes, steps), dtype=np.int32)
    value = node[:, 0] + enter[:, 0]
    for step in range(1, steps):
        best = int(np.argmin(value))
        moved = value[best] + enter[:, step]
        stays = value <= moved
        came[:, step] = np.where(stays, np.arange(modes), best)
        value = np.where(stays, value, moved) + node[:, step]
    path = np.zeros(steps, dtype=np.int32)
    path[-1] = int(np.argmin(value))
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came[path[step], step]
    return path, float(value.min())


def mode_values(layout: Layout, chosen: list[Index]) -> list[Floats]:
    """Return 0/1 shares (modes x T) of chosen modes."""
    shares = []
    for place, path in enumerate(chosen):
        share = np.zeros((len(layout.menus[place]), layout.steps))
        share[path, np.arange(layout.steps)] = 1.0
        shares.append(share)
    return shares
