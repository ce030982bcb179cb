"""SIGKILL at random moments: the store stays whole, no decision is lost or done twice. The long run is a benchmark."""

from __future__ import annotations

from pathlib import Path

from benchmarks.daemon import kill_runs
from controller.daemon.order_log import Told, disagreements

RUN, STOP = "run", "stop"


def test_killed_daemon_loses_and_doubles_nothing(tmp_path: Path) -> None:
    found = kill_runs(tmp_path, kills=4, span_s=2.5, speed=1800.0, worker_module="tests.controller.daemon.stub_worker")
    assert found.faults == ()
    assert found.decisions > 5
    assert found.orders_seen > 3
    assert found.telemetry > 10


def told(*orders: tuple[str, bool]) -> list[Told]:
    return [Told(number, order, acted) for number, (order, acted) in enumerate(orders, start=1)]


def test_the_check_itself_notices_what_it_is_there_for() -> None:
    one = "genset a"
    assert disagreements({one: [RUN, STOP]}, {one: told((RUN, True), (STOP, True))}) == ()
    # carried out, but killed before it was marked
    assert disagreements({one: [RUN]}, {one: told((RUN, False))}) == ()
    # committed and never carried out, then superseded
    assert disagreements({one: []}, {one: told((RUN, False), (STOP, True))}) == ()
    # seen by the device, but in no record
    assert disagreements({one: [RUN]}, {}) != ()
    # done twice
    assert disagreements({one: [RUN, STOP, RUN]}, {one: told((RUN, True), (STOP, True))}) != ()
    # marked as acted on, never seen
    assert disagreements({one: []}, {one: told((RUN, True))}) != ()
    # a record is missing
    assert disagreements({one: [RUN]}, {one: [Told(2, RUN, True)]}) != ()
