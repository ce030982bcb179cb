"""The privileged helper: a small process with the right to set power limits, so that the daemon needs none.

On its own host it listens on a unix socket, asks the kernel who calls (``SO_PEERCRED``) and serves only the users it was
started for (:class:`GpuHelper`). For a daemon on another host it listens on TCP and talks to nobody who does not show a
client's certificate of the site's own authority, TLS 1.3 both ways (:class:`GpuTlsHelper`). Its whole vocabulary is
:class:`Request`; a limit outside the owner's range is refused before the driver hears of it. Whoever sets limits holds the
GPUs as long as the line is open and not silent: when that ends, by exit, crash or hanging, every GPU is set to the safe cap
and stays there. Default limits come back only by ``release``, and not while somebody holds the GPUs.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from controller.devices.compute.gpu_keeper import release
from controller.devices.compute.gpu_power import Failed, GpuPower, GpuPowerError, LimitOutcome, Refused
from controller.devices.compute.gpu_remote import tls_context
from sites.record import Record

LOG = logging.getLogger(__name__)
LINE_MAX = 1024
SILENT_S = 30.0
"""A caller that says nothing for so long no longer holds the GPUs."""


HANDSHAKE_S = 5.0


class Request(Record):
    """All that can be asked of the helper."""

    do: Literal["count", "name", "range", "read", "set", "keep", "reopen", "release"]
    gpu: int = 0
    limit_w: float | None = None


class HeldGpus:
    """What a helper does, whoever calls it. ``range_w`` is the owner's range, inside the driver's."""

    def __init__(
        self,
        gpus: Sequence[GpuPower],
        *,
        range_w: tuple[float, float] | None = None,
        safe_limit_w: float | None = None,
    ) -> None:
        """``safe_limit_w`` none = the lowest each takes."""
        self.gpus = tuple(gpus)
        self._range_w, self._safe_w = range_w, safe_limit_w
        self._lock = threading.Lock()
        self.holders: set[int] = set()
        """Callers that have set a limit and are still there."""

    def answer(self, request: Request, caller: int) -> dict[str, object]:
        """Carry out one request."""
        with self._lock:
            if request.do == "count":
                return {"count": len(self.gpus)}
            if request.do == "release":
                return self._release(caller)
            if not 0 <= request.gpu < len(self.gpus):
                return _error(GpuPowerError(f"no GPU {request.gpu}; there are {len(self.gpus)}, counted from 0"))
            try:
                return self._about(self.gpus[request.gpu], request, caller)
            except GpuPowerError as error:
                return _error(error)

    def _about(self, gpu: GpuPower, request: Request, caller: int) -> dict[str, object]:
        match request.do:
            case "name":
                return {"name": gpu.name()}
            case "range":
                limits = gpu.limit_range()
                low_w, high_w = self._range_w or (limits.min_w, limits.max_w)
                return {
                    **asdict(limits),
                    "min_w": max(limits.min_w, low_w),
                    "max_w": min(limits.max_w, high_w),
                }
            case "read":
                return asdict(gpu.reading())
            case "set":
                return _outcome(self._set(gpu, request.limit_w, caller))
            case "keep":
                gpu.keep_settings()
            case "reopen":
                gpu.reopen()
        return {}

    def _set(self, gpu: GpuPower, limit_w: float | None, caller: int) -> LimitOutcome:
        if limit_w is None:
            return Refused(reason="no limit was named; give limit_w")
        if self._range_w is not None and not self._range_w[0] <= limit_w <= self._range_w[1]:
            low_w, high_w = self._range_w
            nearest = min(max(limit_w, low_w), high_w)
            return Refused(
                reason=f"{limit_w:g} W is outside the owner's {low_w:g}..{high_w:g} W; the nearest is {nearest:g} W"
            )
        self.holders.add(caller)
        return gpu.set_limit_w(limit_w)

    def _release(self, caller: int) -> dict[str, object]:
        others = self.holders - {caller}
        if others:
            return _error(GpuPowerError("a daemon holds these GPUs; stop it first, then release them"))
        self.holders.discard(caller)
        return {"outcomes": [_outcome(each) for each in release(self.gpus)]}

    def gone(self, caller: int) -> None:
        """Leave the safe cap behind a caller that held the GPUs."""
        with self._lock:
            if caller not in self.holders:
                return
            self.holders.discard(caller)
            if not self.holders:
                self.secure()

    def secure(self) -> None:
        """Set every GPU to the safe cap."""
        for gpu in self.gpus:
            try:
                lowest_w = gpu.limit_range().min_w
                outcome: LimitOutcome = gpu.set_limit_w(lowest_w if self._safe_w is None else self._safe_w)
            except GpuPowerError as error:
                outcome = Failed(reason=str(error))
            if isinstance(outcome, Refused | Failed):
                LOG.warning("the safe cap could not be set: %s", outcome.reason)


class GpuHelper(socketserver.ThreadingUnixStreamServer):
    """A helper for users of its own host."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, held: HeldGpus, *, users: frozenset[int], silent_s: float = SILENT_S) -> None:
        self.held, self.users, self.silent_s = held, users, silent_s
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        mask = os.umask(0o117)
        try:
            super().__init__(str(path), _Caller)
        finally:
            os.umask(mask)

    def open_to(self, user: int) -> None:
        """Let a user reach the socket; who calls is asked of the kernel all the same."""
        with contextlib.suppress(PermissionError):
            os.chown(str(self.server_address), user, -1)

    def stranger(self, line: socket.socket) -> str:
        """Return why a caller is turned away; empty when it is served."""
        user = peer_user(line)
        return "" if user in self.users else f"user {user} is not among those this helper serves"


class GpuTlsHelper(socketserver.ThreadingTCPServer):
    """A helper for a daemon on another host."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], held: HeldGpus, *, certificates: Path, silent_s: float = SILENT_S):
        """Listen; ``certificates`` is a folder of :func:`controller.devices.compute.gpu_remote.tls_context`.

        Raises:
            OSError: the address is taken, or the certificates cannot be read.
        """
        self.held, self.silent_s = held, silent_s
        self._tls = tls_context(certificates, server=True)
        super().__init__(address, _Caller)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands on the caller's own thread: who is slow or a stranger holds up nobody."""
        request.settimeout(HANDSHAKE_S)
        try:
            with self._tls.wrap_socket(request, server_side=True) as line:
                super().finish_request(line, client_address)
        except OSError as error:
            LOG.warning("a caller from %s was turned away or fell silent: %s", client_address[0], error)

    def stranger(self, line: socket.socket) -> str:
        """Nobody gets here without a certificate."""
        return ""


class _Caller(socketserver.StreamRequestHandler):
    """One connection."""

    server: GpuHelper | GpuTlsHelper

    def handle(self) -> None:
        why = self.server.stranger(self.request)
        if why:
            self._say({"error": "NoPermissionError", "text": why})
            return
        self.request.settimeout(self.server.silent_s)
        try:
            while line := self.rfile.readline(LINE_MAX):
                self._say(self._answered(line))
        except OSError:
            LOG.warning("a caller fell silent or hung up")
        finally:
            self.server.held.gone(id(self))

    def _answered(self, line: bytes) -> dict[str, object]:
        try:
            request = Request.model_validate_json(line)
        except ValidationError as error:
            return {"error": "GpuPowerError", "text": f"not understood: {error.errors()[0]['msg']}"}
        return self.server.held.answer(request, id(self))

    def _say(self, answer: dict[str, object]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def peer_user(line: socket.socket) -> int:
    """Return the user id of who is at the other end, as the kernel knows it."""
    found = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", found)
    return int(user)


def _outcome(outcome: LimitOutcome) -> dict[str, object]:
    return {"outcome": type(outcome).__name__, **asdict(outcome)}


def _error(error: GpuPowerError) -> dict[str, object]:
    return {"error": type(error).__name__, "text": str(error)}
