"""Power balance, the sun and what is left unserved.

    (1)  pv + dis - ch + sum_g P_g + sum_k shed_k + dark = base + c (batch + modes)      each scenario, interval
    (2)  0 <= pv <= available;  0 <= shed_k <= tier_k;  0 <= dark <= base less tiers, and work that is given

``base`` holds tiers, fans and idle hosts; ``c`` is one plus the cooling for each kW of IT. What is available and not
used is curtailed. ``dark`` keeps the model feasible when nothing can feed the hosts; its price is prohibitive.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns, Rows
from optimizer.model.layout import HARD_USD_PER_KWH, Layout
from optimizer.model.matrix import Floats, Matrix


def add_balance(
    matrix: Matrix, layout: Layout, columns: Columns, rows: Rows, *, given_kw: Floats | float = 0.0
) -> None:
    """Add (1) and (2); work adds its own terms to the balance rows later.

    ``given_kw`` is load of work that is no variable: it may go dark too, so that the model has a solution.
    """
    shape = (layout.scenarios, layout.steps)
    tiers = layout.problem.tiers
    weighted_h = layout.weights[:, None] * layout.hours[None, :]
    columns.pv = matrix.columns(shape, upper=layout.pv_kw)
    rows.balance = matrix.rows(shape, lower=layout.base_kw, upper=layout.base_kw)
    matrix.put(rows.balance, columns.pv, 1.0)
    tiers_kw = np.array([tier.kw for tier in tiers]).reshape(len(tiers), layout.steps)
    if tiers:
        price = np.array([tier.shed_usd_per_kwh for tier in tiers])
        columns.shed = matrix.columns(
            (layout.scenarios, len(tiers), layout.steps),
            upper=tiers_kw[None, :, :],
            cost=price[None, :, None] * weighted_h[:, None, :],
        )
        matrix.put(rows.balance[:, None, :], columns.shed, 1.0)
    rest_kw = np.maximum(0.0, layout.base_kw - tiers_kw.sum(axis=0) + given_kw)
    columns.dark = matrix.columns(shape, upper=rest_kw[None, :], cost=HARD_USD_PER_KWH * weighted_h)
    matrix.put(rows.balance, columns.dark, 1.0)


def add_supply_terms(matrix: Matrix, columns: Columns, rows: Rows) -> None:
    """Put battery and gensets into (1)."""
    if columns.charge.size:
        matrix.put(rows.balance, columns.discharge, 1.0)
        matrix.put(rows.balance, columns.charge, -1.0)
    if columns.genset.size:
        matrix.put(rows.balance[:, None, :], columns.genset, 1.0)
