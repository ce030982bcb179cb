"""The chain as a whole: plausibility of the SoC, memory, a guard that fails, and properties over random ticks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.guards import chain
from controller.guards.chain import apply_guards
from controller.guards.records import GuardInput, GuardMemory, Narrowed
from controller.snapshot import GensetPhase
from tests.controller.guards.ticks import (
    JOBS,
    SITE,
    START,
    any_runs,
    codes,
    genset,
    play,
    setpoints,
    site_with,
    snapshot,
)


def test_a_jump_of_the_bms_is_not_believed_and_the_count_goes_on() -> None:
    ticks = [snapshot(0.0, soc=0.40, power_kw=24.0)]
    ticks += [snapshot(10.0 * i, soc=0.95, power_kw=24.0) for i in range(1, 60)]
    results = play(ticks)
    assert "SENSOR_IMPLAUSIBLE" in codes(results[1])
    believed = [result.memory.soc_frac for result in results]
    spent = 24.0 / 0.96 * 590 / 3600 / 1200
    assert believed[-1] == pytest.approx(0.40 - spent, abs=1e-6)
    assert results[-1].snapshot.battery is not None
    assert results[-1].snapshot.battery.soc_frac == believed[-1]


def test_a_jump_up_is_believed_after_half_an_hour_and_a_fall_after_half_a_minute() -> None:
    up = [snapshot(0.0, soc=0.40)] + [snapshot(60.0 * i, soc=0.95) for i in range(1, 40)]
    since = next(i for i, r in enumerate(play(up)) if i and r.memory.soc_frac == 0.95)
    assert 30 <= since <= 32
    down = [snapshot(0.0, soc=0.60)] + [snapshot(float(i), soc=0.12) for i in range(1, 40)]
    since = next(i for i, r in enumerate(play(down)) if i and r.memory.soc_frac == 0.12)
    assert 30 <= since <= 32


def test_a_silent_bms_is_counted_on_then_a_genset_is_called() -> None:
    ticks = [snapshot(0.0, soc=0.5)] + [snapshot(10.0 * i, soc=None, power_kw=None) for i in range(1, 40)]
    results = play(ticks)
    called = next(i for i, result in enumerate(results) if any_runs(result))
    assert 29 <= called <= 31
    assert "SENSOR_LOST" in codes(results[called])


def test_a_clock_that_jumps_does_not_pass_for_an_hour_of_load() -> None:
    ticks = [snapshot(0.0, soc=0.5, power_kw=300.0), snapshot(3600.0, soc=None, power_kw=300.0)]
    believed = play(ticks)[-1].memory.soc_frac
    assert believed is not None
    assert believed > 0.5 - 300 / 0.96 * 300 / 3600 / 1200 - 1e-6


def test_a_clock_that_goes_back_is_no_time() -> None:
    results = play([snapshot(100.0, unserved_kw=1.0), snapshot(0.0)])
    assert results[-1].memory.cut_quiet_s == 0.0


def test_waits_go_on_when_the_clock_is_set_back_an_hour() -> None:
    """A genset has to be called for a minute before it starts: half of it has passed when the clock goes back."""
    site = site_with(gensets={"call_delay_s": 60.0})
    ticks = [snapshot(at_s, soc=0.15) for at_s in (0.0, 30.0, -3569.0, -3540.0, -3537.0)]
    assert [any_runs(result) for result in play(ticks, site=site)] == [False, False, False, False, True]


def test_began_and_ceased_name_the_edges() -> None:
    results = play([snapshot(0.0), snapshot(1.0, inlet_c=36.0), snapshot(2.0, inlet_c=36.0), snapshot(3.0)])
    assert [len(each.began) for each in results] == [0, 1, 0, 0]
    assert results[3].ceased == (("inlet", "load"),)


def test_a_guard_that_fails_is_reported_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(given: GuardInput) -> Narrowed:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(chain, "GUARDS", {"broken": broken, **chain.GUARDS})
    (result,) = play([snapshot(soc=0.12)])
    assert {"GUARD_FAULT", "SOC_LOW"} <= codes(result)
    assert result.setpoints.jobs == ()


def test_a_switched_off_guard_is_missed() -> None:
    tick = snapshot(soc=0.11, power_kw=5.0)
    assert play([tick])[0].setpoints.jobs == ()
    assert len(play([tick], without=("soc_low",))[0].setpoints.jobs) == 3


phases = st.sampled_from([*GensetPhase, None])
readings = st.builds(
    lambda phase, phase_s, failed, remote, kw: {
        "phase": phase,
        "phase_s": phase_s,
        "failed_starts": failed,
        "remote_allowed": remote,
        "power_kw": kw,
        "starts": 1,
    },
    phases,
    st.floats(0, 1e5),
    st.integers(0, 4),
    st.booleans(),
    st.floats(-5, 60) | st.none(),
)
maybe = st.floats(0, 1) | st.none()


@st.composite
def random_ticks(draw: st.DrawFn) -> list[Any]:
    return [
        snapshot(
            5.0 * i,
            soc=draw(maybe),
            power_kw=draw(st.floats(-400, 400) | st.none()),
            cell_c=draw(st.floats(-30, 60)),
            inlet_c=draw(st.floats(-20, 60) | st.none()),
            unserved_kw=draw(st.sampled_from([0.0, 0.0, 3.0, 80.0])),
            load_kw=draw(st.floats(0, 300) | st.none()),
            pv_available_kw=draw(st.floats(0, 500) | st.none()),
            tank_l=draw(st.sampled_from([0.0, 100.0, None])),
            emergency_stop=draw(st.sampled_from([False, False, False, True])),
            gensets=(genset("diesel-1", **draw(readings)), genset("diesel-2", **draw(readings))),
        )
        for i in range(draw(st.integers(1, 8)))
    ]


@settings(max_examples=60, deadline=None)
@given(ticks=random_ticks(), run=st.sets(st.sampled_from(["diesel-1", "diesel-2"])))
def test_guards_only_narrow_and_never_start_what_must_not_start(ticks: list[Any], run: set[str]) -> None:
    asked = setpoints(run=run)
    wanted = {each.name: each for each in asked.jobs}
    memory = GuardMemory()
    for tick in ticks:
        result = apply_guards(tick, asked, SITE, memory, jobs=JOBS)
        memory, told = result.memory, result.setpoints
        for job in told.jobs:
            assert job.limit_w <= wanted[job.name].limit_w
            assert job.gpus == wanted[job.name].gpus
        assert {each.name for each in told.services} <= {each.name for each in asked.services}
        assert "control-and-network" not in told.shed_tiers
        assert told.pv_limit_kw is None or told.pv_limit_kw >= 0
        emergency = tick.emergency_stop or tick.fire
        for reading, command in zip(tick.gensets, told.gensets, strict=True):
            standing = reading.phase in (GensetPhase.OFF, GensetPhase.LOCKED_OUT, GensetPhase.COOLDOWN, None)
            barred = not reading.remote_allowed or reading.phase is not GensetPhase.OFF or reading.failed_starts >= 3
            if emergency or (standing and barred):
                assert not command.run
            assert not command.run or 18.0 - 1e-9 <= command.kw <= 60.0 + 1e-9
        if not emergency:
            assert "voice-agent" in [each.name for each in told.services]


def test_memory_ages_with_the_snapshots() -> None:
    (result,) = play([snapshot(7.0)])
    assert result.memory.last_utc == START + timedelta(seconds=7)
