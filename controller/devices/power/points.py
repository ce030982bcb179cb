"""One point of a register map in both directions: registers to a value, a value to registers."""

from __future__ import annotations

from collections.abc import Sequence

from controller.devices.power.codec import raw_number, scaled, unscaled, words_of
from controller.devices.power.register_map import Point
from controller.devices.power.signals import Value


def decoded(point: Point, words: Sequence[int]) -> Value | None:
    """Return the value in the registers (or bits) of a point; none where it is not known."""
    if point.type == "bool":
        return bool(words[0])
    if point.type == "bit":
        (word,) = words
        swapped = (word & 0xFF) << 8 | word >> 8 if point.byte_order == "little" else word
        return bool(swapped >> point.bit & 1)
    raw = raw_number(words, point.type, byte_order=point.byte_order, word_order=point.word_order)
    if point.states:
        return point.states.get(int(raw))
    return scaled(raw, scale=point.scale, offset=point.offset, sentinels=point.sentinels)


def encoded(point: Point, value: Value | None) -> list[int]:
    """Return a value as the registers (or bits) of a point; none is its first sentinel.

    Raises:
        ValueError: the value does not fit, or there is no number that stands for it.
    """
    if point.type in ("bool", "bit"):
        return [int(bool(value)) << (point.bit if point.type == "bit" else 0)]
    return words_of(_raw(point, value), point.type, byte_order=point.byte_order, word_order=point.word_order)


def _raw(point: Point, value: Value | None) -> float:
    if value is None and point.sentinels:
        return point.sentinels[0]
    if point.states:
        for raw, state in point.states.items():
            if state == value:
                return raw
        raise ValueError(f"no number stands for {value!r}")
    if value is None or isinstance(value, str):
        raise ValueError(f"{value!r} is no number")
    return unscaled(float(value), scale=point.scale, offset=point.offset)


def limited(point: Point, value: Value) -> Value:
    """Return the value that may be written.

    Raises:
        ValueError: it is beyond the limits of the map.
    """
    limits = point.write.limits if point.write else None
    if limits is None or isinstance(value, str):
        return value
    if not limits[0] <= float(value) <= limits[1]:
        raise ValueError(f"{float(value):g} is beyond the limits {limits[0]:g}..{limits[1]:g} of the map")
    return value


def order_words(point: Point, value: Value) -> list[int]:
    """Return the words that order a value.

    Raises:
        ValueError: there are none.
    """
    write = point.write
    if write is not None and write.words:
        word = value if isinstance(value, str) else "on" if value else "off"
        if word not in write.words:
            raise ValueError(f"no words stand for {word!r}")
        return list(write.words[word])
    return encoded(point, limited(point, value))


def same_value(point: Point, asked: Value, found: Value) -> bool:
    """Return whether two values are one and the same to the resolution of the point."""
    if isinstance(asked, str) or isinstance(found, str) or point.type in ("bool", "bit"):
        return asked == found
    fine = 1e-6 * abs(float(asked)) if point.type.startswith("float") else 0.501 * abs(point.scale)
    return abs(float(asked) - float(found)) <= fine + 1e-9
