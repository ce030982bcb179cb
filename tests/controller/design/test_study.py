"""Bad studies get a clear answer before any long work; good ones are read as they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.design.context import build
from controller.design.precheck import refuse_if_hopeless
from controller.design.study import Study, load_study
from sites.errors import InputError

GOOD = """
version: 1
name: small
base: container
vary:
  pv_kwp: {start: 300, stop: 600, step: 150}
  battery_kwh: [600, 1200]
  genset_kw: 60
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_study(written(folder, text))
    return [str(fault) for fault in caught.value.faults]


def test_axes_and_the_base_sites_own_sizes(tmp_path: Path) -> None:
    study, site, _ = load_study(written(tmp_path, GOOD))
    sizes = study.sizes(site)
    assert sizes["pv_kwp"] == (300.0, 450.0, 600.0)
    assert sizes["battery_kwh"] == (600.0, 1200.0)
    assert sizes["tank_l"] == (4000.0,)
    assert study.grid_count() == 6


@pytest.mark.parametrize(
    ("change", "place", "mend"),
    [
        ("pv_kwp: {start: 300, stop: 300, step: 50}", "vary.pv_kwp", "must be above start"),
        ("pv_kwp: {start: 300, stop: 600, step: 0}", "vary.pv_kwp", "greater than 0"),
        ("pv_kwp: []", "vary.pv_kwp", "at least one"),
        ("pv_kwp: -5", "vary.pv_kwp", "greater than or equal to 0"),
        ("pv_kwp: {start: 0.001, stop: 1000, step: 0.0001}", "vary", "widen the steps"),
        ("tilt_deg: [120]", "vary.tilt_deg", "between 0 and 90"),
        ("nodes: {h200: [4]}", "vary.nodes", "name one of: h100, l40s"),
    ],
)
def test_a_bad_range_is_named(tmp_path: Path, change: str, place: str, mend: str) -> None:
    found = faults_of(tmp_path, GOOD.replace("pv_kwp: {start: 300, stop: 600, step: 150}", change))
    assert any(place in fault and mend in fault for fault in found), found


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    found = faults_of(tmp_path, GOOD + "prices: {pv_usd_per_kwp: -1, pv_life_y: 0}\nstep_minutes: 7\nsolar: 3\n")
    assert len(found) == 4
    assert any("prices.pv_usd_per_kwp" in fault for fault in found)
    assert any("solar" in fault and "no such field" in fault for fault in found)


def test_a_billion_designs_are_refused_at_once(tmp_path: Path) -> None:
    huge = GOOD.replace("step: 150", "step: 0.001").replace("[600, 1200]", "{start: 100, stop: 5000, step: 1}")
    assert any("designs" in fault and "search.method" in fault for fault in faults_of(tmp_path, huge))


def test_missing_hours_of_weather_are_named(tmp_path: Path) -> None:
    rows = ["time,ghi_w_m2,dni_w_m2,dhi_w_m2,temp_air_c,wind_m_s"]
    rows += [f"2020-01-{1 + hour // 24:02d}T{hour % 24:02d}:00Z,0,0,0,5,2" for hour in range(200) if hour != 77]
    (tmp_path / "w.csv").write_text("\n".join(rows), encoding="utf-8")
    place = "places:\n  - {name: a, latitude: 36, longitude: -80, weather: {source: csv, file: WHERE}}\n"
    file = written(tmp_path, GOOD + place.replace("WHERE", str(tmp_path / "w.csv")))
    study, site, base = load_study(file)
    with pytest.raises(InputError) as caught:
        build(study, site, base)
    assert "w.csv" in str(caught.value)


def test_hopeless_limits_are_refused_before_the_run(tmp_path: Path) -> None:
    text = GOOD + "limits: {capex_usd: 1000, loss_of_load_frac: 0.0}\n"
    study, site, base = load_study(written(tmp_path, text))
    with pytest.raises(InputError, match="no design can hold it"):
        refuse_if_hopeless(build(study, site, base), "study.yaml")


def test_prices_default_to_the_base_site(tmp_path: Path) -> None:
    study, site, _ = load_study(written(tmp_path, GOOD + "prices: {gpu_usd: {h100-pcie: 25000}}\n"))
    prices = study.prices.life_prices(site)
    assert prices.fuel_usd_per_l == site.prices.diesel_usd_per_l
    assert prices.computers_usd == 64 * 25000
    assert isinstance(study, Study)
