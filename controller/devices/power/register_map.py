"""Register maps: a device described in YAML, read and checked as a whole.

    name: my-meter
    kind: meter
    source: manual 4711, table 3          # where the facts come from
    groups: {fast: 1, slow: 30}           # name: seconds between two polls
    points:
      power_kw: {function: 3, address: 100, type: int32, scale: 0.001, unit: kW, group: fast}
      limit_kw: {function: 3, address: 200, type: uint16, scale: 0.1, unit: kW, group: slow,
                 write: {function: 16, limits: [0, 50]}}

Addresses are those on the wire, counted from 0. Functions: 1 coils, 2 discrete inputs, 3 holding registers, 4 input
registers. A point's name is a signal (:mod:`controller.devices.power.signals`) or the map's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from controller.devices.power.codec import Order, PointType, registers
from controller.devices.power.signals import takes, unit_of
from sites.errors import InputError, InputFault, shorten
from sites.load import parse_yaml, validation_faults
from sites.schema.base import Name, Section
from sites.schema.equipment import Kind

State = bool | str


class Write(Section):
    """How a point is written."""

    function: Literal[5, 6, 15, 16]
    """5 and 15 write coils, 6 and 16 registers."""
    address: int | None = Field(default=None, ge=0, le=65535)
    """Where; where it is read if absent."""
    limits: tuple[float, float] | None = None
    """Smallest and largest value that is ever written; numbers need them."""
    words: dict[str, tuple[int, ...]] = Field(default={})
    """Words sent for ``on`` and ``off``: control keys instead of a number."""
    read_back: bool = True
    """Whether the point itself shows what was written; one that does not is never polled."""
    safe: float | bool | None = None
    """Value that leaves the device in its safe default; nothing is written on release if absent."""

    @field_validator("limits")
    @classmethod
    def _in_order(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError("write the smaller limit first")
        return value


class Point(Section):
    """One value of the device."""

    function: Literal[1, 2, 3, 4] = 3
    address: int = Field(ge=0, le=65535)
    type: PointType = "uint16"
    """``bool`` is a coil or a discrete input, ``bit`` one bit of a register."""
    bit: int = Field(default=0, ge=0, le=15)
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    byte_order: Order = "big"
    word_order: Order = "big"
    sentinels: tuple[int, ...] = ()
    """Raw numbers that mean "not implemented" or "not known"."""
    states: dict[int, State] = Field(default={})
    """What raw numbers stand for; a number that is not listed is not known."""
    group: str = "fast"
    """Poll group."""
    write: Write | None = None

    @property
    def count(self) -> int:
        """Registers or bits that it takes."""
        return registers(self.type)

    @property
    def polled(self) -> bool:
        """Whether it is read at all."""
        return self.write is None or self.write.read_back

    @field_validator("scale")
    @classmethod
    def _some_scale(cls, value: float) -> float:
        if value == 0.0:
            raise ValueError("a scale of 0 makes every reading 0; write the value of one count")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Point:
        if (self.type == "bool") != (self.function in (1, 2)):
            raise ValueError("functions 1 and 2 read type bool, functions 3 and 4 every other type")
        if self.address + self.count > 65536:
            raise ValueError("it reaches beyond the last address, 65535")
        if self.write is None:
            return self
        if self.write.function in (5, 15) and self.type != "bool":
            raise ValueError("functions 5 and 15 write coils: type bool")
        if self.write.function == 6 and self.count > 1 and not self.write.words:
            raise ValueError("function 6 writes one register; use 16")
        if self.type in ("bool", "bit") or self.write.words:
            return self
        if self.write.limits is None:
            raise ValueError("a number that can be written needs write.limits: [smallest, largest]")
        return self


class RegisterMap(Section):
    """A device."""

    name: Name
    kind: Kind
    description: str = ""
    source: str = Field(min_length=5)
    """Where the register list comes from."""
    groups: dict[str, float] = Field(default={"fast": 1.0})
    """Seconds between two polls of each group."""
    gap: int = Field(default=0, ge=0, le=100)
    """Unused registers that may be read along to save a request; 0 for devices that refuse holes."""
    points: dict[str, Point] = Field(min_length=1)


def load_map(name: str, folder: Path | None = None) -> RegisterMap:
    """Return a register map: a file beside the site file, or one that ships with the program.

    Raises:
        InputError: with everything that is wrong with it.
    """
    packaged = Path(str(resources.files(__package__))) / "maps"
    wanted = [folder / name] if folder is not None else []
    for file in (*wanted, packaged / f"{name}.yaml"):
        if file.is_file():
            return parse_map(file.read_text(encoding="utf-8"), source=file.name)
    known = ", ".join(sorted(each.stem for each in packaged.glob("*.yaml")))
    raise InputError.single(
        source=name, field="", found="no such register map", mend=f"give a file beside the site file or one of: {known}"
    )


def parse_map(text: str, *, source: str) -> RegisterMap:
    """Read and check a register map.

    Raises:
        InputError: with all faults at once: of single points, between points, of the map.
    """
    document = parse_yaml(text, source=source)
    try:
        read = RegisterMap.model_validate(document)
    except ValidationError as error:
        raise InputError([*validation_faults(error, source=source), *_cross_faults(document, source)]) from error
    faults = list(_cross_faults(document, source))
    if faults:
        raise InputError(faults)
    return read


PLACE = ("function", "address", "type", "bit", "states", "group", "unit")
"""What says where a point lies and among which others."""


def _good_points(document: Any) -> dict[str, Point]:
    """Return the points that are right by themselves, or at least in where they lie: one fault must not hide another."""
    found = document.get("points") if isinstance(document, dict) else None
    good = {}
    for name, entry in found.items() if isinstance(found, dict) else ():
        for said in (entry, _part(entry, PLACE), _part(entry, PLACE[:-2])):
            try:
                good[str(name)] = Point.model_validate(said)
            except ValidationError:
                continue
            break
    return good


def _part(entry: Any, names: tuple[str, ...]) -> Any:
    return {key: value for key, value in entry.items() if key in names} if isinstance(entry, dict) else entry


def _cross_faults(document: Any, source: str) -> Iterator[InputFault]:
    """Yield what no single point can see."""
    points = _good_points(document)
    yield from _overlaps(points, source)
    groups = document.get("groups", {"fast": 1.0}) if isinstance(document, dict) else {}
    kind = document.get("kind") if isinstance(document, dict) else None
    for name, point in points.items():
        field = f"points.{name}"
        if isinstance(groups, dict) and point.group not in groups:
            mend = f"name one of the groups: {', '.join(map(str, groups))}"
            yield InputFault(source=source, field=f"{field}.group", found=shorten(point.group), mend=mend)
        if (unit := unit_of(name)) and point.unit != unit:
            mend = f"a signal of this name is in {unit}: scale it so and write unit: {unit!r}"
            yield InputFault(source=source, field=f"{field}.unit", found=shorten(point.unit), mend=mend)
        known = isinstance(kind, str) and kind in set(Kind)
        if point.write is not None and known and not takes(Kind(str(kind)), name):
            mend = f"equipment of kind {kind} takes no such order; remove write"
            yield InputFault(source=source, field=f"{field}.write", found=shorten(name), mend=mend)
    for group, every_s in groups.items() if isinstance(groups, dict) else ():
        if isinstance(every_s, int | float) and every_s <= 0:
            yield InputFault(
                source=source, field=f"groups.{group}", found=shorten(every_s), mend="poll it now and then"
            )


def _overlaps(points: dict[str, Point], source: str) -> Iterator[InputFault]:
    for function in (1, 2, 3, 4):
        placed = sorted((point.address, name, point) for name, point in points.items() if point.function == function)
        for (_, left_name, left), (_, right_name, right) in pairwise(placed):
            bits = left.type == right.type == "bit" and left.bit != right.bit
            states = bool(left.states and right.states) and left.address == right.address and left.type == right.type
            if right.address < left.address + left.count and not bits and not states:
                yield InputFault(
                    source=source,
                    field=f"points.{right_name}.address",
                    found=str(right.address),
                    mend=f"points.{left_name} takes {left.address}..{left.address + left.count - 1}; mend one of them",
                )
