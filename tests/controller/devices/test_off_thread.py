"""A device that hangs: the loop's thread goes on, orders that were given up do not pile up, and it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from controller.devices.off_thread import Deadline, Poller

LONG_S = 30.0


@pytest.fixture
def line() -> Iterator[Deadline]:
    made = Deadline("bms")
    yield made
    made.close()


def test_results_and_errors_come_back(line: Deadline) -> None:
    assert line.call(lambda: 7, 5.0) == 7
    with pytest.raises(ConnectionError, match="gone"):
        line.call(_gone, 5.0)
    with pytest.raises(TimeoutError, match="of its own"):
        line.call(_own_timeout, 5.0)
    assert line.call(lambda: threading.current_thread().name, 5.0) == "device bms"


def test_while_a_call_hangs_others_fail_at_once_and_are_not_queued(line: Deadline) -> None:
    released, done = threading.Event(), []
    with pytest.raises(TimeoutError, match="does not answer"):
        line.call(lambda: released.wait(LONG_S), 0.05)
    begin = time.monotonic()
    for number in range(50):
        with pytest.raises(TimeoutError, match="still hangs"):
            line.call(lambda number=number: done.append(number), 5.0)
    assert time.monotonic() - begin < LONG_S / 2
    released.set()
    _until(lambda: _answers(line))
    assert done == []


def test_a_poller_keeps_the_newest_and_tells_when_it_is_old() -> None:
    released, readings = threading.Event(), iter(range(1000))
    hang = threading.Event()

    def read() -> int:
        if hang.is_set():
            released.wait(LONG_S)
        return next(readings)

    poller = Poller("meter", read, period_s=0.005)
    try:
        _until(lambda: poller.latest(LONG_S) > 3)
        hang.set()
        _until(lambda: _old(poller))
        released.set()
        hang.clear()
        _until(lambda: not _old(poller))
    finally:
        released.set()
        poller.close()


def test_a_poller_tells_why_there_is_nothing() -> None:
    poller = Poller("meter", _gone, period_s=0.005)
    _until(lambda: bool(poller.trouble))
    with pytest.raises(TimeoutError, match="gone"):
        poller.latest(1.0)
    poller.close()


def _gone() -> int:
    raise ConnectionError("gone")


def _own_timeout() -> int:
    raise TimeoutError("of its own")


def _answers(line: Deadline) -> bool:
    try:
        return line.call(lambda: True, 5.0)
    except TimeoutError:
        return False


def _old(poller: Poller[int]) -> bool:
    try:
        poller.latest(0.05)
    except TimeoutError:
        return True
    return False


def _until(true: object) -> None:
    deadline = time.monotonic() + LONG_S
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)
