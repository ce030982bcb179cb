"""Two serial ports with a cable between them, made of pseudo terminals: what is written to one is read from the other."""

from __future__ import annotations

import os
import select
import threading
import tty


class SerialPair:
    """A pair of ports."""

    def __init__(self) -> None:
        ends = [os.openpty() for _ in range(2)]
        self._masters, self._slaves = [end[0] for end in ends], [end[1] for end in ends]
        for slave in self._slaves:
            tty.setraw(slave)
        self.ports = tuple(os.ttyname(slave) for slave in self._slaves)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="serial cable", daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        one, other = self._masters
        while not self._ended.is_set():
            ready, _, _ = select.select(self._masters, [], [], 0.05)
            for source in ready:
                os.write(other if source == one else one, os.read(source, 4096))

    def close(self) -> None:
        """Cut the cable."""
        self._ended.set()
        self._thread.join(2.0)
        for each in (*self._masters, *self._slaves):
            os.close(each)
