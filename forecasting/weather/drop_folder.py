"""A folder into which somebody drops predictions: CSV files that say what they are, or GRIB files.

A file that is still being written, cut short or mislabelled is a fault of that file; the others still count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pandas as pd

from forecasting.nwp import NwpRun
from forecasting.weather.grib import GribError, read_grib
from forecasting.weather.predictions import FaultKind, NwpFault, run_of, series_of

SUFFIXES = (".csv", ".grib", ".grib2")


@dataclass(frozen=True, kw_only=True)
class DropFolder:
    """A folder of CSV (or GRIB, see ``forecasting.weather.grib``) files; the newest issue time counts.

    The first lines of a CSV file say ``# source: NAME``, ``# issued: 2025-06-01T00:00:00Z`` and ``# label:
    start|middle|end``; then a header with ``time_utc`` and columns named as in ``NwpRun``. Irradiances are
    interval means.
    """

    folder: Path
    """Where files are dropped."""
    source: str = "folder"
    """Name for files that state none."""
    latitude_deg: float = 0.0
    """Place to read out of GRIB files; north is positive."""
    longitude_deg: float = 0.0
    """East is positive."""

    def fetch(self, now_utc: datetime) -> NwpRun | NwpFault:
        """Return the run with the newest issue time among the files that can be read and were out at ``now_utc``."""
        found = self._found()
        runs = [run for run in found if isinstance(run, NwpRun)]
        current = [run for run in runs if run.issued_utc <= now_utc < run.ghi_w_m2.end_utc]
        if current:
            return max(current, key=lambda run: run.issued_utc)
        if runs:
            newest = max(runs, key=lambda run: run.issued_utc)
            return self._fault("stale", f"the newest file ends {newest.ghi_w_m2.end_utc.isoformat()}")
        faults = [fault for fault in found if isinstance(fault, NwpFault)]
        return faults[-1] if faults else self._fault("nothing", f"no .csv or .grib file in {self.folder}")

    def archive(self, now_utc: datetime) -> tuple[NwpRun, ...]:
        """Return every run in the folder that was out at ``now_utc``, by issue time: a past to learn from."""
        runs = [run for run in self._found() if isinstance(run, NwpRun) and run.issued_utc <= now_utc]
        return tuple(sorted(runs, key=lambda run: run.issued_utc))

    def _found(self) -> list[NwpRun | NwpFault]:
        """Return what each file holds; a file is read again only when it has changed."""
        found = []
        for file in sorted(self.folder.glob("*")) if self.folder.is_dir() else []:
            if file.suffix in SUFFIXES:
                try:
                    about = file.stat()
                except OSError:
                    continue
                found.append(_read_once(self, file, about.st_mtime_ns, about.st_size))
        return found

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
            name: series_of(start_s, step_s, pd.to_numeric(table[name], errors="coerce").tolist(), len(table))
            for name in ("dni_w_m2", "temp_air_c", "humidity_pct", "wind_m_s", "pressure_hpa", "snow_cm")
            if name in table
        }
        series = series_of(start_s, step_s, ghi.tolist(), len(table))
        assert series is not None
        return run_of(heads.get("source", self.source), issued.astimezone(UTC), series, optional)

    def _fault(self, kind: FaultKind, text: str) -> NwpFault:
        return NwpFault(source=self.source, kind=kind, text=text)


@lru_cache(maxsize=2048)
def _read_once(folder: DropFolder, file: Path, changed_ns: int, size: int) -> NwpRun | NwpFault:
    return folder.read(file) if file.suffix == ".csv" else folder.read_grib(file)
