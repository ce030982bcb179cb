"""Where weather predictions come from: the port of all sources, and Open-Meteo over HTTP.

Every source answers with a run or with a fault that says why not; nothing raises into the caller's loop,
nothing missing becomes zero.
Labels: Open-Meteo's irradiances are means of the *preceding* interval (its documentation, "preceding hour"), so
its labels are interval ends. How far a source's labels are off in truth is estimated later from its past
(``forecasting.nwp.label_offset_min``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, Protocol

import httpx

from forecasting.nwp import NwpRun
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
    "snow_depth": ("snow_cm", ("m",)),
}
CM_PER_M = 100.0
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

    def fetch(self, now_utc: datetime) -> NwpRun | NwpFault:
        """Return the newest run as known at ``now_utc``, or why there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class OpenMeteo:
    """Open-Meteo's forecast service, or anything that speaks like it."""

    latitude_deg: float
    """North is positive."""
    longitude_deg: float
    """East is positive."""
    clock: Clock
    """For the deadline."""
    address: str = "https://api.open-meteo.com/v1/forecast"
    """Address of the service."""
    days: int = 4
    """Days asked for."""
    deadline_s: float = 10.0
    """Longest time for the whole answer."""
    source: str = "open-meteo"
    """Name in forecasts and scores."""

    def fetch(self, now_utc: datetime) -> NwpRun | NwpFault:
        """Return the run as served now; its issue time is ``now_utc``, since the service states none."""
        try:
            body = self._body()
        except _TooSlowError:
            return self._fault(
                "slow", f"no whole answer within {self.deadline_s:g} s; the service or the link is too slow"
            )
        except httpx.TimeoutException:
            return self._fault("slow", f"no answer within {self.deadline_s:g} s; the service or the link is too slow")
        except httpx.HTTPStatusError as error:
            return self._fault("refused", f"answered {error.response.status_code}; check address and limits")
        except httpx.HTTPError as error:
            return self._fault("unreachable", f"{type(error).__name__}: {error}; check the link")
        return self.read(body, now_utc)

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

    def read(self, body: bytes, now_utc: datetime) -> NwpRun | NwpFault:
        """Return the run in an answer's body."""
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
        return self._run(times, hourly, now_utc)

    def _run(self, times: list[int], hourly: dict[str, Any], now: datetime) -> NwpRun | NwpFault:
        irradiance = hourly.get("shortwave_radiation") or []
        if len(times) < 2 or len(irradiance) != len(times):
            return self._fault("truncated", f"{len(irradiance)} values for {len(times)} times")
        step_s = times[1] - times[0]
        if step_s <= 0 or any(b - a != step_s for a, b in pairwise(times)):
            return self._fault("broken", "times are not equally spaced")
        last = datetime.fromtimestamp(times[-1], tz=UTC)
        if last < now + timedelta(hours=LEAST_HOURS_AHEAD):
            return self._fault("stale", f"the last value is for {last.isoformat()}")
        parts = {
            field: series_of(times[0] - step_s, step_s, hourly.get(name), len(times))
            for name, (field, _) in HOURLY.items()
        }
        depth = parts["snow_cm"]
        if depth is not None:
            parts["snow_cm"] = replace(depth, values=tuple(CM_PER_M * metres for metres in depth.values))
        ghi = parts.pop("ghi_w_m2")
        if ghi is None or not any(math.isfinite(value) for value in ghi.values):
            return self._fault("nothing", "every irradiance is missing")
        return run_of(self.source, now, ghi, parts)

    def _fault(self, kind: FaultKind, text: str) -> NwpFault:
        return NwpFault(source=self.source, kind=kind, text=text)


class _TooSlowError(Exception):
    """The answer trickles."""


def run_of(source: str, issued_utc: datetime, ghi: TimeSeries, parts: Mapping[str, TimeSeries | None]) -> NwpRun:
    """Return the run made of its series; parts by their names in ``NwpRun``."""
    return NwpRun(
        source=source,
        issued_utc=issued_utc,
        ghi_w_m2=ghi,
        dni_w_m2=parts.get("dni_w_m2"),
        temp_air_c=parts.get("temp_air_c"),
        humidity_pct=parts.get("humidity_pct"),
        wind_m_s=parts.get("wind_m_s"),
        pressure_hpa=parts.get("pressure_hpa"),
        snow_cm=parts.get("snow_cm"),
    )


def series_of(start_s: float, step_s: float, values: Sequence[Any] | None, count: int) -> TimeSeries | None:
    """Return values as a series, NaN where missing; None when the column is absent or of another length."""
    if values is None or len(values) != count:
        return None
    plain = tuple(float(value) if isinstance(value, int | float) else math.nan for value in values)
    return TimeSeries(start_utc=datetime.fromtimestamp(start_s, tz=UTC), step_s=step_s, values=plain)
