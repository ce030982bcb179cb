"""A runner that runs nothing and behaves as told: the twin of Slurm and of the local runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.devices.compute.job_folder import JobTicket
from controller.devices.compute.job_runner import RunnerError, RunnerJob, RunnerRefusedError, RunState


class RunnerTwin:
    """Jobs in memory. ``trouble`` makes every call fail with that text; ``deaf`` lets calls through and still fails them."""

    def __init__(self, *, gpus: int = 8) -> None:
        self._gpus = gpus
        self._jobs: dict[str, RunnerJob] = {}
        self._tickets: dict[str, JobTicket] = {}
        self._watts: dict[str, int] = {}
        self.budget: float | None = None
        self.trouble = ""
        self.deaf = False
        self.calls: list[str] = []
        self.nodes: dict[str, tuple[str, ...]] = {}
        """Hosts that each job was released for."""
        self.down: set[str] = set()
        """Hosts that are not there: who was released for one waits for it."""

    def jobs(self) -> Mapping[str, RunnerJob]:
        self._called("jobs")
        running = {name for name, job in self._jobs.items() if job.state in (RunState.RUNNING, RunState.SUSPENDED)}
        for name, job in self._jobs.items():
            gpus = sum(self._tickets[each].gpus for each in (*running, name))
            watts = sum(self._watts[each] for each in (*running, name))
            fits = gpus <= self._gpus and (self.budget is None or watts <= self.budget + 0.5)
            missing = self.down & set(self.nodes.get(name, ()))
            if job.state is RunState.PENDING and missing:
                self._jobs[name] = job._replace(why=f"ReqNodeNotAvail, UnavailableNodes:{','.join(sorted(missing))}")
            elif job.state is RunState.PENDING and fits:
                self._jobs[name] = job._replace(state=RunState.RUNNING, why="")
                running.add(name)
        return dict(self._jobs)

    def end(self, name: str, state: RunState = RunState.DONE, why: str = "") -> None:
        """Let a job end."""
        self._jobs[name] = RunnerJob(name, state, 0.0, why)

    def submit(self, ticket: JobTicket) -> None:
        if ticket.gpus > self._gpus:
            self._called("submit")
            raise RunnerRefusedError(f"{ticket.gpus} GPUs are more than the {self._gpus} here")
        if ticket.name not in self._jobs and not self._lost("submit"):
            self._tickets[ticket.name], self._watts[ticket.name] = ticket, 1
            self._jobs[ticket.name] = RunnerJob(ticket.name, RunState.HELD, 0.0)
        self._called("submit")

    def release(self, name: str, watts: int, nodes: Sequence[str] = ()) -> None:
        self.nodes[name] = tuple(nodes)
        self._move("release", name, {RunState.HELD}, RunState.PENDING)
        self._watts[name] = watts

    def set_watts(self, name: str, watts: int) -> None:
        self._move("watts", name, set(), RunState.RUNNING)
        self._watts[name] = watts

    def hold(self, name: str) -> None:
        self._move("hold", name, {RunState.PENDING}, RunState.HELD)

    def suspend(self, name: str) -> None:
        self._move("suspend", name, {RunState.RUNNING}, RunState.SUSPENDED)

    def resume(self, name: str) -> None:
        self._move("resume", name, {RunState.SUSPENDED}, RunState.RUNNING)

    def checkpoint(self, name: str) -> None:
        self._move("checkpoint", name, {RunState.RUNNING}, RunState.RUNNING)

    def requeue(self, name: str) -> None:
        self._move("requeue", name, {RunState.RUNNING, RunState.SUSPENDED}, RunState.HELD)

    def cancel(self, name: str) -> None:
        self._called("cancel")
        self._jobs.pop(name, None)

    def set_budget(self, watts: float | None) -> None:
        self._called("budget")
        self.budget = watts

    def _move(self, call: str, name: str, when: set[RunState], then: RunState) -> None:
        known = self._jobs.get(name)
        if known is None:
            raise RunnerRefusedError(f"no job {name} here")
        if known.state in when and not self._lost(call):
            self._jobs[name] = known._replace(state=then)
        self._called(call)

    def _lost(self, call: str) -> bool:
        return bool(self.trouble) and not self.deaf

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.trouble:
            raise RunnerError(self.trouble)
