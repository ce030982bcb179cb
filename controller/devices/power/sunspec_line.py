"""A SunSpec device on a Modbus line: its models found and read by pysunspec2, its registers fetched by pymodbus.

Scale factors and "not implemented" are pysunspec2's business; a point whose scale factor is not implemented, or no
power of ten that an instrument could have, has no value here: unscaled it would be wrong by orders of magnitude.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from sunspec2.device import ModelError
from sunspec2.modbus.client import SunSpecModbusClientDevice, SunSpecModbusClientError

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError
from controller.devices.power.link import READ_MAX, WRITE_MAX, ModbusLink

SF_MAX = 10
BASES = (40000, 0, 50000)
"""Where a device may keep its map."""


class ModelFound(NamedTuple):
    """A model that a device has."""

    id: int
    name: str
    address: int
    registers: int
    understood: bool
    """Whether the model is one that this program knows."""


class _OnLine(SunSpecModbusClientDevice):  # type: ignore[misc]
    """pysunspec2's device with our line beneath."""

    def __init__(self, link: ModbusLink, unit: int) -> None:
        super().__init__()
        self._link, self._unit = link, unit
        self.base_addr_list = list(BASES)
        self.lost: DeviceLostError | None = None

    def read(self, addr: int, count: int) -> bytes:
        words: list[int] = []
        start, left = int(addr), int(count)
        while left > 0:
            part = min(left, READ_MAX)
            try:
                words += self._link.read(3, start, part, self._unit)
            except DeviceLostError as error:
                self.lost = error
                raise
            start, left = start + part, left - part
        return struct.pack(f">{len(words)}H", *words)

    def write(self, addr: int, data: bytes) -> None:
        words = struct.unpack(f">{len(data) // 2}H", data)
        for at in range(0, len(words), WRITE_MAX):
            self._link.write(16, int(addr) + at, words[at : at + WRITE_MAX], self._unit)


class SunSpecLine:
    """The models of one SunSpec device."""

    def __init__(self, link: ModbusLink, unit: int) -> None:
        self._link, self._device = link, _OnLine(link, unit)
        self._scanned = False

    def scan(self) -> tuple[ModelFound, ...]:
        """Find the device's models and read them all.

        Raises:
            DeviceLostError: nobody answers.
            DeviceRefusedError: somebody answers, and it is no SunSpec device.
        """
        self._device.lost = None
        try:
            self._device.scan(connect=False)
        except SunSpecModbusClientError:
            if self._device.lost is not None:
                raise self._device.lost from None
            tried = ", ".join(map(str, BASES))
            raise DeviceRefusedError(f"it answers, but there is no SunSpec map at {tried}") from None
        except (ModelError, struct.error, KeyError, TypeError) as error:
            raise DeviceRefusedError(f"its SunSpec map cannot be read: {error}") from None
        self._scanned = True
        return tuple(
            ModelFound(
                model.model_id,
                str(model.gname) if model.model_def else "",
                model.model_addr,
                int(model.model_len),
                bool(model.model_def),
            )
            for model in self._device.model_list
        )

    def _models(self) -> dict[Any, list[Any]]:
        if not self._scanned:
            self.scan()
        models: dict[Any, list[Any]] = self._device.models
        return models

    def forget(self) -> None:
        """Scan again before the next use: behind the address may be another device by then."""
        self._scanned = False

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def has(self, model: int) -> bool:
        """Return whether the device has a model."""
        return model in self._models()

    def _point(self, model: int, point: str) -> Any:
        """Return a point by its path, e.g. ``Crv.0.MustTrip.Pt.2.Hz``: groups, and which of those that repeat."""
        *groups, name = point.split(".")
        found = self._group(model, groups)
        return None if found is None or isinstance(found, list) else found.points.get(name)

    def _group(self, model: int, path: list[str]) -> Any:
        """Return a group or the list of one that repeats; none where the device has none."""
        found = self._models()[model][0]
        for part in path:
            among = dict(enumerate(found)) if isinstance(found, list) else found.groups
            found = among.get(int(part) if isinstance(found, list) else part)
            if found is None:
                return None
        return found

    def count(self, model: int, group: str) -> int:
        """Return how often a group repeats, e.g. ``Crv.0.Pt``; 0 where the device has none."""
        found = self._group(model, group.split(".")) if self.has(model) else None
        return len(found) if isinstance(found, list) else 0

    def fetch_all(self, model: int) -> None:
        """Read a whole model from the device, curves and ports too."""
        self._models()[model][0].read()

    def fetch(self, model: int, points: tuple[str, ...]) -> None:
        """Read some points of a model from the device, with all between them in one request."""
        held = [each for each in (self._point(model, name) for name in points) if each is not None]
        if not held:
            return
        scales = [each.group.points.get(each.sf) or each.model.points.get(each.sf) for each in held if each.sf]
        held += [scale for scale in scales if scale is not None and not scale.static]
        first, last = min(each.offset for each in held), max(each.offset + each.len for each in held)
        address = self._models()[model][0].model_addr + first
        data = self._device.read(address, last - first)
        for each in held:
            at = (each.offset - first) * 2
            each.set_mb(data[at : at + each.len * 2], dirty=False)

    def value(self, model: int, point: str) -> float | None:
        """Return a point in its unit, as it was fetched last; none where it is not implemented."""
        held = self._point(model, point) if self.has(model) else None
        if held is None or held.value is None or isinstance(held.value, str):
            return None
        if held.sf_required and held.sf:
            scale = held.group.points.get(held.sf) or held.model.points.get(held.sf)
            if scale is None or scale.value is None or abs(scale.value) > SF_MAX:
                return None
        return float(held.cvalue)

    def resolution(self, model: int, point: str) -> float:
        """Return the value of one count of a point."""
        held = self._point(model, point)
        scale = held.group.points.get(held.sf) or held.model.points.get(held.sf) if held.sf else None
        return float(10.0**scale.value) if scale is not None and scale.value is not None else 1.0

    def put(self, model: int, values: dict[str, float]) -> None:
        """Write points of a model, neighbours in one request, and fetch them again.

        Raises:
            DeviceRefusedError: the model has no such point, the value does not fit, or the device says no.
        """
        held = self._models()[model][0]
        for name, value in values.items():
            point = held.points.get(name)
            if point is None:
                raise DeviceRefusedError(f"model {model} has no point {name}")
            try:
                if point.sf_required:
                    point.cvalue = value
                else:
                    point.value = round(value)
            except (ModelError, TypeError, ValueError) as error:
                raise DeviceRefusedError(f"model {model}, point {name}: {error}") from None
        try:
            held.write()
        except DeviceRefusedError:
            raise
        except Exception as error:
            if isinstance(error, DeviceLostError):
                raise
            raise DeviceRefusedError(f"model {model}: {error}") from None
        self.fetch(model, tuple(values))
