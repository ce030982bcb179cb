"""Services: one serving mode in each interval.

    (18)  sum_m x[s,m,t] = 1,  x binary
    (19)  switch[s,m,t] >= x[s,m,t] - x[s,m,t-1]               the mode in force before the horizon counts
    (19b) sum over stages s of a chain, modes m of first_frac_s P99[s,m] x[s,m,t] <= budget     each chain, interval

Requests that a mode does not serve are priced inside the mode's own cost, ``dt max(0, rate - rate_m) x``: each service is
then a shortest path whose hull is integral, and the relaxation stays tight (a separate unmet-demand variable made the
bound 7 % weaker). GPUs and power of the modes enter pools, balance and reserve.
"""

from __future__ import annotations

import numpy as np

from optimizer.chains import share_of
from optimizer.model.columns import Columns, Rows
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Matrix
from optimizer.workload import extra_mode_w, spreads, unserved_rps


def add_services(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (18) to (19b)."""
    for place, service in enumerate(layout.problem.services):
        shape = (len(layout.menus[place]), layout.steps)
        x = matrix.columns(shape, upper=1.0, cost=mode_usd(layout, place), integer=True)
        columns.mode.append(x)
        one = matrix.rows((layout.steps,), lower=1.0, upper=1.0)
        matrix.put(one[None, :], x, 1.0)
        columns.switch.append(np.zeros((0, 0), dtype=np.int32))
        rows.mode.append(one)
        if service.switch_usd > 0.0:
            switch = matrix.columns(shape, upper=1.0, cost=service.switch_usd)
            columns.switch[-1] = switch
            before = np.zeros(shape)
            before[:, 0] = [0.0 if service.current_mode in ("", mode.name) else 1.0 for mode in layout.menus[place]]
            before[:, 0] = before[:, 0] - 1.0
            row = matrix.rows(shape, lower=np.where(np.arange(layout.steps)[None, :] == 0, before, 0.0))
            matrix.put(row, switch, 1.0)
            matrix.put(row, x, -1.0)
            matrix.put(row[:, 1:], x[:, :-1], 1.0)
            rows.mode[-1] = np.concatenate([one, row.ravel()])
    _add_chains(matrix, layout, columns, rows)


def _add_chains(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (19b)."""
    chains = layout.problem.chains
    if not chains:
        return
    rows.chain = matrix.rows((len(chains), layout.steps), upper=np.array([chain.p99_s for chain in chains])[:, None])
    for number in range(len(chains)):
        for place, seconds in enumerate(chain_s(layout, number)):
            if seconds.any():
                matrix.put(rows.chain[number][None, :], columns.mode[place], seconds[:, None])


def chain_s(layout: Layout, number: int) -> list[Floats]:
    """Return what each mode of each service takes of a chain's budget, s."""
    chain, services = layout.problem.chains[number], layout.problem.services
    return [
        share_of(chain, service.name) * np.array([mode.p99_s if mode.gpus else 0.0 for mode in menu])
        for service, menu in zip(services, layout.menus, strict=True)
    ]


def mode_usd(layout: Layout, place: int) -> Floats:
    """Return $ of each mode in each interval besides power and GPUs: unserved requests less the value of served ones."""
    service = layout.problem.services[place]
    rates = np.array(service.rate_rps)
    pairs = list(zip(service.rate_rps, spreads(service), strict=True))
    missed = np.array([[unserved_rps(mode, rate, spread) for rate, spread in pairs] for mode in layout.menus[place]])
    usd_per_s = missed * service.unserved_usd_per_request - (rates - missed) * service.value_usd_per_request
    return np.asarray(usd_per_s * 3600.0 * layout.hours[None, :])


def mode_kw(layout: Layout, place: int) -> Floats:
    """Return IT power at the wall of each mode in each interval beyond its idle GPUs, kW."""
    pools = {pool.name: pool for pool in layout.problem.pools}
    service = layout.problem.services[place]
    rows = []
    for mode in layout.menus[place]:
        pool = pools.get(mode.pool)
        wall = pool.wall_factor if pool is not None else 1.0
        rows.append([wall * extra_mode_w(mode, rate, pool) / 1000.0 for rate in service.rate_rps])
    return np.array(rows)
