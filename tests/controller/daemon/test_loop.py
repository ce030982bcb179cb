"""The loop as a whole, in this process, with a stub worker: first cycle, plans, restart, planner faults, watchdog."""

from __future__ import annotations

import socket
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from controller.daemon.loop import Loop, LoopOptions
from controller.daemon.service_manager import ServiceManager
from controller.records.commands import Commands
from controller.records.reading import Reader
from optimizer.plan import Level
from sites.errors import InputError
from sites.ports import SystemClock
from tests.controller.daemon.prepared import SITE, START, job

STUB = "tests.controller.daemon.stub_worker"
EVER = (START - timedelta(days=1), START + timedelta(days=9))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store on a busy machine may be late; what a late store means is told in ``test_cycle``."""
    monkeypatch.setattr("controller.cycle.COMMIT_S", 30.0)


def options(folder: Path, *, start: bool = True, speed: float = 3600.0) -> LoopOptions:
    return LoopOptions(
        site=SITE,
        site_file="container",
        url=f"sqlite:///{folder / 'mdc.sqlite'}",
        speed=speed,
        start_utc=START if start else None,
        port=None,
        worker_memory_mb=2048,
        worker_module=STUB,
    )


def run(folder: Path, cycles: int) -> list[str]:
    """Run a loop until it has its plant, then for some cycles; return what it said."""
    said: list[str] = []
    loop = Loop(options(folder), host=SystemClock(), say=said.append)
    try:
        for _ in range(120):
            if loop._twin is not None:
                break
            loop._turn()
        for _ in range(cycles):
            loop._turn()
    finally:
        loop.close()
    return said


def test_it_starts_safe_plans_and_goes_on_where_it_was(tmp_path: Path) -> None:
    said = run(tmp_path, 70)
    assert said[0] == "first control cycle done, safe_state"
    assert "preparing 3/3: stub" in said
    with Reader(f"sqlite:///{tmp_path / 'mdc.sqlite'}", SITE.name) as reader:
        first = reader.now()
        assert first is not None
        assert first.plan_id is not None
        assert first.at_utc > START + timedelta(minutes=30)
        levels = [each.order_text for each in reader.decisions(*EVER, subject="level")]
        assert levels[-1] == Level.SAFE_STATE.value
        assert all(each.acted_utc is not None for each in reader.decisions(*EVER))
        points = reader.telemetry(*EVER)
        steps = {b.at_utc - a.at_utc for a, b in pairwise(points)}
        assert steps == {timedelta(seconds=60)}
        assert {each.name for each in reader.jobs()} >= {"stream-1"}
        done = sum(each.done_frac for each in reader.jobs())
        decided = len(reader.decisions(*EVER))
    said = run(tmp_path, 3)
    assert said[0] == "first control cycle done, rules"
    with Reader(f"sqlite:///{tmp_path / 'mdc.sqlite'}", SITE.name) as reader:
        again = reader.now()
        assert again is not None
        assert first.at_utc <= again.at_utc <= first.at_utc + timedelta(minutes=5)
        assert again.plan_id == first.plan_id
        assert sum(each.done_frac for each in reader.jobs()) >= done
        assert len(reader.decisions(*EVER)) == decided


@pytest.mark.parametrize("fault", ["crash", "nonsense", "mad", "error"])
def test_without_a_planner_rules_decide_and_the_fault_is_named(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDC_STUB", fault)
    run(tmp_path, 20)
    with Reader(f"sqlite:///{tmp_path / 'mdc.sqlite'}", SITE.name) as reader:
        now = reader.now()
        assert now is not None
        assert (now.level, now.plan_id) == (Level.RULES, None)
        assert now.at_utc > START
        assert [each.code for each in reader.alarms()] == ["PLANNER_LOST"]
        assert now.setpoints is not None
        assert "voice-agent" in [each.name for each in now.setpoints.services]


def test_a_submitted_job_is_picked_up_and_planned(tmp_path: Path) -> None:
    run(tmp_path, 2)
    url = f"sqlite:///{tmp_path / 'mdc.sqlite'}"
    with Commands(url, SITE.name) as commands:
        commands.submit_jobs([job("mine", work_gpu_h=4.0, value_usd=900)], who="me", at_utc=START)
    run(tmp_path, 90)
    with Reader(url, SITE.name) as reader:
        events = [each.event for each in reader.job_events("mine")]
        assert events[0] == "submitted"
        assert "started" in events
        assert reader.job("mine").done_frac > 0.2  # type: ignore[union-attr]


def test_one_daemon_on_a_store(tmp_path: Path) -> None:
    loop = Loop(options(tmp_path), host=SystemClock())
    with pytest.raises(InputError, match="another daemon"):
        Loop(options(tmp_path), host=SystemClock())
    loop.close()


def test_systemd_hears_of_complete_cycles_only(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(5.0)
        manager = ServiceManager(address)
        manager.cycle_done()
        manager.cycle_done()
        manager.stopping()
        heard = [listener.recv(100).decode() for _ in range(4)]
    assert heard == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]
    ServiceManager("").cycle_done()
    ServiceManager(str(tmp_path / "nobody")).cycle_done()
