"""A driver behind a line that can be spoilt: what :mod:`benchmarks.devices_lines` needs of each."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from controller.devices.power.bench.fault_proxy import FaultProxy, LineFault
from controller.devices.power.bench.serial_relay import SerialRelay

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
LATE_S, LOSS_FRAC, POLL_S, BACK_S = 5.0, 0.2, 0.2, 45.0


class Rig(NamedTuple):
    """One driver behind a line that can be spoilt."""

    name: str
    call: Callable[[], object]
    """A call of the driver itself, as its thread makes it."""
    cycle: Callable[[], object] | None
    """What the control cycle does with it; none where it has nothing to do with it."""
    known: Callable[[], bool]
    """Whether it is known now what it tells."""
    spoil: Callable[[LineFault], None]
    wrong: Callable[[bool], None] | None
    """Asks for somebody who is not there, and takes it back; none where nobody is named."""
    close: Callable[[], object]


def proxy_of(port: int) -> FaultProxy:
    proxy = FaultProxy(port)
    proxy.spoil.latency_s, proxy.spoil.loss_frac = LATE_S, LOSS_FRAC
    return proxy


def spoiler(line: FaultProxy | SerialRelay) -> Callable[[LineFault], None]:
    def spoil(fault: LineFault) -> None:
        line.spoil.fault = fault

    return spoil


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens."""

    def there() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            return False
        return True

    assert until(there, 20.0) is not None, f"nobody listens on {port}"


def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Return how long it took until a condition held; none when it did not."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < seconds:
        if condition():
            return time.monotonic() - began_s
        time.sleep(0.02)
    return None
