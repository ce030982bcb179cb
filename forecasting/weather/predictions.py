"""Where weather predictions come from: Open-Meteo over HTTP, and a folder into which somebody drops files.

Every source answers with a run or with a fault that says why not; nothing raises into the caller's loop,
nothing missing becomes zero.
Labels: Open-Meteo's irradiances are means of the *preceding* interval (its documentation, "preceding hour"), so
its labels are interval ends. A dropped file states issue time and label in its first lines. How far a source's
labels are off in truth is estimated later from its past (``forecasting.nwp.label_offset_min``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
import pandas as pd

from forecasting.nwp import NwpRun
from forecasting.weather.grib import GribError, read_grib
from sites.ports import Clock
from sites.series import TimeSeries

FaultKind = Literal["unreachable", "slow", "refused", "broken", "truncated", "stale", "unit", "nothing"]
HOURLY = {
    "shortwave_radiation": ("ghi_w_m2", ("W/m²",)),
    "direct_normal_irradiance": ("dni_w_m2", ("W/m²",)),
    "temperature_2m": ("temp_air_c", ("°C",)),
    "relative_humidity_2m": ("humidity_pct", ("%",)),
    "wind_speed_10m": ("wind_m_s", ("m/s",)),
    "surface_pressure": ("pressure_hpa", ("hPa",)),
}
LEAST_HOURS_AHEAD = 6.0
LARGEST_ANSWER_BYTES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class NwpFault:
    """Why a source gave no run."""

    source: str
    """Name of the source."""
    kind: FaultKind
    """What went wrong."""
    text: str
    """The same for a person, with what to do."""


class PredictionSource(Protocol):
    """The port that every source of predictions stands behind."""

    def fetch(self) -> NwpRun | NwpFault:
        """Return the newest run, or why there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class OpenMeteo:
    """Open-Meteo's forecast service, or anything that speaks like it."""

    latitude_deg: float
    """North is positive."""
    longitude_deg: float
    """East is positive."""
    clock: Clock
    """For the issue time and the deadline."""
    address: str = "https://api.open-meteo.com/v1/forecast"
    """Address of the service."""
    days: int = 4
    """Days asked for."""
    deadline_s: float = 10.0
    """Longest time for the whole answer."""
    source: str = "open-meteo"
    """Name in forecasts and scores."""

    def fetch(self) -> NwpRun | NwpFault:
        """Return the run as served now; its issue time is the moment of the answer, since the service states
        none."""
        try:
            body = self._body()
        except _TooSlowError:
            return self._fault("slow", f"no whole answer within {self.deadline_s:g} s; the next try is in an hour")
        except httpx.TimeoutException:
            return self._fault("slow", f"no answer within {self.deadline_s:g} s; the next try is in an hour")
        except httpx.HTTPStatusError as error:
            return self._fault("refused", f"answered {error.response.status_code}; check address and limits")
        except httpx.HTTPError as error:
            return self._fault("unreachable", f"{type(error).__name__}: {error}; check the link")
        return self.read(body)

    def _body(self) -> bytes:
        query = {
            "latitude": f"{self.latitude_deg:.4f}",
            "longitude": f"{self.longitude_deg:.4f}",
            "hourly": ",".join(HOURLY),
            "timeformat": "unixtime",
            "timezone": "UTC",
            "wind_speed_unit": "ms",
            "forecast_days": str(self.days),
            "past_days": "1",
        }
        began_s = self.clock.monotonic_s()
        parts: list[bytes] = []
        with httpx.stream("GET", self.address, params=query, timeout=self.deadline_s) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                parts.append(part)
                if self.clock.monotonic_s() - began_s > self.deadline_s:
                    raise _TooSlowError
                if sum(map(len, parts)) > LARGEST_ANSWER_BYTES:
                    raise httpx.DecodingError("answer is too large")
        return b"".join(parts)

    def read(self, body: bytes) -> NwpRun | NwpFault:
        """Return the run in an answer's body."""
        import json

        try:
            document = json.loads(body)
            hourly, units = document["hourly"], document.get("hourly_units", {})
            times = [int(value) for value in hourly["time"]]
        except ValueError as error:
            return self._fault("truncated" if b"hourly" in body else "broken", f"no whole JSON document: {error}")
        except (KeyError, TypeError) as error:
            return self._fault("broken", f"the answer has no {error}; is this an Open-Meteo address?")
        for name, (_, allowed) in HOURLY.items():
            if name in units and units[name] not in allowed:
                return self._fault("unit", f"{name} comes in {units[name]!r} instead of {allowed[0]!r}")
        return self._run(times, hourly)

    def _run(self, times: list[int], hourly: dict[str, Any]) -> NwpRun | NwpFault:
        irradiance = hourly.get("shortwave_radiation") or []
        if len(times) < 2 or len(irradiance) != len(times):
            return self._fault("truncated", f"{len(irradiance)} values for {len(times)} times")
        step_s = times[1] - times[0]
        if step_s <= 0 or any(b - a != step_s for a, b in pairwise(times)):
            return self._fault("broken", "times are not equally spaced")
        now = self.clock.now_utc()
        last = datetime.fromtimestamp(times[-1], tz=UTC)
        if last < now + timedelta(hours=LEAST_HOURS_AHEAD):
            return self._fault("stale", f"the last value is for {last.isoformat()}")
        parts = {
            field: _series(times[0] - step_s, step_s, hourly.get(name), len(times))
            for name, (field, _) in HOURLY.items()
        }
        ghi = parts.pop("ghi_w_m2")
        if ghi is None or not any(math.isfinite(value) for value in ghi.values):
            return self._fault("nothing", "every irradiance is missing")
        return _run_of(self.source, now, ghi, parts)

    def _fault(self, kind: FaultKind, text: str) -> NwpFault:
        return NwpFault(source=self.source, kind=kind, text=text)


class _TooSlowError(Exception):
    """The answer trickles."""


def _run_of(source: str, issued_utc: datetime, ghi: TimeSeries, parts: Mapping[str, TimeSeries | None]) -> NwpRun:
    return NwpRun(
        source=source,
        issued_utc=issued_utc,
        ghi_w_m2=ghi,
        dni_w_m2=parts.get("dni_w_m2"),
        temp_air_c=parts.get("temp_air_c"),
        humidity_pct=parts.get("humidity_pct"),
        wind_m_s=parts.get("wind_m_s"),
        pressure_hpa=parts.get("pressure_hpa"),
    )


def _series(start_s: float, step_s: float, values: Sequence[Any] | None, count: int) -> TimeSeries | None:
    """Return values as a series, NaN where missing; None when the column is absent or of another length."""
    if values is None or len(values) != count:
        return None
    plain = tuple(float(value) if isinstance(value, int | float) else math.nan for value in values)
    return TimeSeries(start_utc=datetime.fromtimestamp(start_s, tz=UTC), step_s=step_s, values=plain)


@dataclass(frozen=True, kw_only=True)
class DropFolder:
    """A folder of CSV (or GRIB, see ``forecasting.weather.grib``) files; the newest issue time counts.

    The first lines of a CSV file say ``# source: NAME``, ``# issued: 2025-06-01T00:00:00Z`` and ``# label:
    start|middle|end``; then a header with ``time_utc`` and columns named as in ``NwpRun``. Irradiances are
    interval means.
    """

    folder: Path
    """Where files are dropped."""
    clock: Clock
    """To tell what is stale."""
    source: str = "folder"
    """Name for files that state none."""
    latitude_deg: float = 0.0
    """Place to read out of GRIB files; north is positive."""
    longitude_deg: float = 0.0
    """East is positive."""

    def fetch(self) -> NwpRun | NwpFault:
        """Return the run with the newest issue time among the files that can be read."""
        files = sorted(self.folder.glob("*.csv")) if self.folder.is_dir() else []
        grids = sorted([*self.folder.glob("*.grib"), *self.folder.glob("*.grib2")]) if self.folder.is_dir() else []
        if not files and not grids:
            return self._fault("nothing", f"no .csv or .grib file in {self.folder}")
        found = [self.read(file) for file in files] + [self.read_grib(file) for file in grids]
        runs = [run for run in found if isinstance(run, NwpRun)]
        now = self.clock.now_utc()
        current = [run for run in runs if run.issued_utc <= now and run.ghi_w_m2.end_utc > now]
        if current:
            return max(current, key=lambda run: run.issued_utc)
        if runs:
            newest = max(runs, key=lambda run: run.issued_utc)
            return self._fault("stale", f"the newest file ends {newest.ghi_w_m2.end_utc.isoformat()}")
        faults = [fault for fault in found if isinstance(fault, NwpFault)]
        return faults[-1] if faults else self._fault("broken", "no file could be read")

    def read_grib(self, file: Path) -> NwpRun | NwpFault:
        """Return the newest run in a GRIB file."""
        try:
            return read_grib(file, latitude_deg=self.latitude_deg, longitude_deg=self.longitude_deg, source=self.source)
        except GribError as error:
            return self._fault("broken", str(error))

    def read(self, file: Path) -> NwpRun | NwpFault:
        """Return the run in a CSV file."""
        try:
            text = file.read_text(encoding="utf-8")
            heads: dict[str, str] = {}
            for line in text.splitlines():
                if line.startswith("#"):
                    key, _, value = line[1:].partition(":")
                    heads[key.strip()] = value.strip()
            issued = datetime.fromisoformat(heads["issued"])
            share = {"start": 0.0, "middle": 0.5, "end": 1.0}[heads["label"]]
            table = pd.read_csv(file, comment="#")
            times = pd.DatetimeIndex(pd.to_datetime(table["time_utc"], utc=True, format="ISO8601"))
            ghi = pd.to_numeric(table["ghi_w_m2"], errors="coerce")
        except (OSError, ValueError, KeyError, TypeError) as error:
            return self._fault(
                "broken", f"{file.name}: {type(error).__name__} {error}; give the three head lines and the columns"
            )
        if issued.tzinfo is None:
            return self._fault("broken", f"{file.name}: the issue time needs an offset")
        steps = pd.Series(times).diff().dt.total_seconds().dropna()
        if len(steps) < 1 or steps.nunique() != 1 or steps.iloc[0] <= 0:
            return self._fault("truncated", f"{file.name}: times are not equally spaced")
        step_s = float(steps.iloc[0])
        start_s = times[0].timestamp() - share * step_s
        optional = {
            name: _series(start_s, step_s, pd.to_numeric(table[name], errors="coerce").tolist(), len(table))
            for name in ("dni_w_m2", "temp_air_c", "humidity_pct", "wind_m_s", "pressure_hpa")
            if name in table
        }
        series = _series(start_s, step_s, ghi.tolist(), len(table))
        assert series is not None
        return _run_of(heads.get("source", self.source), issued.astimezone(UTC), series, optional)

    def _fault(self, kind: FaultKind, text: str) -> NwpFault:
        return NwpFault(source=self.source, kind=kind, text=text)
