"""Every axis of a study changes what it says, every limit bars designs, and questions of price need no new run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.design.context import Context, build
from controller.design.evaluate import breaches, coordinates, judge, tables
from controller.design.questions import answers
from controller.design.report import render
from controller.design.study import Deliveries, Limits, Study, load_study
from controller.design.summary import choose
from controller.design.variant import delivered_l
from sites.errors import InputError
from sites.schema.site import Site

TEXT = """
version: 1
name: axes
base: container
vary:
  pv_kwp: [350, 600]
  battery_kwh: [600, 1800]
  genset_kw: 45
  tilt_deg: [10, 40]
  chemistry: [lfp, nmc]
  cap_policy: [at-once, wait-and-cap]
  nodes: {l40s: [2, 4]}
  gpu: {l40s: [l40s, a100-pcie-80gb]}
  fuel_usd_per_l: [0.8, 4.0]
  shed_tolerance_frac: [0.0, 0.001, 0.2]
prices: {battery_usd_by_chemistry: {nmc: 200}}
reliability: {draws: 0}
"""
Ready = tuple[Study, Site, Context]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    file = tmp_path_factory.mktemp("study") / "study.yaml"
    file.write_text(TEXT, encoding="utf-8")
    study, site, base = load_study(file)
    return study, site, build(study, site, base)


def rows_of(context: Context, labels: dict[str, str]) -> pd.DataFrame:
    """Rows of the first group with these labels, all sizes, with its number."""
    index = next(i for i, g in enumerate(context.groups) if labels.items() <= g.labels.items())
    group = context.groups[index]
    rows = judge(context, group, coordinates(context, 0, context.designs_a_group), tables(context, group)).rows
    return rows.assign(group=index, design=np.arange(len(rows)))


@pytest.fixture(scope="module")
def rows(ready: Ready) -> pd.DataFrame:
    return rows_of(ready[2], {})


USUAL = {"tilt_deg": "10", "chemistry": "lfp", "cap_policy": "at-once", "nodes:l40s": "2", "gpu:l40s": "l40s"}


@pytest.mark.parametrize(
    ("axis", "value", "column"),
    [
        ("tilt_deg", "40", "fuel_l"),
        ("chemistry", "nmc", "npc_usd"),
        ("cap_policy", "wait-and-cap", "fuel_l"),
        ("nodes:l40s", "4", "served_kwh"),
        ("gpu:l40s", "a100-pcie-80gb", "served_kwh"),
    ],
)
def test_an_axis_changes_what_it_says(ready: Ready, rows: pd.DataFrame, axis: str, value: str, column: str) -> None:
    assert (rows[list(USUAL)] == pd.Series(USUAL)).all(axis=None)
    other = rows_of(ready[2], {**USUAL, axis: value})
    assert (np.abs(other[column] / rows[column] - 1.0) > 1e-3).all()
    assert set(ready[2].groups[int(other["group"].iloc[0])].labels.items()) >= {(axis, value)}


def test_size_axes_change_capital_and_fuel(rows: pd.DataFrame) -> None:
    by = {(float(row["pv_kwp"]), float(row["battery_kwh"])): row for _, row in rows.iterrows()}
    small, sunny, stored = by[(350.0, 600.0)], by[(600.0, 600.0)], by[(600.0, 1800.0)]
    assert stored["fuel_l"] < sunny["fuel_l"] < small["fuel_l"]
    assert float(stored["capex_usd"]) - float(small["capex_usd"]) == pytest.approx(635_000.0)


def test_another_chemistry_has_its_own_price_and_stands_in_the_site(ready: Ready) -> None:
    for group in ready[2].groups:
        assert group.site.battery is not None
        assert group.site.battery.chemistry == group.labels["chemistry"]
        assert group.prices.battery_usd_per_kwh == (200.0 if group.chemistry == "nmc" else 300.0)


def test_questions_of_price_and_tolerance_are_answered_from_what_was_run(ready: Ready, rows: pd.DataFrame) -> None:
    study, site, context = ready
    found = answers(context, study, rows)
    assert [(each.fuel_usd_per_l, each.shed_tolerance_frac) for each in found] == [
        (price, limit) for price in (0.8, 4.0) for limit in (0.0, 0.001, 0.2)
    ]
    assert [each.allowed for each in found[:3]] == sorted(each.allowed for each in found[:3])
    group = context.groups[int(rows["group"].iloc[0])]
    dear = replace(group, prices=replace(group.prices, fuel_usd_per_l=4.0))
    run = judge(context, dear, coordinates(context, 0, context.designs_a_group), tables(context, group)).rows
    assert found[5].npc_usd == pytest.approx(float(run["npc_usd"].min()), rel=1e-12)
    assert found[5].fuel_l is not None
    assert found[2].fuel_l is not None
    assert found[5].fuel_l <= found[2].fuel_l
    allowed = rows.assign(allowed=True, why_not="")
    assert "At other fuel prices" in render(context, study, site, allowed, choose(context, study, site, allowed), None)


def test_questions_need_the_whole_grid(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(TEXT + "search: {method: search}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"search\.method: grid"):
        load_study(file)
    file.write_text(TEXT.replace("[0.8, 4.0]", "{start: 0.1, stop: 9, step: 0.000001}"), encoding="utf-8")
    with pytest.raises(InputError, match="at most 100 pairs"):
        load_study(file)
    file.write_text(TEXT.replace("[0.0, 0.001, 0.2]", "[1.5]"), encoding="utf-8")
    with pytest.raises(InputError, match="between 0 and 1"):
        load_study(file)


@pytest.mark.parametrize(
    ("name", "field", "column"),
    [
        ("fuel", "fuel_l_per_y", "fuel_l"),
        ("capital", "capex_usd", "capex_usd"),
        ("noise", "noise_h_per_y", "noise_h"),
        ("PV area", "pv_area_m2", "pv_kwp"),
        ("late work", "late_work_frac", "late_frac"),
        ("loss of load", "loss_of_load_frac", "loss_frac"),
    ],
)
def test_a_limit_bars_what_breaks_it_and_nothing_else(rows: pd.DataFrame, name: str, field: str, column: str) -> None:
    given = rows.assign(late_frac=[0.0, 0.1, 0.2, 0.3], loss_frac=[0.0, 0.1, 0.2, 0.3])
    values = given[column].to_numpy()
    middle = float(np.sort(values)[len(values) // 2 - 1])
    limits = Limits(loss_of_load_frac=None, late_work_frac=None).model_copy(
        update={field: middle * 10.0 if name == "PV area" else middle}
    )
    breach, why = breaches(given, limits)
    assert (breach > 0.0).tolist() == (values > middle).tolist()
    assert why == [name if value > middle else "" for value in values]
    assert 0 < np.count_nonzero(breach) < len(values)


def test_fuel_comes_on_its_days_in_its_amounts_while_the_road_is_open() -> None:
    usual = delivered_l(Deliveries(every_days=30.0), 8760, 1.0)
    assert np.count_nonzero(usual) == 12
    winter = Deliveries(every_days=30.0, litres_each=500.0, closed_months=(12, 1, 2, 3))
    some = delivered_l(winter, 17520, 0.5)
    days = (np.flatnonzero(some) + 1) / 48.0
    assert set(some[some > 0.0]) == {500.0}
    assert days.tolist() == [90.0 + 30.0 * n for n in range(1, 9)]
    assert winter.trips_per_y == pytest.approx(365.0 / 30.0 * 8.0 / 12.0)


def test_scarce_deliveries_cost_supply(ready: Ready) -> None:
    context = ready[2]
    cut = replace(context, deliveries=Deliveries(every_days=30.0, litres_each=300.0))
    group, at = context.groups[0], np.zeros((1, 6), dtype=np.int64)
    usual, scarce = (judge(each, group, at, tables(each, group)).rows.iloc[0] for each in (context, cut))
    assert scarce["loss_frac"] > usual["loss_frac"] + 0.01
    assert scarce["fuel_l"] < 4000.0 + 12 * 300.0 + 1.0
