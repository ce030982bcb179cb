"""The one error type for input from outside: a file, a command line, a device map, a stored document.

Every fault names where it was found, which field, what stood there and what would be right, so that the person who
reads it can mend it without opening the source. All faults of one input are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class InputFault:
    """One thing that is wrong with an input."""

    source: str
    """File name, command-line option or document the input came from."""
    field: str
    """Path of the field inside the source, e.g. ``gensets[0].rating_kw``; empty for the whole source."""
    found: str
    """What stood there, shortened."""
    mend: str
    """What is allowed, said as a thing to do."""

    def __str__(self) -> str:
        place = f"{self.source}: {self.field}" if self.field else self.source
        return f"{place}: found {self.found}; {self.mend}"


class InputError(ValueError):
    """Input that cannot be used. Carries every fault found; nothing was written."""

    def __init__(self, faults: Iterable[InputFault]) -> None:
        self.faults: tuple[InputFault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def single(cls, *, source: str, field: str, found: object, mend: str) -> Self:
        """Return an error with one fault; ``found`` is shown with ``repr`` and shortened to 80 characters."""
        return cls([InputFault(source=source, field=field, found=shorten(found), mend=mend)])


def shorten(found: object, length: int = 80) -> str:
    """Return ``repr(found)`` cut to ``length`` characters."""
    text = repr(found)
    return text if len(text) <= length else text[: length - 1] + "…"
