"""NVIDIA GPUs through NVML (package nvidia-ml-py, imported as ``pynvml``).

NVML counts in milliwatts. Its some thirty error codes become the few errors of the port. The library is passed in: the
adapter is held against :mod:`controller.devices.compute.nvml_twin`, which fails as told. A GPU is known by its UUID, since
indices move when one is lost or the driver is loaded anew. Codes and names: NVIDIA, *NVML API Reference*, "Field Value
Enums" and "nvmlReturn_t".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar, cast

from controller.devices.compute.gpu_power import (
    DriverGoneError,
    Failed,
    GpuLostError,
    GpuPowerError,
    GpuReading,
    LimitOutcome,
    LimitRange,
    NoPermissionError,
    NotSupportedError,
    Refused,
    judged,
    outside,
)

ERRORS: dict[int, type[GpuPowerError]] = {
    1: DriverGoneError,  # uninitialized
    3: NotSupportedError,
    4: NoPermissionError,
    6: GpuLostError,  # not found
    9: DriverGoneError,  # driver not loaded
    12: DriverGoneError,  # library not found
    13: NotSupportedError,  # function not found
    15: GpuLostError,
    16: GpuLostError,  # reset required
    18: DriverGoneError,  # library and driver of different versions
}
MENDS: dict[type[GpuPowerError], str] = {
    DriverGoneError: "load the driver, or restart what was updated",
    NotSupportedError: "this GPU cannot do that",
    NoPermissionError: "run as root or grant the right, or use the helper of mdc devices helper",
    GpuLostError: "reset or reseat the GPU",
    GpuPowerError: "see the driver's log",
}
THROTTLES = {
    0x2: "application-clocks",
    0x4: "power-cap",
    0x8: "hardware-slowdown",
    0x10: "sync-boost",
    0x20: "thermal",
    0x40: "hardware-thermal",
    0x80: "power-brake",
    0x100: "display-clocks",
}
UNCORRECTED, VOLATILE, ENABLED, GPU_SENSOR = 1, 0, 1, 0

Result = TypeVar("Result")


class NvmlLibrary(Protocol):
    """The few NVML calls used here."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - vendor's names
    def nvmlShutdown(self) -> None: ...  # noqa: N802
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...  # noqa: N802
    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> object: ...  # noqa: N802
    def nvmlDeviceGetUUID(self, handle: object) -> str | bytes: ...  # noqa: N802
    def nvmlDeviceGetName(self, handle: object) -> str | bytes: ...  # noqa: N802
    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: object) -> list[int]: ...  # noqa: N802
    def nvmlDeviceGetPowerManagementDefaultLimit(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetPowerUsage(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int: ...  # noqa: N802
    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetTotalEccErrors(self, handle: object, error: int, counter: int) -> int: ...  # noqa: N802
    def nvmlDeviceGetPersistenceMode(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceSetPersistenceMode(self, handle: object, mode: int) -> None: ...  # noqa: N802
    def nvmlDeviceGetMigMode(self, handle: object) -> list[int]: ...  # noqa: N802
    def nvmlDeviceGetMaxMigDeviceCount(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: object, index: int) -> object: ...  # noqa: N802
    def nvmlDeviceSetPowerManagementLimit(self, handle: object, limit_mw: int) -> None: ...  # noqa: N802


def nvml_library() -> NvmlLibrary:
    """Return the vendor's library, started.

    Raises:
        GpuPowerError: no package or no driver.
    """
    try:
        import pynvml
    except ImportError:
        raise GpuPowerError("the package nvidia-ml-py is missing; install it") from None
    library = cast(NvmlLibrary, pynvml)
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        raise DriverGoneError(f"no NVIDIA driver answers ({error}); use a CSV or the simulated twin") from None
    return library


def typed(error: Exception, what: str) -> GpuPowerError:
    """Return a vendor's error as one of the port's."""
    kind = ERRORS.get(int(getattr(error, "value", 0)), GpuPowerError)
    return kind(f"{what}: {error}; {MENDS[kind]}")


class NvmlGpu:
    """One NVIDIA GPU, by its index at first."""

    def __init__(self, library: NvmlLibrary, index: int) -> None:
        """Find the GPU.

        Raises:
            GpuPowerError: there is none of this index.
        """
        self._library, self._what = library, f"GPU {index}"
        count = self._asked(library.nvmlDeviceGetCount)
        if not 0 <= index < count:
            raise GpuPowerError(f"no GPU {index}; this host has {count}, counted from 0")
        self._handle = self._asked(lambda: library.nvmlDeviceGetHandleByIndex(index))
        self.uuid = _text(self._asked(lambda: library.nvmlDeviceGetUUID(self._handle)))

    def name(self) -> str:
        return _text(self._asked(lambda: self._library.nvmlDeviceGetName(self._handle)))

    def limit_range(self) -> LimitRange:
        low, high = self._asked(lambda: self._library.nvmlDeviceGetPowerManagementLimitConstraints(self._handle))
        default = self._asked(lambda: self._library.nvmlDeviceGetPowerManagementDefaultLimit(self._handle))
        return LimitRange(min_w=low / 1e3, default_w=default / 1e3, max_w=high / 1e3)

    def enforced_limit_w(self) -> float:
        return self._asked(lambda: self._library.nvmlDeviceGetEnforcedPowerLimit(self._handle)) / 1e3

    def power_w(self) -> float:
        return self._asked(lambda: self._library.nvmlDeviceGetPowerUsage(self._handle)) / 1e3

    def reading(self) -> GpuReading:
        library, handle = self._library, self._handle
        draw_mw = self._told(lambda: library.nvmlDeviceGetPowerUsage(handle))
        persistent = self._told(lambda: library.nvmlDeviceGetPersistenceMode(handle))
        mig = self._told(lambda: library.nvmlDeviceGetMigMode(handle))
        reasons = self._told(lambda: library.nvmlDeviceGetCurrentClocksThrottleReasons(handle)) or 0
        return GpuReading(
            enforced_w=self.enforced_limit_w(),
            power_w=None if draw_mw is None else draw_mw / 1e3,
            temperature_c=self._told(lambda: library.nvmlDeviceGetTemperature(handle, GPU_SENSOR)),
            throttle_reasons=tuple(name for bit, name in THROTTLES.items() if reasons & bit),
            ecc_uncorrected=self._told(lambda: library.nvmlDeviceGetTotalEccErrors(handle, UNCORRECTED, VOLATILE)),
            persistent=None if persistent is None else persistent == ENABLED,
            slices=None if mig is None else mig[0] == ENABLED,
            mig_devices=self._mig_devices() if mig is not None and mig[0] == ENABLED else (),
        )

    def _mig_devices(self) -> tuple[str, ...]:
        """Return the UUIDs of its MIG devices; places without one are left out."""
        library, found = self._library, []
        for index in range(self._told(lambda: library.nvmlDeviceGetMaxMigDeviceCount(self._handle)) or 0):
            with contextlib.suppress(GpuPowerError):
                found.append(_text(self._asked(partial(self._mig_uuid, index))))
        return tuple(found)

    def _mig_uuid(self, index: int) -> str | bytes:
        library = self._library
        return library.nvmlDeviceGetUUID(library.nvmlDeviceGetMigDeviceHandleByIndex(self._handle, index))

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        try:
            refused = outside(limit_w, self.limit_range())
            if refused is not None:
                return refused
            self._asked(lambda: self._library.nvmlDeviceSetPowerManagementLimit(self._handle, round(limit_w * 1e3)))
            return judged(limit_w, self.enforced_limit_w())
        except (GpuLostError, DriverGoneError) as error:
            return Failed(reason=str(error))
        except GpuPowerError as error:
            return Refused(reason=f"the driver refused {limit_w:g} W ({error})")

    def keep_settings(self) -> None:
        try:
            self._asked(lambda: self._library.nvmlDeviceSetPersistenceMode(self._handle, ENABLED))
        except NotSupportedError:
            return

    def reopen(self) -> None:
        with contextlib.suppress(self._library.NVMLError):
            self._library.nvmlShutdown()
        self._asked(self._library.nvmlInit)
        self._handle = self._asked(lambda: self._library.nvmlDeviceGetHandleByUUID(self.uuid))

    def _asked(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except self._library.NVMLError as error:
            raise typed(error, self._what) from None

    def _told(self, call: Callable[[], Result]) -> Result | None:
        """Return what only some GPUs tell."""
        try:
            return self._asked(call)
        except (NotSupportedError, NoPermissionError):
            return None


def _text(found: str | bytes) -> str:
    return found.decode() if isinstance(found, bytes) else found
