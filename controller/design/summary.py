"""A study's results in words and figures: winner, base case, headline, tables. No drawing here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from controller.design.axes import SIZE_AXES
from controller.design.context import Context, Group
from controller.design.detail import position, sizes_text
from controller.design.evaluate import judge, tables
from controller.design.study import Study
from optimizer.rules.deferral import DeferralParams
from optimizer.sizing.battery_life import LIFE_MOST_Y
from optimizer.sizing.inputs import HOURS_A_YEAR
from sites.errors import InputError
from sites.schema.site import Site

RANKED = 15
LABELS = ("tilt_deg", "chemistry", "strategy", "cap_policy")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The designs a report speaks of, each a row of the results."""

    winner: pd.Series
    """Cheapest design that holds every limit."""
    ranked: pd.DataFrame
    """The cheapest designs that hold every limit, best first."""
    base: pd.Series
    """What the base site has now, its work at once: the fixed load."""
    same_fixed: pd.Series
    """The winner's sizes with the fixed load."""
    best_fixed: pd.Series | None
    """Cheapest design for the fixed load that holds every limit, if the study looked at it."""


def choose(context: Context, study: Study, site: Site, rows: pd.DataFrame) -> Chosen:
    """Return the winner and what it is compared with.

    Raises:
        InputError: no design holds every limit; says which come nearest and why.
    """
    one = rows if not study.places else rows[rows["place"] == study.places[0].name]
    allowed = one[one["allowed"]]
    if allowed.empty:
        near = one.sort_values("loss_frac").iloc[0]
        raise InputError.single(
            source=study.name,
            field="limits",
            found=f"{len(rows)} designs, none within every limit",
            mend=f"nearest: {sizes_text(near)}, breaks {near['why_not']} "
            f"(loss of load {near['loss_frac']:.4f}, late work {near['late_frac']:.4f}); widen vary or the limits",
        )
    ordered = allowed.sort_values(["npc_usd", "group", "design"])
    winner = ordered.iloc[0]
    group = context.groups[int(winner["group"])]
    fixed = fixed_load(group)
    best_fixed = allowed[allowed["cap_policy"] == "at-once"].sort_values("npc_usd")
    return Chosen(
        winner=winner,
        ranked=ordered.head(RANKED),
        base=_base_row(context, study, site, fixed),
        same_fixed=_row_of(context, fixed, winner),
        best_fixed=None if best_fixed.empty else best_fixed.iloc[0],
    )


def fixed_load(group: Group) -> Group:
    """Return the group with work done as it comes, at full power."""
    kit = replace(
        group.kit,
        deferral=DeferralParams(
            soc_low_frac=group.kit.deferral.soc_low_frac, soc_high_frac=group.kit.deferral.soc_high_frac
        ),
    )
    return replace(group, cap_policy="at-once", kit=kit, labels={**group.labels, "cap_policy": "at-once"})


def _row_of(context: Context, group: Group, like: pd.Series) -> pd.Series:
    rows = judge(context, group, position(context, like), tables(context, group)).rows
    return rows.iloc[0]


def base_context(context: Context, study: Study, site: Site) -> Context:
    """Return the study with the base site's own sizes as the only design, even where the grid does not hold them."""
    sizes = study.model_copy(update={"vary": type(study.vary)()}).sizes(site)
    return replace(context, axes=tuple(sizes[axis] for axis in SIZE_AXES))


def _base_row(context: Context, study: Study, site: Site, group: Group) -> pd.Series:
    own = base_context(context, study, site)
    at = np.zeros((1, len(SIZE_AXES)), dtype=np.int64)
    return judge(own, group, at, tables(own, group)).rows.iloc[0]


@dataclass(frozen=True, kw_only=True)
class UnitCosts:
    """Cost of what the site makes, shared by the power that services and batch work draw beyond idling."""

    usd_per_gpu_h: float
    usd_per_mtoken: float


def unit_costs(context: Context, row: pd.Series) -> UnitCosts:
    """Return what a batch GPU-hour and a million output tokens cost in a design; NaN where there are none."""
    group = context.groups[int(row["group"])] if "group" in row else context.groups[0]
    service_kwh = float(group.loads.service_kw.mean()) * HOURS_A_YEAR
    work_kwh = float(row["work_kwh"])
    share = work_kwh / (work_kwh + service_kwh) if work_kwh + service_kwh > 0 else 0.0
    yearly = float(row["yearly_usd"])
    mtokens = group.loads.tokens_per_week * 365.0 / 7.0 / 1e6
    return UnitCosts(
        usd_per_gpu_h=yearly * share / float(row["gpu_h"]) if row["gpu_h"] > 0 else float("nan"),
        usd_per_mtoken=yearly * (1.0 - share) / mtokens if mtokens > 0 else float("nan"),
    )


def headline(chosen: Chosen) -> str:
    """Return what deferrable work saves against a fixed load, in a sentence."""
    winner, same = chosen.winner, chosen.same_fixed
    if winner["cap_policy"] == "at-once":
        return (
            f"A fixed load wins: {sizes_text(winner)} at a net present cost of {money(winner['npc_usd'])}; "
            "letting work wait was not tried or did not pay."
        )
    litres, usd = same["fuel_l"] - winner["fuel_l"], same["npc_usd"] - winner["npc_usd"]
    loss = (
        f" and leaves {same['loss_frac']:.2%} of what cannot wait unserved"
        if same["loss_frac"] > max(1e-5, 2.0 * winner["loss_frac"])
        else ""
    )
    if same["fuel_l"] > 0.0:
        text = (
            f"Work that waits for the sun saves {litres:,.0f} L of diesel a year ({_share(litres, same['fuel_l'])}) and "
            f"{money(usd)} over the project ({_share(usd, same['npc_usd'])}) on the same equipment; the same work as a "
            f"fixed load burns {same['fuel_l']:,.0f} L{loss}."
        )
    else:
        text = (
            f"Work that waits for the sun makes {sizes_text(winner)} enough; as a fixed load the same work on it loses "
            f"{same['loss_h']:,.0f} hours of supply a year{loss}."
        )
    if chosen.best_fixed is not None:
        best = chosen.best_fixed
        saved = best["npc_usd"] - winner["npc_usd"]
        text += (
            f" Built best for a fixed load ({sizes_text(best)}) the site costs {money(best['npc_usd'])}: "
            f"{money(saved)} or {_share(saved, best['npc_usd'])} more than the winner."
        )
    return text


def fleet_saving(rows: pd.DataFrame, study: Study) -> str:
    """Return what waiting saves over all places where both ways hold the limits, in a sentence."""
    counts = {place.name: place.count for place in study.places}
    allowed = rows[rows["allowed"]].sort_values("npc_usd")
    fixed = allowed[allowed["cap_policy"] == "at-once"].groupby("place")["npc_usd"].first()
    waits = allowed[allowed["cap_policy"] != "at-once"].groupby("place")["npc_usd"].first()
    both = [name for name in counts if name in fixed.index and name in waits.index]
    only = [name for name in counts if name not in fixed.index and name in waits.index]
    if not both:
        return ""
    sites = sum(counts[name] for name in both)
    cheap = sum(float(waits[name]) * counts[name] for name in both)
    dear = sum(float(fixed[name]) * counts[name] for name in both)
    text = (
        f"Over the {sites:,} sites at {len(both)} places where both can be built, waiting work costs {money(cheap)} and a "
        f"fixed load {money(dear)}: {money(dear - cheap)} or {_share(dear - cheap, dear)} saved."
    )
    if only:
        text += f" At {len(only)} more places only work that waits fits within the limits and the sizes tried."
    return text


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "0 %"


def money(usd: float) -> str:
    """Return an amount a person reads at a glance."""
    if abs(usd) >= 1e6:
        return f"${usd / 1e6:,.2f} M"
    return f"${usd:,.0f}"


def compared(context: Context, chosen: Chosen) -> tuple[list[str], list[list[str]]]:
    """Return the names and rows of the table that sets the winner against the base case."""
    columns = {
        "winner": chosen.winner,
        "winner's sizes, fixed load": chosen.same_fixed,
        "base site, fixed load": chosen.base,
    }
    if chosen.best_fixed is not None:
        columns["best for a fixed load"] = chosen.best_fixed
    rows = [["sizes", *(sizes_text(row) for row in columns.values())]]
    for name, column, form in FIGURES:
        rows.append([name, *(form.format(float(row[column])) for row in columns.values())])
    costs = [unit_costs(context, row) for row in columns.values()]
    rows.append(["$ a batch GPU-hour", *(figure(cost.usd_per_gpu_h) for cost in costs)])
    rows.append(["$ a million output tokens", *(figure(cost.usd_per_mtoken) for cost in costs)])
    return list(columns), rows


FIGURES = (
    ("net present cost [$]", "npc_usd", "{:,.0f}"),
    ("capital [$]", "capex_usd", "{:,.0f}"),
    ("levelised cost [$ a kWh served]", "lcoe_usd_per_kwh", "{:.3f}"),
    ("diesel [L a year]", "fuel_l", "{:,.0f}"),
    ("diesel P90 over weather [L a year]", "fuel_p90_l", "{:,.0f}"),
    ("CO2 [kg a year]", "co2_kg", "{:,.0f}"),
    ("genset hours a year", "genset_h", "{:,.0f}"),
    ("genset starts a year", "starts", "{:,.0f}"),
    ("energy not served [share of what cannot wait]", "loss_frac", "{:.4%}"),
    ("hours with loss of load a year", "loss_h", "{:,.1f}"),
    ("work late [share]", "late_frac", "{:.3%}"),
    ("sun not used [share]", "curtailed_frac", "{:.0%}"),
    ("batch GPU-hours a year", "gpu_h", "{:,.0f}"),
    ("battery life, worst to best model [years]", "battery_life_low_y", "{:.1f} and more"),
)


def figure(value: float) -> str:
    """Return a small amount with three figures, a dash where there is none."""
    return "–" if not np.isfinite(value) else f"{value:.3g}"


def ranked(chosen: Chosen) -> tuple[list[str], list[list[str]]]:
    """Return the names and rows of the table of the best designs."""
    shown = [name for name in LABELS if chosen.ranked[name].nunique() > 1]
    extra = [name for name in chosen.ranked.columns if name.startswith(("nodes:", "gpu:"))]
    rows = []
    for _, row in chosen.ranked.iterrows():
        labels = ", ".join(f"tilt {row[name]}" if name == "tilt_deg" else str(row[name]) for name in (*shown, *extra))
        rows.append(
            [
                sizes_text(row) + (f"; {labels}" if labels else ""),
                f"{row['npc_usd']:,.0f}",
                f"{row['capex_usd']:,.0f}",
                f"{row['lcoe_usd_per_kwh']:.3f}",
                f"{row['fuel_l']:,.0f}",
                f"{row['loss_frac']:.4%}",
                f"{row['late_frac']:.2%}",
                f"{row['curtailed_frac']:.0%}",
                f"{row['battery_life_y']:.0f}" + "+" * (row["battery_life_y"] >= LIFE_MOST_Y),
            ]
        )
    names = [
        "design",
        "NPC [$]",
        "capital [$]",
        "$ a kWh",
        "diesel [L/y]",
        "not served",
        "late",
        "sun unused",
        "battery, median [y]",
    ]
    return names, rows


def place_table(rows: pd.DataFrame, study: Study, design: pd.Series) -> tuple[list[str], list[list[str]], pd.DataFrame]:
    """Return the winner's design at every place, and the cheapest allowed design there."""
    found = []
    table = []
    counts = {place.name: place.count for place in study.places}
    for place in study.places:
        here = rows[(rows["place"] == place.name) & rows["allowed"]].sort_values("npc_usd")
        if here.empty:
            table.append(
                [place.name, f"{place.latitude:.1f}", str(place.count), "none within every limit", "", "", "", ""]
            )
            continue
        best = here.iloc[0]
        found.append(best)
        table.append(
            [
                place.name,
                f"{place.latitude:.1f}",
                str(counts[place.name]),
                sizes_text(best),
                str(best["tilt_deg"]),
                f"{best['npc_usd']:,.0f}",
                f"{best['loss_frac']:.3%}",
                f"{best['curtailed_frac']:.0%}",
            ]
        )
    names = ["place", "latitude", "sites", "cheapest design", "tilt", "NPC of one [$]", "not served", "sun unused"]
    return names, table, pd.DataFrame(found)
