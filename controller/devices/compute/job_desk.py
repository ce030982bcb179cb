"""Between the control cycle and a runner: what is wanted of each job, brought about by a thread of its own.

Orders are levels, not events: the cycle says which jobs run now and with what; the thread compares that with what the
runner says and takes the step that is missing.

    wanted          held         pending      running                    suspended    unknown
    runs            release      -            -                          resume       submit
    waits           -            hold         suspend, or checkpoint     -            submit
                                              and requeue
    cancelled       cancel       cancel       cancel                     cancel       forget

So a step that got lost, a runner that restarts, a daemon that restarts, and a hand that meddles all come to the same end,
and no job is doubled: nothing is submitted that the last look at the runner shows. A runner that fails is left alone for a
pause that doubles to half a minute; a job that the runner refuses (wider than its cluster) for one that doubles to ten
minutes, while the others go on. Refusals are told by :attr:`JobDesk.refused`, and nobody waits for such a job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from controller.devices.compute.job_folder import JobFolder, JobTicket
from controller.devices.compute.job_runner import JobRunner, RunnerError, RunnerJob, RunnerRefusedError, RunState

LOG = logging.getLogger(__name__)
IDLE_W = 1
"""What a suspended job may draw: licences are whole, and none is not possible."""
PAUSE_S = (1.0, 30.0)
REFUSED_PAUSE_S = (1.0, 600.0)
NO_ROOM = ("Resources", "Licenses", "Priority", "ReqNode")
"""Reasons for which a released job waits as it should."""
GONE = "UnavailableNodes"
"""In the reason of a job that waits for hosts which are down, drained or do not answer (Slurm, *Job Reason Codes*)."""
OVER = (RunState.DONE, RunState.FAILED)


@dataclass(frozen=True, kw_only=True)
class RunOrder:
    """What a job may use while it runs."""

    gpus: float
    limit_w: float
    visible: tuple[int | str, ...] = ()
    """GPUs of this host that are its own, where that is known; parts of GPUs by their UUID."""
    nodes: tuple[str, ...] = ()
    """Hosts that the plan has it on; empty = any."""

    @property
    def watts(self) -> int:
        """What it may draw at its GPUs."""
        return max(round(self.gpus * self.limit_w), 1)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The runner's no to a job's step."""

    text: str
    count: int
    """How often in a row."""
    not_before_s: float
    """When it is asked again."""


class JobDesk:
    """Steers one runner. Every method but :meth:`turn` returns at once."""

    def __init__(
        self,
        runner: JobRunner,
        folder_of: Callable[[str], JobFolder],
        *,
        pause: Literal["suspend", "checkpoint"] = "suspend",
        checkpoint_s: float = 60.0,
        poll_s: float = 1.0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Steer ``runner``; ``checkpoint_s`` is how long a job may take to write its checkpoint before it is ended."""
        self._runner, self._folder_of, self._pause, self._checkpoint_s = runner, folder_of, pause, checkpoint_s
        self._poll_s, self._now_s = poll_s, monotonic_s
        self._lock = threading.Condition()
        self._tickets: dict[str, JobTicket] = {}
        self._orders: dict[str, RunOrder] | None = None
        """None until the first orders: a daemon that has just started touches nothing."""
        self._cancelled: set[str] = set()
        self._seen: dict[str, RunnerJob] = {}
        self._told: dict[str, RunOrder] = {}
        self._watts: dict[str, int] = {}
        """What each job was last allowed to draw."""
        self._hosts: dict[str, tuple[str, ...]] = {}
        """Hosts that each job was last let go for."""
        self._gone: dict[str, tuple[str, ...]] = {}
        """Hosts that were not there when a job was let go for them."""
        self._refusals: dict[str, Refusal] = {}
        self._asked_s: dict[str, tuple[float, float]] = {}
        """When a job was asked for a checkpoint: of this clock and of the host's."""
        self._wanted = self._done = 0
        self._not_before_s, self._fails = -1.0, 0
        self.trouble = ""
        self.steps = 0
        """Steps taken at the runner since the start."""
        self._stop = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to steer, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, ticket: JobTicket) -> None:
        """Have a job at the runner."""
        with self._lock:
            self._tickets.setdefault(ticket.name, ticket)
            self._cancelled.discard(ticket.name)

    def cancel(self, name: str) -> None:
        """Have a job ended."""
        with self._lock:
            if self._tickets.pop(name, None) is not None:
                self._cancelled.add(name)
                self._refusals.pop(name, None)

    def order(self, orders: Mapping[str, RunOrder]) -> bool:
        """Say which jobs run; those that are not named wait. Returns whether that is news."""
        with self._lock:
            known, news = self._orders or {}, self._orders != dict(orders)
            self._orders = dict(orders)
            for name in [name for name in self._refusals if known.get(name) != orders.get(name)]:
                del self._refusals[name]  # what was refused may be possible with another order
            if news:
                self._wanted += 1
                self._lock.notify_all()
            return news

    def seen(self) -> Mapping[str, RunnerJob]:
        """Return the jobs as last seen at the runner."""
        with self._lock:
            return dict(self._seen)

    def refused(self) -> Mapping[str, str]:
        """Return what the runner said to the jobs that it refuses, by name."""
        with self._lock:
            return {name: each.text for name, each in self._refusals.items()}

    def settle(self, timeout_s: float) -> bool:
        """Wait until every job stands as it was ordered; returns whether it does. For clocks that run fast."""
        deadline_s = self._now_s() + timeout_s
        with self._lock:
            if self._done >= self._wanted and not self.trouble and not self._missing():
                return True
        while self._now_s() < deadline_s:
            with self._lock:
                self._wanted += 1
                ticket = self._wanted
                self._lock.notify_all()
                self._lock.wait_for(lambda ticket=ticket: self._done >= ticket or self._stop, timeout_s)  # type: ignore[misc]
                if self._stop or (not self.trouble and not self._missing()):
                    return not self._stop
            time.sleep(0.02)
        return False

    def _missing(self) -> list[str]:
        """Return jobs that do not stand as ordered, but for those that the runner refuses."""
        names = {name for name in self._tickets if self._unmet(name)} | self._cancelled
        return sorted(names - set(self._refusals))

    def _unmet(self, name: str) -> bool:
        """Return whether a job does not stand as ordered."""
        seen = self._seen.get(name)
        if seen is None:
            return True
        if seen.state in OVER or (seen.state is RunState.PENDING and seen.why.startswith(NO_ROOM)):
            return False
        return (seen.state is RunState.RUNNING) != (name in (self._orders or {}))

    def close(self) -> None:
        """Let all jobs wait, as far as the runner answers in time, and stop steering."""
        self.order({})
        if self._thread is not None:
            self.settle(5.0)
            with self._lock:
                self._stop = True
                self._lock.notify_all()
            self._thread.join(3.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._stop or self._wanted > self._done, self._poll_s)
                if self._stop:
                    return
                wanted = self._wanted
            if self._now_s() >= self._not_before_s:
                self.turn()
            with self._lock:
                self._done = wanted
                self._lock.notify_all()

    def turn(self) -> None:
        """Look at the runner and take the steps that are missing; blocks as long as the runner does, raises nothing."""
        try:
            self._look()
            self._bring_about()
            self._look()
        except Exception as error:
            self.trouble = (str(error) if isinstance(error, RunnerError) else f"{type(error).__name__}: {error}")[:200]
            pause_s = min(PAUSE_S[0] * 2.0**self._fails, PAUSE_S[1])
            self._fails = min(self._fails + 1, 8)
            self._not_before_s = self._now_s() + pause_s
            LOG.warning("the runner fails, left alone for %.0f s: %s", pause_s, self.trouble)
            return
        self.trouble, self._fails = "", 0

    def _look(self) -> None:
        found = dict(self._runner.jobs())
        with self._lock:
            self._seen = found
            for known in (self._told, self._watts, self._hosts, self._gone):
                for name in [name for name in known if name not in self._tickets]:
                    del known[name]
            kept = {name for name in self._refusals if name in self._tickets and self._unmet(name)}
            self._refusals = {name: each for name, each in self._refusals.items() if name in kept}

    def _bring_about(self) -> None:
        with self._lock:
            tickets, orders, cancelled = dict(self._tickets), self._orders, set(self._cancelled)
            seen = dict(self._seen)
        for name in cancelled:
            self._step(name, lambda name=name: self._runner.cancel(name))  # type: ignore[misc]
            with self._lock:
                self._cancelled.discard(name)
        for name, ticket in tickets.items():
            if name not in seen:
                self._step(name, lambda ticket=ticket: self._runner.submit(ticket))  # type: ignore[misc]
        if orders is None:
            return
        self._runner.set_budget(float(sum(order.watts for order in orders.values()) + IDLE_W * len(tickets)))
        for name, job in seen.items():
            if name in cancelled:
                continue
            order = orders.get(name) if name in tickets else None
            if order is not None:
                self._let_run(name, job, order)
            else:
                self._let_wait(name, job)

    def _let_run(self, name: str, job: RunnerJob, order: RunOrder) -> None:
        self._asked_s.pop(name, None)
        if job.state is RunState.RUNNING:
            self._gone.pop(name, None)
        if self._told.get(name) != order:
            self._folder_of(name).order(order.gpus, order.limit_w, order.visible)
            self._told[name] = order
        if job.state is RunState.HELD:
            hosts = () if order.nodes == self._gone.get(name) else order.nodes
            self._step(name, lambda: self._runner.release(name, order.watts, hosts))
            self._watts[name], self._hosts[name] = order.watts, hosts
        elif job.state is RunState.PENDING and self._elsewhere(name, job, order):
            self._step(name, lambda: self._runner.hold(name))
        elif job.state not in OVER:
            self._allow(name, order.watts)
        if job.state is RunState.SUSPENDED:
            self._step(name, lambda: self._runner.resume(name))

    def _elsewhere(self, name: str, job: RunnerJob, order: RunOrder) -> bool:
        """Return whether a job that waits has to be let go anew: for other hosts, or for any where its own are gone."""
        hosts = self._hosts.get(name, ())
        if hosts and GONE in job.why:
            self._gone[name] = hosts
        return bool(hosts) and (hosts == self._gone.get(name) or hosts != order.nodes)

    def _allow(self, name: str, watts: int) -> None:
        """Let a job draw so much, where that is news."""
        if self._watts.get(name) != watts:
            self._step(name, lambda: self._runner.set_watts(name, watts))
            self._watts[name] = watts

    def _let_wait(self, name: str, job: RunnerJob) -> None:
        if job.state is RunState.PENDING:
            self._step(name, lambda: self._runner.hold(name))
        if job.state is not RunState.RUNNING:
            self._asked_s.pop(name, None)
        elif self._pause == "suspend":
            self._step(name, lambda: self._runner.suspend(name))
            self._allow(name, IDLE_W)
        elif name not in self._asked_s:
            self._step(name, lambda: self._runner.checkpoint(name))
            self._asked_s[name] = (self._now_s(), time.time())
        elif self._written(name) or self._now_s() - self._asked_s[name][0] > self._checkpoint_s:
            self._step(name, lambda: self._runner.requeue(name))

    def _written(self, name: str) -> bool:
        """Return whether a job has written its checkpoint since it was asked."""
        return self._folder_of(name).checkpointed_s >= self._asked_s[name][1] - 0.01

    def _step(self, name: str, step: Callable[[], None]) -> None:
        """Take a step with a job; one that is refused, such as to suspend a job that is just ending, leaves the others be."""
        known = self._refusals.get(name)
        has_to_wait = name in self._seen and name not in (self._orders or {})  # never put off: power may be short
        if known is not None and self._now_s() < known.not_before_s and not has_to_wait:
            return
        self.steps += 1
        try:
            step()
        except RunnerRefusedError as error:
            self._refuse(name, str(error)[:200])
        else:
            with self._lock:
                self._refusals.pop(name, None)

    def _refuse(self, name: str, text: str) -> None:
        """Leave a job alone for a pause that doubles."""
        with self._lock:
            count = self._refusals[name].count + 1 if name in self._refusals else 1
            pause_s = min(REFUSED_PAUSE_S[0] * 2.0 ** min(count - 1, 16), REFUSED_PAUSE_S[1])
            self._refusals[name] = Refusal(text=text, count=count, not_before_s=self._now_s() + pause_s)
        LOG.warning("the runner refuses job %s, left alone for %.0f s: %s", name, pause_s, text)
