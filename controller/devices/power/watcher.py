"""One device in a thread of its own.

The control cycle reads the latest sample, which has an age, and leaves its orders; it never waits for a line. The
thread polls, writes what is ordered and not yet there, writes it again now and then and whenever it finds another
value than its own (:class:`Verdict` ``external``, counted), and leaves a device that does not answer alone for a
time that doubles up to half a minute. Orders have an end: when nobody renews them, what was left for that case is
written instead, and a device for which nothing was left is released. A device that asks for its controller's
heartbeat gets one with each poll, as long as the control cycle itself was heard of lately.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError, Found, PowerDevice
from controller.devices.power.signals import Value, Values
from controller.setpoints import Outcome, Verdict

LOG = logging.getLogger(__name__)
PAUSE_MAX_S = 30.0
REWRITE_S = 15.0
"""A standing order is written again this often; well within the reversion time of an inverter."""


class Sample(NamedTuple):
    """What a device told last."""

    values: Values
    age_s: float
    """Infinite before the first answer."""
    trouble: str
    """Why it does not answer now; empty while it does."""

    def fresh(self, stale_s: float) -> Values:
        """Return the values that are young enough to believe: all or none."""
        return self.values if self.age_s <= stale_s else {}


@dataclass
class Standing:
    """An order that stands."""

    asked: Value
    until_s: float
    then: Value | None = None
    """What is asked once nobody has renewed the order in time; none = the device is released."""
    due: bool = True
    written_s: float = -math.inf
    own: bool = False
    """Whether it has been found in the device since it was written."""
    outcome: Outcome | None = None


@dataclass
class Tally:
    """What has been counted of a device since the start."""

    polls: int = 0
    failures: int = 0
    writes: int = 0
    external: int = 0
    poll_s: float = 0.0
    """Time the last poll took."""
    troubles: dict[str, int] = field(default_factory=dict)


class Watcher:
    """Polls and orders one device."""

    def __init__(
        self,
        device: PowerDevice,
        *,
        poll_s: float = 1.0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device, self._poll_s, self._now_s = device, poll_s, monotonic_s
        self._wake = threading.Condition()
        self._values: Values = {}
        self._at_s = -math.inf
        self._trouble = ""
        self._standing: dict[str, Standing] = {}
        self._fails, self._not_before_s = 0, -math.inf
        self._lives_until_s = -math.inf
        self._wanted = self._done = 0
        self._ordered = self._stopping = self._release = False
        self.tally = Tally()
        self._thread = threading.Thread(target=self._run, name=f"device {device.name}", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def sample(self) -> Sample:
        """Return the latest sample at once."""
        with self._wake:
            return Sample(self._values, self._now_s() - self._at_s, self._trouble)

    def order(self, orders: Mapping[str, Value], good_for_s: float, then: Mapping[str, Value] | None = None) -> None:
        """Leave orders for the device, good for a time; an order that is no longer given runs out."""
        with self._wake:
            until_s = self._now_s() + good_for_s
            for name, value in orders.items():
                standing, after = self._standing.get(name), then.get(name) if then else None
                if standing is None or standing.asked != value:
                    self._standing[name] = Standing(value, until_s, after)
                    self._ordered = True
                else:
                    standing.until_s, standing.then = until_s, after
            if self._ordered:
                self._wake.notify_all()

    def lives(self, good_for_s: float) -> None:
        """Take word that the control cycle turns; good for a time, after which heartbeats end."""
        with self._wake:
            self._lives_until_s = self._now_s() + good_for_s

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what became of the orders that stand, as far as it is known."""
        with self._wake:
            return tuple(each.outcome for each in self._standing.values() if each.outcome is not None)

    def hurry(self) -> int:
        """Ask the thread to write all orders and read the device now; returns a ticket for :meth:`caught_up`."""
        with self._wake:
            self._wanted += 1
            self._wake.notify_all()
            return self._wanted

    def caught_up(self, ticket: int, timeout_s: float) -> bool:
        """Wait until what was asked for has been done; returns whether it has."""
        with self._wake:
            return self._wake.wait_for(lambda: self._done >= ticket or self._stopping, timeout_s)

    def close(self, *, release: bool, timeout_s: float = 3.0) -> None:
        """Stop polling; with ``release`` the device is left in its safe default if it answers in time."""
        with self._wake:
            self._stopping, self._release = True, release
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        due_s = self._now_s()
        while True:
            with self._wake:
                self._wake.wait_for(
                    lambda: self._stopping or self._wanted > self._done or self._ordered,
                    max(due_s - self._now_s(), 0.0),
                )
                if self._stopping:
                    break
                wanted, self._ordered = self._wanted, False
                hurried = wanted > self._done
            if self._now_s() >= self._not_before_s:
                self._turn(whole=hurried)
            with self._wake:
                self._done = wanted
                self._wake.notify_all()
            due_s = max(self._now_s() + self._poll_s, self._not_before_s)
        self._leave()

    def _turn(self, *, whole: bool) -> None:
        """Write what is due and read once."""
        began_s = self._now_s()
        try:
            self._let_go()
            self._write_due()
            values = self.device.read(whole=whole)
            self._compare(values)
            self._write_due()
            if self._now_s() <= self._lives_until_s:
                self.device.beat()
        except Exception as error:
            self._failed(error)
            return
        with self._wake:
            self._values, self._at_s, self._trouble, self._fails = values, self._now_s(), "", 0
        self.tally.polls += 1
        self.tally.poll_s = self._now_s() - began_s

    def _failed(self, error: Exception) -> None:
        """Leave the device alone for a while; what it was told is written again when it is back."""
        text = (
            str(error)
            if isinstance(error, DeviceLostError | DeviceRefusedError)
            else f"{type(error).__name__}: {error}"
        )
        self.tally.failures += 1
        with self._wake:
            if not self._trouble:
                LOG.warning("%s: %s", self.device.name, text)
            self._trouble = text[:200]
            self._not_before_s = self._now_s() + min(self._poll_s * 2.0**self._fails, PAUSE_MAX_S)
            self._fails = min(self._fails + 1, 10)
            for name, each in self._standing.items():
                each.due, each.own = True, False
                each.outcome = self._outcome(name, each, None, Verdict.STALE, self._trouble)

    def _let_go(self) -> None:
        """Do what was left for the case that nobody renews the orders."""
        now_s = self._now_s()
        with self._wake:
            over = {name: each for name, each in self._standing.items() if each.until_s < now_s}
            for name, each in over.items():
                if each.then is None:
                    del self._standing[name]
                else:
                    self._standing[name] = Standing(each.then, math.inf, each.then)
            idle = bool(over) and not self._standing
        if over:
            LOG.warning("%s: nobody renews its orders", self.device.name)
        if idle:
            self.device.release()

    def _write_due(self) -> None:
        now_s = self._now_s()
        with self._wake:
            due = [
                (name, each) for name, each in self._standing.items() if each.due or now_s - each.written_s > REWRITE_S
            ]
        for name, each in due:
            self._write(name, each)

    def _write(self, name: str, standing: Standing) -> None:
        try:
            found = self.device.write(name, standing.asked)
        except DeviceRefusedError as error:
            found, refused = Found(None, False), str(error)
        else:
            refused = ""
        self.tally.writes += 1
        with self._wake:
            standing.due, standing.written_s, standing.own = False, self._now_s(), found.same
            verdict = Verdict.REFUSED if refused else Verdict.OWN if found.same else Verdict.STALE
            text = refused or ("" if found.same else "written, and it shows something else")
            standing.outcome = self._outcome(name, standing, found.value, verdict, text)

    def _compare(self, values: Values) -> None:
        """Find orders that somebody else has changed since they were ours."""
        with self._wake:
            standing = dict(self._standing)
        for name, each in standing.items():
            found = values.get(name)
            if not each.own or found is None or self.device.same(name, each.asked, found):
                continue
            self.tally.external += 1
            with self._wake:
                each.due = True
                text = f"somebody else set it; set back, {self.tally.external} times so far"
                each.outcome = self._outcome(name, each, found, Verdict.EXTERNAL, text)
            self._keep_external(name, each)

    def _keep_external(self, name: str, standing: Standing) -> None:
        """Write the order again, and let the verdict stand until the cycle has seen it."""
        seen = standing.outcome
        self._write(name, standing)
        with self._wake:
            if standing.outcome is not None and standing.outcome.verdict is Verdict.OWN:
                standing.outcome = seen

    def _outcome(self, name: str, standing: Standing, found: Value | None, verdict: Verdict, text: str) -> Outcome:
        return Outcome(
            device=self.device.name, what=name, asked=standing.asked, found=found, verdict=verdict, text=text
        )

    def _leave(self) -> None:
        try:
            if self._release:
                self.device.release()
        except (DeviceLostError, DeviceRefusedError) as error:
            LOG.warning("%s could not be released: %s", self.device.name, error)
        finally:
            self.device.close()
