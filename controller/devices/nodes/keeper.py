"""Keeps as many hosts of a pool on as are wanted.

Hosts go on in their order, one after another so that their inrush and boot load do not fall together, and off from
the end, each drained first; a shutdown that does not end in time is forced. One call of :meth:`PoolKeeper.turn` does
the next thing for each host; it talks to BMCs, so it runs in a thread of its own, never in the control cycle.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.devices.nodes.boot_times import BootTimes
from controller.devices.nodes.switch import NodeLostError, NodeRefusedError, NodeSwitch, Power

LOG = logging.getLogger(__name__)
STAGGER_S = 20.0
SHUTDOWN_S = 300.0
"""How long a host may take to shut down before its power is taken away."""
BOOT_LATE = 3.0
"""A boot that takes this many times longer than expected is said to have failed."""


@dataclass
class Host:
    """One host under the keeper."""

    switch: NodeSwitch
    power: Power | None = None
    """None = not known."""
    turned_on_s: float | None = None
    """When it was told to go on, while it has not come up since."""
    stopping_s: float | None = None
    emptied: bool | None = None
    """Whether it was asked to be emptied; None before anything is known of it."""
    trouble: str = ""


class PoolKeeper:
    """The hosts of one pool."""

    def __init__(
        self,
        switches: Sequence[NodeSwitch],
        boots: BootTimes,
        *,
        boot_s: float,
        monotonic_s: Callable[[], float],
        drained: Callable[[str], bool] = lambda name: True,
        used_again: Callable[[str], None] = lambda name: None,
        stagger_s: float = STAGGER_S,
    ) -> None:
        """``drained`` asks for a host to be emptied and says whether it is; ``used_again`` takes that back once it is up.

        ``boot_s`` is what the site file expects.
        """
        self.hosts = [Host(switch) for switch in switches]
        self._boots, self._boot_s, self._now_s = boots, boot_s, monotonic_s
        self._drained, self._used_again, self._stagger_s = drained, used_again, stagger_s
        self._last_on_s = float("-inf")
        self.wanted: int | None = None
        """Hosts to be on; none = leave them as they are."""

    @property
    def ready(self) -> int:
        """Hosts that can work."""
        return sum(host.power is Power.ON for host in self.hosts)

    @property
    def powered(self) -> int:
        """Hosts that draw power; one that is not known counts as powered."""
        return sum(host.power is not Power.OFF for host in self.hosts)

    def expected_boot_s(self, name: str) -> float:
        """Return how long a host is expected to boot."""
        names = tuple(host.switch.name for host in self.hosts)
        return self._boots.expected_s(name, names, otherwise_s=self._boot_s)

    @property
    def slowest_boot_s(self) -> float:
        """How long the slowest host is expected to boot [s]."""
        return max((self.expected_boot_s(host.switch.name) for host in self.hosts), default=self._boot_s)

    def turn(self) -> None:
        """Look at every host and do the next thing for it."""
        for index, host in enumerate(self.hosts):
            try:
                self._see(host)
                if self.wanted is not None:
                    self._steer(host, on=index < self.wanted)
                host.trouble = ""
            except (NodeLostError, NodeRefusedError) as error:
                if not host.trouble:
                    LOG.warning("%s", error)
                host.trouble = str(error)
                if isinstance(error, NodeLostError):
                    host.power = None

    def _see(self, host: Host) -> None:
        """Ask where a host is, and learn from a boot that has ended."""
        host.power = host.switch.power()
        now_s = self._now_s()
        if host.power is Power.ON and host.turned_on_s is not None:
            self._boots.learn(host.switch.name, now_s - host.turned_on_s)
            host.turned_on_s = None
        if host.power is Power.OFF:
            host.stopping_s = None
        waited_s = now_s - host.turned_on_s if host.turned_on_s is not None else 0.0
        if waited_s > BOOT_LATE * self.expected_boot_s(host.switch.name):
            raise NodeRefusedError(f"{host.switch.name} was told to go on {waited_s:.0f} s ago and does not come up")

    def _steer(self, host: Host, *, on: bool) -> None:
        now_s = self._now_s()
        if on:
            host.stopping_s = None
            if host.power is Power.OFF and host.turned_on_s is None and now_s - self._last_on_s >= self._stagger_s:
                host.switch.turn_on()
                host.turned_on_s = self._last_on_s = now_s
            if host.power is Power.ON and host.emptied is not False:
                self._used_again(host.switch.name)
                host.emptied = False
            return
        host.turned_on_s, host.emptied = None, True
        if host.power in (Power.ON, Power.BOOTING) and host.stopping_s is None and self._drained(host.switch.name):
            host.switch.turn_off()
            host.stopping_s = now_s
        elif host.stopping_s is not None and host.power is not Power.OFF and now_s - host.stopping_s > SHUTDOWN_S:
            LOG.warning("%s does not shut down; its power is taken away", host.switch.name)
            host.switch.turn_off(force=True)
            host.stopping_s = now_s
