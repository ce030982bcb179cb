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


def test_epw_label_is_undone_once(tmp_path: Path) -> None:
    """EPW's hour 1 is the hour from midnight; a typical year has months of several years."""
    head = "LOCATION,Town,ST,USA,TMY3,0,36.1,-79.95,-5.0,273.0\n" + "\n".join(["DESIGN CONDITIONS"] * 7) + "\n"
    rows = []
    for moment in pd.date_range("2001-01-01", periods=8760, freq="1h"):
        cells = ["0"] * 35
        cells[:5] = [str(1990 + moment.month), str(moment.month), str(moment.day), str(moment.hour + 1), "60"]
        cells[6], cells[13], cells[14], cells[15], cells[21] = "10.0", str(moment.hour), "5", "6", "2.5"
        rows.append(",".join(cells))
    path = tmp_path / "town.epw"
    path.write_text(head + "\n".join(rows) + "\n")
    weather = WeatherFile(path=str(path), kind="epw").read()
    assert weather.typical
    assert (weather.utc_offset_h, weather.altitude_m) == (-5.0, 273.0)
    assert weather.frame.index[0].hour == 5
    # the file's hour number less one is the local hour that it starts with
    assert weather.frame["ghi_w_m2"].iloc[:24].tolist() == [float(hour) for hour in range(24)]
    assert weather.frame["wind_m_s"].iloc[0] == 2.5


@pytest.mark.parametrize("gap", [False, True])
def test_surfrad_day(tmp_path: Path, gap: bool) -> None:
    rows = []
    for minute in range(120):
        cells = ["2018", "160", "6", "9", str(minute // 60), str(minute % 60), "0.0", "40.0"]
        values = [500.0 + minute, 0.0, 700.0, 90.0, *[0.0] * 11, 21.0, 50.0, 3.0, 180.0, 990.0]
        if gap and minute == 30:
            values[0] = -9999.9
        for value in values:
            cells += [f"{value:.1f}", "0"]
        rows.append(" ".join(cells))
    path = tmp_path / "bon18160.dat"
    path.write_text(" Bondville\n   40.05  -88.37  213 m version 1\n" + "\n".join(rows) + "\n")
    file = WeatherFile(path=str(path), kind="surfrad")
    if gap:
        with pytest.raises(InputError, match=r"ghi_w_m2, row 33"):
            file.read()
        return
    weather = file.read()
    assert weather.step_s == 60
    assert weather.frame["ghi_w_m2"].iloc[:2].tolist() == [500.0, 501.0]
    assert weather.frame["temp_air_c"].iloc[0] == 21.0
    assert weather.altitude_m == 213.0


def bsrn_file(folder: Path, minutes: int = 120) -> Path:
    """Write a station-to-archive file as BSRN's fixed columns have it: two lines a minute."""
    path = folder / "tes0618.dat"
    lines = [
        "*U0001",
        "  1  6 2018  1",
        "*U0004",
        " 1  1  1",
        "  1  2",
        "nowhere",
        f"{'none':20}none",
        f"{'none':15}none",
    ]
    # BSRN counts latitude from the south pole and longitude from 180 W
    lines += ["130.050  91.630   213 NONE", " 1  1  1", "   0 1  90 2 180 1", "*U0100"]
    for minute in range(minutes):
        first = f" 15 {minute:5} {500 + minute:6}{1.0:6.1f}{490:5}{510:5}{700:7}{1.0:6.1f}{690:5}{710:5}"
        second = (
            f"{'':10}{90:6}{1.0:6.1f}{80:5}{99:5}{350:7}{1.0:6.1f}{340:5}{360:5}{'':4}{21.5:5.1f}{50.0:6.1f}{990:5}"
        )
        lines += [first, second]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_bsrn_minutes(tmp_path: Path) -> None:
    weather = WeatherFile(path=str(bsrn_file(tmp_path)), kind="bsrn").read()
    assert weather.step_s == 60
    assert (weather.latitude_deg, weather.longitude_deg) == pytest.approx((40.05, -88.37))
    assert weather.altitude_m == 213.0
    assert weather.frame.index[0] == pd.Timestamp("2018-06-15T00:00Z")
    assert weather.frame["ghi_w_m2"].iloc[:2].tolist() == [500.0, 501.0]
    assert weather.frame["dni_w_m2"].iloc[0] == 700.0
    assert weather.frame["dhi_w_m2"].iloc[0] == 90.0
    assert weather.frame["temp_air_c"].iloc[0] == 21.5
    assert weather.frame["wind_m_s"].iloc[0] == 1.0
