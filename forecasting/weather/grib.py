"""Irradiance and temperature out of a GRIB file for one place, as weather services send them to ships and outposts.

Read are, at the nearest grid point: ``ssrd``, surface solar radiation downwards, accumulated from the start of
the run [J/m2] (ECMWF parameter 169), whose differences over the steps are interval means; and ``2t``, air
temperature [K], whose instants are averaged over the step. The run's own date and time is the issue time; the
interval's label is its start by construction. Needs the optional package ``eccodes`` (``pip install
offgrid-mdc[grib]``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from forecasting.nwp import NwpRun
from sites.series import TimeSeries

KELVIN = 273.15


class GribError(Exception):
    """A file that gives no run; the text says why."""


@dataclass(frozen=True, kw_only=True)
class GribValue:
    """One field's value at the place."""

    name: str
    """Short name, e.g. ssrd."""
    issued_utc: datetime
    """Date and time of the run."""
    step_h: int
    """Hours from the run to the value (the end of an accumulation)."""
    value: float
    """In the field's own unit."""


def read_grib(file: Path, *, latitude_deg: float, longitude_deg: float, source: str) -> NwpRun:
    """Return the newest run in a GRIB file.

    Raises:
        GribError: eccodes is not installed, the file cannot be read, or it holds no accumulated irradiance.
    """
    values = list(_values(file, latitude_deg, longitude_deg))
    runs = {value.issued_utc for value in values if value.name == "ssrd"}
    if not runs:
        raise GribError(f"{file.name} holds no ssrd (surface solar radiation downwards)")
    issued = max(runs)
    energy = {0: 0.0} | {v.step_h: v.value for v in values if v.name == "ssrd" and v.issued_utc == issued}
    steps = sorted(energy)
    lengths = {b - a for a, b in pairwise(steps)}
    if len(steps) < 2 or len(lengths) != 1:
        raise GribError(f"{file.name}: steps of ssrd are not equally spaced: {steps[:8]}")
    hours = lengths.pop()
    ghi = tuple(max(0.0, (energy[b] - energy[a]) / (hours * 3600.0)) for a, b in pairwise(steps))
    air = {v.step_h: v.value - KELVIN for v in values if v.name == "2t" and v.issued_utc == issued}
    temp = tuple((air[a] + air[b]) / 2 if a in air and b in air else math.nan for a, b in pairwise(steps))
    return NwpRun(
        source=source,
        issued_utc=issued,
        ghi_w_m2=TimeSeries(start_utc=issued, step_s=hours * 3600.0, values=ghi),
        temp_air_c=TimeSeries(start_utc=issued, step_s=hours * 3600.0, values=temp) if air else None,
    )


def _values(file: Path, latitude_deg: float, longitude_deg: float) -> Iterator[GribValue]:
    try:
        import eccodes
    except ImportError as error:
        raise GribError("GRIB files need eccodes: pip install offgrid-mdc[grib]") from error
    try:
        with file.open("rb") as stream:
            while (message := eccodes.codes_grib_new_from_file(stream)) is not None:
                try:
                    name = str(eccodes.codes_get(message, "shortName"))
                    if name not in ("ssrd", "2t"):
                        continue
                    date, clock = eccodes.codes_get(message, "dataDate"), eccodes.codes_get(message, "dataTime")
                    issued = datetime.strptime(f"{date:08d}{clock:04d}", "%Y%m%d%H%M").replace(tzinfo=UTC)
                    nearest = eccodes.codes_grib_find_nearest(message, latitude_deg, longitude_deg)[0]
                    yield GribValue(
                        name=name,
                        issued_utc=issued,
                        step_h=round(eccodes.codes_get(message, "endStep") * _step_hours(message)),
                        value=float(nearest["value"]),
                    )
                finally:
                    eccodes.codes_release(message)
    except (OSError, eccodes.CodesInternalError, ValueError) as error:
        raise GribError(f"{file.name}: {type(error).__name__} {error}") from error


def _step_hours(message: int) -> float:
    """Return the length in hours of the unit that a message counts its steps in."""
    import eccodes

    unit = str(eccodes.codes_get(message, "stepUnits", ktype=str))
    lengths = {"h": 1.0, "1": 1.0, "m": 1 / 60, "0": 1 / 60, "D": 24.0, "2": 24.0, "s": 1 / 3600}
    return timedelta(hours=lengths[unit]) / timedelta(hours=1)
