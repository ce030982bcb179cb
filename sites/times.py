"""Time inside the program: aware UTC instants and grids of intervals labelled by their start.

A site's own time zone is used only where a person reads or writes a time. Local times that do not exist or exist
twice (the two nights of a clock change) are refused unless an offset is given, never guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from sites.errors import InputError

HOUR = timedelta(hours=1)
FIRST_YEAR, LAST_YEAR = 1950, 2199
"""Years that a time may be of: further off it is a slip, and its local time may not exist."""


def require_utc(moment: datetime) -> datetime:
    """Return ``moment`` in UTC.

    Raises:
        ValueError: the moment has no time zone, or is centuries away.
    """
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset: write 2025-06-01T12:00:00Z")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year {moment.year} is not meant: give one from {FIRST_YEAR} to {LAST_YEAR}")
    return moment.astimezone(UTC)


Utc = Annotated[datetime, AfterValidator(require_utc)]
"""A pydantic field that takes any aware time and holds it in UTC."""


def parse_time(text: str, zone: str, *, source: str, field: str) -> datetime:
    """Read an ISO 8601 time; one without offset is local time of ``zone``. Returns aware UTC.

    Raises:
        InputError: not a time, one centuries away, or a local time that a clock change makes ambiguous or skips.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError.single(
            source=source, field=field, found=text, mend="write an ISO time such as 2025-06-01T12:00:00Z"
        ) from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InputError.single(
            source=source, field=field, found=text, mend=f"give a year from {FIRST_YEAR} to {LAST_YEAR}"
        )
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    early = moment.replace(tzinfo=ZoneInfo(zone), fold=0)
    late = moment.replace(tzinfo=ZoneInfo(zone), fold=1)
    if early.utcoffset() != late.utcoffset():
        kind = "happens twice" if early.astimezone(UTC) < late.astimezone(UTC) else "does not exist"
        offsets = " or ".join(sorted({early.isoformat()[-6:], late.isoformat()[-6:]}))
        raise InputError.single(
            source=source,
            field=field,
            found=text,
            mend=f"this local time {kind} in {zone} (clock change); give the offset: {offsets}",
        )
    return early.astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class TimeGrid:
    """Consecutive intervals, labelled by their start."""

    start_utc: datetime
    """Start of the first interval (aware UTC)."""
    hours: tuple[float, ...]
    """Length of each interval in hours, all positive."""

    def __post_init__(self) -> None:
        if self.start_utc.tzinfo is None or self.start_utc.utcoffset() != timedelta(0):
            raise ValueError("a grid starts at an aware UTC time")
        if not self.hours or min(self.hours) <= 0:
            raise ValueError("a grid has at least one interval, each of positive length")

    def __len__(self) -> int:
        return len(self.hours)

    @property
    def offsets_h(self) -> tuple[float, ...]:
        """Hours from the start to each interval's start, one more than intervals (the last is the end)."""
        return tuple(accumulate(self.hours, initial=0.0))

    @property
    def starts_utc(self) -> tuple[datetime, ...]:
        """Start of each interval."""
        return tuple(self.start_utc + offset * HOUR for offset in self.offsets_h[:-1])

    @property
    def end_utc(self) -> datetime:
        """End of the last interval."""
        return self.start_utc + sum(self.hours) * HOUR

    def index_at(self, moment: datetime) -> int:
        """Return the interval that holds ``moment``, clipped to the first and the last."""
        offset_h = (moment - self.start_utc) / HOUR
        return min(max(bisect_right(self.offsets_h, offset_h + 1e-9) - 1, 0), len(self) - 1)


def uniform_grid(start_utc: datetime, *, hours: float, steps: int) -> TimeGrid:
    """Return ``steps`` equal intervals of ``hours`` each."""
    return TimeGrid(start_utc=start_utc, hours=(hours,) * steps)


def planning_grid(start_utc: datetime, *, horizon_h: float = 48.0) -> TimeGrid:
    """Return the production grid: 16 x 15 min, then 40 x 30 min, then hours up to ``horizon_h``."""
    lengths: list[float] = []
    left = horizon_h
    for count, hours in ((16, 0.25), (40, 0.5), (10_000, 1.0)):
        for _ in range(count):
            if left <= 1e-9:
                return TimeGrid(start_utc=start_utc, hours=tuple(lengths))
            lengths.append(min(hours, left))
            left -= hours
    return TimeGrid(start_utc=start_utc, hours=tuple(lengths))
