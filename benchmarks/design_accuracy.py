"""Site design against figures of others: PV energy, a genset's cost, a battery's health. Part of ``benchmarks.design``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.pv.chain import available_ac_kw
from forecasting.pv.model import ArrayModel, InverterModel, PvModel
from forecasting.weather.calendar import weather_for_period
from forecasting.weather.files import WeatherFile
from optimizer.sizing.ageing import health_path
from optimizer.sizing.economics import component_cost
from sites.plant import ageing

Row = tuple[str, str, str]
"""What, found, target."""
PVWATTS_WIND = 8.42
"""Faiman's wind-borne heat loss [W/m2K per m/s] fitted to the cell temperatures of the reference's own hourly run."""
GREENSBORO, PHOENIX = "Greensboro NC TMY3", "Phoenix AZ NSRDB PSM3 TMY"
COLUMNS = {
    "GHI": "ghi_w_m2",
    "DNI": "dni_w_m2",
    "DHI": "dhi_w_m2",
    "Temperature": "temp_air_c",
    "Wind Speed": "wind_m_s",
    "Surface Albedo": "albedo_frac",
}
BLAST = {
    "Lfp_Gr_250AhPrismatic": ageing.LFP_250AH,
    "Lfp_Gr_SonyMurata3Ah_Battery": ageing.LFP_SONY,
    "NMC_Gr_75Ah_A": ageing.NMC_75AH,
}
DAY = np.interp(np.arange(24.0), [0.0, 4.0, 8.0, 16.0, 22.0, 24.0], [0.9, 0.9, 0.1, 0.1, 0.9, 0.9])
"""State of charge through the day of the reference runs."""


def accuracy(reference: Path) -> Iterator[Row]:
    """Yield the rows of the table; none where the reference figures are not at hand."""
    if reference.exists():
        yield from pv_energy(reference / "pv")
        yield homer_genset(reference / "design/economics_example.json")
        yield from blast_lite(reference / "battery/battery_blastlite_reference.csv")


def pv_energy(folder: Path) -> Iterator[Row]:
    """PVWatts' plant (100 kW, DC/AC 1.2, 14 % losses, tilt 30 to the south) as one row and as rows that shade."""
    figures = json.loads((folder / "annual_energy.json").read_text(encoding="utf-8"))
    for name, (plant, weather) in {GREENSBORO: greensboro(), PHOENIX: phoenix(folder)}.items():
        rows = replace(plant, arrays=(replace(plant.arrays[0], ground_cover_frac=0.4),))
        for what, model, key, most in (
            ("one row", plant, "sam_ac_kwh_noselfshade", "0.2 %"),
            ("rows, cover 0.4", rows, "sam_ac_kwh_gcr04", "0.5 %"),
        ):
            found_kwh, theirs_kwh = float(available_ac_kw(model, weather, step_s=3600).sum()), figures[name][key]
            figure = f"{found_kwh:,.0f} of {theirs_kwh:,.0f}, {found_kwh / theirs_kwh - 1.0:+.2%}"
            yield f"PV, {name}, {what} [kWh a year]", figure, f"within {most}"


def pvwatts_plant(latitude_deg: float, longitude_deg: float, altitude_m: float) -> PvModel:
    """Return the plant of the reference at a place."""
    array = ArrayModel(
        name="rack", dc_kw=100.0, tilt_deg=30.0, azimuth_deg=180.0, u1_w_m2_k_per_m_s=PVWATTS_WIND, losses_frac=0.14
    )
    inverter = InverterModel(name="inverter", ac_kw=100.0 / 1.2, efficiency_frac=0.96, arrays=("rack",))
    return PvModel(
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        altitude_m=altitude_m,
        arrays=(array,),
        inverters=(inverter,),
    )


def greensboro() -> tuple[PvModel, pd.DataFrame]:
    """Return the plant and the typical year that comes with pvlib."""
    source = WeatherFile(path="pvlib:723170TYA.CSV", kind="tmy3").read()
    begin, end = datetime(2019, 1, 1, 5, tzinfo=UTC), datetime(2020, 1, 1, 5, tzinfo=UTC)
    frame = weather_for_period(source, start_utc=begin, end_utc=end, step_s=3600)
    return pvwatts_plant(source.latitude_deg, source.longitude_deg, source.altitude_m), frame


def phoenix(folder: Path) -> tuple[PvModel, pd.DataFrame]:
    """Return the plant and the typical year of the reference."""
    table = pd.read_csv(folder / "phoenix_az_psm3_tmy.csv", skiprows=2)
    frame = table[list(COLUMNS)].rename(columns=COLUMNS).astype(float)
    frame.index = pd.date_range("2019-01-01 07:00", periods=len(frame), freq="h", tz="UTC")
    return pvwatts_plant(33.45, -111.98, 358.0), frame


def homer_genset(path: Path) -> Row:
    """HOMER's worked example of a genset's net present cost."""
    example = json.loads(path.read_text(encoding="utf-8"))
    given, theirs_usd = example["inputs"], example["homer_doc_genset_npc_usd"]
    cost = component_cost(
        investment_usd=np.array(given["capital"]),
        replacement_usd=np.array(given["replacement"]),
        lifetime_y=np.array(given["lifetime_y"]),
        om_usd_per_y=np.array(given["om_per_y"]),
        fuel_usd_per_y=np.array(given["fuel_per_y"]),
        rate_frac=given["rate"],
        years=given["years"],
    )
    found_usd = float(cost.total_usd)
    figure = f"{found_usd:,.0f} of {theirs_usd:,.0f}, {found_usd / theirs_usd - 1.0:+.5%}"
    return "HOMER's genset example, net present cost [$]", figure, "within 0.001 %"


def blast_lite(path: Path) -> Iterator[Row]:
    """Health after 1, 2, 5 and 10 years at each temperature of BLAST-Lite's runs: the worst difference in points."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    soc = np.tile(DAY, 365)
    for name, model in BLAST.items():
        away = 0.0
        for row in (row for row in rows if row["model"] == name):
            found = health_path(model, soc, np.full(soc.size, float(row["T_C"])), 1.0, 10).by_year_frac
            away = max(away, *(abs(found[year] - float(row[f"q_{year}y"])) * 100.0 for year in (1, 2, 5, 10)))
        what = f"health in ten years, {ageing.MODEL_NAMES[model]} [points]"
        yield what, f"{away:.3f} off at worst", "within 0.1 of BLAST-Lite"
