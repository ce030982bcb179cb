"""NVIDIA GPUs through NVML (package nvidia-ml-py, imported as ``pynvml``).

NVML counts in milliwatts. Vendor errors become refusals where the GPU is fine but won't (no rights, not supported) and
``GpuPowerError`` where it cannot be asked at all. The library is passed in: the adapter can be tested without a GPU.
"""

from __future__ import annotations

from typing import Protocol, cast

from controller.devices.gpu_power import (
    NEAR_W,
    GpuPowerError,
    LimitApplied,
    LimitOutcome,
    LimitRange,
    LimitRefused,
    outside,
)


class NvmlLibrary(Protocol):
    """The few NVML calls used here."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - vendor's names
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...  # noqa: N802
    def nvmlDeviceGetName(self, handle: object) -> str | bytes: ...  # noqa: N802
    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: object) -> list[int]: ...  # noqa: N802
    def nvmlDeviceGetPowerManagementDefaultLimit(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetPowerUsage(self, handle: object) -> int: ...  # noqa: N802
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
        raise GpuPowerError(f"no NVIDIA driver answers ({error}); use a CSV or the simulated twin") from None
    return library


class NvmlGpu:
    """One NVIDIA GPU by its index."""

    def __init__(self, library: NvmlLibrary, index: int) -> None:
        count = library.nvmlDeviceGetCount()
        if not 0 <= index < count:
            raise GpuPowerError(f"no GPU {index}; this host has {count}, counted from 0")
        self._library = library
        self._handle = library.nvmlDeviceGetHandleByIndex(index)

    def name(self) -> str:
        name = self._library.nvmlDeviceGetName(self._handle)
        return name.decode() if isinstance(name, bytes) else name

    def limit_range(self) -> LimitRange:
        try:
            low, high = self._library.nvmlDeviceGetPowerManagementLimitConstraints(self._handle)
            default = self._library.nvmlDeviceGetPowerManagementDefaultLimit(self._handle)
        except self._library.NVMLError as error:
            raise GpuPowerError(f"{self.name()} tells no power-limit range ({error})") from None
        return LimitRange(min_w=low / 1e3, default_w=default / 1e3, max_w=high / 1e3)

    def enforced_limit_w(self) -> float:
        try:
            return self._library.nvmlDeviceGetEnforcedPowerLimit(self._handle) / 1e3
        except self._library.NVMLError as error:
            raise GpuPowerError(f"{self.name()} tells no enforced limit ({error})") from None

    def power_w(self) -> float:
        try:
            return self._library.nvmlDeviceGetPowerUsage(self._handle) / 1e3
        except self._library.NVMLError as error:
            raise GpuPowerError(f"{self.name()} tells no draw ({error})") from None

    def set_limit_w(self, limit_w: float) -> LimitOutcome:
        refused = outside(limit_w, self.limit_range())
        if refused is not None:
            return refused
        try:
            self._library.nvmlDeviceSetPowerManagementLimit(self._handle, round(limit_w * 1e3))
        except self._library.NVMLError as error:
            return LimitRefused(reason=f"the driver refused {limit_w:g} W ({error}); run as root or grant the right")
        enforced_w = self.enforced_limit_w()
        if abs(enforced_w - limit_w) > NEAR_W:
            return LimitRefused(reason=f"asked for {limit_w:g} W, {enforced_w:g} W is enforced; something else sets it")
        return LimitApplied(enforced_w=enforced_w)
