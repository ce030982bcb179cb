"""Devices that may hang, kept off the control loop's thread.

A driver waits for wires: a Modbus gateway that is switched off, a BMC that reboots, a library that never returns. The
loop must not. So each device, or each line that several share, gets one thread of its own, in one of two ways:

* :class:`Poller` reads again and again and keeps the newest value; the loop takes it, or learns that it is too old.
* :class:`Deadline` carries out a call and gives up waiting in time. While a call hangs, further ones fail at once: they
  are never queued up, so an order that was given up does not arrive minutes later behind newer ones.

Threads are daemon threads: one that hangs for good does not hold the process back when it ends. Drivers give their own
I/O a timeout all the same, else a device that hung once is lost until the restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

READ_S, WRITE_S = 0.3, 0.3
"""Longest time that reading, and writing, a whole site may take of a cycle of one second."""

Result = TypeVar("Result")


class Deadline:
    """One worker thread for one device. Calls come from one thread at a time: the control loop's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._call: Callable[[], None] | None = None
        self._wake = threading.Condition()
        self._closed = False
        self._hung: Future[object] | None = None
        threading.Thread(target=self._work, name=f"device {name}", daemon=True).start()

    def call(self, action: Callable[[], Result], timeout_s: float) -> Result:
        """Carry out ``action`` on the device's thread and return what it returns.

        Raises:
            TimeoutError: it takes longer than ``timeout_s``, or an earlier call still hangs.
            Exception: whatever ``action`` raises.
        """
        if self._hung is not None and not self._hung.done():
            raise TimeoutError(f"{self._name} still hangs in an earlier call")
        answer: Future[Result] = Future()

        def carry_out() -> None:
            try:
                answer.set_result(action())
            except BaseException as error:
                answer.set_exception(error)

        with self._wake:
            self._call = carry_out
            self._wake.notify()
        try:
            result = answer.result(timeout_s)
        except TimeoutError:
            if not answer.done():
                self._hung = answer  # type: ignore[assignment]
                raise TimeoutError(f"{self._name} does not answer within {timeout_s:g} s") from None
            raise
        self._hung = None
        return result

    def close(self) -> None:
        """Let the thread end once its call has returned; does not wait for it."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                while self._call is None:
                    if self._closed:
                        return
                    self._wake.wait()
                call, self._call = self._call, None
            call()


class Poller(Generic[Result]):
    """Reads a device every ``period_s`` on its own thread and keeps the newest value."""

    def __init__(self, name: str, read: Callable[[], Result], *, period_s: float = 1.0) -> None:
        self._name, self._read, self._period_s = name, read, period_s
        self._newest: tuple[float, Result] | None = None
        self._stop = threading.Event()
        self.trouble = ""
        """Why the last reading failed; empty when it did not."""
        threading.Thread(target=self._work, name=f"poll {name}", daemon=True).start()

    def latest(self, max_age_s: float) -> Result:
        """Return the newest value.

        Raises:
            TimeoutError: there is none yet, or it is older than ``max_age_s``.
        """
        newest = self._newest
        if newest is None or time.monotonic() - newest[0] > max_age_s:
            raise TimeoutError(f"{self._name}: {self.trouble or 'no reading in time'}")
        return newest[1]

    def close(self) -> None:
        """Let the thread end after its reading; does not wait for it."""
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.is_set():
            begin_s = time.monotonic()
            try:
                value = self._read()
            except Exception as error:
                self.trouble = f"{type(error).__name__}: {error}"[:200]
            else:
                self._newest, self.trouble = (time.monotonic(), value), ""
            self._stop.wait(max(self._period_s - (time.monotonic() - begin_s), 0.0))
