"""Weather files: labels undone, faults named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.weather.files import Place, WeatherFile
from sites.errors import InputError
from tests.shared_data import shared_path

PLACE = Place(latitude_deg=40.0, longitude_deg=-105.0, altitude_m=1600.0, utc_offset_h=-7.0)


def csv_file(tmp_path: Path, **changes: object) -> Path:
    index = pd.date_range("2021-06-01", periods=48, freq="1h", tz="UTC")
    frame = pd.DataFrame(
        {"ghi": 100.0, "dni": 50.0, "dhi": 60.0, "temp_air": 20.0, "wind_speed": 2.0}, index=index.rename("time_utc")
    )
    for column, value in changes.items():
        frame[column] = value
    path = tmp_path / "weather.csv"
    frame.to_csv(path)
    return path


@pytest.mark.parametrize(
    ("name", "latitude", "ghi_kwh"),
    [("723170TYA.CSV", 36.1, 1566.2), ("703165TY.csv", 55.317, 829.2)],
)
def test_packaged_typical_years(name: str, latitude: float, ghi_kwh: float) -> None:
    weather = WeatherFile(path=f"pvlib:{name}", kind="tmy3").read()
    assert weather.typical
    assert len(weather.frame) == 8760
    assert weather.latitude_deg == pytest.approx(latitude)
    # annual sum of the file's own column: awk over the hourly GHI
    assert weather.frame["ghi_w_m2"].sum() / 1000 == pytest.approx(ghi_kwh, abs=0.1)


def test_tmy3_label_is_the_end_of_the_hour() -> None:
    weather = WeatherFile(path="pvlib:723170TYA.CSV", kind="tmy3").read()
    # first line of the file is 01:00 local standard (UTC-5): the hour from midnight
    first = weather.frame.index[0]
    assert (first.hour, first.minute) == (5, 0)


@pytest.mark.parametrize(("label", "first"), [("start", "00:00"), ("middle", "23:30"), ("end", "23:00")])
def test_csv_label(tmp_path: Path, label: str, first: str) -> None:
    file = WeatherFile(path=str(csv_file(tmp_path)), kind="csv", place=PLACE, label=label)  # type: ignore[arg-type]
    assert f"{file.read().frame.index[0]:%H:%M}" == first


def test_pvgis_offset_is_undone() -> None:
    path = shared_path("data/weather/pvgis_tmy_45.000_8.000_2005_2023.csv.gz")
    weather = WeatherFile(path=str(path), kind="pvgis").read()
    # the header says 0.1761 h: instants at ten past, the middle of an hour from twenty to
    assert {moment.minute for moment in weather.frame.index} == {40}


def test_nsrdb_leap_year_is_whole() -> None:
    path = shared_path("data/weather/39.7555_-105.2211_psmv3_60_2012.csv.gz")
    weather = WeatherFile(path=str(path), kind="nsrdb").read()
    assert len(weather.frame) == 8784
    assert weather.frame.index[0].minute == 0
    assert weather.frame["ghi_w_m2"].max() > 900.0


def test_psm_typical_year_from_csv() -> None:
    place = Place(latitude_deg=39.755, longitude_deg=-105.22, altitude_m=1800.0, utc_offset_h=-7.0)
    path = shared_path("data/weather/psm4_golden.csv.gz")
    weather = WeatherFile(path=str(path), kind="csv", place=place, label="middle", typical=True).read()
    assert len(weather.frame) == 8760


@pytest.mark.parametrize(
    ("change", "field", "mend"),
    [
        ({"ghi": [np.nan] + [100.0] * 47}, "ghi_w_m2, row 2", "fill the gap"),
        ({"dni": [9999.0] + [1.0] * 47}, "dni_w_m2, row 2", "check unit"),
        ({"wind_speed": ["calm"] + [1.0] * 47}, "wind_m_s, row 2", "fill the gap"),
    ],
)
def test_bad_cells_are_named(tmp_path: Path, change: dict[str, object], field: str, mend: str) -> None:
    path = csv_file(tmp_path, **change)
    with pytest.raises(InputError) as caught:
        WeatherFile(path=str(path), kind="csv", place=PLACE).read()
    fault = caught.value.faults[0]
    assert fault.source == str(path)
    assert fault.field.startswith(field)
    assert mend in fault.mend


def test_missing_and_doubled_hours_are_named(tmp_path: Path) -> None:
    path = csv_file(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:10], *lines[12:20], lines[19], *lines[20:]]))
    with pytest.raises(InputError) as caught:
        WeatherFile(path=str(path), kind="csv", place=PLACE).read()
    found = [fault.found for fault in caught.value.faults]
    assert any("missing" in text for text in found)
    assert any("doubled" in text for text in found)


def test_all_faults_at_once(tmp_path: Path) -> None:
    path = csv_file(tmp_path, ghi=[np.nan] * 2 + [1.0] * 46, temp_air=[999.0] + [20.0] * 47)
    with pytest.raises(InputError) as caught:
        WeatherFile(path=str(path), kind="csv", place=PLACE).read()
    assert len(caught.value.faults) == 3


def test_absent_file_and_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        WeatherFile(path=str(tmp_path / "none.csv"), kind="csv", place=PLACE).read()
    with pytest.raises(InputError, match="cannot be read as tmy3"):
        WeatherFile(path=str(csv_file(tmp_path)), kind="tmy3").read()


def test_csv_needs_a_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="latitude"):
        WeatherFile(path=str(csv_file(tmp_path)), kind="csv").read()


def test_start_is_utc() -> None:
    weather = WeatherFile(path="pvlib:703165TY.csv", kind="tmy3").read()
    assert weather.frame.index[0].to_pydatetime().tzinfo is not None
    assert weather.frame.index[0].to_pydatetime().astimezone(UTC).hour == 9
    assert datetime(1997, 1, 1, 9, tzinfo=UTC) == weather.frame.index[0]
