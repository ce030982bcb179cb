"""Start and stop behaviour of gensets, case by case as the shared reference states it.

The reference's conditions (battery current, AC load) are this program's state of charge and plan; its timers, minimum run,
lost readings, autostart, test runs and quiet hours are the same things.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from controller.guards.records import GensetMemory, GuardMemory, GuardResult
from controller.setpoints import GensetCommand, Setpoints
from controller.snapshot import GensetPhase, Snapshot
from sites.schema.site import Site
from tests.controller.guards.ticks import SITE, START, apply_guards, genset, runs, setpoints, site_with, snapshot
from tests.shared_data import shared_path


class Engine:
    """One genset that follows its orders at once, so that a case reads as told and found."""

    def __init__(self, site: Site, memory: GuardMemory | None = None, *, running: bool = False) -> None:
        self.site, self.memory, self.running = site, memory or GuardMemory(), running
        self.changed_s = -1e6

    def tick(self, at_s: float, *, asked: Setpoints | None = None, **fields: Any) -> bool:
        """Run the guards at a second and return whether the genset runs after them."""
        phase = GensetPhase.RUNNING if self.running else GensetPhase.OFF
        first = genset("diesel-1", phase, at_s - self.changed_s, starts=1)
        other = genset("diesel-2", GensetPhase.LOCKED_OUT)
        tick: Snapshot = snapshot(at_s, gensets=(first, other), **fields)
        result: GuardResult = apply_guards(tick, asked or setpoints(jobs=[]), self.site, self.memory)
        self.memory = result.memory
        if runs(result) != self.running:
            self.running, self.changed_s = not self.running, at_s
        return self.running


def described(**fields: Any) -> Site:
    return site_with(gensets={"min_run_minutes": 0.0, "min_down_minutes": 0.0, "test_run_days": None, **fields})


def wanted(run: bool) -> Setpoints:
    return setpoints(run=["diesel-1"] if run else [], jobs=[])


def min_runtime() -> None:
    engine = Engine(described(min_run_minutes=10.0))
    assert engine.tick(0, asked=wanted(True))
    assert engine.tick(60, asked=wanted(False))
    assert engine.tick(599, asked=wanted(False))
    assert not engine.tick(601, asked=wanted(False))


def timed_condition() -> None:
    engine = Engine(described(call_delay_s=1.0, release_delay_s=1.0))
    assert not engine.tick(0, asked=wanted(True))
    assert engine.tick(1, asked=wanted(True))
    assert engine.tick(2, asked=wanted(False))
    assert not engine.tick(3, asked=wanted(False))


def comm_loss_stop() -> None:
    engine = Engine(described(on_lost_soc="stop"))
    assert engine.tick(0, asked=wanted(True))
    for at in range(10, 310, 10):
        assert engine.tick(at, asked=wanted(True), soc=None, power_kw=0.0), at
    assert not engine.tick(311, asked=wanted(True), soc=None, power_kw=0.0)


def comm_loss_keep() -> None:
    engine = Engine(described(on_lost_soc="keep"))
    assert engine.tick(0, asked=wanted(True))
    assert all(engine.tick(at, asked=wanted(True), soc=None, power_kw=0.0) for at in range(5, 310, 5))
    assert engine.tick(320, asked=wanted(False), soc=None, power_kw=0.0)
    standing = Engine(described(on_lost_soc="keep"))
    assert not any(standing.tick(at, soc=None if at else 0.6, power_kw=0.0) for at in range(0, 330, 5))


def comm_loss_start() -> None:
    engine = Engine(described(on_lost_soc="start"))
    assert not engine.tick(0)
    assert not any(engine.tick(at, soc=None, power_kw=0.0) for at in range(1, 300))
    assert engine.tick(300, soc=None, power_kw=0.0)


def disable_autostart() -> None:
    engine = Engine(described())
    assert engine.tick(0, asked=wanted(True))
    engine.site = described(autostart=False)
    assert not engine.tick(10, asked=wanted(True))
    by_hand = GensetCommand(name="diesel-1", run=True, kw=30.0, reason_code="OPERATOR")
    assert engine.tick(20, asked=wanted(False).model_copy(update={"gensets": (by_hand,)}))


def manual_beats_stop_on_ac() -> None:
    """An operator's or a test run goes on although plan and sun have no use for it."""
    by_hand = GensetCommand(name="diesel-1", run=True, kw=30.0, reason_code="OPERATOR")
    engine = Engine(described())
    sunny = {"pv_available_kw": 300.0, "soc": 0.95}
    assert all(
        engine.tick(at, asked=wanted(False).model_copy(update={"gensets": (by_hand,)}), **sunny) for at in (0, 60, 600)
    )
    due = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=15))})
    tested = Engine(described(test_run_days=14.0), due)
    assert all(tested.tick(at, asked=wanted(False), **sunny) for at in (0, 60, 600))


def testrun() -> None:
    yesterday = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=1))})
    assert not Engine(described(test_run_days=2.0), yesterday).tick(0)
    engine = Engine(described(test_run_days=1.0, test_run_minutes=2 / 60), yesterday)
    assert engine.tick(0)
    assert engine.tick(1)
    assert not engine.tick(2)


def testrun_skip() -> None:
    """3000 s yesterday and 600 s today are more than the second that makes a test unnecessary."""
    begun = GensetMemory(tested_utc=START - timedelta(days=4), loaded_s=3600.0)
    site = described(test_run_days=4.0, test_run_skip_minutes=1 / 60)
    ran = Engine(site, GuardMemory(last_utc=START - timedelta(seconds=10), gensets={"diesel-1": begun}), running=True)
    assert not ran.tick(0)
    assert not ran.tick(60)
    idle = Engine(site, GuardMemory(gensets={"diesel-1": begun._replace(loaded_s=0.0)}))
    assert idle.tick(0)


def testrun_until_full() -> None:
    due = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=15))})
    engine = Engine(described(test_run_days=14.0, test_run_until_full=True), due)
    assert not engine.tick(0, soc=1.0)
    engine.memory = engine.memory._replace(soc_frac=0.7, soc_reading_frac=0.7)
    assert engine.tick(10, soc=0.7)
    assert engine.tick(7200, soc=0.7)
    engine.memory = engine.memory._replace(soc_frac=1.0, soc_reading_frac=1.0)
    assert not engine.tick(7210, soc=1.0)


def quiet_hours() -> None:
    """The reserve of 20 % calls by day; in quiet hours only the quiet hours' own value does."""
    assert Engine(described()).tick(0, soc=0.18)
    quiet = {"quiet_hours": ("00:00", "23:59"), "quiet_soc_frac": 0.16}
    assert not Engine(described(**quiet)).tick(0, soc=0.18)
    assert Engine(described(**quiet)).tick(0, soc=0.155)


CASES: dict[str, Callable[[], None]] = {
    case.__name__: case
    for case in (
        min_runtime,
        timed_condition,
        comm_loss_stop,
        comm_loss_keep,
        comm_loss_start,
        disable_autostart,
        manual_beats_stop_on_ac,
        testrun,
        testrun_skip,
        testrun_until_full,
        quiet_hours,
    )
}


@pytest.mark.parametrize("case", CASES)
def test_genset_behaviour(case: str) -> None:
    CASES[case]()


def test_every_case_of_the_reference_is_here() -> None:
    document = json.loads(shared_path("reference/genset/start_stop_behaviour.json").read_text())
    assert {case["id"] for case in document["cases"]} == set(CASES)
    assert SITE.gensets
