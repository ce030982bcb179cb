"""Jobs on this host without a scheduler: each a process group, in a control group that freezes where there is one.

A running job is known by its process id together with that process's start time (``/proc/PID/stat``, field 22), both kept in
its folder: after a restart of the daemon it is found again, and a process that merely got the same number is not. Its
folder says whether it ended by itself. Nothing here waits: what takes time to end is looked for at the next look.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.devices.compute.freezer import Freezer
from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import RunnerError, RunnerJob, RunnerRefusedError, RunState

KILL_S = 5.0
"""Time between asking processes to end and ending them."""
HELD, RELEASED, SUSPENDED, ENDING = "held", "released", "suspended", "ending"


class LocalRunner:
    """Jobs whose folders lie under ``spool``; at most ``gpus`` GPUs at once."""

    def __init__(
        self,
        spool: Path,
        *,
        gpus: int,
        freezer: Freezer | None = None,
        kill_s: float = KILL_S,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        spool.mkdir(parents=True, exist_ok=True)
        self._spool, self._gpus, self._freezer = spool, gpus, freezer
        self._kill_s, self._wall_s = kill_s, wall_s
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._budget: float | None = None

    def jobs(self) -> Mapping[str, RunnerJob]:
        for child in self._children.values():
            child.poll()
        found = {}
        for name in sorted(path.parent.name for path in self._spool.glob("*/run.json")):
            with contextlib.suppress(ValueError):
                found[name] = self._looked_at(name)
        running = {name for name, job in found.items() if job.state in (RunState.RUNNING, RunState.SUSPENDED)}
        for name, job in found.items():
            if job.state is not RunState.PENDING:
                continue
            if self._fits(name, running):
                self._start(name)
                running.add(name)
                found[name] = RunnerJob(name, RunState.RUNNING, 0.0)
            else:
                found[name] = job._replace(why="Resources")
        return found

    def _looked_at(self, name: str) -> RunnerJob:
        """Return one job, after finishing off what was told to end."""
        folder, run = JobFolder(self._spool, name), self._run(name)
        alive = self._alive(run)
        folder.bound_output()
        if run["order"] == ENDING:
            if alive:
                if self._wall_s() > run["since_s"] + self._kill_s:
                    self._signal(name, run, signal.SIGKILL)
                return RunnerJob(name, RunState.RUNNING, 0.0, "ending")
            self._keep(name, {**run, "order": HELD, "pid": 0})
            return RunnerJob(name, RunState.HELD, 0.0)
        code = folder.exit_code
        if code is not None and not alive:
            state = RunState.DONE if code == 0 else RunState.FAILED
            return RunnerJob(name, state, 0.0, f"exit code {code}" if code else "")
        if not alive and run["pid"]:
            return RunnerJob(name, RunState.FAILED, 0.0, "its processes are gone without an exit code")
        if not alive:
            return RunnerJob(name, RunState.HELD if run["order"] == HELD else RunState.PENDING, 0.0)
        state = RunState.SUSPENDED if run["order"] == SUSPENDED else RunState.RUNNING
        return RunnerJob(name, state, self._wall_s() - run["since_s"])

    def submit(self, ticket: JobTicket) -> None:
        if (self._spool / ticket.name / "run.json").exists():
            return
        folder = JobFolder(self._spool, ticket.name)
        group = self._freezer.join(ticket.name) if self._freezer else ""
        folder.prepare(ticket, join=group)
        self._keep(ticket.name, {"order": HELD, "pid": 0, "born": 0, "since_s": 0.0, "gpus": ticket.gpus, "watts": 1})

    def release(self, name: str, watts: int, nodes: Sequence[str] = ()) -> None:
        self._order(name, RELEASED, watts=watts)

    def set_watts(self, name: str, watts: int) -> None:
        run = self._known(name)
        self._keep(name, {**run, "watts": watts})

    def hold(self, name: str) -> None:
        self._order(name, HELD)

    def suspend(self, name: str) -> None:
        run = self._known(name)
        if not (self._freezer and self._freezer.freeze(name, True)):
            self._signal(name, run, signal.SIGSTOP)
        self._order(name, SUSPENDED)

    def resume(self, name: str) -> None:
        self._thaw(name, self._known(name))
        self._order(name, RELEASED)

    def checkpoint(self, name: str) -> None:
        self._signal(name, self._known(name), signal.SIGUSR1)

    def requeue(self, name: str) -> None:
        run = self._known(name)
        self._order(name, ENDING, since_s=self._wall_s())
        self._signal(name, run, signal.SIGTERM)
        self._thaw(name, run)

    def cancel(self, name: str) -> None:
        if not (self._spool / name / "run.json").exists():
            return
        JobFolder(self._spool, name).put_away()
        run = self._known(name)
        self._signal(name, run, signal.SIGKILL)
        self._thaw(name, run)
        (self._spool / name / "run.json").unlink(missing_ok=True)
        child = self._children.pop(name, None)
        if child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(1.0)
        if self._freezer:
            self._freezer.remove(name)

    def set_budget(self, watts: float | None) -> None:
        self._budget = watts

    def _fits(self, name: str, running: set[str]) -> bool:
        runs, mine = [self._run(each) for each in running], self._run(name)
        gpus = sum(run["gpus"] for run in runs) + mine["gpus"]
        watts = sum(run["watts"] for run in runs) + mine["watts"]
        return gpus <= self._gpus and (self._budget is None or watts <= self._budget + 0.5)

    def _start(self, name: str) -> None:
        folder = JobFolder(self._spool, name)
        try:
            with (folder.path / "output").open("ab") as output:
                child = subprocess.Popen(
                    [str(folder.path / "job.sh")],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd=folder.path,
                )
        except OSError as error:
            raise RunnerError(f"{name} does not start: {error.strerror}") from None
        self._children[name] = child
        self._order(name, RELEASED, pid=child.pid, born=_born(child.pid), since_s=self._wall_s())

    def _thaw(self, name: str, run: dict[str, Any]) -> None:
        if self._freezer:
            self._freezer.freeze(name, False)
        self._signal(name, run, signal.SIGCONT)

    def _signal(self, name: str, run: dict[str, Any], number: signal.Signals) -> None:
        """Signal the process group, and what left it if its control group knows."""
        if not self._alive(run):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(run["pid"]), number)
        if number is signal.SIGKILL and self._freezer:
            for pid in self._freezer.processes(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _alive(self, run: dict[str, Any]) -> bool:
        pid = int(run["pid"])
        return pid > 0 and _born(pid) == int(run["born"])

    def _known(self, name: str) -> dict[str, Any]:
        if not (self._spool / name / "run.json").exists():
            raise RunnerRefusedError(f"no job {name} here")
        return self._run(name)

    def _run(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self._spool / name / "run.json").read_text())
            return {"order": HELD, "pid": 0, "born": 0, "since_s": 0.0, "gpus": 1, "watts": 1, **found}
        except (OSError, ValueError) as error:
            raise RunnerError(f"{name}: its run.json cannot be read ({error})") from None

    def _order(self, name: str, order: str, **more: float) -> None:
        self._keep(name, {**self._known(name), "order": order, **more})

    def _keep(self, name: str, run: Mapping[str, object]) -> None:
        part = self._spool / name / "run.part"
        part.write_text(json.dumps(run))
        os.replace(part, self._spool / name / "run.json")


def _born(pid: int) -> int:
    """Return when a process began, in clock ticks since boot; 0 when there is none or it only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in ("Z", "X") else int(fields[19])
