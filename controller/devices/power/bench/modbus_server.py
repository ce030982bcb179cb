"""A Modbus TCP server in front of faces: one unit a device, by register map or as SunSpec."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from controller.devices.power.bench.sunspec_image import BASE, SunSpecImage
from controller.devices.power.face import Face
from controller.devices.power.points import decoded, encoded
from controller.devices.power.register_map import Point, RegisterMap
from controller.devices.power.signals import Value

SERIAL_BAUD = 115200
Registers = list[int]
Written = list[int] | list[bool] | None


class Seat(NamedTuple):
    """A device on the server."""

    unit: int
    face: Face
    map: RegisterMap | None = None
    """None = SunSpec."""
    rating_kw: float = 0.0
    models: tuple[int, ...] | None = None
    """SunSpec models; those of its kind if absent."""


def mapped_unit(unit: int, face: Face, described: RegisterMap) -> SimDevice:
    """Return a unit that answers by a register map."""
    reach = {function: _reach(described, function) for function in (1, 2, 3, 4)}

    async def action(
        function: int, start: int, address: int, count: int, registers: Registers, values: Written
    ) -> ExcCodes | None:
        if values is not None:
            return _mapped_write(face, described, function, address, values)
        told = face.tell()
        for name, point in described.points.items():
            if point.polled and point.function == function:
                _put(registers, start, point, told.get(name))
        return None

    bits = [SimData(0, values=[False] * reach[f], datatype=DataType.BITS) for f in (1, 2)]
    words = [SimData(0, count=reach[f], values=0, datatype=DataType.REGISTERS) for f in (3, 4)]
    return SimDevice(unit, simdata=([bits[0]], [bits[1]], [words[0]], [words[1]]), action=action)


def _reach(described: RegisterMap, function: int) -> int:
    """Return how many addresses a function needs, in whole registers of bits."""
    ends = [
        max(point.address, point.write.address or 0 if point.write else 0) + max(point.count, 2)
        for point in described.points.values()
        if point.function == function
    ]
    return (max(ends, default=1) + 15) // 16 * 16


def _put(registers: Registers, start: int, point: Point, value: Value | None) -> None:
    if value is None and not point.sentinels:
        value = False if point.type in ("bool", "bit") else 0.0
    if value is None and point.states:
        return
    words = encoded(point, value)
    if point.type == "bool":
        at, mask = point.address // 16 - start, 1 << point.address % 16
        registers[at] = registers[at] | mask if words[0] else registers[at] & ~mask
        return
    at = point.address - start
    if point.type == "bit":
        registers[at] = registers[at] & ~(1 << point.bit) | words[0]
    else:
        registers[at : at + len(words)] = words


def _mapped_write(
    face: Face, described: RegisterMap, function: int, address: int, values: list[int] | list[bool]
) -> ExcCodes | None:
    words = [int(each) for each in values]
    for name, point in described.points.items():
        if point.write is None or point.write.function != function:
            continue
        at = point.address if point.write.address is None else point.write.address
        if at != address:
            continue
        try:
            face.order(name, _ordered(point, words))
        except ValueError:
            return ExcCodes.ILLEGAL_VALUE
        return None
    return ExcCodes.ILLEGAL_ADDRESS


def _ordered(point: Point, words: list[int]) -> Value:
    if point.write is not None and point.write.words:
        for word, sent in point.write.words.items():
            if list(sent) == words:
                return word == "on"
        raise ValueError("no such key")
    value = decoded(point, words)
    if value is None:
        raise ValueError("no such state")
    return value


def sunspec_unit(unit: int, face: Face, rating_kw: float, models: tuple[int, ...] | None) -> SimDevice:
    """Return a unit that answers as a SunSpec device."""
    image = SunSpecImage(face, rating_kw=rating_kw, models=models)

    async def action(
        function: int, start: int, address: int, count: int, registers: Registers, values: Written
    ) -> ExcCodes | None:
        if values is None:
            registers[: image.count] = image.registers()
            return None
        try:
            image.written(address, [int(each) for each in values])
        except ValueError:
            return ExcCodes.ILLEGAL_ADDRESS
        return None

    block = SimData(BASE, count=image.count, values=0, datatype=DataType.REGISTERS)
    return SimDevice(unit, simdata=[block], action=action)


def sim_device(seat: Seat) -> SimDevice:
    """Return a seat as the server takes it."""
    if seat.map is not None:
        return mapped_unit(seat.unit, seat.face, seat.map)
    return sunspec_unit(seat.unit, seat.face, seat.rating_kw, seat.models)


def nobody() -> SimDevice:
    """Return the unit that answers for all others, as a gateway does: nobody there."""

    async def action(
        function: int, start: int, address: int, count: int, registers: Registers, values: Written
    ) -> ExcCodes | None:
        return ExcCodes.GATEWAY_NO_RESPONSE

    return SimDevice(0, simdata=[SimData(0, count=65535, values=0, datatype=DataType.REGISTERS)], action=action)


class StandInServer:
    """A Modbus TCP server in a thread of its own."""

    def __init__(
        self,
        seats: Mapping[int, tuple[Seat, ...]],
        *,
        host: str = "127.0.0.1",
        serial: Mapping[str, tuple[Seat, ...]] = MappingProxyType({}),
    ) -> None:
        """Serve ``seats`` by port, and by serial port as RTU; a port of 0 takes a free one (:attr:`ports`)."""
        self._seats, self._host, self._serial = dict(seats), host, dict(serial)
        self.ports: list[int] = []
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._servers: list[ModbusTcpServer | ModbusSerialServer] = []
        self._thread = threading.Thread(target=self._run, name="modbus-stand-in", daemon=True)
        self._thread.start()
        self._ready.wait(10.0)
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._open())
        except BaseException as error:
            self._failed = error
            self._ready.set()
            return
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        for port, seats in self._seats.items():
            server = ModbusTcpServer([nobody(), *map(sim_device, seats)], address=(self._host, port))
            if not await server.listen():
                raise OSError(f"port {port} on {self._host} cannot be listened on")
            self._servers.append(server)
            self.ports.append(server.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined, union-attr, unused-ignore]

        for path, seats in self._serial.items():
            line = ModbusSerialServer([nobody(), *map(sim_device, seats)], port=path, baudrate=SERIAL_BAUD)
            if not await line.listen():
                raise OSError(f"{path} cannot be opened")
            self._servers.append(line)

    def call(self, action: Callable[[], None]) -> None:
        """Do something in the server's thread, where faces are read and ordered, and wait for it."""
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(30.0)

    def close(self) -> None:
        """Stop serving."""

        async def shut() -> None:
            for server in self._servers:
                await server.shutdown()  # type: ignore[no-untyped-call]

        asyncio.run_coroutine_threadsafe(shut(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()
