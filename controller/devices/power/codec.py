"""Numbers in Modbus registers.

A number of ``n`` registers is ``2n`` bytes. Modbus sends the high byte of a register first, and most devices the
high register first (``byte_order: big``, ``word_order: big``); whatever is the other way round is said in the map.

    value = raw * scale + offset        raw = round((value - offset) / scale)

A raw number that the map lists as a sentinel means "not implemented" or "not known": there is no value.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Literal

PointType = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool", "bit"]
Order = Literal["big", "little"]
FORMATS: dict[str, str] = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
RANGES: dict[str, tuple[int, int]] = {
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (16, 32, 64)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in (16, 32, 64)},
}


def registers(kind: str) -> int:
    """Return how many registers a number takes; 1 for a coil or a bit."""
    return struct.calcsize(f">{FORMATS[kind]}") // 2 if kind in FORMATS else 1


def _swapped(words: Sequence[int], byte_order: Order, word_order: Order) -> list[int]:
    ordered = list(words) if word_order == "big" else list(reversed(words))
    if byte_order == "big":
        return ordered
    return [(word & 0xFF) << 8 | word >> 8 for word in ordered]


def raw_number(words: Sequence[int], kind: str, *, byte_order: Order = "big", word_order: Order = "big") -> int | float:
    """Return the number in ``words``, unscaled."""
    packed = struct.pack(f">{len(words)}H", *_swapped(words, byte_order, word_order))
    number: int | float = struct.unpack(f">{FORMATS[kind]}", packed)[0]
    return number


def words_of(raw: float, kind: str, *, byte_order: Order = "big", word_order: Order = "big") -> list[int]:
    """Return a raw number as registers.

    Raises:
        ValueError: it does not fit.
    """
    number: int | float = raw
    if kind in RANGES:
        number = round(raw)
        low, high = RANGES[kind]
        if not low <= number <= high:
            raise ValueError(f"{number} does not fit into {kind}")
    packed = struct.pack(f">{FORMATS[kind]}", number)
    words = list(struct.unpack(f">{len(packed) // 2}H", packed))
    return _swapped(words, byte_order, word_order)


def scaled(raw: float, *, scale: float = 1.0, offset: float = 0.0, sentinels: Sequence[int] = ()) -> float | None:
    """Return the value of a raw number; none for a sentinel and for what is no number."""
    if math.isnan(raw) or math.isinf(raw) or any(raw == each for each in sentinels):
        return None
    return raw * scale + offset


def unscaled(value: float, *, scale: float = 1.0, offset: float = 0.0) -> float:
    """Return the raw number that stands for a value."""
    return (value - offset) / scale
