"""Time series as plain numbers: what the planning worker prepares and the control loop reads without numpy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class TimeSeries:
    """Equally spaced interval means, labelled by interval start."""

    start_utc: datetime
    """Start of the first interval (aware UTC)."""
    step_s: float
    """Length of an interval in seconds."""
    values: tuple[float, ...]
    """Mean of each interval, in the unit that the holder's field name states."""

    @property
    def end_utc(self) -> datetime:
        """End of the last interval."""
        return self.start_utc + timedelta(seconds=self.step_s * len(self.values))

    def at(self, moment: datetime) -> float:
        """Return the value of the interval that holds ``moment``.

        Raises:
            IndexError: the moment lies outside the series.
        """
        index = int((moment - self.start_utc).total_seconds() // self.step_s)
        if not 0 <= index < len(self.values):
            raise IndexError(
                f"{moment.isoformat()} is outside {self.start_utc.isoformat()} .. {self.end_utc.isoformat()}"
            )
        return self.values[index]

    def mean(self, start_utc: datetime, end_utc: datetime) -> float:
        """Return the time-weighted mean between two moments inside the series.

        Raises:
            IndexError: the span reaches outside the series.
        """
        first_s = (start_utc - self.start_utc).total_seconds()
        last_s = (end_utc - self.start_utc).total_seconds()
        if first_s < -1e-6 or last_s > self.step_s * len(self.values) + 1e-6 or last_s <= first_s:
            raise IndexError(f"{start_utc.isoformat()} .. {end_utc.isoformat()} is not inside the series")
        total = 0.0
        index = int(first_s // self.step_s)
        while index < len(self.values) and index * self.step_s < last_s - 1e-9:
            share_s = min(last_s, (index + 1) * self.step_s) - max(first_s, index * self.step_s)
            total += self.values[index] * share_s
            index += 1
        return total / (last_s - first_s)
