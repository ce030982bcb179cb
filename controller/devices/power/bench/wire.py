"""The wire between the controller's simulated computers and a plant in another process: JSON lines over TCP.

A real computer draws from the bus by being plugged in; a simulated one says what it draws, and hears what it got.
A request carries the loads in the order in which they are served and how far site time moves:

    {"at": "2026-06-01T10:00:00+00:00", "dt_s": 60.0, "loads": [[30.0, true], [1.5, false]]}
    {"at": "2026-06-01T10:01:00+00:00", "served": [30.0, 1.5], "unserved": [0.0, 0.0], "throttle": 1.0}
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from datetime import datetime
from io import BufferedReader

from pydantic import ValidationError

from controller.devices.power.driver import DeviceLostError
from controller.devices.simulated_computers import Supply
from sites.plant.site import Load
from sites.record import Record
from sites.times import Utc

WAIT_S = 30.0


class Moved(Record):
    """What a bench answers."""

    at: Utc
    served: tuple[float, ...]
    unserved: tuple[float, ...]
    throttle: float


class Move(Record):
    """What a bench is asked."""

    at: Utc
    dt_s: float
    loads: tuple[tuple[float, bool], ...]


class BenchWire:
    """The controller's end."""

    def __init__(self, host: str, port: int, *, timeout_s: float = WAIT_S) -> None:
        self._place, self._timeout_s = (host, port), timeout_s
        self._line: tuple[socket.socket, BufferedReader] | None = None

    def move(self, at_utc: datetime, loads: tuple[Load, ...], dt_s: float) -> Supply:
        """Move the plant and return what the loads got.

        Raises:
            DeviceLostError: the plant server does not answer, or says no.
        """
        asked = Move(at=at_utc, dt_s=dt_s, loads=tuple((load.kw, load.it) for load in loads))
        try:
            line, reader = self._opened()
            line.sendall(asked.model_dump_json().encode() + b"\n")
            answer = reader.readline()
            moved = Moved.model_validate_json(answer)
        except ValidationError:
            self.close()
            raise DeviceLostError(f"the plant server says: {answer.decode(errors='replace')[:200]}") from None
        except OSError as error:
            self.close()
            raise DeviceLostError(f"the plant server at {self._place[0]}:{self._place[1]}: {error}") from None
        return Supply(moved.served, moved.unserved, moved.throttle)

    def _opened(self) -> tuple[socket.socket, BufferedReader]:
        if self._line is None:
            line = socket.create_connection(self._place, self._timeout_s)
            self._line = line, line.makefile("rb")
        return self._line

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line[1].close()
            self._line[0].close()
            self._line = None


class WireServer:
    """The bench's end: a thread that answers one client after the other."""

    def __init__(self, move: Callable[[Move], Moved], *, host: str = "127.0.0.1", port: int = 0) -> None:
        """``move`` moves the plant; a ``ValueError`` out of it is told to the client."""

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for text in self.rfile:
                    try:
                        answer = move(Move.model_validate_json(text)).model_dump_json()
                    except (ValueError, IndexError) as error:
                        answer = json.dumps({"error": str(error)[:150]})
                    self.wfile.write(answer.encode() + b"\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self._server = Server((host, port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="bench wire", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)
