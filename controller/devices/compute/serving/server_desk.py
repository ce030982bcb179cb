"""Between the control cycle and the servers of one service: brings them into the mode that is wanted, on its own thread.

Each turn compares what is wanted with what runs and takes the next step; a new mode of the same servers only changes what
is let in, another model, precision or number of replicas swaps them:

    start    new servers beside the old where the owner says there is room, else after the old have gone        (1)
    ready    each new server answers its health path                                                          (2)
    switch   the gateway forwards to the new ones, and admits the new mode's rate                              (3)
    drain    nothing new to the old ones; what is in flight ends, or its time is up                            (4)
    stop     the old ones end                                                                                  (5)

Without room beside: drain, stop, start, ready, switch. A server that dies is started again after a pause that doubles. The
gateway and the servers are processes of their own that outlive the daemon: a service goes on while it restarts, and the next
daemon finds them. What the gateway measures comes back as :class:`ServingState`, and as rows that plans learn
from (:mod:`controller.learned_speeds`) and that ``mdc calibrate`` takes; a server
slower than its mode promises is given less to do at once: ``rate * promised / measured`` of the time a request stays.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import RunState
from controller.devices.compute.local_runner import LocalRunner
from controller.devices.compute.serving.fleet import NONE, Fleet, ServiceSetup, fleet_of, server_command
from controller.devices.compute.serving.meter import HEADER, Passed, ServingState, calibration_rows
from controller.devices.compute.serving.mode import GatewayMode
from sites.compute.records import ServingMode

LOG = logging.getLogger(__name__)
TIMEOUT_S = 2.0
PAUSE_MAX_S = 60.0
SLOW_MARGIN, SLOW_LEAST = 1.1, 0.2
"""A server counts as slow beyond this factor; and is given no less than this share."""
CSV_MAX_B = 4 << 20
"""Rows beyond this begin a new table; the one before is kept aside."""
BINDS_FRAC = 0.97
"""Draw, as a share of the limit, from which the limit is what slows a GPU down."""
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy stands between processes of one host."""


def rows_file(spool: Path, service: str, pool: str, precision: str, gpus: int) -> Path:
    """Return where rows measured of a service are kept; ``gpus`` of a replica."""
    return spool / f"{service}.{pool}.{precision}.x{gpus}.csv"


class ServerDesk:
    """The servers of one service. Only :meth:`turn` takes time."""

    def __init__(
        self,
        setup: ServiceSetup,
        spool: Path,
        *,
        gpu_draw_w: Callable[[], float | None] = lambda: None,
        poll_s: float = 1.0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``gpu_draw_w`` tells the mean draw of a GPU of this service, where it is measured."""
        self._setup, self._spool, self._draw_w = setup, spool, gpu_draw_w
        self._runner = LocalRunner(spool, gpus=1 << 20)
        self._poll_s, self._now_s = poll_s, monotonic_s
        self._wanted: ServingMode | None = None
        self._running = NONE
        self._told: GatewayMode | None = None
        self._drain_until_s: float | None = None
        self._leaving: list[tuple[Fleet, float]] = []
        """Fleets that only finish what is in flight, and until when."""
        self._busy: dict[str, int] = {}
        """Requests in flight at each server."""
        self._pauses: dict[str, tuple[float, float]] = {}
        self.state: ServingState | None = None
        """None while the gateway does not answer."""
        self.mode = ""
        """Mode in which the service is served now; empty = none."""
        self.trouble = ""
        self._wake, self._stop = threading.Event(), False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=f"serving {self._setup.name}", daemon=True)
        self._thread.start()

    def want(self, mode: ServingMode | None) -> None:
        """Say in which mode the service has to be; returns at once."""
        if mode != self._wanted:
            self._wanted = mode
            self._wake.set()

    def close(self) -> None:
        """Stop steering; gateway and servers go on in their last mode."""
        self._stop = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(3.0)

    def end(self) -> None:
        """End gateway and servers too."""
        self.close()
        for name in self._runner.jobs():
            self._runner.cancel(name)

    def _run(self) -> None:
        while not self._stop:
            self.turn()
            self._wake.wait(self._poll_s)
            self._wake.clear()

    def turn(self) -> None:
        """Take the next step; raises nothing."""
        try:
            self._see_to_gateway()
            self._measure()
            self._bring_about(self._wanted)
            self.trouble = ""
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"[:200]

    def _see_to_gateway(self) -> None:
        host, _, port = self._setup.listen.rpartition(":")
        words = ("--host", host, "--port", port, "--admin-port", str(self._setup.admin_port))
        self._keep_up("gateway", (sys.executable, "-m", "controller.devices.compute.serving.gateway", *words))

    def _keep_up(self, name: str, command: tuple[str, ...]) -> None:
        """Have a process running; one that ended is started again, ever more patiently."""
        job = f"{self._setup.name}.{name}"
        found = self._runner.jobs().get(job)
        if found is not None and found.state in (RunState.DONE, RunState.FAILED):
            not_before_s, pause_s = self._pauses.get(job, (0.0, 1.0))
            if self._now_s() < not_before_s:
                raise RuntimeError(f"{name} ended ({found.why or 'exit code 0'}) and waits to be started again")
            self._pauses[job] = (self._now_s() + pause_s, min(2.0 * pause_s, PAUSE_MAX_S))
            self._runner.cancel(job)
            JobFolder(self._spool, job).put_away()
            found = None
            self._told = None
        if found is None:
            self._runner.submit(JobTicket(job, command, 1))
            self._runner.release(job, 1)
            self._runner.jobs()

    def _measure(self) -> None:
        try:
            told = self._ask("GET", "/admin/state?rows=1")
        except OSError:
            self.state, self._told = None, None
            raise
        self.state, self._busy = ServingState.model_validate(told["state"]), dict(told["busy"])
        if self._told is None and told["mode"]["name"]:
            self._adopt(GatewayMode.model_validate(told["mode"]))
        self._write_down(tuple(Passed(*row) for row in told["rows"]))

    def _adopt(self, mode: GatewayMode) -> None:
        """Take over what an earlier daemon left running."""
        self._told, self.mode = mode, mode.name
        path = self._spool / f"{self._setup.name}.fleet.json"
        if path.exists():
            key, addresses, jobs, parity = json.loads(path.read_text())
            self._running = Fleet(key, tuple(addresses), tuple(jobs), parity)

    def _write_down(self, passed: tuple[Passed, ...]) -> None:
        """Keep what was measured of the mode that is served; a swap, a draft model or a cap that binds would blur it."""
        mode, draw_w = self._wanted, self._draw_w()
        if mode is None or mode.name != self.mode or mode.speculative or not mode.replicas:
            return
        if draw_w is not None and draw_w > BINDS_FRAC * mode.limit_w:
            return
        lines = calibration_rows(passed, draw_w)
        if not lines:
            return
        gpus = mode.gpus // mode.replicas
        path = rows_file(self._spool, self._setup.name, mode.pool, mode.precision, gpus)
        if path.exists() and path.stat().st_size > CSV_MAX_B:
            os.replace(path, path.with_suffix(".old"))
        with path.open("a") as file:
            file.write("\n".join([*([] if file.tell() else [HEADER]), *lines]) + "\n")

    def _bring_about(self, mode: ServingMode | None) -> None:
        if mode is None:
            return
        for fleet, until_s in tuple(self._leaving):
            if not any(self._busy.get(address, 0) for address in fleet.addresses) or self._now_s() > until_s:
                self._retire(fleet)
                self._leaving.remove((fleet, until_s))
        wanted = fleet_of(self._setup, self._running, mode)
        if wanted.key == self._running.key:
            self._keep_fleet(wanted, mode)
            self._admit(wanted, mode)
            return
        if wanted.jobs and self._setup.room_beside:
            self._keep_fleet(wanted, mode)
            if not all(self._up(address) for address in wanted.addresses):
                return
            self._leaving.append((self._running, self._now_s() + self._setup.drain_s))
            self._running = wanted
            self._admit(wanted, mode)
            self._remember()
        elif self._drained():
            self._retire(self._running)
            self._running = wanted
            self._remember()
            self._keep_fleet(wanted, mode)

    def _keep_fleet(self, fleet: Fleet, mode: ServingMode) -> None:
        for name in fleet.jobs:
            self._keep_up(name, server_command(self._setup, mode, name.rpartition(".")[2]))

    def _admit(self, fleet: Fleet, mode: ServingMode) -> None:
        """Tell the gateway where to forward and how much to let in."""
        serves = bool(fleet.addresses)
        told = GatewayMode(
            name=mode.name,
            servers=fleet.addresses,
            rate_rps=round(mode.rate_rps * self._pace(mode), 3) if serves else 0.0,
            burst=float(mode.slots),
            draining=not serves,
            health_path=self._setup.health_path,
        )
        if told == self._told:
            self.mode = mode.name if serves and self.state is not None and self.state.healthy else ""
            return
        same_servers = self._told is not None and self._told.servers == told.servers and not self._told.draining
        self._ask("PUT", "/admin/mode", told.model_dump_json())
        self._told, self._drain_until_s = told, None
        self.mode = mode.name if same_servers and self.mode else ""

    def _pace(self, mode: ServingMode) -> float:
        """Return the share of the mode's rate that a server as slow as measured can hold; 1 where it is not slow."""
        measured_s = self.state.total_p99_s if self.state is not None and self.state.served >= 20 else None
        if measured_s is None or measured_s <= SLOW_MARGIN * mode.p99_s:
            return 1.0
        return round(max(mode.p99_s / measured_s, SLOW_LEAST), 1)

    def _drained(self) -> bool:
        """Drain what runs; returns whether nothing is in flight any more, or its time is up."""
        if not self._running.addresses:
            return True
        if self._drain_until_s is None:
            told = (self._told or GatewayMode(servers=self._running.addresses)).model_copy(update={"draining": True})
            self._ask("PUT", "/admin/mode", told.model_dump_json())
            self._told, self._drain_until_s = told, self._now_s() + self._setup.drain_s
            self.mode = ""
            return False
        return (self.state is not None and self.state.in_flight == 0) or self._now_s() > self._drain_until_s

    def _retire(self, fleet: Fleet) -> None:
        for name in fleet.jobs:
            self._runner.cancel(f"{self._setup.name}.{name}")

    def _remember(self) -> None:
        (self._spool / f"{self._setup.name}.fleet.json").write_text(json.dumps(self._running))

    def _up(self, address: str) -> bool:
        try:
            with LOOPBACK.open(address + self._setup.health_path, timeout=TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: str = "") -> dict[str, Any]:
        address = f"http://127.0.0.1:{self._setup.admin_port}{path}"
        request = urllib.request.Request(address, data=body.encode() or None, method=method)
        with LOOPBACK.open(request, timeout=TIMEOUT_S) as answer:
            return dict(json.load(answer))
