"""The planning worker as the loop sees it: one request at a time, a deadline, and a fresh worker when it fails.

A worker that is late, gone or talks nonsense is killed and started again, with a pause that doubles up to a minute.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from controller.daemon.line_pipe import LinePipe
from controller.daemon.messages import Answer, Ask, Progress, read_reply
from controller.daemon.tied import tied
from sites.ports import Clock

LOG = logging.getLogger(__name__)
PAUSE_S = (1.0, 60.0)


@dataclass(frozen=True, kw_only=True)
class WorkerLost:
    """The worker failed while a request was open."""

    id: int | None
    """The open request; none when it was idle."""
    text: str


Event = Answer | WorkerLost


class Planner(Protocol):
    """Who answers requests for plans."""

    @property
    def ready(self) -> bool:
        """Whether a request would be taken now."""
        ...

    def ask(self, request: Ask, *, deadline_s: float) -> None:
        """Send a request that has to be answered within ``deadline_s`` of the host's time."""
        ...


class PlannerProcess:
    """Starts, asks, watches and restarts the worker. ``clock`` measures deadlines: the host's, never a fast one."""

    def __init__(self, arguments: Sequence[str], *, clock: Clock, module: str = "controller.daemon.worker") -> None:
        self._command = tied(module, arguments)
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: LinePipe | None = None
        self._open: Ask | None = None
        self._deadline_s = 0.0
        self._start_at_s = 0.0
        self._pause_s = PAUSE_S[0]
        self._outdated = False
        self.restarts = 0

    @property
    def busy(self) -> bool:
        """Whether a request is open."""
        return self._open is not None

    @property
    def ready(self) -> bool:
        """Whether a request would be taken now."""
        return self._open is None and self._clock.monotonic_s() >= self._start_at_s

    @property
    def pid(self) -> int | None:
        """Process id of the worker; none while there is none."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the worker if there is none."""
        if self._child is not None:
            return
        self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._child.stdin is None or self._child.stdout is None:
            raise RuntimeError("a worker without pipes")
        self._pipe = LinePipe(read_fd=self._child.stdout.fileno(), write_fd=self._child.stdin.fileno())

    def renew(self) -> None:
        """Have a fresh worker for the next request: the one that runs may still answer the open one."""
        self._outdated = True
        self._end_outdated()

    def ask(self, request: Ask, *, deadline_s: float) -> None:
        """Send a request that has to be answered within ``deadline_s`` of the host's time.

        Raises:
            RuntimeError: another request is open.
        """
        if self._open is not None:
            raise RuntimeError("one request at a time")
        self.start()
        self._open = request
        self._deadline_s = self._clock.monotonic_s() + deadline_s
        if self._pipe is not None:
            try:
                self._pipe.send(request.model_dump_json())
            except OSError as error:
                LOG.warning("the planning worker is gone: %s", error)

    def poll(self) -> tuple[Event, ...]:
        """Return what has happened since the last call; never blocks."""
        if self._child is None or self._pipe is None:
            return ()
        events: list[Event] = []
        try:
            self._pipe.flush()
            for line in self._pipe.lines():
                event = read_reply(line)
                if isinstance(event, Progress):
                    events.append(event)
                elif self._open is not None and event.id == self._open.id:
                    self._open = None
                    self._pause_s = PAUSE_S[0]
                    events.append(event)
        except ValidationError as error:
            events.append(self._lost(f"it answered nonsense: {str(error)[:200]}"))
            return tuple(events)
        except (OSError, EOFError):
            code = self._child.poll()
            events.append(self._lost("it ended" if code is None else f"it ended with exit status {code}"))
            return tuple(events)
        self._end_outdated()
        if self._open is not None and self._clock.monotonic_s() > self._deadline_s:
            events.append(self._lost("it did not answer in time"))
        return tuple(events)

    def stop(self) -> None:
        """Kill the worker; it holds nothing that could be lost."""
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        self._child = self._pipe = None

    def _end_outdated(self) -> None:
        if self._outdated and self._open is None:
            self._outdated = False
            self.stop()

    def _lost(self, text: str) -> WorkerLost:
        LOG.warning("the planning worker is restarted: %s", text)
        lost = WorkerLost(id=self._open.id if self._open else None, text=text)
        self.stop()
        self._open = None
        self.restarts += 1
        self._start_at_s = self._clock.monotonic_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, PAUSE_S[1])
        return lost
