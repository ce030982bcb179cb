"""Health over ten years against BLAST-Lite's and SAM's published results, and that the models disagree."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from optimizer.sizing.ageing import band, health_path
from sites.plant import ageing
from tests.shared_data import shared_path

BLAST = {
    "Lfp_Gr_250AhPrismatic": ageing.LFP_250AH,
    "Lfp_Gr_SonyMurata3Ah_Battery": ageing.LFP_SONY,
    "NMC_Gr_75Ah_A": ageing.NMC_75AH,
}


def reference_day() -> np.ndarray:
    """90 % until 4 h, down to 10 % by 8 h, rest, up to 90 % from 16 to 22 h: the duty of the reference runs."""
    return np.interp(np.arange(24.0), [0.0, 4.0, 8.0, 16.0, 22.0, 24.0], [0.9, 0.9, 0.1, 0.1, 0.9, 0.9])


@pytest.mark.parametrize("name", list(BLAST))
def test_within_a_tenth_of_a_point_of_blast_lite(name: str) -> None:
    with shared_path("reference/battery/battery_blastlite_reference.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == name]
    soc = np.tile(reference_day(), 365)
    assert len(rows) == 4
    for row in rows:
        path = health_path(BLAST[name], soc, np.full(soc.size, float(row["T_C"])), 1.0, 10)
        for year in (1, 2, 5, 10):
            assert path.by_year_frac[year] == pytest.approx(float(row[f"q_{year}y"]), abs=1e-3), (row["T_C"], year)


def test_kokam_against_a_run_of_blast_lite() -> None:
    """Health of Nmc111_Gr_Kokam75Ah for the same duty: our own run of BLAST-Lite at commit bae8c71."""
    soc = np.tile(reference_day(), 365)
    for cell_c, expected in KOKAM_RUNS.items():
        path = health_path(ageing.NMC_KOKAM, soc, np.full(soc.size, cell_c), 1.0, 10)
        assert path.by_year_frac[[1, 2, 5, 10]] == pytest.approx(expected, abs=1e-3)


KOKAM_RUNS = {
    10.0: (0.98996, 0.98506, 0.97372, 0.95834),
    25.0: (0.96885, 0.95370, 0.91691, 0.86142),
    40.0: (0.90898, 0.86010, 0.74494, 0.60220),
}


def test_near_the_sam_runs_it_was_fitted_on() -> None:
    with shared_path("reference/battery/battery_sam_stateful_reference.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["chem"] == "LFPGraphite"]
    soc = np.tile(reference_day(), 365)
    for row in rows:
        year = float(row["day"]) / 365.0
        if year in (1.0, 5.0, 10.0):
            path = health_path(ageing.LFP_SAM, soc, np.full(soc.size, float(row["T_room"])), 1.0, 10)
            assert path.by_year_frac[int(year)] == pytest.approx(float(row["q_relative"]) / 100.0, abs=0.015)


def test_models_disagree_by_ten_points_and_heat_ages() -> None:
    soc = np.tile(reference_day(), 365)
    mild = band("lfp", soc, np.full(soc.size, 25.0), 1.0, 10)
    ends = [path.by_year_frac[10] for path in mild]
    assert 0.10 <= max(ends) - min(ends) <= 0.22
    hot = band("lfp", soc, np.full(soc.size, 40.0), 1.0, 10)
    assert all(warm.by_year_frac[10] < cool.by_year_frac[10] for warm, cool in zip(hot, mild, strict=True))


def test_health_falls_and_half_hours_change_little() -> None:
    soc, fine = np.tile(reference_day(), 365), np.repeat(np.tile(reference_day(), 365), 2)
    fine[1::2] = 0.5 * (soc + np.roll(soc, -1))
    for model in (*ageing.LFP_MODELS, *ageing.NMC_MODELS):
        hourly = health_path(model, soc, np.full(soc.size, 25.0), 1.0, 10).by_year_frac
        halved = health_path(model, fine, np.full(fine.size, 25.0), 0.5, 10).by_year_frac
        assert np.all(np.diff(hourly) < 0.0)
        assert halved[10] == pytest.approx(hourly[10], abs=1e-3)
