"""What can be said before any long work: whether some design can hold the limits at all.

Capital, area and the like grow with every size, so the smallest design tells whether they can be held; loss of
load, late work and fuel are judged on a handful of corners of the grid over the first weather year. Only if
every one of them fails by a wide margin is the study refused: the margin leaves room for what lies between the
corners.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from controller.design.context import Context
from controller.design.evaluate import judge, tables
from sites.errors import InputError, InputFault

MARGIN = 0.5
"""A limit counts as out of reach when even the best corner is this share beyond it."""
MOST_CORNERS = 64
FIELDS = {
    "loss of load": ("loss_of_load_frac", "loss_frac"),
    "late work": ("late_work_frac", "late_frac"),
    "fuel": ("fuel_l_per_y", "fuel_l"),
    "capital": ("capex_usd", "capex_usd"),
    "noise": ("noise_h_per_y", "noise_h"),
}


def refuse_if_hopeless(context: Context, source: str) -> None:
    """Raise when no corner of any variant comes near a limit.

    Raises:
        InputError: names each limit out of reach and the best figure seen.
    """
    corners = np.array(list(product(*({0, size - 1} for size in context.shape)))[:MOST_CORNERS], dtype=np.int64)
    best = dict.fromkeys(FIELDS, np.inf)
    least_area_m2 = min(context.axes[0]) * context.limits.m2_per_kwp
    for group in context.groups:
        rows = judge(context, group, corners, tables(context, group, years=1)).rows
        for name, (_, column) in FIELDS.items():
            best[name] = min(best[name], float(rows[column].min()))
        if not _out_of_reach(context, best, source):
            break
    faults = _out_of_reach(context, best, source)
    area = context.limits.pv_area_m2
    if area is not None and least_area_m2 > area:
        faults.append(
            InputFault(
                source=source,
                field="limits.pv_area_m2",
                found=f"{area:g}",
                mend=f"no design can hold it: the smallest PV needs {least_area_m2:g} m2",
            )
        )
    if faults:
        raise InputError(faults)


def _out_of_reach(context: Context, best: dict[str, float], source: str) -> list[InputFault]:
    """Return the limits that the best figures seen do not come near."""
    faults = []
    for name, (field, _) in FIELDS.items():
        limit = getattr(context.limits, field)
        allowed = (
            None if limit is None else limit * (1.0 + MARGIN) + (1e-3 if name in ("loss of load", "late work") else 0)
        )
        if name == "capital" and limit is not None:
            allowed = limit
        if allowed is not None and best[name] > allowed:
            faults.append(
                InputFault(
                    source=source,
                    field=f"limits.{field}",
                    found=f"{limit:g}",
                    mend=f"no design can hold it: the best corner of the grid has {best[name]:.4g}; "
                    "widen vary or the limit",
                )
            )
    return faults
