"""A Modbus line: one TCP connection or one serial port, shared by all devices behind it (pymodbus).

One request at a time. Whatever goes wrong on the line closes it; the next request opens it again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError

READ_MAX, READ_BITS_MAX, WRITE_MAX = 120, 1968, 120
"""Registers and bits in a request. The protocol allows 125, 2000 and 123; some devices a little less."""
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
"""pymodbus writes a page for each answer that does not come; who calls the line says it once."""
EXCEPTIONS = {
    1: "it does not know this function",
    2: "it has no such address",
    3: "it does not take this value",
    4: "it failed",
    5: "it is still at it",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "nobody behind the gateway answers to this unit id",
}


class LineAddress(NamedTuple):
    """Where a line is: ``tcp://host[:port]`` or ``rtu:///dev/ttyUSB0?baud=9600&parity=N&stop=1``."""

    scheme: str
    place: str
    port: int = 502
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1


def parse_address(text: str) -> LineAddress:
    """Return the line that an address names.

    Raises:
        ValueError: not an address of a line.
    """
    parts = urlsplit(text)
    if parts.scheme == "tcp" and parts.hostname and not parts.path.strip("/"):
        return LineAddress("tcp", parts.hostname, parts.port or 502)
    if parts.scheme == "rtu" and parts.path:
        said = {key: values[0] for key, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        unknown = set(said) - {"baud", "parity", "stop"}
        if unknown or said.get("parity", "N") not in ("N", "E", "O"):
            raise ValueError("a serial line takes baud, parity (N, E, O) and stop")
        return LineAddress(
            "rtu", parts.path, 0, int(said.get("baud", 9600)), said.get("parity", "N"), int(said.get("stop", 1))
        )
    raise ValueError("write tcp://HOST:PORT or rtu:///dev/ttyUSB0?baud=9600")


Client = ModbusTcpClient | ModbusSerialClient
Call = Callable[[Client], ModbusPDU]


class ModbusLink:
    """One line."""

    def __init__(self, address: LineAddress, *, timeout_s: float = 1.0) -> None:
        self.address, self._timeout_s = address, timeout_s
        self._lock = threading.Lock()
        self._client: Client | None = None

    def _opened(self) -> Client:
        if self._client is None:
            to = self.address
            client: Client
            if to.scheme == "tcp":
                client = ModbusTcpClient(to.place, port=to.port, timeout=self._timeout_s, retries=0)
            else:
                client = ModbusSerialClient(
                    to.place,
                    framer=FramerType.RTU,
                    baudrate=to.baud,
                    parity=to.parity,
                    stopbits=to.stop_bits,
                    timeout=self._timeout_s,
                    retries=0,
                )
            if not client.connect():
                client.close()  # type: ignore[no-untyped-call]
                raise DeviceLostError(f"{to.place}:{to.port} does not take a connection")
            self._client = client
        return self._client

    def close(self) -> None:
        """Hang up; safe from any thread between requests."""
        with self._lock:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]
            self._client = None

    def _ask(self, call: Call, unit: int) -> ModbusPDU:
        """Return the answer to one request.

        Raises:
            DeviceLostError: no answer in time, or no frame of the protocol.
            DeviceRefusedError: an exception response.
        """
        with self._lock:
            try:
                answer = call(self._opened())
            except (ModbusException, OSError, ValueError, IndexError, AssertionError) as error:
                self._hang_up()
                raise DeviceLostError(f"unit {unit} at {self.address.place}: {error}") from None
        if answer.isError():
            code = int(getattr(answer, "exception_code", 0) or 0)
            text = f"unit {unit} at {self.address.place}: {EXCEPTIONS.get(code, f'exception {code}')}"
            raise (DeviceLostError if code in (10, 11) else DeviceRefusedError)(text)
        return answer

    def read(self, function: int, address: int, count: int, unit: int) -> list[int]:
        """Return ``count`` registers or bits (0 and 1): 1 coils, 2 discrete inputs, 3 holding, 4 input registers."""

        def call(client: Client) -> ModbusPDU:
            ask = {
                1: client.read_coils,
                2: client.read_discrete_inputs,
                3: client.read_holding_registers,
                4: client.read_input_registers,
            }[function]
            answer: ModbusPDU = ask(address, count=count, device_id=unit)
            return answer

        answer = self._ask(call, unit)
        found: Sequence[int | bool] = answer.bits if function in (1, 2) else answer.registers
        if len(found) < count:
            raise DeviceLostError(f"unit {unit} at {self.address.place} sent {len(found)} of {count} values")
        return [int(each) for each in found[:count]]

    def write(self, function: int, address: int, values: Sequence[int], unit: int) -> None:
        """Write registers or coils: 5 and 15 coils, 6 and 16 registers."""

        def call(client: Client) -> ModbusPDU:
            answer: ModbusPDU
            if function == 5:
                answer = client.write_coil(address, bool(values[0]), device_id=unit)
            elif function == 6:
                answer = client.write_register(address, values[0], device_id=unit)
            elif function == 15:
                answer = client.write_coils(address, [bool(each) for each in values], device_id=unit)
            else:
                answer = client.write_registers(address, list(values), device_id=unit)
            return answer

        self._ask(call, unit)
