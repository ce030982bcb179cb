"""A few short days of the fault campaign, and that it notices a guard that is missing. The long run is a benchmark."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.faults import OFF, Line, read_results, switched_off
from controller.faults.campaign import run_day
from controller.faults.days import START, draw_injections, summer_time_changes
from controller.faults.genset_loss import lose_gensets
from controller.faults.kinds import NAMED_BY, PLANNER_FAULTS, Fault, Injection
from tests.controller.daemon.prepared import SITE

HIDDEN = {Fault.SUMMER_TIME}
"""Faults that nothing may be named of."""


def one(fault: Fault, minutes: float = 12.0) -> tuple[Injection, ...]:
    begin = START + timedelta(minutes=0 if fault is Fault.GENSET_NO_START else 20)
    if fault is Fault.SUMMER_TIME:
        begin = summer_time_changes(SITE.location.time_zone)[0]
    return (Injection(fault, begin, begin + timedelta(minutes=minutes)),)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TIMEOUT,
        Fault.SOC_JUMP,
        Fault.BMS_OPEN,
        Fault.GENSET_NO_START,
        Fault.CAP_LEAKS,
        Fault.KILLED,
        Fault.DISK_FULL,
        *sorted(PLANNER_FAULTS),
    ],
)
def test_a_faulty_hour_holds(fault: Fault) -> None:
    result = run_day(SITE, 3, hours=0.7, injections=one(fault), soc_frac=0.18)
    assert result.violations == ()
    assert fault in result.spoilt
    assert (result.kills > 0) is (fault is Fault.KILLED)


@pytest.mark.parametrize(("guard", "fault"), OFF)
def test_the_campaign_notices_a_missing_guard(guard: str, fault: Fault) -> None:
    held, missed = switched_off(SITE, guard, fault)
    assert held.violations == ()
    assert missed.violations != ()


def test_days_repeat_and_every_fault_gets_its_turn() -> None:
    first = run_day(SITE, 5, hours=0.4, injections=one(Fault.SOC_NAN, 5.0))
    assert first == run_day(SITE, 5, hours=0.4, injections=one(Fault.SOC_NAN, 5.0))
    drawn = {draw_injections(SITE, seed, 24.0)[0].fault for seed in range(len(Fault))}
    assert drawn == set(Fault)
    assert set(NAMED_BY) == set(Fault) - HIDDEN


def test_summer_time_begins_within_the_day_that_is_drawn_for_it() -> None:
    seed = list(Fault).index(Fault.SUMMER_TIME)
    (*_, last) = draw_injections(SITE, seed, 24.0, pairs=False)
    assert last.start_utc in summer_time_changes("America/New_York")


def test_all_gensets_lost_at_full_load() -> None:
    found = lose_gensets(SITE)
    assert found.lost_kw > 60.0
    assert found.jobs > 8
    assert found.capped_s <= 1.0
    assert found.paused_s <= 1.0
    assert found.safe_s <= 2.0
    assert found.critical_missed_kwh == 0.0


def test_a_file_of_results_survives_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "days.jsonl"
    whole = '{"seed": 1, "site": "a", "worker": false, "faults": [], "spoilt": [], "violations": ["x"], '
    whole += '"cycles": 1, "kills": 0, "plans": 0, "cpu_s": 1.0}\n'
    path.write_text(whole + whole.replace('["x"]', "[]") + whole[:40], encoding="utf-8")
    found = read_results(path)
    assert isinstance(found[1], Line)
    assert not found[1].violations
    assert read_results(tmp_path / "none") == {}
