"""Gensets, reverse power, inlet air, bounds, emergency: tables of ticks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.guards.quiet import is_quiet
from controller.guards.records import GensetMemory, GuardMemory
from controller.setpoints import GensetCommand, JobCommand, ServiceCommand
from controller.snapshot import GensetPhase, PoolReading, Snapshot
from sites.compute.hardware import gpu_spec
from tests.controller.guards.ticks import (
    SITE,
    START,
    any_runs,
    codes,
    genset,
    job_names,
    mode,
    play,
    reading_job,
    runs,
    setpoints,
    site_with,
    snapshot,
)

RUNNING, OFF, COOLDOWN = GensetPhase.RUNNING, GensetPhase.OFF, GensetPhase.COOLDOWN


@pytest.mark.parametrize(
    ("reading", "asked", "told", "code"),
    [
        # minimum run of 60 minutes
        ({"phase": RUNNING, "phase_s": 600.0}, False, True, "GENSET_PROTECT"),
        ({"phase": RUNNING, "phase_s": 3601.0}, False, False, None),
        # minimum rest of 15 minutes after a run; the first start needs none
        ({"phase": OFF, "phase_s": 60.0, "starts": 3}, True, False, "GENSET_PROTECT"),
        ({"phase": OFF, "phase_s": 901.0, "starts": 3}, True, True, None),
        ({"phase": OFF, "phase_s": 60.0, "starts": 0}, True, True, None),
        # a failed start may be tried again without the long rest, three times in all
        ({"phase": OFF, "phase_s": 1.0, "starts": 3, "failed_starts": 2}, True, True, None),
        ({"phase": OFF, "phase_s": 1e5, "failed_starts": 3}, True, False, "GENSET_FAILED"),
        ({"phase": GensetPhase.LOCKED_OUT}, True, False, "GENSET_FAILED"),
        # what keeps it from starting when it is needed is told before that day
        ({"phase": GensetPhase.LOCKED_OUT}, False, False, "GENSET_FAILED"),
        ({"phase": OFF, "phase_s": 1e5, "failed_starts": 3}, False, False, "GENSET_FAILED"),
        ({"remote_allowed": False}, False, False, "PANEL_MANUAL"),
        ({"phase": COOLDOWN, "phase_s": 20.0}, True, False, "GENSET_PROTECT"),
        ({"phase": None}, True, False, "SENSOR_LOST"),
        # nothing is started past the panel; what runs there is left to it
        ({"remote_allowed": False}, True, False, "PANEL_MANUAL"),
        ({"phase": RUNNING, "phase_s": 600.0, "remote_allowed": False}, False, False, None),
    ],
)
def test_genset_protection(reading: dict[str, object], asked: bool, told: bool, code: str | None) -> None:
    tick = snapshot(gensets=(genset("diesel-1", **reading), genset("diesel-2")))
    (result,) = play([tick], setpoints(run=["diesel-1"] if asked else []))
    assert runs(result) is told
    assert (code is None) or (code in codes(result))
    if told and not asked:
        command = next(each for each in result.setpoints.gensets if each.name == "diesel-1")
        assert command.kw == pytest.approx(0.3 * 60)


@pytest.mark.parametrize(("asked_kw", "told_kw"), [(5.0, 18.0), (40.0, 40.0), (99.0, 60.0)])
def test_genset_power_is_kept_between_minimum_load_and_rating(asked_kw: float, told_kw: float) -> None:
    (result,) = play([snapshot()], setpoints(run=["diesel-1"], kw=asked_kw))
    assert result.setpoints.gensets[0].kw == pytest.approx(told_kw)


def test_an_empty_tank_starts_nothing() -> None:
    (result,) = play([snapshot(tank_l=0.0)], setpoints(run=["diesel-1"]))
    assert not any_runs(result)
    assert "FUEL_SHORT" in codes(result)


def loaded(kw: float, at_s: float) -> Snapshot:
    machines = (genset("diesel-1", RUNNING, power_kw=kw), genset("diesel-2"))
    return snapshot(at_s, power_kw=0.0, gensets=machines)


@pytest.mark.parametrize(
    ("kw", "acts_after_s"),
    [
        (60.0, None),  # its rating, for as long as one likes
        (61.0, None),  # within the meter's error
        (64.0, 1800.0),  # half of the hour that it bears 110 %
        (67.0, 0.0),  # above 110 %: at once
    ],
)
def test_a_genset_above_its_rating_sheds_and_calls_the_other(kw: float, acts_after_s: float | None) -> None:
    results = play([loaded(kw, 60.0 * i) for i in range(91)], setpoints(run=["diesel-1"]))
    acting = [60.0 * i for i, result in enumerate(results) if "GENSET_OVERLOAD" in codes(result)]
    if acts_after_s is None:
        assert acting == []
        return
    assert acting[0] == pytest.approx(acts_after_s, abs=61.0)
    first = results[int(acting[0] / 60)]
    assert runs(first, "diesel-2")
    assert len(first.setpoints.jobs) < 3


def test_the_hour_above_the_rating_comes_back_in_eleven() -> None:
    ticks = [loaded(64.0, 60.0 * i) for i in range(21)]
    ticks += [loaded(40.0, 1200.0 + 300.0 * i) for i in range(1, 34)]
    used = [result.memory.gensets["diesel-1"].overload_used_frac for result in play(ticks, setpoints(run=["diesel-1"]))]
    assert used[20] == pytest.approx(20 / 60, abs=0.001)
    assert used[-1] == pytest.approx(20 / 60 - 2.75 / 11, abs=0.001)


@pytest.mark.parametrize(
    ("tank_l", "soc", "run", "jobs"),
    [
        (401.0, 0.25, True, 3),  # above the reserve of 400 L nothing is kept back
        (399.0, 0.25, False, 0),  # battery low: what is burnt next would be for jobs
        (399.0, 0.45, False, 3),  # sun has filled the battery
        (399.0, 0.45, True, 0),  # a genset runs
    ],
)
def test_the_last_fuel_is_not_for_batch_work(tank_l: float, soc: float, run: bool, jobs: int) -> None:
    machines = (genset("diesel-1", RUNNING if run else OFF, power_kw=40.0 if run else 0.0), genset("diesel-2"))
    asked = setpoints(run=["diesel-1"] if run else [])
    (result,) = play([snapshot(tank_l=tank_l, soc=soc, gensets=machines)], asked)
    assert len(result.setpoints.jobs) == jobs
    assert ("FUEL_SHORT" in codes(result)) is (tank_l < 400.0)
    assert len(result.setpoints.services) == 2


@pytest.mark.parametrize(("soc", "saved", "jobs"), [(0.35, False, 3), (0.35, True, 0), (0.41, True, 3)])
def test_jobs_come_back_once_there_is_charge_to_spare(soc: float, saved: bool, jobs: int) -> None:
    (result,) = play([snapshot(tank_l=300.0, soc=soc)], memory=GuardMemory(fuel_saved=saved))
    assert len(result.setpoints.jobs) == jobs


def test_a_test_run_waits_for_fuel() -> None:
    due = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=20))})
    assert any_runs(play([snapshot()], memory=due)[0])
    assert not any_runs(play([snapshot(tank_l=399.0)], memory=due)[0])


@pytest.mark.parametrize(
    ("quiet", "hour_utc", "expected"),
    [
        (("22:00", "06:00"), 12, False),
        (("22:00", "06:00"), 4, True),
        (("22:00", "06:00"), 10, True),
        (("22:00", "06:00"), 11, False),
        (("07:00", "08:00"), 12, True),
    ],
)
def test_quiet_hours_are_local(quiet: tuple[str, str], hour_utc: int, expected: bool) -> None:
    described = SITE.gensets[0].model_copy(update={"quiet_hours": quiet})
    assert is_quiet(described, START.replace(hour=hour_utc), "America/New_York") is expected


@pytest.mark.parametrize(("soc", "starts"), [(0.18, False), (0.12, True)])
def test_quiet_hours_hold_until_it_is_dire(soc: float, starts: bool) -> None:
    site = site_with(gensets={"quiet_hours": ("00:00", "23:59")})
    (result,) = play([snapshot(soc=soc, power_kw=5.0)], site=site)
    assert any_runs(result) is starts
    assert ("QUIET_HOURS" in codes(result)) is not starts


def test_test_run_when_due_and_not_before() -> None:
    due = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=14))})
    ticks = [snapshot(60.0 * i) for i in range(32)]
    told = [runs(result) for result in play(ticks, memory=due)]
    assert told[:30] == [True] * 30
    assert told[30:] == [False] * 2
    early = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=13))})
    assert not any(any_runs(result) for result in play(ticks[:3], memory=early))


def test_a_long_enough_run_counts_as_the_test() -> None:
    memory = GuardMemory(
        last_utc=START - timedelta(seconds=60),
        gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=20), loaded_s=1790.0)},
    )
    tick = snapshot(gensets=(genset("diesel-1", RUNNING, 1800.0), genset("diesel-2")))
    (result,) = play([tick], setpoints(run=["diesel-1"]), memory=memory)
    assert result.memory.gensets["diesel-1"].tested_utc == START
    assert "TEST_RUN" not in codes(result)


@pytest.mark.parametrize(("soc", "days_ago"), [(0.6, 10), (0.997, 0)])
def test_plans_are_told_when_charge_and_test_runs_are_due(soc: float, days_ago: int) -> None:
    """A full battery counts its days from now; the genset's count from its last test."""
    before = START - timedelta(days=10)
    memory = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=before)}, full_utc=before)
    (result,) = play([snapshot(soc=soc)], memory=memory)
    assert result.snapshot.battery is not None
    assert result.snapshot.battery.full_due_utc == START + timedelta(days=14 - days_ago)
    assert result.snapshot.gensets[0].test_due_utc == before + timedelta(days=14)


def test_no_test_run_in_panel_manual() -> None:
    due = GuardMemory(gensets={"diesel-1": GensetMemory(tested_utc=START - timedelta(days=30))})
    tick = snapshot(gensets=(genset("diesel-1", remote_allowed=False), genset("diesel-2")))
    assert not runs(play([tick], memory=due)[0])


@pytest.mark.parametrize(
    ("load_kw", "charge_limit_kw", "pv_kw", "limit_kw"),
    [
        # battery full: the sun may give the load less one genset's minimum of 18 kW
        (60.0, 0.0, 200.0, 42.0),
        (10.0, 0.0, 200.0, 0.0),
        # battery takes 30 kW more
        (60.0, 30.0, 200.0, 72.0),
        # there is room for all the sun there is
        (60.0, 400.0, 200.0, None),
    ],
)
def test_the_sun_never_drives_a_genset(
    load_kw: float, charge_limit_kw: float, pv_kw: float, limit_kw: float | None
) -> None:
    tick = snapshot(
        soc=0.99,
        load_kw=load_kw,
        charge_limit_kw=charge_limit_kw,
        pv_available_kw=pv_kw,
        gensets=(genset("diesel-1", RUNNING, 4000.0, power_kw=18.0), genset("diesel-2")),
    )
    (result,) = play([tick], setpoints(run=["diesel-1"]))
    assert result.setpoints.pv_limit_kw == (None if limit_kw is None else pytest.approx(limit_kw))


def test_reverse_power_takes_a_genset_off() -> None:
    tick = snapshot(gensets=(genset("diesel-1", RUNNING, 4000.0, power_kw=-3.0), genset("diesel-2")))
    (result,) = play([tick], setpoints(run=["diesel-1"]))
    assert not runs(result)
    assert "REVERSE_POWER" in codes(result)


@pytest.mark.parametrize(
    ("inlet_c", "jobs", "at_floor", "soft_service"),
    [
        (24.0, 3, False, True),
        (33.5, 3, True, True),
        (36.0, 0, True, True),
        (41.0, 0, True, False),
    ],
)
def test_warm_inlet_air(inlet_c: float, jobs: int, at_floor: bool, soft_service: bool) -> None:
    (result,) = play([snapshot(inlet_c=inlet_c)])
    assert len(result.setpoints.jobs) == jobs
    floor = gpu_spec("h100-pcie").limits.min_limit_w
    assert all(each.limit_w == floor for each in result.setpoints.jobs) is at_floor
    assert ("document-chat" in [each.name for each in result.setpoints.services]) is soft_service


def test_inlet_step_ends_two_kelvin_below() -> None:
    ticks = [snapshot(60.0 * i, inlet_c=c) for i, c in enumerate([36.0, 34.0, 33.5, 32.9, 30.9])]
    assert [len(r.setpoints.jobs) for r in play(ticks)] == [0, 0, 0, 3, 3]


def test_rugged_gear_bears_more() -> None:
    site = site_with(cooling={"climate_class": "rugged"})
    (result,) = play([snapshot(inlet_c=50.0)], site=site)
    assert len(result.setpoints.jobs) == 3


def test_nothing_starts_in_the_cold_but_what_runs_goes_on() -> None:
    tick = snapshot(inlet_c=5.0, jobs=(reading_job("dear", "running"), reading_job("cheap", "queued")))
    (result,) = play([tick])
    assert job_names(result) == ["dear"]
    assert "INLET_COLD" in codes(result)


@pytest.mark.parametrize("cause", ["emergency_stop", "fire"])
def test_emergency_outranks_everything(cause: str) -> None:
    tick = snapshot(soc=0.12, unserved_kw=20.0, **{cause: True})
    (result,) = play([tick], setpoints(run=["diesel-1", "diesel-2"]))
    told = result.setpoints
    assert not any_runs(result)
    assert (told.jobs, told.services) == ((), ())
    assert told.pv_limit_kw == 0.0
    assert told.battery_limit_kw == (0.0, 0.0)
    assert "EMERGENCY_STOP" in codes(result)


def test_orders_outside_the_site_are_dropped_or_clipped() -> None:
    asked = setpoints(
        jobs=[],
        gensets=(GensetCommand(name="diesel-9", run=True, kw=10.0),),
        services=(
            ServiceCommand(name="voice-agent", mode=mode(60, "l40s")),
            ServiceCommand(name="nobody", mode=mode()),
        ),
        shed_tiers=("control-and-network", "crew-cabin"),
        pv_limit_kw=-5.0,
    ).model_copy(
        update={
            "jobs": (
                JobCommand(name="dear", pool="h100", gpus=8, limit_w=9000),
                JobCommand(name="too-many", pool="l40s", gpus=8, limit_w=300),
                JobCommand(name="nowhere", pool="b200", gpus=1, limit_w=300),
            )
        }
    )
    (result,) = play([snapshot()], asked)
    told = result.setpoints
    assert [each.name for each in told.jobs] == ["dear"]
    assert told.jobs[0].limit_w == gpu_spec("h100-pcie").limits.max_limit_w
    assert [each.name for each in told.services] == ["voice-agent"]
    assert {each.name for each in told.gensets} == {"diesel-1", "diesel-2"}
    assert told.shed_tiers == ("crew-cabin",)
    assert told.pv_limit_kw == 0.0
    assert "OUT_OF_BOUNDS" in codes(result)


def test_lost_gpus_are_missed_by_what_is_not_critical() -> None:
    critical = next(each.name for each in SITE.services if each.critical)
    soft = next(each.name for each in SITE.services if not each.critical)
    asked = setpoints(jobs=[]).model_copy(
        update={"services": tuple(ServiceCommand(name=name, mode=mode(8)) for name in (soft, critical))}
    )
    tick = snapshot(pools=(PoolReading(name="h100", gpus_ok=8, draw_kw=None),))
    (result,) = play([tick], asked)
    assert [each.name for each in result.setpoints.services] == [critical]
