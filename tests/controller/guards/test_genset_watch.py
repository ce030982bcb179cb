"""Time in phase and failed starts, seen here and kept over restarts, as tables of ticks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.guards.keeping import STILL_HOLDS, after_set_back, document_of, memory_of
from controller.guards.records import GensetMemory, GuardMemory
from controller.snapshot import GensetPhase, GensetReading
from tests.controller.guards.ticks import START, codes, genset, play, runs, setpoints, snapshot

OFF, CRANKING, RUNNING, LOCKED = (
    GensetPhase.OFF,
    GensetPhase.CRANKING,
    GensetPhase.RUNNING,
    GensetPhase.LOCKED_OUT,
)


def forgetful(phase: GensetPhase, **fields: object) -> tuple[GensetReading, GensetReading]:
    """A genset whose controller tells neither how long it is in its phase nor what failed."""
    return genset(phase=phase, phase_s=0.0, **fields), genset("diesel-2", remote_allowed=False)


@pytest.mark.parametrize(
    ("phases", "failed"),
    [
        ([OFF, CRANKING, OFF], 1),
        ([OFF, CRANKING, OFF, CRANKING, LOCKED], 2),
        ([CRANKING, OFF, CRANKING, RUNNING, OFF], 0),
        ([CRANKING, LOCKED, LOCKED, OFF], 0),
        ([OFF, RUNNING, OFF], 0),
        ([CRANKING, None, OFF], 1),
    ],
)
def test_failed_starts_are_counted(phases: list[GensetPhase | None], failed: int) -> None:
    ticks = [snapshot(i, gensets=(genset(phase=phase), genset("diesel-2"))) for i, phase in enumerate(phases)]
    assert play(ticks)[-1].memory.gensets["diesel-1"].failed_starts == failed


def test_a_person_at_the_panel_forgives() -> None:
    manual = [True, False, True]
    memory = GuardMemory(gensets={"diesel-1": GensetMemory(failed_starts=3)})
    ticks = [snapshot(i, gensets=forgetful(OFF, remote_allowed=remote)) for i, remote in enumerate(manual)]
    results = play(ticks, setpoints(run=("diesel-1",)), memory=memory)
    assert [result.memory.gensets["diesel-1"].failed_starts for result in results] == [3, 3, 0]
    assert [runs(result) for result in results] == [False, False, True]
    assert "GENSET_FAILED" in codes(results[0])


def test_a_forgetful_genset_still_runs_its_minimum() -> None:
    ticks = [snapshot(minute * 60.0, gensets=forgetful(RUNNING, power_kw=40.0)) for minute in range(70)]
    results = play(ticks, setpoints(run=()))
    assert [runs(result) for result in results].count(True) == 60
    assert not runs(results[-1])


def test_a_restart_remembers_a_lock_out_and_a_minimum_run() -> None:
    locked = GuardMemory(last_utc=START, gensets={"diesel-1": GensetMemory(failed_starts=3, phase=OFF)})
    for gap in (timedelta(seconds=5), timedelta(days=3)):
        kept = memory_of(document_of(locked), START + gap)
        assert kept.gensets["diesel-1"].failed_starts == 3
    kept = memory_of(document_of(locked), START)
    assert not runs(play([snapshot(5.0, gensets=forgetful(OFF))], setpoints(run=("diesel-1",)), memory=kept)[-1])
    half = play([snapshot(t * 60.0, gensets=forgetful(RUNNING)) for t in range(30)], setpoints(run=()))[-1].memory
    again = memory_of(document_of(half), START + timedelta(minutes=30))
    assert again.gensets["diesel-1"].phase_s == half.gensets["diesel-1"].phase_s > 1700
    assert runs(play([snapshot(1801.0, gensets=forgetful(RUNNING))], setpoints(run=()), memory=again)[-1])


def test_all_is_kept_for_a_while_and_then_only_the_machines() -> None:
    memory = play([snapshot(i, soc=0.3, unserved_kw=20.0) for i in range(3)])[-1].memory
    assert memory.short_run
    assert memory_of(document_of(memory), memory.last_utc or START) == memory
    later = memory_of(document_of(memory), START + 2 * STILL_HOLDS)
    assert not later.short_run
    assert later.gensets["diesel-1"].tested_utc == memory.gensets["diesel-1"].tested_utc


def test_how_long_a_genset_has_run_is_not_believed_after_a_long_stop() -> None:
    running = GuardMemory(last_utc=START, gensets={"diesel-1": GensetMemory(phase=RUNNING, phase_s=3000.0)})
    later = START + timedelta(days=3)
    kept = memory_of(document_of(running), later)
    days_s = (later - START).total_seconds()
    ticks = [snapshot(days_s + t * 60.0, gensets=forgetful(RUNNING, power_kw=40.0)) for t in range(30)]
    results = play(ticks, setpoints(run=()), memory=kept)
    assert all(runs(result) for result in results)


NAIVE = b'{"last_utc": "2025-01-01T00:00:00"}'
"""A time without its zone, as an older version or a hand might have written it."""


@pytest.mark.parametrize("document", [None, b"", b"{", b'{"gensets": 7}', NAIVE])
def test_a_memory_of_another_version_is_none(document: bytes | None) -> None:
    assert memory_of(document, START) == GuardMemory()


@pytest.mark.parametrize("stopped", [False, True])
def test_what_happened_while_the_clock_was_a_year_ahead_happened_now(stopped: bool) -> None:
    """Else the next test run, and the next full charge, would be a year late."""
    ahead = START + timedelta(days=365)
    tested = GensetMemory(tested_utc=ahead, last_run_utc=ahead)
    memory = GuardMemory(last_utc=ahead, full_utc=ahead, gensets={"diesel-1": tested})
    kept = memory_of(document_of(memory), START) if stopped else after_set_back(memory, START)
    assert (kept.full_utc, kept.gensets["diesel-1"].tested_utc, kept.gensets["diesel-1"].last_run_utc) == (START,) * 3
