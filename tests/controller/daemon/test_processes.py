"""The planning worker's keeper: deadlines, crashes, nonsense, memory; and lines over pipes that never block."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from controller.daemon.console_process import ConsoleProcess
from controller.daemon.line_pipe import LinePipe
from controller.daemon.messages import Failed, Planned, PlanRequest, Prepare, Prepared, Progress
from controller.daemon.planner_process import Event, PlannerProcess, WorkerLost
from sites.ports import SystemClock
from tests.controller.daemon.prepared import START, twin

STUB = "tests.controller.daemon.stub_worker"


@pytest.fixture
def planner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlannerProcess]:
    """A keeper of a stub worker with the fault that the test names."""
    monkeypatch.setenv("MDC_STUB", getattr(request, "param", ""))
    keeper = PlannerProcess(["--memory-mb", "2048"], clock=SystemClock(), module=STUB)
    yield keeper
    keeper.stop()


def wait_for(planner: PlannerProcess, kind: type[Event] | tuple[type[Event], ...]) -> Event:
    """Return the first event of a kind."""
    pause = threading.Event()
    for _ in range(1500):
        for event in planner.poll():
            if isinstance(event, kind):
                return event
        pause.wait(0.02)
    raise AssertionError(f"no {kind} came")


def plan_request(identity: int = 7) -> PlanRequest:
    return PlanRequest(id=identity, at_utc=START, snapshot=twin().read(), jobs=())


def test_it_prepares_and_plans(planner: PlannerProcess) -> None:
    planner.ask(Prepare(id=1, start_utc=START, end_utc=START + timedelta(days=1)), deadline_s=60)
    assert planner.busy
    assert isinstance(wait_for(planner, Progress), Progress)
    ready = wait_for(planner, Prepared)
    assert isinstance(ready, Prepared)
    assert ready.world is not None
    assert ready.world.world().pv_available_kw.at(START) > 0
    assert not planner.busy
    planner.ask(plan_request(), deadline_s=60)
    answer = wait_for(planner, Planned)
    assert isinstance(answer, Planned)
    assert (answer.id, answer.plan.site) == (7, "container")
    planner.ask(plan_request(), deadline_s=60)
    with pytest.raises(RuntimeError, match="one request"):
        planner.ask(plan_request(), deadline_s=60)


@pytest.mark.parametrize(
    ("planner", "text"),
    [("hang", "in time"), ("crash", "exit status 13"), ("nonsense", "nonsense"), ("memory", "it ended")],
    indirect=["planner"],
)
def test_a_worker_that_fails_is_killed_and_started_anew(planner: PlannerProcess, text: str) -> None:
    planner.ask(Prepare(id=1, start_utc=START, end_utc=START + timedelta(days=1)), deadline_s=60)
    wait_for(planner, Prepared)
    first = planner.pid
    planner.ask(plan_request(), deadline_s=1.0 if text == "in time" else 60.0)
    lost = wait_for(planner, WorkerLost)
    assert isinstance(lost, WorkerLost)
    assert lost.id == 7
    assert text in lost.text
    assert planner.pid is None
    assert not planner.ready
    assert not planner.busy
    planner.start()
    assert planner.pid not in (None, first)


@pytest.mark.parametrize("planner", ["error"], indirect=True)
def test_a_worker_that_says_it_failed_lives_on(planner: PlannerProcess) -> None:
    planner.ask(plan_request(), deadline_s=60)
    assert isinstance(wait_for(planner, (Failed, WorkerLost)), Failed)
    assert planner.pid is not None
    assert planner.ready


def test_a_pipe_never_blocks_and_keeps_lines_whole() -> None:
    to_child, from_loop = os.pipe()
    to_loop, from_child = os.pipe()
    pipe = LinePipe(read_fd=to_loop, write_fd=from_loop)
    big = "x" * 300_000
    pipe.send(big)
    assert list(pipe.lines()) == []
    taken = b""
    while len(taken) < len(big) + 1:
        taken += os.read(to_child, 65536)
        pipe.flush()
    assert taken == big.encode() + b"\n"
    os.write(from_child, b"one\ntw")
    assert list(pipe.lines()) == [b"one"]
    os.write(from_child, b"o\nthree\n")
    assert list(pipe.lines()) == [b"two", b"three"]
    os.close(from_child)
    with pytest.raises(EOFError):
        list(pipe.lines())
    for descriptor in (to_child, from_loop, to_loop):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("listens", "reached"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.2", "127.0.0.2")]
)
def test_the_console_is_reached_where_it_listens(listens: str, reached: str) -> None:
    console = ConsoleProcess([], host=listens, port=8080, clock=SystemClock())
    assert console.address == f"http://{reached}:8080"
