"""How the equipment of a site is reached: one entry a device on a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from sites.errors import InputFault, shorten
from sites.schema.base import Name, Positive, Section


class Kind(StrEnum):
    """Kind of power equipment."""

    BATTERY = "battery"
    """Battery inverter: it forms the island's grid."""
    BMS = "bms"
    """Battery management system."""
    PV = "pv"
    METER = "meter"
    GENSET = "genset"
    COOLING = "cooling"
    TANK = "tank"
    PDU = "pdu"
    UPS = "ups"
    SAFETY = "safety"
    """Contacts: emergency stop and fire."""


class Equipment(Section):
    """One device and its driver."""

    name: Name
    """Name of the device, in alarms and records."""
    kind: Kind
    """What it is, which says what is read from and written to it."""
    driver: Literal["sunspec", "register-map"]
    """``sunspec`` describes itself; ``register-map`` is described by a file."""
    address: str
    """``tcp://HOST:PORT`` or ``rtu:///dev/ttyUSB0?baud=9600&parity=N&stop=1``; devices with one address share the line."""
    unit: int = Field(default=1, ge=0, le=255)
    """Modbus unit id."""
    map: str = ""
    """Register map: a file beside the site file, or the name of one that ships with the program."""
    of: str = ""
    """What it belongs to: a genset's name in ``gensets``, a PDU's pool, what a meter measures (load, it, cooling, unserved)."""
    rating_kw: Positive | None = None
    """Rating of an inverter that does not tell its own."""
    poll_s: float = Field(default=1.0, ge=0.05, le=600)
    """Time between two polls."""
    timeout_s: float = Field(default=1.0, ge=0.05, le=30)
    """How long the line waits for an answer."""
    stale_s: float = Field(default=10.0, ge=0.1, le=3600)
    """Age beyond which what it told is not believed."""

    @field_validator("address")
    @classmethod
    def _line(cls, value: str) -> str:
        parts = urlsplit(value)
        if not ((parts.scheme == "tcp" and parts.hostname) or (parts.scheme == "rtu" and parts.path)):
            raise ValueError("write tcp://HOST:PORT or rtu:///dev/ttyUSB0?baud=9600")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Equipment:
        if self.driver == "register-map" and not self.map:
            raise ValueError("a register-map device needs its map")
        if self.driver == "sunspec" and self.kind not in (Kind.BATTERY, Kind.PV, Kind.METER):
            raise ValueError("the sunspec driver knows kinds battery, pv and meter")
        if self.kind is Kind.METER and self.of not in METERED:
            raise ValueError(f"a meter says what it measures: of: {', '.join(METERED)}")
        return self


class Node(Section):
    """One host that can be powered off and on."""

    name: Name
    pool: Name
    driver: Literal["redfish", "outlet", "slurm"]
    """``redfish`` by its BMC, ``outlet`` by a PDU under ``equipment``, ``slurm`` by Slurm's power saving."""
    address: str = Field(default="", pattern=r"^(https?://.+)?$")
    """Of the BMC."""
    system: str = ""
    """The BMC's name of the host; the first that it lists if empty."""
    user: str = ""
    password_env: str = ""
    """Environment variable that holds the BMC's password."""
    verify: bool = True
    """Whether the BMC's certificate has to be a known one."""
    pdu: str = ""
    """Name of the PDU."""
    outlet: int = Field(default=1, ge=1, le=64)
    slurm_name: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")
    """Its NodeName in Slurm, where that is not ``name``."""
    answers: str = Field(default="", pattern=r"^([^:/ ]+:\d+)?$")
    """``HOST:PORT`` that takes connections once the host works, e.g. its SSH; without, a powered host counts as up."""

    @model_validator(mode="after")
    def _whole(self) -> Node:
        if self.driver == "redfish" and not self.address:
            raise ValueError("a redfish node needs the address of its BMC")
        if self.driver == "outlet" and not self.pdu:
            raise ValueError("an outlet node names its PDU")
        return self

    @property
    def in_slurm(self) -> str:
        """Its name in Slurm."""
        return self.slurm_name or self.name


METERED = ("load", "it", "cooling", "unserved")


def equipment_faults(
    equipment: tuple[Equipment, ...],
    nodes: tuple[Node, ...],
    *,
    gensets: tuple[str, ...],
    pools: dict[str, int],
    source: str,
) -> Iterator[InputFault]:
    """Yield what is wrong between devices, or between them and the rest of the site.

    ``pools`` has the number of nodes of each pool.
    """
    yield from _node_faults(equipment, nodes, pools=pools, source=source)
    for name, count in Counter(each.name for each in equipment).items():
        if count > 1:
            mend = "give each its own name"
            yield InputFault(source=source, field="devices.equipment", found=f"{name!r} {count} times", mend=mend)
    for place, count in Counter((each.address, each.unit, each.kind) for each in equipment).items():
        if count > 1:
            found = f"{place[2]} at {place[0]} unit {place[1]}, {count} times"
            yield InputFault(source=source, field="devices.equipment", found=found, mend="give each its own unit id")
    owners = {Kind.GENSET: gensets, Kind.PDU: tuple(pools)}
    for index, each in enumerate(equipment):
        known = owners.get(each.kind)
        if known is not None and each.of not in known:
            listed = ", ".join(known) or "none is described"
            yield InputFault(
                source=source,
                field=f"devices.equipment[{index}].of",
                found=shorten(each.of),
                mend=f"name one of: {listed}",
            )


def _node_faults(
    equipment: tuple[Equipment, ...], nodes: tuple[Node, ...], *, pools: dict[str, int], source: str
) -> Iterator[InputFault]:
    pdus = {each.name for each in equipment if each.kind is Kind.PDU}
    for name, count in Counter(each.name for each in nodes).items():
        if count > 1:
            found = f"{name!r} {count} times"
            yield InputFault(source=source, field="devices.nodes", found=found, mend="give each its own name")
    for pool, count in Counter(each.pool for each in nodes).items():
        if count != pools.get(pool):
            mend = f"pool {pool} has {pools[pool]} nodes: list them all" if pool in pools else "name a pool of the site"
            found = f"{count} nodes of {pool}"
            yield InputFault(source=source, field="devices.nodes", found=found, mend=mend)
    for index, node in enumerate(nodes):
        if node.driver == "outlet" and node.pdu not in pdus:
            listed = ", ".join(sorted(pdus)) or "none is listed under devices.equipment"
            yield InputFault(
                source=source,
                field=f"devices.nodes[{index}].pdu",
                found=shorten(node.pdu),
                mend=f"name one of: {listed}",
            )
