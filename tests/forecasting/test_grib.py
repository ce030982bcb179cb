"""GRIB files dropped into a folder: accumulated irradiance becomes interval means at the nearest point."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.nwp import NwpRun
from forecasting.weather.drop_folder import DropFolder
from forecasting.weather.grib import GribError, read_grib
from forecasting.weather.predictions import NwpFault

eccodes = pytest.importorskip("eccodes", reason="GRIB needs the optional package eccodes")
ISSUED = datetime(2025, 6, 1, tzinfo=UTC)


def write(file: Path, *, names: tuple[str, ...] = ("ssrd", "2t"), hours: int = 24) -> None:
    """Write a run on a 2 x 2 grid: 500 W/m2 in the north, half of it in the south, 20 C."""
    with file.open("wb") as stream:
        for name in names:
            for step in range(1, hours + 1):
                message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
                for key, value in {
                    "shortName": name,
                    "dataDate": 20250601,
                    "dataTime": 0,
                    "Ni": 2,
                    "Nj": 2,
                    "latitudeOfFirstGridPointInDegrees": 37.0,
                    "longitudeOfFirstGridPointInDegrees": 280.0,
                    "latitudeOfLastGridPointInDegrees": 36.0,
                    "longitudeOfLastGridPointInDegrees": 281.0,
                    "iDirectionIncrementInDegrees": 1.0,
                    "jDirectionIncrementInDegrees": 1.0,
                    "endStep" if name == "ssrd" else "step": step,
                }.items():
                    eccodes.codes_set(message, key, value)
                field = 500.0 * 3600 * step if name == "ssrd" else 293.15
                half = 0.5 if name == "ssrd" else 1.0
                eccodes.codes_set_values(message, np.array([field, field, half * field, half * field]))
                eccodes.codes_write(message, stream)
                eccodes.codes_release(message)


def test_nearest_point_and_interval_means(tmp_path: Path) -> None:
    write(tmp_path / "run.grib2")
    run = read_grib(tmp_path / "run.grib2", latitude_deg=36.1, longitude_deg=-79.95, source="folder")
    assert run.issued_utc == ISSUED
    assert run.ghi_w_m2.start_utc == ISSUED
    assert run.ghi_w_m2.step_s == 3600.0
    np.testing.assert_allclose(run.ghi_w_m2.values, 250.0, rtol=1e-3)
    assert run.temp_air_c is not None
    assert run.temp_air_c.values[5] == pytest.approx(20.0, abs=0.01)


def test_folder_reads_grib(tmp_path: Path) -> None:
    write(tmp_path / "run.grib2", hours=48)
    folder = DropFolder(folder=tmp_path, latitude_deg=36.9, longitude_deg=-79.9)
    run = folder.fetch(ISSUED + timedelta(hours=6))
    assert isinstance(run, NwpRun)
    assert run.ghi_w_m2.values[0] == pytest.approx(500.0, rel=1e-3)


def test_rubbish_and_other_fields(tmp_path: Path) -> None:
    (tmp_path / "bad.grib").write_bytes(b"GRIB rubbish")
    fault = DropFolder(folder=tmp_path).fetch(ISSUED)
    assert isinstance(fault, NwpFault)
    assert fault.kind == "broken"
    write(tmp_path / "air.grib2", names=("2t",))
    with pytest.raises(GribError, match="holds no ssrd"):
        read_grib(tmp_path / "air.grib2", latitude_deg=36.0, longitude_deg=-80.0, source="folder")
