"""A library that answers like NVML and behaves as told: the counterpart of the NVML driver where no GPU is."""

from __future__ import annotations

from dataclasses import dataclass, field

UNINITIALIZED, INVALID, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, LOST = 1, 2, 3, 4, 6, 15


class ToldError(Exception):
    """Stands for the vendor's error."""

    def __init__(self, value: int) -> None:
        super().__init__(f"code {value}")
        self.value = value


@dataclass
class ToldGpu:
    """One GPU and how it behaves; watts and degrees."""

    name: str = "NVIDIA L40S"
    uuid: str = "GPU-0"
    min_w: float = 100.0
    default_w: float = 300.0
    """Not equal to the maximum, as on many cards."""
    max_w: float = 350.0
    limit_w: float = 300.0
    wants_w: float = 340.0
    """What its work would draw without a limit."""
    leak_w: float = 0.0
    """Draw beyond the limit."""
    also_limited_w: float | None = None
    """A lower limit that holds beside ours: a slot, a chassis."""
    meddler_w: float | None = None
    """Another program that sets its own limit after every write of ours."""
    temperature_c: int = 60
    throttle_bits: int = 0
    ecc: int | None = 0
    persistence: int = 0
    persistence_supported: bool = True
    mig: tuple[int, int] | None = None
    mig_devices: tuple[str, ...] = ()
    lost: bool = False
    locked: bool = False
    """Whether this user has no right to set anything."""
    writes_w: list[float] = field(default_factory=list)


class ToldNvml:
    """NVML of one host."""

    NVMLError: type[Exception] = ToldError

    def __init__(self, *gpus: ToldGpu) -> None:
        self.gpus = list(gpus) or [ToldGpu()]
        self.loaded = self._started = True
        """``loaded = False`` while the driver is away."""

    def reload(self) -> None:
        """Load the driver anew: handles are void, limits are back at their default."""
        self.loaded, self._started = True, False
        for gpu in self.gpus:
            gpu.limit_w, gpu.persistence = gpu.default_w, 0

    def unload(self) -> None:
        """Take the driver away."""
        self.loaded = self._started = False

    def _gpu(self, handle: object) -> ToldGpu:
        if not self._started:
            raise ToldError(UNINITIALIZED)
        gpu = next((each for each in self.gpus if each.uuid == handle), None)
        if gpu is None:
            raise ToldError(INVALID)
        if gpu.lost:
            raise ToldError(LOST)
        return gpu

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.loaded:
            raise ToldError(9)
        self._started = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        if not self._started:
            raise ToldError(UNINITIALIZED)
        self._started = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802
        return self.gpus[index].uuid

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> object:  # noqa: N802
        if all(each.uuid != uuid for each in self.gpus):
            raise ToldError(NOT_FOUND)
        return uuid

    def nvmlDeviceGetUUID(self, handle: object) -> str | bytes:  # noqa: N802
        return str(handle).encode()

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:  # noqa: N802
        return self._gpu(handle).name.encode()

    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: object) -> list[int]:  # noqa: N802
        gpu = self._gpu(handle)
        return [round(gpu.min_w * 1e3), round(gpu.max_w * 1e3)]

    def nvmlDeviceGetPowerManagementDefaultLimit(self, handle: object) -> int:  # noqa: N802
        return round(self._gpu(handle).default_w * 1e3)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: object) -> int:  # noqa: N802
        gpu = self._gpu(handle)
        beside = gpu.limit_w if gpu.also_limited_w is None else gpu.also_limited_w
        return round(min(gpu.limit_w, beside) * 1e3)

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:  # noqa: N802
        gpu = self._gpu(handle)
        return round((min(gpu.wants_w, gpu.limit_w) + gpu.leak_w) * 1e3)

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:  # noqa: N802
        return self._gpu(handle).temperature_c

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: object) -> int:  # noqa: N802
        gpu = self._gpu(handle)
        return gpu.throttle_bits | (0x4 if gpu.wants_w > gpu.limit_w else 0)

    def nvmlDeviceGetTotalEccErrors(self, handle: object, error: int, counter: int) -> int:  # noqa: N802
        ecc = self._gpu(handle).ecc
        if ecc is None:
            raise ToldError(NOT_SUPPORTED)
        return ecc

    def nvmlDeviceGetPersistenceMode(self, handle: object) -> int:  # noqa: N802
        return self._gpu(handle).persistence

    def nvmlDeviceSetPersistenceMode(self, handle: object, mode: int) -> None:  # noqa: N802
        gpu = self._gpu(handle)
        if not gpu.persistence_supported:
            raise ToldError(NOT_SUPPORTED)
        if gpu.locked:
            raise ToldError(NO_PERMISSION)
        gpu.persistence = mode

    def nvmlDeviceGetMigMode(self, handle: object) -> list[int]:  # noqa: N802
        mig = self._gpu(handle).mig
        if mig is None:
            raise ToldError(NOT_SUPPORTED)
        return list(mig)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: object) -> int:  # noqa: N802
        return 7 if self._gpu(handle).mig is not None else 0

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: object, index: int) -> object:  # noqa: N802
        devices = self._gpu(handle).mig_devices
        if index >= len(devices):
            raise ToldError(NOT_FOUND)
        return devices[index]

    def nvmlDeviceSetPowerManagementLimit(self, handle: object, limit_mw: int) -> None:  # noqa: N802
        gpu = self._gpu(handle)
        if gpu.locked:
            raise ToldError(NO_PERMISSION)
        if not gpu.min_w <= limit_mw / 1e3 <= gpu.max_w:
            raise ToldError(INVALID)
        gpu.writes_w.append(limit_mw / 1e3)
        gpu.limit_w = limit_mw / 1e3 if gpu.meddler_w is None else gpu.meddler_w
