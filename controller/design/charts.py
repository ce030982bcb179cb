"""Charts of a design report as SVG text, drawn with matplotlib without a display."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from controller.design.detail import Detail
from optimizer.sizing.inputs import Floats

SUN, STORE, DIESEL, LOAD, WORK, BAD = "#e0a100", "#2a7f9e", "#8c4a2f", "#3b3b3b", "#4f8a3c", "#b3261e"
SMALL, WIDE = (5.4, 3.2), (11.2, 3.2)


def _new(size: tuple[float, float] = SMALL) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def svg(figure: Figure) -> str:
    """Return a figure as an inline SVG element, the same text for the same figure."""
    with mpl.rc_context({"svg.hashsalt": "mdc", "svg.fonttype": "none", "font.family": "sans-serif"}):
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def pareto(rows: pd.DataFrame, winner: pd.Series) -> str:
    """Cost against energy not served and against fuel (unused sun where none burns), the unbeaten designs marked."""
    figure = Figure(figsize=WIDE, layout="constrained")
    left, right = figure.subplots(1, 2)
    here = rows[rows["place"] == winner["place"]]
    near = here[here["npc_usd"] <= 2.0 * float(winner["npc_usd"])]
    cheap = near[near["loss_frac"] <= max(0.02, 3.0 * float(winner["loss_frac"]))]
    sample = cheap.iloc[:: max(1, len(cheap) // 3000)]
    colour = np.where(sample["allowed"], STORE, "#c9c9c9")
    unit, money = (1e6, "M$") if float(winner["npc_usd"]) >= 1e6 else (1e3, "1000 $")
    burns = float(rows["fuel_l"].max()) > 0.0
    second = ("fuel_l", "fuel [1000 L a year]", 1e-3) if burns else ("curtailed_frac", "sun not used [%]", 100.0)
    for axes, (column, label, scale) in (
        (left, ("loss_frac", "not served [%]", 100.0)),
        (right, second),
    ):
        axes.scatter(sample["npc_usd"] / unit, sample[column] * scale, s=6, c=colour, linewidths=0)
        front = front_of(cheap, column)
        axes.plot(front["npc_usd"] / unit, front[column] * scale, color=LOAD, lw=1.2, marker="o", ms=2.5)
        axes.plot(winner["npc_usd"] / unit, winner[column] * scale, marker="*", ms=14, color=SUN, mec=LOAD)
        axes.set_xlabel(f"net present cost [{money}]")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)


def front_of(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the designs that none beats in both cost and ``column``, cheapest first."""
    ordered = rows.sort_values(["npc_usd", column])
    best = ordered[column].cummin()
    return ordered[(ordered[column] <= best) & (ordered[column] < best.shift(fill_value=np.inf))]


def cash_flow(detail: Detail) -> str:
    """Cost by part and year, stacked, salvage below zero."""
    figure, axes = _new(WIDE)
    years = np.arange(len(next(iter(detail.cash_usd.values()))))
    up, down = np.zeros(years.size), np.zeros(years.size)
    colours = dict(zip(detail.cash_usd, (SUN, STORE, DIESEL, "#7aa6b8", "#6b5b95", "#9a9a9a", BAD), strict=False))
    for name, flow in detail.cash_usd.items():
        if not np.any(flow):
            continue
        positive, negative = np.maximum(flow, 0.0) / 1e3, np.minimum(flow, 0.0) / 1e3
        axes.bar(years, positive, bottom=up, color=colours[name], label=name, width=0.8)
        axes.bar(years, negative, bottom=down, color=colours[name], width=0.8)
        up, down = up + positive, down + negative
    axes.axhline(0.0, color=LOAD, lw=0.6)
    axes.set_xlabel("project year")
    axes.set_ylabel("cost [1000 $]")
    axes.legend(frameon=False, ncols=4, fontsize=8)
    return svg(figure)


def tornado(detail: Detail) -> str:
    """How assumptions move the net present cost."""
    figure, axes = _new((5.4, 3.4))
    swings = list(reversed(detail.swings))
    for index, swing in enumerate(swings):
        axes.barh(index, swing.low_usd / 1e3, color=STORE, height=0.62)
        axes.barh(index, swing.high_usd / 1e3, color=DIESEL, height=0.62)
    axes.set_yticks(range(len(swings)), [swing.name for swing in swings], fontsize=8)
    axes.axvline(0.0, color=LOAD, lw=0.8)
    axes.set_xlabel("1000 $ (first value blue, second brown)")
    return svg(figure)


def heat_map(values: Floats, step_h: float, label: str, *, top: float | None = None, colours: str = "viridis") -> str:
    """A year as days by hours."""
    figure, axes = _new()
    days = values.reshape(-1, round(24.0 / step_h)).T
    top = top or float(days.max()) or 1.0
    image = axes.imshow(
        days, aspect="auto", origin="lower", cmap=colours, vmin=0.0, vmax=top, extent=(0.0, 365.0, 0.0, 24.0)
    )
    axes.set_xlabel("day of the year")
    axes.set_ylabel("local hour")
    axes.set_yticks([0, 6, 12, 18, 24])
    figure.colorbar(image, ax=axes, label=label)
    return svg(figure)


def durations(detail: Detail, step_h: float) -> str:
    """Load, genset and curtailed power, each sorted over the year."""
    figure, axes = _new()
    for name, column, colour in (
        ("load", "load_kwh", LOAD),
        ("gensets", "genset_kwh", DIESEL),
        ("sun not used", "spilled_kwh", SUN),
    ):
        values = np.sort(detail.course[column] / step_h)[::-1]
        axes.plot(np.linspace(0.0, 100.0, values.size), values, color=colour, label=name)
    axes.set_xlabel("share of the year [%]")
    axes.set_ylabel("at least [kW]")
    axes.legend(frameon=False)
    return svg(figure)


def worst_week_start(detail: Detail, step_h: float) -> int:
    """Return the first step of the week with most energy not served, or else most fuel."""
    week = round(168.0 / step_h)
    bad = detail.course["unserved_kwh"] * 1e6 + detail.course["batch_shed_kwh"] * 1e3 + detail.course["fuel_l"]
    sums = np.convolve(bad, np.ones(week), mode="valid")
    return int(np.argmax(sums)) // round(24.0 / step_h) * round(24.0 / step_h)


def worst_week(detail: Detail, step_h: float) -> str:
    """Flows and state of charge of the worst week."""
    begin = min(worst_week_start(detail, step_h), detail.course["sun_kw"].size - round(168.0 / step_h))
    part = slice(begin, begin + round(168.0 / step_h))
    figure = Figure(figsize=(11.2, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    days = np.arange(part.stop - part.start) * step_h / 24.0 + begin * step_h / 24.0
    used = detail.course["sun_kw"][part] - detail.course["spilled_kwh"][part] / step_h
    out = detail.course["discharge_kwh"][part] / step_h
    diesel = detail.course["genset_kwh"][part] / step_h
    upper.stackplot(days, used, out, diesel, colors=[SUN, STORE, DIESEL], labels=["sun used", "battery out", "gensets"])
    upper.plot(days, detail.course["load_kwh"][part] / step_h, color=LOAD, lw=1.2, label="load")
    upper.plot(days, detail.course["work_kwh"][part] / step_h, color=WORK, lw=1.0, label="batch work")
    upper.set_ylabel("power [kW]")
    upper.legend(frameon=False, ncols=5, fontsize=8, loc="upper left")
    lower.plot(days, detail.course["soc_frac"][part] * 100.0, color=STORE)
    lower.set_ylim(0, 100)
    lower.set_ylabel("SoC [%]")
    lower.set_xlabel("day of the year")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)


def survival(detail: Detail) -> str:
    """Share of the year's hours from which the site holds out without gensets."""
    figure, axes = _new()
    hours = np.concatenate((np.arange(0.0, 48.0), np.arange(48.0, 337.0, 4.0)))
    axes.plot(hours / 24.0, detail.autonomy.survival(hours) * 100.0, color=STORE)
    axes.set_xlabel("days without any genset")
    axes.set_ylabel("starts survived [%]")
    axes.set_ylim(0, 101)
    return svg(figure)


def waiting_h(arrived_kwh: Floats, done_kwh: Floats, step_h: float) -> Floats:
    """Return how long work waited, first come first served, one value a percent of the work."""
    came, went = np.cumsum(arrived_kwh), np.cumsum(done_kwh)
    total = min(came[-1], went[-1])
    if total <= 0.0:
        return np.zeros(99)
    at = np.linspace(0.01, 0.99, 99) * total
    ends = (np.arange(came.size) + 1.0) * step_h
    waited = np.interp(at, np.concatenate(([0.0], went)), np.concatenate(([0.0], ends))) - np.interp(
        at, np.concatenate(([0.0], came)), np.concatenate(([0.0], ends))
    )
    return np.sort(np.maximum(waited, 0.0))


def lateness(curves: dict[str, Floats]) -> str:
    """How long batch work waited."""
    figure, axes = _new()
    for (name, waited), colour in zip(curves.items(), (WORK, LOAD), strict=False):
        axes.plot(np.linspace(1.0, 99.0, waited.size), waited, color=colour, label=name)
    axes.set_xlabel("share of the work [%]")
    axes.set_ylabel("waited at most [h]")
    axes.legend(frameon=False)
    return svg(figure)


def health_band(detail: Detail) -> str:
    """Battery health by every model of its chemistry."""
    figure, axes = _new()
    for path, style in zip(detail.health, ("-", "--", ":", "-."), strict=False):
        years = np.arange(path.by_year_frac.size)
        axes.plot(years, path.by_year_frac * 100.0, style, color=STORE, label=path.name)
    low = np.min([path.by_year_frac for path in detail.health], axis=0) * 100.0
    high = np.max([path.by_year_frac for path in detail.health], axis=0) * 100.0
    axes.fill_between(np.arange(low.size), low, high, color=STORE, alpha=0.15, lw=0)
    axes.set_xlabel("years")
    axes.set_ylabel("health [%]")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def lost_hours(causes: dict[str, float]) -> str:
    """GPU-hours lost by cause."""
    figure, axes = _new((5.4, 2.2))
    axes.barh(list(causes), list(causes.values()), color=BAD, height=0.55)
    axes.set_xlabel("GPU-hours a year")
    return svg(figure)
