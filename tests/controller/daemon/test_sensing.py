"""Devices that fail or lie, and equipment that does not follow its orders."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from controller.daemon.discipline import Discipline, ceiling_kw
from controller.daemon.sensing import Senses, plausible
from controller.setpoints import Outcome, Setpoints, Verdict
from controller.snapshot import GensetPhase, JobReading, PoolReading, Snapshot
from optimizer.problem import JobProblem
from sites.ports import ManualClock
from tests.controller.guards.ticks import SITE, START, genset, play, setpoints, snapshot


class Failing:
    """Devices that fail while told to."""

    def __init__(self) -> None:
        self.fails = True
        self.reads = 0

    def read(self) -> Snapshot:
        self.reads += 1
        if self.fails:
            raise TimeoutError("no answer on the bus")
        return snapshot()

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        if self.fails:
            raise ConnectionError("gone")
        return ()

    def submit(self, job: JobProblem) -> None: ...

    def cancel(self, job_name: str) -> None: ...

    def close(self) -> None: ...


def test_failing_devices_are_left_alone_for_longer_and_longer() -> None:
    host, devices = ManualClock(START), Failing()
    senses = Senses(SITE, host)
    tries = []
    for second in range(100):
        before = devices.reads
        found = senses.read(devices, START)
        assert found.battery is None
        if devices.reads > before:
            tries.append(second)
        host.advance(1.0)
    assert tries == [0, 1, 3, 7, 15, 31, 61, 91]
    assert "no answer on the bus" in senses.trouble
    devices.fails = False
    host.advance(30.0)
    assert senses.read(devices, START).battery is not None
    assert senses.trouble == ""


class Deaf(Failing):
    """Devices that are read but take nothing."""

    def read(self) -> Snapshot:
        self.reads += 1
        return snapshot()

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        self.writes = getattr(self, "writes", 0) + 1
        return super().write(setpoints)


def test_a_site_that_takes_no_orders_is_still_read() -> None:
    host, devices = ManualClock(START), Deaf()
    senses = Senses(SITE, host)
    for _ in range(40):
        assert senses.read(devices, START).battery is not None
        senses.write(devices, setpoints())
        host.advance(1.0)
    assert (devices.reads, devices.writes) == (40, 6)
    assert not senses.reachable
    assert "gone" in senses.trouble
    devices.fails = False
    host.advance(30.0)
    assert senses.reachable
    senses.write(devices, setpoints())
    assert senses.trouble == ""


def test_a_runner_that_takes_no_jobs_stops_no_order() -> None:
    def refuse() -> int:
        raise ConnectionError("the scheduler is away")

    host, devices = ManualClock(START), Failing()
    devices.fails = False
    senses = Senses(SITE, host)
    assert senses.hand_over(refuse, 0) == 0
    assert senses.reachable
    assert senses.read(devices, START).battery is not None
    assert senses.write(devices, setpoints()) == ()
    assert "the scheduler is away" in senses.trouble
    host.advance(2.0)
    assert senses.hand_over(lambda: 7, 0) == 7
    assert senses.trouble == ""


def test_a_write_that_fails_is_an_outcome() -> None:
    senses = Senses(SITE, ManualClock(START))
    (outcome,) = senses.write(Failing(), setpoints())
    assert outcome.verdict is Verdict.STALE
    assert "gone" in outcome.text


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("inlet_c", math.nan),
        ("inlet_c", 900.0),
        ("load_kw", math.inf),
        ("pv_kw", math.nan),
        ("tank_l", -500.0),
        ("tank_l", math.nan),
        ("outdoor_c", -200.0),
    ],
)
def test_what_cannot_be_true_counts_as_not_read(field: str, bad: float) -> None:
    assert getattr(plausible(snapshot().model_copy(update={field: bad}), SITE), field) is None


@pytest.mark.parametrize(("soc", "found"), [(math.nan, None), (1.5, None), (-0.4, None), (1.01, 1.0), (0.5, 0.5)])
def test_a_state_of_charge_out_of_range_is_not_read(soc: float, found: float | None) -> None:
    reading = snapshot().battery
    assert reading is not None
    lying = snapshot().model_copy(update={"battery": reading.model_copy(update={"soc_frac": soc})})
    trusted = plausible(lying, SITE).battery
    assert trusted is not None
    assert trusted.soc_frac == found


def test_a_wrong_power_is_not_read_and_a_missing_need_gets_its_default() -> None:
    lying = snapshot(gensets=(genset("diesel-1"), genset("diesel-2")))
    first = lying.gensets[0].model_copy(update={"power_kw": 1e6, "phase_s": math.nan})
    found = plausible(lying.model_copy(update={"gensets": (first, lying.gensets[1])}), SITE).gensets[0]
    assert (found.power_kw, found.phase_s) == (None, 0.0)


def test_a_frozen_state_of_charge_is_found_out() -> None:
    ticks = [snapshot(60.0 * i, soc=0.60, power_kw=120.0) for i in range(60)]
    results = play(ticks)
    doubted = [any(r.guard == "soc_trust" for r in result.reasons) for result in results]
    first = doubted.index(True)
    assert 15 <= first <= 22
    assert all(doubted[first:])
    assert results[-1].memory.soc_frac == pytest.approx(0.60 - 120 / 0.96 * 59 / 60 / 1200, abs=0.002)
    resting = play([snapshot(60.0 * i, soc=0.60, power_kw=0.0) for i in range(60)])
    assert not any(reason.guard == "soc_trust" for result in resting for reason in result.reasons)


def course(order: Setpoints, tick: Snapshot, *, seconds: int, step_s: int = 10) -> list[tuple[int, Verdict, str]]:
    """Return when which verdict first came while an order and a snapshot stayed as they are."""
    discipline, found, seen = Discipline(SITE), [], set()
    for at in range(0, seconds, step_s):
        for outcome in discipline.check(tick, order, START + timedelta(seconds=at)):
            if (outcome.what, outcome.verdict) not in seen:
                seen.add((outcome.what, outcome.verdict))
                found.append((at, outcome.verdict, outcome.what))
    return found


def test_a_genset_that_does_not_come_is_stale_and_one_that_stays_is_external() -> None:
    standing = snapshot()
    assert course(setpoints(run=["diesel-1"], jobs=[]), standing, seconds=200) == [(80, Verdict.STALE, "run")]
    running = snapshot(gensets=(genset("diesel-1", GensetPhase.RUNNING), genset("diesel-2")))
    assert course(setpoints(run=["diesel-1"], jobs=[]), running, seconds=5000) == []
    found = course(setpoints(jobs=[]), running, seconds=5000)
    assert [each[1:] for each in found] == [(Verdict.EXTERNAL, "run")]
    assert found[0][0] > 3600


def test_sun_above_its_limit_is_stale() -> None:
    bright = snapshot(pv_kw=120.0)
    assert course(setpoints(jobs=[], pv_limit_kw=50.0), bright, seconds=200) == [(40, Verdict.STALE, "limit")]
    assert course(setpoints(jobs=[], pv_limit_kw=115.0), bright, seconds=200) == []


def test_jobs_that_run_by_themselves_or_not_at_all() -> None:
    tick = snapshot(jobs=(JobReading(name="a", state="running"), JobReading(name="b", state="queued")))
    found = course(setpoints(jobs=["b"]), tick, seconds=200)
    assert set(found) == {(70, Verdict.EXTERNAL, "job a"), (70, Verdict.STALE, "job b")}


def test_a_limit_that_somebody_raised_is_external() -> None:
    tick = snapshot(pools=(PoolReading(name="h100", gpus_ok=64, draw_kw=9.0, limit_w=350.0),))
    assert course(setpoints(jobs=["a"]), tick, seconds=200) == [(70, Verdict.EXTERNAL, "limit")]


def test_a_clock_that_is_set_back_delays_a_verdict_by_a_minute_not_an_hour() -> None:
    discipline = Discipline(SITE)
    told = []
    for at_s in (0.0, 30.0, -3569.0, -3530.0, -3500.0):
        tick = snapshot(at_s, pools=(PoolReading(name="h100", gpus_ok=64, draw_kw=9.0, limit_w=350.0),))
        outcomes = discipline.check(tick, setpoints(jobs=["a"]), tick.at_utc)
        told.append([each.verdict for each in outcomes if each.what == "limit"])
    assert told == [[], [], [], [], [Verdict.EXTERNAL]]


def test_a_cap_that_leaks_is_told_when_it_lasts() -> None:
    told = setpoints()
    discipline = Discipline(SITE)
    (pool, *_) = (pool for pool in SITE.pools if pool.name == "h100")
    most_kw = ceiling_kw(pool, told)
    found = []
    for at_s, share in [(0, 1.1), (30, 1.6), (80, 1.6), (100, 1.6), (110, 1.1)]:
        reading = PoolReading(name="h100", gpus_ok=64, draw_kw=share * most_kw)
        tick = snapshot(float(at_s), pools=(reading,))
        outcomes = discipline.check(tick, told, tick.at_utc)
        found.append([each.what for each in outcomes if each.verdict is Verdict.STALE])
    assert found == [[], [], [], ["draw"], []]
