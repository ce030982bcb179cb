"""What a site knows of its own past: plain series, as the store or the simulated plant hands them over.

A value that is missing is NaN, never zero. A PV sample is ``curtailed`` when the plant was held below what the
sun gave (battery full, ramp limit, frequency shift): its power says nothing about the sky, and nothing here
learns from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sites.series import TimeSeries


@dataclass(frozen=True, kw_only=True)
class History:
    """Measurements up to some moment; series may end earlier or be absent."""

    pv_kw: TimeSeries | None = None
    """Measured AC power of the PV plant; NaN where missing."""
    pv_curtailed: tuple[bool, ...] = ()
    """Whether each sample of ``pv_kw`` was held back; empty = none was."""
    outdoor_c: TimeSeries | None = None
    """Measured outdoor temperature; NaN where missing."""
    rates_rps: Mapping[str, TimeSeries] = field(default_factory=dict)
    """Measured request rate by service; NaN where missing."""


NOTHING = History()
"""The past of a site that was switched on this minute."""
