"""A relay between two serial ports that spoils what comes back: late, lost, cut off, or never."""

from __future__ import annotations

import os
import random
import select
import threading
import time
import tty

from controller.devices.power.bench.fault_proxy import LineFault, Spoil

ANSWER_S = 0.02
"""Pause after which an answer has ended."""


class SerialRelay:
    """Carries from ``near`` to ``far`` as it is, and back as :attr:`spoil` says."""

    def __init__(self, far: str, near: str, *, seed: int = 0) -> None:
        self._far, self._near = (os.open(path, os.O_RDWR | os.O_NOCTTY) for path in (far, near))
        for end in (self._far, self._near):
            tty.setraw(end)
        self.spoil = Spoil()
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="serial relay", daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        while not self._ended.is_set():
            ready, _, _ = select.select([self._far, self._near], [], [], 0.05)
            if self._near in ready:
                os.write(self._far, os.read(self._near, 4096))
            if self._far in ready:
                answer = self._spoilt(self._whole())
                if answer:
                    os.write(self._near, answer)

    def _whole(self) -> bytes:
        """Return an answer to its end: a line that loses bytes here and there is no line that loses answers."""
        answer = b""
        while select.select([self._far], [], [], ANSWER_S)[0]:
            answer += os.read(self._far, 4096)
        return answer

    def _spoilt(self, answer: bytes) -> bytes:
        spoil = self.spoil
        if spoil.fault is LineFault.LATE:
            end_s = time.monotonic() + spoil.latency_s
            while spoil.fault is LineFault.LATE and time.monotonic() < end_s and not self._ended.wait(0.05):
                pass
        if spoil.fault is LineFault.HALF_OPEN:
            return b""
        if spoil.fault is LineFault.LOSSY and self._chance.random() < spoil.loss_frac:
            return b""
        if spoil.fault is LineFault.SHORT:
            return answer[: max(len(answer) // 2, 1)]
        return answer

    def close(self) -> None:
        """Let go of both ports."""
        self._ended.set()
        self._thread.join(2.0)
        os.close(self._far)
        os.close(self._near)
