"""A TCP proxy that spoils a line: late answers, lost answers, half-open connections, short and garbled frames."""

from __future__ import annotations

import random
import socket
import threading
from dataclasses import dataclass
from enum import StrEnum


class LineFault(StrEnum):
    """What the proxy does to answers."""

    NONE = "none"
    LATE = "late"
    """Each answer comes :attr:`Spoil.latency_s` later."""
    LOSSY = "lossy"
    """A share of the answers does not come (:attr:`Spoil.loss_frac`)."""
    HALF_OPEN = "half-open"
    """The connection stands, and nothing ever comes."""
    SHORT = "short"
    """Answers are cut off in the middle."""
    GARBLED = "garbled"
    """Answers are bytes of no protocol."""
    REFUSED = "refused"
    """Connections are closed at once."""


@dataclass
class Spoil:
    """The present fault; change it at any time."""

    fault: LineFault = LineFault.NONE
    latency_s: float = 5.0
    loss_frac: float = 0.2


class FaultProxy:
    """Listens on a free port and forwards to a server, spoiling what comes back."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 0) -> None:
        self._target, self.spoil = (host, port), Spoil()
        self._chance = random.Random(seed)
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="fault proxy", daemon=True).start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.spoil.fault is LineFault.REFUSED:
                client.close()
                continue
            server = socket.create_connection(self._target)
            self._open |= {client, server}
            for source, sink, spoilt in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, spoilt), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, spoilt: bool) -> None:
        try:
            while data := source.recv(4096):
                data = self._spoilt(data) if spoilt else data
                if data:
                    sink.sendall(data)
        except OSError:
            pass
        for each in (source, sink):
            each.close()
            self._open.discard(each)

    def _spoilt(self, data: bytes) -> bytes:
        spoil = self.spoil
        if spoil.fault is LineFault.LATE:
            self._ended.wait(spoil.latency_s)
        if spoil.fault is LineFault.HALF_OPEN:
            return b""
        if spoil.fault is LineFault.LOSSY and self._chance.random() < spoil.loss_frac:
            return b""
        if spoil.fault is LineFault.SHORT:
            return data[: max(len(data) // 2, 1)]
        if spoil.fault is LineFault.GARBLED:
            return bytes(self._chance.randrange(256) for _ in data)
        return data

    def close(self) -> None:
        """Close everything."""
        self._ended.set()
        self._listener.close()
        for each in tuple(self._open):
            each.close()
