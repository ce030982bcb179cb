"""What would be best at another fuel price, or with another tolerance to shed load: asked of the designs already simulated.

Neither changes what a design does. The net present cost moves by the litres times the change of price over the recovery
factor of the project's years; a tolerance moves only which designs are allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from controller.design.axes import axis_values
from controller.design.context import Context
from controller.design.detail import sizes_text
from controller.design.study import Study
from optimizer.sizing.economics import recovery_factor
from sites.record import Record

LOSS = "loss of load"


class Answer(Record):
    """The best design at one fuel price and one tolerance."""

    fuel_usd_per_l: float
    shed_tolerance_frac: float | None
    """None = no limit."""
    allowed: int
    """Designs that hold every limit."""
    design: str
    """Sizes of the best, empty where none is allowed."""
    way: str
    """Strategy and cap policy of the best."""
    npc_usd: float | None
    fuel_l: float | None
    loss_frac: float | None


def answers(context: Context, study: Study, rows: pd.DataFrame) -> tuple[Answer, ...]:
    """Return the best design for every pair of fuel price and tolerance; empty where the study varies neither."""
    vary, own = study.vary, context.groups[0].prices
    if vary.fuel_usd_per_l is None and vary.shed_tolerance_frac is None:
        return ()
    here = rows if not study.places else rows[rows["place"] == study.places[0].name]
    return tuple(_answers(here, study, own.fuel_usd_per_l))


def npc_per_litre(study: Study, usd_per_l: float) -> float:
    """Return what a litre a year costs over the project at a price [USD]."""
    return usd_per_l / recovery_factor(study.prices.rate_frac, study.prices.years)


def _answers(rows: pd.DataFrame, study: Study, own_usd_per_l: float) -> Iterator[Answer]:
    others_held = rows["why_not"].isin(["", LOSS]).to_numpy()
    loss, litres, npc = (rows[name].to_numpy() for name in ("loss_frac", "fuel_l", "npc_usd"))
    prices = axis_values(study.vary.fuel_usd_per_l) if study.vary.fuel_usd_per_l is not None else (own_usd_per_l,)
    tolerances: tuple[float | None, ...] = (study.limits.loss_of_load_frac,)
    if study.vary.shed_tolerance_frac is not None:
        tolerances = axis_values(study.vary.shed_tolerance_frac)
    for price in prices:
        npc_usd = npc + litres * npc_per_litre(study, price - own_usd_per_l)
        for tolerance in tolerances:
            most = np.inf if tolerance is None else tolerance * (1.0 + 1e-9)
            yield _answer(rows, npc_usd, others_held & (loss <= most), price, tolerance)


def _answer(
    rows: pd.DataFrame, npc_usd: np.ndarray, allowed: np.ndarray, price: float, tolerance: float | None
) -> Answer:
    none = Answer(
        fuel_usd_per_l=price,
        shed_tolerance_frac=tolerance,
        allowed=int(allowed.sum()),
        design="",
        way="",
        npc_usd=None,
        fuel_l=None,
        loss_frac=None,
    )
    if not allowed.any():
        return none
    at = int(np.argmin(np.where(allowed, npc_usd, np.inf)))
    best = rows.iloc[at]
    return none.model_copy(
        update={
            "design": sizes_text(best),
            "way": f"{best['strategy']}, {best['cap_policy']}",
            "npc_usd": float(npc_usd[at]),
            "fuel_l": float(best["fuel_l"]),
            "loss_frac": float(best["loss_frac"]),
        }
    )


def answer_table(found: tuple[Answer, ...]) -> dict[str, object] | None:
    """Return names and rows of the answers, or None where nothing was asked."""
    if not found:
        return None
    return {
        "names": [
            "diesel [$ a litre]",
            "may stay unserved",
            "best design",
            "run",
            "NPC [$]",
            "diesel [L/y]",
            "unserved",
        ],
        "rows": [
            [
                f"{each.fuel_usd_per_l:.2f}",
                "any" if each.shed_tolerance_frac is None else f"{each.shed_tolerance_frac:.3%}",
                each.design or "none within every limit",
                each.way,
                *("–" if value is None else form.format(value) for value, form in _figures(each)),
            ]
            for each in found
        ],
    }


def _figures(each: Answer) -> tuple[tuple[float | None, str], ...]:
    return (each.npc_usd, "{:,.0f}"), (each.fuel_l, "{:,.0f}"), (each.loss_frac, "{:.4%}")
