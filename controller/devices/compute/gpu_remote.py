"""GPUs through privileged helpers: the port of one GPU over a unix socket, or over TLS to another host."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller.devices.compute import gpu_power
from controller.devices.compute.gpu_power import (
    Applied,
    DriverGoneError,
    Failed,
    GpuPowerError,
    GpuReading,
    LimitOutcome,
    LimitRange,
    PartlyApplied,
    Refused,
)

TIMEOUT_S = 5.0
OUTCOMES: dict[str, type[LimitOutcome]] = {each.__name__: each for each in (Applied, PartlyApplied, Refused, Failed)}
ERRORS = ("GpuLostError", "DriverGoneError", "NoPermissionError", "NotSupportedError")


PAUSE_S = 5.0
"""A helper on another host that did not answer is left alone for so long: its other GPUs do not wait for it in turn."""


def tls_context(folder: Path, *, server: bool) -> ssl.SSLContext:
    """Return how to talk to the other side: own ``cert.pem`` and ``key.pem``, and ``ca.pem`` that both must be signed by.

    Raises:
        OSError: a file is not there, or is none.
    """
    purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
    context = ssl.create_default_context(purpose, cafile=str(folder / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


class HelperLine:
    """One connection to a helper; opened anew when it broke."""

    def __init__(self, address: str, *, certificates: Path | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """``address`` is the path of a socket, or ``tls://HOST:PORT`` with the folder of this side's certificates."""
        self._address, self._certificates, self._timeout_s = address, certificates, timeout_s
        self._line: socket.socket | None = None
        self._not_before_s = 0.0
        self._lock = threading.Lock()

    def ask(self, **request: object) -> dict[str, Any]:
        """Return the helper's answer.

        Raises:
            GpuPowerError: whatever it answers with, as its type; DriverGoneError when nobody answers.
        """
        with self._lock:
            if time.monotonic() < self._not_before_s:
                raise DriverGoneError(f"the GPU helper at {self._address} did not answer just now")
            try:
                answer = json.loads(self._exchange(json.dumps(request).encode() + b"\n"))
            except (OSError, ValueError) as error:
                self._hang_up()
                if self._address.startswith("tls://"):
                    self._not_before_s = time.monotonic() + PAUSE_S
                raise DriverGoneError(
                    f"the GPU helper at {self._address} does not answer ({error}); start it: mdc devices helper"
                ) from None
        if "error" in answer:
            kind = getattr(gpu_power, answer["error"]) if answer["error"] in ERRORS else GpuPowerError
            raise kind(str(answer.get("text", "")))
        return dict(answer)

    def gpus(self) -> tuple[HelperGpu, ...]:
        """Return the GPUs that the helper has."""
        return tuple(HelperGpu(self, index) for index in range(int(self.ask(do="count")["count"])))

    def release(self) -> tuple[LimitOutcome, ...]:
        """Give all GPUs their default limits back."""
        return tuple(_outcome(each) for each in self.ask(do="release")["outcomes"])

    def close(self) -> None:
        """Hang up; the helper then leaves the safe cap."""
        with self._lock:
            self._hang_up()

    def _exchange(self, request: bytes) -> bytes:
        if self._line is None:
            self._line = self._opened()
        with contextlib.suppress(BrokenPipeError):  # who turns a caller away says why before it hangs up
            self._line.sendall(request)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            part = self._line.recv(65536)
            if not part:
                raise ConnectionError("it hung up")
            answer += part
        return bytes(answer)

    def _opened(self) -> socket.socket:
        parts = urlsplit(self._address)
        if parts.scheme != "tls":
            return self._near()
        if self._certificates is None:
            raise ConnectionError("no certificates are named")
        context = tls_context(self._certificates, server=False)
        raw = socket.create_connection((str(parts.hostname), int(parts.port or 0)), self._timeout_s)
        try:
            return context.wrap_socket(raw, server_hostname=str(parts.hostname))
        except OSError:
            raw.close()
            raise

    def _near(self) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(self._timeout_s)
        try:
            line.connect(self._address)
        except OSError:
            line.close()
            raise
        return line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class HelperGpu:
    """One GPU of the helper."""

    def __init__(self, line: HelperLine, index: int) -> None:
        self._line, self._index = line, index

    def name(self) -> str:
        return str(self._ask("name")["name"])

    def limit_range(self) -> LimitRange:
        return LimitRange(**self._ask("range"))

    def enforced_limit_w(self) -> float:
        return self.reading().enforced_w

    def power_w(self) -> float:
        power_w = self.reading().power_w
        if power_w is None:
            raise GpuPowerError("the GPU tells no draw")
        return power_w

    def reading(self) -> GpuReading:
        found = self._ask("read")
        lists = {name: tuple(found.get(name, ())) for name in ("throttle_reasons", "mig_devices")}
        return GpuReading(**{**found, **lists})

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        try:
            return _outcome(self._ask("set", limit_w=limit_w))
        except GpuPowerError as error:
            return Failed(reason=str(error))

    def keep_settings(self) -> None:
        self._ask("keep")

    def reopen(self) -> None:
        self._ask("reopen")

    def _ask(self, do: str, **more: object) -> dict[str, Any]:
        return self._line.ask(do=do, gpu=self._index, **more)


def _outcome(found: dict[str, Any]) -> LimitOutcome:
    return OUTCOMES[found["outcome"]](**{key: value for key, value in found.items() if key != "outcome"})
