"""GPUs through the privileged helper: the port of one GPU over its unix socket."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

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


class HelperLine:
    """One connection to the helper; opened anew when it broke."""

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._line: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, **request: object) -> dict[str, Any]:
        """Return the helper's answer.

        Raises:
            GpuPowerError: whatever it answers with, as its type; DriverGoneError when nobody answers.
        """
        with self._lock:
            try:
                answer = json.loads(self._exchange(json.dumps(request).encode() + b"\n"))
            except (OSError, ValueError) as error:
                self._hang_up()
                raise DriverGoneError(
                    f"the GPU helper at {self._path} does not answer ({error}); start it: mdc devices helper"
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
            self._line = socket.socket(socket.AF_UNIX)
            self._line.settimeout(self._timeout_s)
            self._line.connect(str(self._path))
        self._line.sendall(request)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            part = self._line.recv(65536)
            if not part:
                raise ConnectionError("it hung up")
            answer += part
        return bytes(answer)

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
        return GpuReading(**{**found, "throttle_reasons": tuple(found["throttle_reasons"])})

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
