"""A device described by a register map, on a Modbus line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError, Found
from controller.devices.power.link import READ_BITS_MAX, READ_MAX, ModbusLink
from controller.devices.power.points import decoded, order_words, same_value
from controller.devices.power.register_map import Point, RegisterMap
from controller.devices.power.signals import Value, Values
from sites.schema.equipment import Kind


@dataclass(frozen=True, kw_only=True)
class Block:
    """Points that are read in one request."""

    function: int
    address: int
    count: int
    points: tuple[tuple[str, Point], ...]


def blocks(described: RegisterMap, group: str) -> tuple[Block, ...]:
    """Return the requests that read a poll group: neighbours together, as far as the protocol allows."""
    made: list[Block] = []
    for function in (1, 2, 3, 4):
        most = READ_BITS_MAX if function in (1, 2) else READ_MAX
        wanted = [
            (name, point)
            for name, point in described.points.items()
            if point.function == function and point.group == group and point.polled
        ]
        for name, point in sorted(wanted, key=lambda each: each[1].address):
            last = made[-1] if made and made[-1].function == function else None
            if last is not None and point.address <= last.address + last.count + described.gap:
                count = max(last.count, point.address + point.count - last.address)
                if count <= most:
                    made[-1] = Block(
                        function=function, address=last.address, count=count, points=(*last.points, (name, point))
                    )
                    continue
            made.append(Block(function=function, address=point.address, count=point.count, points=((name, point),)))
    return tuple(made)


class MappedDevice:
    """Driver by a register map."""

    def __init__(
        self, name: str, described: RegisterMap, link: ModbusLink, unit: int, monotonic_s: Callable[[], float]
    ) -> None:
        self.name, self.map = name, described
        self._link, self._unit, self._now_s = link, unit, monotonic_s
        self._blocks = {group: blocks(described, group) for group in described.groups}
        self._due_s: dict[str, float] = {}
        self._values: dict[str, Value] = {}
        self._lock = threading.Lock()
        """A PDU is read by its own thread and switched by that of the hosts."""

    @property
    def kind(self) -> Kind:
        return self.map.kind

    @property
    def orders(self) -> frozenset[str]:
        return frozenset(name for name, point in self.map.points.items() if point.write is not None)

    def read(self, *, whole: bool = False) -> Values:
        """Return all signals: the groups that are due from the device, the others as they were read last."""
        with self._lock:
            return self._read(whole=whole)

    def _read(self, *, whole: bool) -> Values:
        now_s = self._now_s()
        for group, every_s in self.map.groups.items():
            if not whole and now_s < self._due_s.get(group, now_s) - 0.05 * every_s:
                continue
            for block in self._blocks[group]:
                self._take(block)
            self._due_s[group] = now_s + every_s
        return dict(self._values)

    def _take(self, block: Block) -> None:
        """Read one block; where the device has no such registers, its signals are absent."""
        try:
            words = self._link.read(block.function, block.address, block.count, self._unit)
        except DeviceRefusedError:
            words = None
        except DeviceLostError:
            self._values.clear()
            self._due_s.clear()
            raise
        for name, point in block.points:
            at = point.address - block.address
            value = None if words is None else decoded(point, words[at : at + point.count])
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value

    def write(self, order: str, value: Value) -> Found:
        with self._lock:
            return self._write(order, value)

    def _write(self, order: str, value: Value) -> Found:
        point = self.map.points.get(order)
        if point is None or point.write is None:
            raise DeviceRefusedError(f"{self.name} takes no order {order}")
        try:
            words = order_words(point, value)
        except ValueError as error:
            raise DeviceRefusedError(f"{self.name}: {error}") from None
        address = point.address if point.write.address is None else point.write.address
        if point.type == "bit" and point.write.function in (6, 16):
            (there,) = self._link.read(3, address, 1, self._unit)
            words = [there & ~(1 << point.bit) | words[0]]
        self._link.write(point.write.function, address, words, self._unit)
        if not point.write.read_back:
            return Found(None, True)
        seen = decoded(point, self._link.read(point.function, point.address, point.count, self._unit))
        if seen is not None:
            self._values[order] = seen
        return Found(seen, seen is not None and same_value(point, value, seen))

    def same(self, order: str, asked: Value, found: Value) -> bool:
        return same_value(self.map.points[order], asked, found)

    def beat(self) -> None:
        """Nothing: a register map has no heartbeat."""

    def release(self) -> None:
        """Write the safe value of every point that has one."""
        for name, point in self.map.points.items():
            if point.write is not None and point.write.safe is not None:
                self.write(name, point.write.safe)

    def close(self) -> None:
        self._link.close()
