"""What the planner made of the finalists, in words and rows."""

from __future__ import annotations

from collections.abc import Sequence

from controller.design.detail import sizes_text
from controller.design.planner_check import WINDOW_DAYS, Checked
from optimizer.sizing.economics import recovery_factor
from optimizer.sizing.lifecycle import LifePrices


def planner_tables(
    checked: Sequence[Checked], prices: LifePrices, limit_frac: float | None, replan_h: float, solve_s: float
) -> dict[str, object]:
    """Return two tables and their note: designs over the year, and the winner window by window."""
    windows = checked[0].windows
    return {
        "names": [
            "design",
            "kernel: diesel [L a year]",
            "planner: diesel",
            "difference",
            "kernel: not served [kWh]",
            "planner",
            "left in the battery [kWh]",
            "planner",
            "NPC [$]",
            "with the planner's diesel",
        ],
        "rows": [_design(each, prices) for each in checked],
        "note": f"Designs with the kernel's rules, and with the real planner in closed loop on the perturbed plant (less "
        f"battery, hungrier computers, random demand and jobs), over {len(windows)} windows of {WINDOW_DAYS} days that "
        f"stand for the year by their weight; a new plan every {replan_h:g} h, so the planner is "
        + ("a little slower to react than in the daemon." if replan_h <= 1.0 else "slower to react than in the daemon.")
        + f" A plan is solved for at most {solve_s:g} s; {_in_gap(checked)}. Jobs that come between two plans wait for the "
        "next one. The kernel does the study's mean work, the planner the random jobs of these days; the planner decides itself "
        "when work runs, also where the kernel has it at once.",
        "verdict": _verdict(checked[0], limit_frac),
        "window_names": [
            "the winner, window by window",
            "weight",
            "kernel: diesel [L]",
            "planner",
            "kernel: load [kWh]",
            "planner",
            "kernel: not served [kWh]",
            "planner",
            "jobs done",
            "late",
        ],
        "window_rows": [
            [
                f"day {window.day} to {window.day + WINDOW_DAYS}",
                f"{window.weight:.1f}",
                *(
                    f"{getattr(window, who)[name]:,.0f}"
                    for name in ("fuel_l", "load_kwh", "unserved_kwh")
                    for who in ("kernel", "planner")
                ),
                f"{window.planner['jobs_done']:.0f}",
                f"{window.planner['jobs_late']:.0f}",
            ]
            for window in windows
        ],
    }


def _verdict(winner: Checked, limit_frac: float | None) -> str:
    """Return whether the winner holds its limit to loss of load with the planner on the perturbed plant."""
    kernel, planner = (
        winner.total(who, "unserved_kwh") / winner.total(who, "load_kwh") for who in ("kernel", "planner")
    )
    text = f"With the planner the winner leaves {planner:.3%} of its load unserved, by the kernel's rules {kernel:.3%}."
    if limit_frac is not None and planner > limit_frac:
        text += (
            f" That is more than the {limit_frac:.3%} the study allows: a plant worse than its data sheets leaves the "
            "cheapest design no margin; build one of the next larger ones."
        )
    return text


def _in_gap(checked: Sequence[Checked]) -> str:
    """Return how many plans ended within the gap and how many at the limit of time."""
    plans, ended = (
        sum(window.planner[name] for each in checked for window in each.windows) for name in ("plans", "plans_in_gap")
    )
    return f"{ended:,.0f} of {plans:,.0f} plans ended within their gap, the rest at that limit"


def _design(each: Checked, prices: LifePrices) -> list[str]:
    rules_l, planner_l = each.total("kernel", "fuel_l"), each.total("planner", "fuel_l")
    saved_usd = (rules_l - planner_l) * prices.fuel_usd_per_l / recovery_factor(prices.rate_frac, prices.years)
    npc_usd = float(each.row["npc_usd"])
    share = f" ({planner_l / rules_l - 1.0:+.0%})" if rules_l > 0.0 else ""
    return [
        f"{each.title}: {sizes_text(each.row)}; {each.row['strategy']}, {each.row['cap_policy']}",
        f"{rules_l:,.0f}",
        f"{planner_l:,.0f}",
        f"{planner_l - rules_l:+,.0f}{share}",
        *(f"{each.total(who, 'unserved_kwh'):,.0f}" for who in ("kernel", "planner")),
        *(f"{each.total(who, 'stored_kwh'):+,.0f}" for who in ("kernel", "planner")),
        f"{npc_usd:,.0f}",
        f"{npc_usd - saved_usd:,.0f}",
    ]
