"""A small study from file to report: the same bits on one process and two and on a cluster, resumable, and readable."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.design import planner_check
from controller.design.candidates import candidates
from controller.design.charts import front_of, waiting_h
from controller.design.context import Context, build
from controller.design.planner_check import windows_of
from controller.design.planner_table import planner_tables
from controller.design.report import render, write_report
from controller.design.runner import parts_of, run
from controller.design.stored import stored_rows
from controller.design.study import Study, load_study
from controller.design.summary import choose, headline, unit_costs
from controller.records.design_rows import DesignRun, store_designs
from sites.errors import InputError
from sites.schema.site import Site

TEXT = """
version: 1
name: small
base: container
vary:
  pv_kwp: {start: 300, stop: 700, step: 100}
  battery_kwh: [600, 1200, 1800]
  genset_kw: [45]
  genset_count: 2
  cap_policy: [at-once, wait-and-cap]
weather: {resampled: 1, seed: 3}
reliability: {draws: 4}
"""
Ready = tuple[Study, Site, Context]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    file = tmp_path_factory.mktemp("study") / "study.yaml"
    file.write_text(TEXT, encoding="utf-8")
    study, site, base = load_study(file)
    return study, site, build(study, site, base)


@pytest.fixture(scope="module")
def rows(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return run(ready[2], tmp_path_factory.mktemp("one"), method="grid", simulations=0)


def test_two_processes_give_the_same_bits(ready: Ready, rows: pd.DataFrame, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    again = run(
        ready[2],
        tmp_path,
        method="grid",
        simulations=0,
        workers=2,
        progress=lambda done, all_: seen.append((done, all_)),
    )
    pd.testing.assert_frame_equal(rows, again, check_exact=True)
    assert seen[-1][0] == seen[-1][1] == 2 * 2 * 15


def test_a_stopped_run_takes_up_what_is_there(ready: Ready, rows: pd.DataFrame, tmp_path: Path) -> None:
    run(ready[2], tmp_path, method="grid", simulations=0)
    first = tmp_path / "parts" / "part-000000.parquet"
    (tmp_path / "parts" / "part-000001.parquet").unlink()
    written = first.stat().st_mtime_ns
    again = run(ready[2], tmp_path, method="grid", simulations=0)
    assert first.stat().st_mtime_ns == written
    pd.testing.assert_frame_equal(rows, again, check_exact=True)


def test_results_of_other_inputs_are_not_mixed(ready: Ready, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"input_hash": "other"}', encoding="utf-8")
    with pytest.raises(InputError, match="--fresh"):
        run(ready[2], tmp_path, method="grid", simulations=0)


def test_search_finds_the_grids_winner(ready: Ready, rows: pd.DataFrame, tmp_path: Path) -> None:
    found = run(ready[2], tmp_path, method="search", simulations=15)
    best = rows[rows["allowed"]].sort_values("npc_usd").iloc[0]
    assert found[found["allowed"]]["npc_usd"].min() == best["npc_usd"]
    assert all(part.budget == 15 for part in parts_of(ready[2], method="search", simulations=15))


def test_a_cluster_gives_the_same_bits(ready: Ready, rows: pd.DataFrame, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        again = run(ready[2], tmp_path, method="grid", simulations=0, cluster=cluster.scheduler_address)
    pd.testing.assert_frame_equal(rows, again, check_exact=True)


def test_an_absent_cluster_is_said(ready: Ready, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="scheduler"):
        run(ready[2], tmp_path, method="grid", simulations=0, cluster="tcp://127.0.0.1:1")


def test_rows_make_sense(rows: pd.DataFrame) -> None:
    like = rows[(rows["cap_policy"] == "at-once") & (rows["battery_kwh"] == 1200.0)].sort_values("pv_kwp")
    assert np.all(np.diff(like["fuel_l"]) < 0.0)
    assert np.all(np.diff(like["capex_usd"]) > 0.0)
    assert (rows["allowed"] == (rows["why_not"] == "")).all()
    assert (rows["fuel_p10_l"] <= rows["fuel_p90_l"]).all()
    waits = rows[rows["cap_policy"] == "wait-and-cap"].set_index(["pv_kwp", "battery_kwh"])["fuel_l"]
    fixed = rows[rows["cap_policy"] == "at-once"].set_index(["pv_kwp", "battery_kwh"])["fuel_l"]
    assert (waits < fixed).all()


def test_report_is_whole_and_self_contained(ready: Ready, rows: pd.DataFrame) -> None:
    study, site, context = ready
    chosen = choose(context, study, site, rows)
    page = render(context, study, site, rows, chosen, None)
    assert headline(chosen).split(".")[0].split("$")[0] in page
    assert page.count("<svg") == 11
    assert context.input_hash in page
    for word in ("http://", "https://", "<script", ">nan<"):
        allowed = page.count("http://www.w3.org") if word == "http://" else 0
        allowed += page.count("http://purl.org") + page.count("http://creativecommons") if word == "http://" else 0
        assert page.count(word) == allowed, word
    assert chosen.winner["allowed"]
    assert unit_costs(context, chosen.winner).usd_per_gpu_h > 0.0


def test_report_as_pdf(ready: Ready, rows: pd.DataFrame, tmp_path: Path) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("weasyprint", reason="PDF is an extra: pip install offgrid-mdc[pdf]")
    study, site, context = ready
    write_report(context, study, site, rows, choose(context, study, site, rows), tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_no_design_within_the_limits_is_said(ready: Ready, rows: pd.DataFrame) -> None:
    study, site, context = ready
    with pytest.raises(InputError, match="none within every limit"):
        choose(context, study, site, rows.assign(allowed=False, why_not="fuel"))


def test_front_has_no_beaten_design() -> None:
    rows = pd.DataFrame({"npc_usd": [1.0, 2.0, 3.0, 2.5], "fuel_l": [9.0, 5.0, 6.0, 1.0]})
    assert front_of(rows, "fuel_l")["npc_usd"].tolist() == [1.0, 2.0, 2.5]


def test_waiting_is_the_distance_between_arrived_and_done() -> None:
    arrived, done = np.zeros(10), np.zeros(10)
    arrived[2], done[5] = 4.0, 4.0
    assert waiting_h(arrived, done, 1.0) == pytest.approx(np.full(99, 3.0))


def test_windows_stand_for_the_whole_year() -> None:
    dice = np.random.default_rng(0)
    course = {"fuel_l": dice.random(8760), "sun_kw": dice.random(8760)}
    found = windows_of(course, 1.0, 8)
    assert len(found) == 8
    assert sum(weight for _, weight in found) * 4 == pytest.approx(365.0)
    assert all(0 <= day <= 361 for day, _ in found)


def test_finalists_meet_the_planner_once_a_window(
    ready: Ready, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, site, context = ready
    run_sites: list[Site] = []

    def planned(task: planner_check._Task, file: Path) -> None:
        run_sites.append(task.site)
        names = (
            *planner_check.FIGURES,
            "work_value_usd",
            "jobs_late",
            "jobs_done",
            "stored_kwh",
            "plans",
            "plans_in_gap",
        )
        file.write_text(json.dumps(dict.fromkeys(names, 10.0)), encoding="utf-8")

    monkeypatch.setattr(planner_check, "_run", planned)
    designs = candidates(context, study, site, rows, choose(context, study, site, rows))
    assert [each.title for each in designs] == ["winner", "best with load-following, at-once", "base site"]
    for _ in range(2):
        checked = planner_check.check_with_planner(
            designs, site_folder=tmp_path, kept_in=tmp_path, count=4, replan_h=6.0
        )
    assert len(run_sites) == 3 * 4
    assert checked[0].total("planner", "fuel_l") == pytest.approx(10.0 * 365.0 / 4)
    winner = rows[rows["allowed"]].sort_values("npc_usd").iloc[0]
    assert run_sites[0].battery is not None
    assert run_sites[0].battery.capacity_kwh == winner["battery_kwh"]
    table = planner_tables(checked, context.groups[0].prices, 0.001, 6.0, 12.0)
    assert [len(row) for row in table["rows"]] == [len(table["names"])] * 3  # type: ignore[arg-type, attr-defined]


def test_results_go_to_a_store_once(ready: Ready, rows: pd.DataFrame, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.sqlite'}"
    told = DesignRun(input_hash=ready[2].input_hash, study="small", seed=3, headline="x")
    for _ in range(2):
        assert store_designs(url, told, stored_rows(rows)) == len(rows)
    with closing(sqlite3.connect(tmp_path / "fleet.sqlite")) as store:
        assert store.execute("select designs, allowed from design_runs").fetchall() == [
            (len(rows), int(rows["allowed"].sum()))
        ]
        cheapest = store.execute("select min(npc_usd) from design_rows where allowed").fetchone()[0]
    assert cheapest == rows[rows["allowed"]]["npc_usd"].min()
