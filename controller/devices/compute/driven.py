"""Computers of which a part is real: jobs at a runner, GPUs under limits, services at their servers; the rest is simulated.

The simulated computers keep the book: which orders fit beside each other, what is drawn where nothing measures it. What is
real then has the last word:

    jobs       run when their runner says so; how far they are they say themselves, or it is played      (1)
    GPUs       draw what they measure, under the limits that are enforced                                (2)
    services   are in the mode in which their gateway forwards, at the rates that it counts              (3)

Threads start with the first orders, so a site that is only looked at touches nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.devices.compute.job_desk import JobDesk, RunOrder
from controller.devices.compute.job_folder import JobTicket
from controller.devices.compute.job_runner import RunnerJob, RunState
from controller.devices.compute.parts import Parts, make_parts, program_of
from controller.devices.compute.placement import Want
from controller.devices.compute.rates import RateCounter
from controller.devices.simulated_computers import Loads, SimulatedComputers, Supply
from controller.devices.simulated_plant import Sensors
from controller.devices.simulated_work import JobState, SimulatedJob
from controller.setpoints import JobCommand, Outcome, Setpoints, Verdict
from controller.snapshot import JobReading, PoolReading, ServiceReading
from optimizer.problem import JobProblem, PoolProblem
from sites.schema.site import Site

SAID = {RunState.DONE: "done", RunState.FAILED: "failed", RunState.RUNNING: "running", RunState.SUSPENDED: "paused"}
UNTOLD_MOST_FRAC = 0.98
"""A program that does not say how far it is counts as so far at most until it ends."""


class DrivenComputers(SimulatedComputers):
    """The computers of a site, real where ``parts`` has them."""

    def __init__(self, site: Site, pools: tuple[PoolProblem, ...], parts: Parts) -> None:
        super().__init__(site, pools)
        self._parts, self._setup = parts, site.devices.compute.jobs
        self._started = False
        self._no_program: set[str] = set()
        self._rates = {name: RateCounter() for name in parts.servers}
        self._orders: dict[str, RunOrder] = {}

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._parts.start()

    @property
    def _desk(self) -> JobDesk | None:
        return self._parts.desk

    def submit(self, job: JobProblem) -> None:
        """Take a job, and have it at the runner."""
        super().submit(job)
        if self._desk is None:
            return
        program = program_of(job.name, self._setup.programs)
        if program is None or not self._parts.name_fits(job.name):
            self._no_program.add(job.name)
            return
        self._start()
        self._desk.submit(JobTicket(job.name, program, max(math.ceil(job.gpus_max), 1)))

    def cancel(self, job_name: str) -> None:
        """Stop a job, at its runner too, and forget it."""
        super().cancel(job_name)
        self._no_program.discard(job_name)
        if self._desk is not None:
            self._desk.cancel(job_name)

    def write(self, setpoints: Setpoints, now: datetime) -> tuple[Outcome, ...]:
        """Leave the orders with the threads; say what was accepted and what does not stand as ordered."""
        self._start()
        runnable = tuple(each for each in setpoints.jobs if each.name not in self._no_program)
        outcomes = [*super().write(setpoints.model_copy(update={"jobs": runnable}), now)]
        places = self._order_gpus()
        self._order_jobs(places)
        for name, server in self._parts.servers.items():
            told = next((each for each in self.services if each.name == name), None)
            server.want(told.mode if told else None)
            if server.trouble:
                outcomes.append(_trouble(name, "serving", server.trouble))
        for each in setpoints.jobs:
            if each.name in self._no_program:
                why = "the site file allows no program for it: devices.compute.jobs.programs"
                outcomes.append(_refused(f"job {each.name}", why))
        if self._desk is not None and self._desk.trouble:
            outcomes.append(_trouble("runner", "jobs", self._desk.trouble))
        refused = self._desk.refused() if self._desk is not None else {}
        if refused:
            text = "; ".join(f"{name}: {said}" for name, said in sorted(refused.items()))
            outcomes.append(_refused("jobs", f"refused, the others go on: {text}"[:300]))
        for gpus in self._parts.gpus.values():
            outcomes += gpus.outcomes()
        return tuple(outcomes)

    def _order_gpus(self) -> dict[str, tuple[int | str, ...]]:
        """Set the limits of this host's GPUs; returns the GPUs of each job."""
        places: dict[str, tuple[int | str, ...]] = {}
        for pool, gpus in self._parts.gpus.items():
            wants = [
                Want(f"service {each.name}", each.mode.gpus, each.mode.limit_w, each.islands)
                for each in self.services
                if each.mode.pool == pool
            ]
            wants += [
                Want(name, each.gpus, each.limit_w, each.islands)
                for name, each in self.commands.items()
                if each.pool == pool
            ]
            places.update(gpus.order(wants))
        return places

    def _order_jobs(self, places: Mapping[str, tuple[int | str, ...]]) -> None:
        if self._desk is None:
            return
        self._orders = {
            name: RunOrder(
                gpus=each.gpus, limit_w=each.limit_w, visible=places.get(name, ()), nodes=self._node_names(each)
            )
            for name, each in self.commands.items()
        } | self._finishing()
        self._desk.order(self._orders)

    def _node_names(self, command: JobCommand) -> tuple[str, ...]:
        """Return the names of the hosts that the plan has a job on; none where the site file does not list them."""
        names = [each.in_slurm for each in self._site.devices.nodes if each.pool == command.pool]
        numbers = sorted({share.node for share in command.islands})
        return tuple(names[number] for number in numbers) if all(each < len(names) for each in numbers) else ()

    def _finishing(self) -> dict[str, RunOrder]:
        """Return the last orders of played jobs whose work is done: they run until they have seen it."""
        over = {name for name, job in self.jobs.items() if job.state is JobState.DONE}
        return {name: order for name, order in self._orders.items() if name in over}

    def boot(self, dt_s: float) -> None:
        """Let hosts go on and off, and take only those jobs for running that their runner runs."""
        super().boot(dt_s)
        if self._desk is None:
            return
        if self._setup.settle_s > 0.0 and self._started:
            self._desk.settle(self._setup.settle_s)
        seen = self._desk.seen()
        self.commands = {
            name: command
            for name, command in self.commands.items()
            if name in seen and seen[name].state is RunState.RUNNING
        }

    def settle(self, rates: dict[str, float], loads: Loads, supply: Supply, dt_h: float, end: datetime) -> None:
        """Serve and work for a step; jobs are as far as they say, or as the simulation plays it."""
        before = dict(self.jobs)
        super().settle(rates, loads, supply, dt_h, end)
        if self._desk is None:
            return
        for name in [name for name, job in self.jobs.items() if job.state is JobState.DONE]:
            if self._setup.work == "played":
                self._parts.folder(name).finish()
        if self._setup.work == "real":
            seen = self._desk.seen()
            self.jobs = {name: self._told(job, before.get(name), seen.get(name)) for name, job in self.jobs.items()}

    def _told(self, job: SimulatedJob, before: SimulatedJob | None, seen: RunnerJob | None) -> SimulatedJob:
        """Return a job as its program tells it: by the folder, else by the simulation but never as done."""
        if seen is not None and seen.state is RunState.DONE:
            return replace(job, state=JobState.DONE, done_gpu_h=job.job.work_gpu_h, command=None)
        said = self._parts.folder(job.job.name).done_frac
        share = min(job.done_frac, UNTOLD_MOST_FRAC) if said is None else said
        kept = before if job.state is JobState.DONE and before is not None else job
        return replace(kept, done_gpu_h=share * job.job.work_gpu_h)

    def job_readings(self) -> tuple[JobReading, ...]:
        """Return every job as its runner has it."""
        readings = super().job_readings()
        if self._desk is None:
            return readings
        seen = self._desk.seen()
        return tuple(self._as_seen(each, seen.get(each.name)) for each in readings)

    def _as_seen(self, reading: JobReading, seen: RunnerJob | None) -> JobReading:
        """Return a reading in the runner's state; a program that has ended since the last step has done its work."""
        begun = reading.done_frac > 0.0
        state = SAID.get(seen.state, "paused" if begun else "queued") if seen else "paused" if begun else "queued"
        ended = self._setup.work == "real" and state == SAID[RunState.DONE]
        return reading.model_copy(update={"state": state, "done_frac": 1.0 if ended else reading.done_frac})

    def pool_readings(self, sensors: Sensors, draw_factor: float = 1.0) -> tuple[PoolReading, ...]:
        """Return the pools; those with real GPUs as they measure."""
        return tuple(self._measured(each) for each in super().pool_readings(sensors, draw_factor))

    def _measured(self, reading: PoolReading) -> PoolReading:
        gpus = self._parts.gpus.get(reading.name)
        if gpus is None:
            return reading
        pool, draw_w = self._pools[reading.name], gpus.draw_w()
        draw_kw = None if draw_w is None else draw_w / 1000.0 * pool.wall_factor + pool.host_kw
        return reading.model_copy(
            update={"gpus_ok": min(gpus.ok(), reading.gpus_ok), "draw_kw": draw_kw, "limit_w": gpus.limit_w()}
        )

    def service_readings(self) -> tuple[ServiceReading, ...]:
        """Return the services; those with a gateway as it counts."""
        known = {each.name: each for each in super().service_readings()}
        for name, server in self._parts.servers.items():
            state = server.state
            rates = self._rates[name].taken(state.arrived, state.served, time.monotonic()) if state else None
            known[name] = ServiceReading(
                name=name,
                mode=server.mode,
                rate_rps=rates[0] if rates else None,
                served_rps=rates[1] if rates else None,
            )
        return tuple(known.values())

    def close(self, now: datetime) -> None:
        """Let jobs wait and leave the GPUs at their safe cap; services go on."""
        super().close(now)
        if self._started:
            self._parts.close()


def make_computers(site: Site, pools: tuple[PoolProblem, ...]) -> SimulatedComputers:
    """Return the computers of a site: real where the site file names drivers."""
    if not site.devices.compute.real:
        return SimulatedComputers(site, pools)
    return DrivenComputers(site, pools, make_parts(site))


def _trouble(device: str, what: str, text: str) -> Outcome:
    return Outcome(device=device, what=what, asked=True, found=None, verdict=Verdict.STALE, text=text)


def _refused(what: str, text: str) -> Outcome:
    return Outcome(device="runner", what=what, asked=True, found=False, verdict=Verdict.REFUSED, text=text)
