"""The daemon under SIGKILL, its start-up time and its memory: ``python -m benchmarks.daemon [--quick] [--kills N]``.

A site on a fast clock is killed at random moments and started again on the same store. After the last run the
store has to be whole, and its decisions have to agree with a log that the devices keep themselves. Seeded:
the moments are the same each time, what the process is at then is not.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from controller.daemon.order_log import LoggedDevices, Told, disagreements, read_log

FIRST = "first control cycle done"
START_TARGET_S, MEMORY_TARGET_MB = 2.0, 150.0
SEED = 20260601
SETTLE_S = 3.0
"""The first run lives at least this long with its plant, so that there is a state to come back to."""
PROGRESS_S = 30.0
"""Longest wait for a busy machine to let the daemon get to work."""
YOUNG_SHARE, YOUNG_S = 0.3, 1.5
"""Share of the kills that come while the daemon starts, and how long that is taken to last."""


class Start(NamedTuple):
    """One start of the daemon."""

    first_cycle_s: float
    cpu_s: float
    """Processor time until then."""
    peak_mb: float


class Verdict(NamedTuple):
    """What was found after the kills."""

    kills: int
    decisions: int
    orders_seen: int
    plans: int
    telemetry: int
    faults: tuple[str, ...]


def child(store: str, log: str, speed: float, worker_module: str) -> int:
    """Run a daemon whose devices keep a log of their own."""
    from controller.daemon.loop import Loop, LoopOptions
    from controller.devices.port import SiteDevices
    from controller.devices.simulated import SimulatedSite
    from sites.load import load_site
    from sites.ports import SystemClock

    def wrap(devices: SiteDevices) -> SiteDevices:
        return LoggedDevices(devices, Path(log)) if isinstance(devices, SimulatedSite) else devices

    options = LoopOptions(
        site=load_site("container"),
        site_file="container",
        url=store,
        speed=speed,
        port=None,
        worker_module=worker_module,
    )
    Loop(options, host=SystemClock(), say=lambda text: print(text, file=sys.stderr, flush=True), wrap=wrap).run()
    return 0


def spawn(store: str, log: Path, *, speed: float, worker_module: str) -> subprocess.Popen[bytes]:
    """Start a daemon as a process of its own."""
    command = [sys.executable, "-m", "benchmarks.daemon", "--child", store, str(log), str(speed), worker_module]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def await_line(process: subprocess.Popen[bytes], wanted: str, *, timeout_s: float) -> bool:
    """Return whether a line that begins with ``wanted`` came on the daemon's error output in time."""
    if process.stderr is None:
        return False
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stderr], [], [], 0.2)
        if ready:
            line = process.stderr.readline()
            if not line:
                return False
            if line.decode(errors="replace").startswith(wanted):
                return True
    return False


def await_progress(process: subprocess.Popen[bytes], store: Path, *, timeout_s: float) -> bool:
    """Return whether the site's time moved on by five minutes before the time was up: the daemon does its work."""
    query = "select julianday(max(at_utc)) * 1440 from telemetry"
    deadline, first = time.monotonic() + timeout_s, None
    while time.monotonic() < deadline and process.poll() is None:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            minutes = connection.execute(query).fetchone()[0]
        first = minutes if first is None else first
        if minutes is not None and first is not None and minutes >= first + 5:
            return True
        _drained_wait(process, 0.2)
    return False


def peak_mb(pid: int) -> float:
    """Return the peak resident memory of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024.0
    return 0.0


def kill_runs(
    folder: Path, *, kills: int, span_s: float, speed: float, worker_module: str, seed: int = SEED
) -> Verdict:
    """Kill a daemon ``kills`` times, then stop it once in order.

    Most kills come within ``span_s`` after its first cycle, some while it is starting.
    """
    store, log = folder / "mdc.sqlite", folder / "orders.log"
    moments = random.Random(seed)
    for number in range(kills):
        process = spawn(f"sqlite:///{store}", log, speed=speed, worker_module=worker_module)
        young = number > 0 and moments.random() < YOUNG_SHARE
        if number == 0:
            await_line(process, "preparing 3/3", timeout_s=120.0)
            _drained_wait(process, SETTLE_S)
        elif not young:
            await_line(process, FIRST, timeout_s=60.0)
            await_progress(process, store, timeout_s=PROGRESS_S)
        _drained_wait(process, moments.uniform(0.1, YOUNG_S if young else span_s))
        process.send_signal(signal.SIGKILL)
        process.wait()
        _close(process)
    process = spawn(f"sqlite:///{store}", log, speed=speed, worker_module=worker_module)
    await_line(process, FIRST, timeout_s=60.0)
    _drained_wait(process, span_s / 2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60.0)
    found, status = verdict(store, log, kills), process.returncode
    why = f"the last run ended with {status}: {said.decode(errors='replace')[-500:]}"
    return found if status == 0 else found._replace(faults=(*found.faults, why))


def _drained_wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait while reading the daemon's error output, so that it never blocks on it."""
    deadline = time.monotonic() + seconds
    while process.stderr is not None and (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stderr], [], [], left)
        if ready and not os.read(process.stderr.fileno(), 65536):
            time.sleep(max(deadline - time.monotonic(), 0.0))
            return


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stderr is not None:
        process.stderr.close()


def verdict(store: Path, log: Path, kills: int) -> Verdict:
    """Return what the store and the devices' log say together."""
    with sqlite3.connect(store) as connection:
        faults = [f"integrity: {row[0]}" for row in connection.execute("pragma integrity_check") if row[0] != "ok"]
        faults += [f"foreign key: {row}" for row in connection.execute("pragma foreign_key_check")]
        told: dict[str, list[Told]] = {}
        query = "select subject, seq, order_text, acted_utc is not null from decisions order by subject, seq"
        for subject, seq, order, acted in connection.execute(query):
            told.setdefault(subject, []).append(Told(seq, order, bool(acted)))
        counts = {
            table: connection.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("decisions", "plans", "telemetry")
        }
        torn = connection.execute("select count(*) from plans where not json_valid(document)").fetchone()[0]
        twice = connection.execute(
            "select job_id from job_events where event = 'done' group by job_id having count(*) > 1"
        ).fetchall()
    faults += [f"{torn} torn plans"] if torn else []
    faults += [f"job {row[0]} done twice" for row in twice]
    seen = read_log(log)
    faults += disagreements(seen, told)
    return Verdict(
        kills=kills,
        decisions=counts["decisions"],
        orders_seen=sum(map(len, seen.values())),
        plans=counts["plans"],
        telemetry=counts["telemetry"],
        faults=tuple(faults),
    )


def measure_start(folder: Path, *, run_s: float) -> Start:
    """Start ``mdc run`` on a store and return the time to its first cycle and its peak memory after ``run_s``."""
    store = folder / "mdc.sqlite"
    command = [sys.executable, "-c", "from controller.cli.main import main; main()", "run", "container"]
    begin = time.monotonic()
    process = subprocess.Popen(
        [*command, "--port", "0", "--speed", "60", "--store", f"sqlite:///{store}"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    await_line(process, FIRST, timeout_s=30.0)
    first_s = time.monotonic() - begin
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    cpu_s = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    _drained_wait(process, run_s)
    peak = peak_mb(process.pid)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    _close(process)
    return Start(first_s, cpu_s, peak)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns 1 when a record is lost or memory exceeds its target. Times depend on the machine: told only."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--child"]:
        return child(given[1], given[2], float(given[3]), given[4])
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon")
    parser.add_argument("--quick", action="store_true", help="5 kills and shorter runs")
    parser.add_argument("--kills", type=int, default=None)
    options = parser.parse_args(given)
    kills = options.kills or (5 if options.quick else 50)
    with tempfile.TemporaryDirectory() as name:
        new = measure_start(Path(name), run_s=20.0 if options.quick else 60.0)
        again = measure_start(Path(name), run_s=20.0 if options.quick else 60.0)
    with tempfile.TemporaryDirectory() as name:
        found = kill_runs(Path(name), kills=kills, span_s=6.0, speed=600.0, worker_module="controller.daemon.worker")
    peak = max(new.peak_mb, again.peak_mb)
    for name, start in (("new", new), ("old", again)):
        print(
            f"start to first cycle, {name} store    {start.first_cycle_s:6.2f} s   target < {START_TARGET_S:g} s"
            f"   ({start.cpu_s:.2f} s of one core, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)"
        )
    print(f"peak resident memory of the loop   {peak:6.1f} MB  target < {MEMORY_TARGET_MB:g} MB")
    print(
        f"killed {found.kills} times: {found.decisions} decisions, {found.orders_seen} orders seen by devices, "
        f"{found.plans} plans, {found.telemetry} telemetry rows; faults: {len(found.faults)}   target 0"
    )
    for fault in found.faults:
        print(f"  {fault}")
    return int(bool(found.faults) or peak >= MEMORY_TARGET_MB)


if __name__ == "__main__":
    sys.exit(main())
