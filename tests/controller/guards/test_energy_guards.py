"""State of charge, cold cells and shortage, as tables of ticks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from controller.guards.battery_cold import cold_share
from controller.guards.chain import apply_guards
from controller.guards.records import GuardMemory
from controller.guards.shortage import overload_seconds, overload_used
from controller.setpoints import JobCommand, ServiceCommand
from controller.snapshot import GensetPhase, PoolReading, ServiceReading, Snapshot
from sites.compute.hardware import gpu_spec
from tests.controller.guards.ticks import (
    SITE,
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


def test_a_quiet_site_is_left_alone() -> None:
    (result,) = play([snapshot()])
    asked = setpoints()
    assert result.reasons == ()
    assert result.setpoints.jobs == asked.jobs
    assert result.setpoints.services == asked.services
    assert not any_runs(result)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        # SoC falls to the reserve of 20 %, a genset is asked for until 25 %
        ([0.22, 0.205, 0.199, 0.21, 0.24, 0.251], [False, False, True, True, True, False]),
        ([0.22, 0.23], [False, False]),
    ],
)
def test_reserve_calls_one_genset_with_hysteresis(course: list[float], expected: list[bool]) -> None:
    ticks = [
        snapshot(600.0 * i, soc=soc, gensets=(genset("diesel-1"), genset("diesel-2", run_h=100)))
        for i, soc in enumerate(course)
    ]
    results = play(ticks)
    assert [runs(result) for result in results] == expected
    assert not any(runs(result, "diesel-2") for result in results)


def test_reserve_takes_the_genset_with_fewer_hours_and_one_that_is_fit() -> None:
    low = {"soc": 0.15}
    fewer = snapshot(gensets=(genset("diesel-1", run_h=500), genset("diesel-2", run_h=20)), **low)
    assert [runs(play([fewer])[0], name) for name in ("diesel-1", "diesel-2")] == [False, True]
    locked = snapshot(gensets=(genset("diesel-1"), genset("diesel-2", phase=GensetPhase.LOCKED_OUT)), **low)
    assert [runs(play([locked])[0], name) for name in ("diesel-1", "diesel-2")] == [True, False]


@pytest.mark.parametrize(
    ("soc", "jobs_left", "soft_service", "tiers"),
    [
        (0.20, 3, True, ()),
        (0.128, 0, True, ("crew-cabin", "storage-servers")),
        (0.105, 0, False, ("crew-cabin", "storage-servers")),
    ],
)
def test_near_the_hard_limit_load_goes_and_critical_stays(
    soc: float, jobs_left: int, soft_service: bool, tiers: tuple[str, ...]
) -> None:
    (result,) = play([snapshot(soc=soc, power_kw=10.0)])
    assert len(result.setpoints.jobs) == jobs_left
    names = [each.name for each in result.setpoints.services]
    assert "voice-agent" in names
    assert ("document-chat" in names) is soft_service
    assert result.setpoints.shed_tiers == tiers
    assert "control-and-network" not in result.setpoints.shed_tiers


def test_cut_of_low_charge_ends_three_per_cent_above() -> None:
    ticks = [snapshot(60.0 * i, soc=soc, power_kw=-50.0) for i, soc in enumerate([0.13, 0.135, 0.15, 0.159, 0.17])]
    assert [len(result.setpoints.jobs) for result in play(ticks)] == [0, 0, 0, 0, 3]


def test_fast_discharge_acts_earlier() -> None:
    slow, fast = (play([snapshot(soc=0.134, power_kw=power)])[0] for power in (10.0, 380.0))
    assert len(slow.setpoints.jobs) == 3
    assert fast.setpoints.jobs == ()


@pytest.mark.parametrize(
    ("cell_c", "share"), [(-10, 0.0), (0, 0.0), (5, 0.25), (10, 0.5), (15, 0.75), (20, 1.0), (35, 1.0)]
)
def test_cold_cells_take_less_charge(cell_c: float, share: float) -> None:
    battery = SITE.battery
    assert battery is not None
    assert cold_share(battery, cell_c) == pytest.approx(share)
    (result,) = play([snapshot(cell_c=cell_c)])
    if share == 1.0:
        assert result.setpoints.battery_limit_kw is None
    else:
        assert result.setpoints.battery_limit_kw == pytest.approx((share * 400, 400))
        assert result.setpoints.pv_limit_kw == pytest.approx(60 + share * 400)


def test_cold_never_widens_what_was_asked() -> None:
    asked = setpoints(battery_limit_kw=(10.0, 50.0), pv_limit_kw=5.0)
    (result,) = play([snapshot(cell_c=15.0)], asked)
    assert result.setpoints.battery_limit_kw == (10.0, 50.0)
    assert result.setpoints.pv_limit_kw == 5.0


@pytest.mark.parametrize(
    ("ratio", "seconds"), [(0.9, 3600), (1.0, 3600), (1.125, 1830), (1.25, 60), (1.375, 35), (2.0, 0.5), (2.1, 0.0)]
)
def test_overload_curve(ratio: float, seconds: float) -> None:
    assert overload_seconds(SITE.bus, ratio) == pytest.approx(seconds)


def test_overload_budget_is_used_and_recovers() -> None:
    rated = SITE.bus.inverter_kw
    used = overload_used(SITE.bus, 0.0, 1.25 * rated, 30.0)
    assert used == pytest.approx(0.5)
    assert overload_used(SITE.bus, used, 0.5 * rated, 150.0) == pytest.approx(0.25)
    assert overload_used(SITE.bus, used, 3.0 * rated, 1.0) == 1.0


def test_inverter_overload_cuts_before_its_budget_is_spent() -> None:
    site = site_with(bus={"inverter_kw": 50.0})
    ticks = [snapshot(float(i), power_kw=62.5) for i in range(60)]
    results = play(ticks, site=site)
    first = next(i for i, result in enumerate(results) if "INVERTER_OVERLOAD" in codes(result))
    assert results[first].memory.overload_used_frac < 0.6
    assert len(results[first].setpoints.jobs) < 3
    assert any_runs(results[first])


def test_shortage_calls_gensets_caps_and_pauses_the_least_valuable_first() -> None:
    (result,) = play([snapshot(unserved_kw=1.0)])
    assert [runs(result, name) for name in ("diesel-1", "diesel-2")] == [True, True]
    assert job_names(result) == ["dear", "urgent"]
    floor = gpu_spec("h100-pcie").limits.min_limit_w
    assert {each.limit_w for each in result.setpoints.jobs} == {floor}
    assert result.setpoints.shed_tiers == ()


def test_shortage_that_lasts_goes_on_in_order_and_leaves_critical_load() -> None:
    results = play([snapshot(float(i), unserved_kw=5.0) for i in range(12)])
    left = [(len(r.setpoints.jobs), len(r.setpoints.shed_tiers), len(r.setpoints.services)) for r in results]
    assert left == sorted(left, key=lambda each: (-each[0], each[1], -each[2]))
    last = results[-1].setpoints
    assert last.jobs == ()
    assert last.shed_tiers == ("crew-cabin", "storage-servers")
    assert [each.name for each in last.services] == ["voice-agent"]


def test_what_was_cut_comes_back_one_at_a_time() -> None:
    ticks = [snapshot(0.0, unserved_kw=1.0), snapshot(1.0, unserved_kw=1.0)]
    ticks += [snapshot(1.0 + 150.0 * i) for i in range(1, 6)]
    kept = [len(result.setpoints.jobs) for result in play(ticks)]
    assert kept[0] == 2
    assert kept[1] == 1
    assert kept[2:] == [1, 2, 2, 3, 3]


def test_work_is_admitted_within_the_gensets_load_step() -> None:
    carrying = {"contactor_closed": False, "power_kw": 0.0, "unserved_kw": 0.0}
    machines = (genset("diesel-1", GensetPhase.RUNNING, power_kw=54.0), genset("diesel-2", GensetPhase.OFF))
    started: list[str] = []
    memory = GuardMemory()
    counts = []
    for second in range(0, 100, 10):
        jobs = tuple(reading_job(name, "running") for name in started)
        (result,) = play([snapshot(float(second), gensets=machines, jobs=jobs, **carrying)], memory=memory)
        memory, started = result.memory, job_names(result)
        counts.append(len(started))
    # 6 kW are free, a job draws 2.5 kW: two at once, the third after half a minute without room
    assert counts[0] == 2
    assert counts[-1] == 3
    assert counts == sorted(counts)


def test_a_battery_with_room_takes_all_work_at_once() -> None:
    assert len(play([snapshot(power_kw=50.0)])[0].setpoints.jobs) == 3
    assert len(play([snapshot(power_kw=396.0)])[0].setpoints.jobs) == 1


def idle_services() -> tuple[ServiceReading, ...]:
    """Readings of services that nothing serves, as after a black start."""
    return tuple(ServiceReading(name=each.name, mode="", rate_rps=1.0) for each in setpoints().services)


def test_after_a_black_start_services_come_before_jobs_critical_ones_first() -> None:
    """6 kW are free: each service may draw 2 kW or so, a job 2.5 kW."""
    carrying: dict[str, Any] = {
        "contactor_closed": False,
        "power_kw": 0.0,
        "unserved_kw": 0.0,
        "services": idle_services(),
    }
    machines = (genset("diesel-1", GensetPhase.RUNNING, power_kw=57.0), genset("diesel-2", GensetPhase.OFF))
    memory, seen = GuardMemory(), list[tuple[list[str], list[str]]]()
    for second in range(0, 200, 10):
        jobs = tuple(reading_job(name, "running") for name in (seen[-1][1] if seen else ()))
        (result,) = play([snapshot(float(second), gensets=machines, jobs=jobs, **carrying)], memory=memory)
        memory = result.memory
        seen.append(([each.name for each in result.setpoints.services], job_names(result)))
    first = seen[0]
    critical = {each.name for each in SITE.services if each.critical}
    assert first[0]
    assert set(first[0]) <= critical or not first[1]
    assert all(set(before[0]) <= set(after[0]) for before, after in pairwise(seen)), "what is let in stays in"
    assert len(seen[-1][0]) == len(setpoints().services)
    assert len(seen[-1][1]) == 3
    assert sum(map(len, first)) < sum(map(len, seen[-1]))


def test_hosts_come_on_within_the_load_step() -> None:
    pools = tuple(pool.model_copy(update={"can_power_off": True}) for pool in SITE.pools)
    site = SITE.model_copy(update={"pools": pools})
    off = tuple(PoolReading(name=pool.name, gpus_ok=0, draw_kw=0.0, nodes_on=0) for pool in pools)
    asked = setpoints().model_copy(update={"jobs": (), "services": (), "nodes_on": {"h100": 8, "l40s": 0}})
    carrying: dict[str, Any] = {"contactor_closed": False, "power_kw": 0.0, "unserved_kw": 0.0, "pools": off}
    machines = (genset("diesel-1", GensetPhase.RUNNING, power_kw=57.0), genset("diesel-2", GensetPhase.OFF))
    result = apply_guards(snapshot(0.0, gensets=machines, **carrying), asked, site, GuardMemory())
    assert result.setpoints.nodes_on == {"h100": 2, "l40s": 0}, "3 kW are free, a host draws 1.1 kW"
    roomy = apply_guards(snapshot(0.0, power_kw=50.0, unserved_kw=0.0, pools=off), asked, site, GuardMemory())
    assert roomy.setpoints.nodes_on == {"h100": 8, "l40s": 0}


def test_a_service_that_swaps_its_servers_is_no_new_load() -> None:
    full = {"power_kw": 399.9, "unserved_kw": 0.0}
    (first,) = play([snapshot(0.0, **full)])
    assert first.setpoints.services == setpoints().services, "nothing is known of them: they are left alone"
    (second,) = play([snapshot(5.0, services=idle_services(), **full)], memory=first.memory)
    assert second.setpoints.services == setpoints().services


def test_a_service_that_was_off_is_new_load() -> None:
    off = ServiceCommand(name="voice-agent", mode=mode().model_copy(update={"gpus": 0, "name": "off"}))
    asked = setpoints().model_copy(update={"services": (off,)})
    full = {"power_kw": 399.9, "unserved_kw": 0.0}
    result = apply_guards(snapshot(0.0, **full), asked, SITE, GuardMemory())
    assert result.setpoints.services == (off,)
    (after,) = play([snapshot(5.0, **full)], memory=result.memory)
    assert after.setpoints.services == ()


def weak_bus(**fields: Any) -> dict[str, Any]:
    """A genset with 1 kW free carries the bus: less than any service, job or host draws."""
    machines = (genset("diesel-1", GensetPhase.RUNNING, power_kw=59.0), genset("diesel-2", GensetPhase.OFF))
    return {"contactor_closed": False, "power_kw": 0.0, "unserved_kw": 0.0, "gensets": machines, **fields}


def test_small_jobs_that_come_and_go_do_not_keep_a_critical_service_out() -> None:
    memory, small = GuardMemory(), JobCommand(name="small", pool="h100", gpus=1, limit_w=200)
    let_in = []
    for second in range(100):
        jobs = (small.model_copy(update={"name": f"small-{second}"}),)
        asked = setpoints().model_copy(update={"jobs": jobs})
        (result,) = play([snapshot(float(second), **weak_bus(services=idle_services()))], asked, memory=memory)
        memory = result.memory
        let_in.append([each.name for each in result.setpoints.services])
    assert let_in[0] == []
    assert len(let_in[-1]) == len(setpoints().services)


def test_a_host_that_never_comes_on_does_not_keep_services_out() -> None:
    pools = tuple(pool.model_copy(update={"can_power_off": True, "host_w": 900.0}) for pool in SITE.pools)
    site = SITE.model_copy(update={"pools": pools})
    short = tuple(
        PoolReading(name=each.name, gpus_ok=each.gpus, draw_kw=0.0, nodes_on=each.nodes - 1) for each in pools
    )
    asked = setpoints(jobs=())
    ticks = [snapshot(float(second), **weak_bus(services=idle_services(), pools=short)) for second in range(200)]
    assert len(play(ticks, asked, site=site)[-1].setpoints.services) == len(asked.services)


def test_a_job_let_in_stays_in_until_its_runner_has_started_it() -> None:
    """A runner may take many cycles to start a job; one that fell off once it ran is new load again."""
    waits = [snapshot(float(second), **weak_bus()) for second in range(50)]
    results = play(waits, setpoints(jobs=("dear",), services=()))
    seen = [job_names(each) for each in results]
    assert seen == [[]] * 30 + [["dear"]] * 20
    ran = snapshot(50.0, **weak_bus(jobs=(reading_job("dear", "running"),)))
    fell = snapshot(51.0, **weak_bus())
    after = play([ran, fell], setpoints(jobs=("dear",), services=()), memory=results[-1].memory)
    assert [job_names(each) for each in after] == [["dear"], []]


def test_hosts_let_on_stay_so_until_they_are_on() -> None:
    """Whoever switches hosts looks every few seconds; what went dark is new load again."""
    pools = tuple(pool.model_copy(update={"can_power_off": True, "host_w": 1100.0}) for pool in SITE.pools)
    site = SITE.model_copy(update={"pools": pools})
    asked = setpoints(jobs=(), services=(), nodes_on={"h100": 2, "l40s": 0})

    def tick(second: float, on: int) -> Snapshot:
        readings = tuple(PoolReading(name=pool.name, gpus_ok=0, draw_kw=0.0, nodes_on=on) for pool in pools)
        return snapshot(second, **weak_bus(pools=readings))

    results = play([tick(float(second), 0) for second in range(45)], asked, site=site)
    counts = [(each.setpoints.nodes_on or {})["h100"] for each in results]
    assert counts == [0] * 30 + [1] * 15
    after = play([tick(45.0, 1), tick(46.0, 0)], asked, site=site, memory=results[-1].memory)
    assert [(each.setpoints.nodes_on or {})["h100"] for each in after] == [1, 0]
